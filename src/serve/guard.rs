//! Who may ask: the names of the server and of the page that asks are checked, so that a page of somebody else's cannot read
//! or change anything by the user's browser (DNS rebinding, forged requests); the token, where one is needed. And what every
//! answer forbids the browser.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::problem::Problem;

/// No script, style or picture but our own, none inline, nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

/// What every answer has.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Who may ask.
#[derive(Debug)]
pub(super) struct Guard {
    /// Hashes are compared in constant time.
    token: blake3::Hash,
    /// Cookies know no ports.
    cookie: String,
    hosts: Vec<String>,
    private: bool,
    base: String,
}

impl Guard {
    pub(super) fn new(
        token: &str,
        address: SocketAddr,
        allowed: &[String],
        private: bool,
        base: &str,
    ) -> Self {
        let allowed = allowed.iter().map(|host| host.to_ascii_lowercase());
        Self {
            token: blake3::hash(token.as_bytes()),
            cookie: format!("gridboard-{}", address.port()),
            hosts: allowed.chain(["localhost".to_owned()]).collect(),
            private,
            base: base.to_owned(),
        }
    }

    /// Whether reading needs the token.
    pub(super) fn is_private(&self) -> bool {
        self.private
    }

    /// Whether the server may be called so: a name of this list, or an address, which no foreign name server can give out.
    fn knows(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
        bare.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }

    /// Refuses a request by another name, or of a page of another name.
    fn check_names(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.ok_or_else(|| Problem::bad("the request does not say which host it is for"))?;
        if !self.knows(host) {
            let name = without_port(host);
            return Err(Problem::forbidden(format!(
                "this server is not called `{name}`; start it with --allow-host {name} if it is"
            )));
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default();
        let of = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        // A proxy may be asked by another name than it asks by: by one that is allowed.
        let own = |of: &str| {
            of.eq_ignore_ascii_case(host)
                || self.hosts[..self.hosts.len() - 1].contains(&without_port(of).to_ascii_lowercase())
        };
        if of.is_some_and(own) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("a page of `{origin}` may not ask this server")))
    }

    fn is_token(&self, text: &str) -> bool {
        blake3::hash(text.as_bytes()) == self.token
    }

    /// Whether the request has the token in its head: scripts of other pages cannot put it there.
    pub(super) fn may_change(&self, headers: &HeaderMap) -> bool {
        let text = headers.get(header::AUTHORIZATION).and_then(|text| text.to_str().ok());
        text.and_then(|text| text.strip_prefix("Bearer ")).is_some_and(|token| self.is_token(token))
    }

    fn may_read(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let mut pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        !self.private
            || self.may_change(headers)
            || pairs.any(|(name, value)| name == self.cookie && self.is_token(value))
    }

    /// The cookie that lets a browser read that has shown the token. Streams of events have no other head.
    pub(super) fn cookie(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        let Self { cookie, base, .. } = self;
        HeaderValue::from_str(&format!("{cookie}={text}; HttpOnly; SameSite=Strict; Path={base}")).ok()
    }
}

/// The name of a host, of `name:port`.
fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

/// Lets a request through that may pass, and gives every answer its head.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match admit(&guard, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in &HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn admit(guard: &Guard, request: &Request) -> Result<(), Problem> {
    guard.check_names(request.headers())?;
    if request.method() == Method::POST {
        return match guard.may_change(request.headers()) {
            true => Ok(()),
            false => {
                Err(Problem::unknown("this needs the token that was printed when the server was started"))
            }
        };
    }
    let path = request.uri().path();
    // The page without any data.
    let is_data = path.starts_with("/api/")
        || path.strip_prefix(guard.base.as_str()).is_some_and(|rest| rest.starts_with("api/"));
    if is_data && !guard.may_read(request.headers()) {
        return Err(Problem::unknown(
            "this server is private: reading needs the token that was printed at its start",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allowed: &[&str]) -> Guard {
        let allowed: Vec<String> = allowed.iter().map(|&host| host.to_owned()).collect();
        Guard::new("secret", ([127, 0, 0, 1], 6007).into(), &allowed, true, "/")
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn only_known_names_and_addresses_are_answered() {
        let guard = guard(&["lab.example"]);
        let host = |host: &str| guard.check_names(&headers(&[(header::HOST, host)])).is_ok();
        for known in ["localhost:6007", "127.0.0.1:6007", "[::1]:6007", "Lab.Example", "10.0.0.7"] {
            assert!(host(known), "{known}");
        }
        for foreign in ["evil.example:6007", "localhost.evil.example", "127.0.0.1.nip.io", "", "[evil]"] {
            assert!(!host(foreign), "{foreign}");
        }
        assert!(guard.check_names(&HeaderMap::new()).is_err());
    }

    #[test]
    fn pages_of_others_are_refused() {
        let guard = guard(&["lab.example"]);
        let origin = |host: &str, origin: &str| {
            guard.check_names(&headers(&[(header::HOST, host), (header::ORIGIN, origin)])).is_ok()
        };
        assert!(origin("localhost:6007", "http://localhost:6007"));
        assert!(origin("127.0.0.1:6007", "https://lab.example"));
        for (host, foreign) in [
            ("localhost:6007", "http://localhost:8000"),
            ("localhost:6007", "http://evil.example"),
            ("localhost:6007", "null"),
            ("127.0.0.1:6007", "http://10.0.0.1:6007"),
        ] {
            assert!(!origin(host, foreign), "{host} {foreign}");
        }
    }

    #[test]
    fn reading_a_private_server_needs_the_token() {
        let guard = guard(&[]);
        assert!(!guard.may_read(&HeaderMap::new()));
        assert!(
            !guard.may_read(&headers(&[(header::COOKIE, "gridboard-6007=wrong; gridboard-6008=secret")]))
        );
        assert!(guard.may_read(&headers(&[(header::COOKIE, "a=b; gridboard-6007=secret")])));
        let shown = headers(&[(header::AUTHORIZATION, "Bearer secret")]);
        assert!(guard.may_read(&shown) && guard.may_change(&shown));
        assert!(
            !guard.may_change(&headers(&[(header::COOKIE, "gridboard-6007=secret")])),
            "a cookie changes nothing"
        );
        let cookie = guard.cookie(&shown).unwrap();
        assert_eq!(cookie.to_str().unwrap(), "gridboard-6007=secret; HttpOnly; SameSite=Strict; Path=/");
    }
}
