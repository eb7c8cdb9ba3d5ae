//! Binds the port and serves until told to end.

use std::{
    future::Future,
    io::{self, Read},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use tokio::net::TcpListener;

use super::{carry::Carry, error::ServeError, guard::Guard, hub::Hub, readers::Readers, routes, site::Site};

/// So many ports after a taken one are tried.
const MOST_TRIES: u16 = 50;
/// Random bytes of a token.
const TOKEN_BYTES: usize = 16;

/// What is served, to whom.
pub(crate) struct Options {
    /// Where the runs are.
    pub(crate) runs_dir: PathBuf,
    /// The experiments that are shown; all where none is named.
    pub(crate) experiments: Vec<String>,
    /// Where to listen.
    pub(crate) address: IpAddr,
    /// On which port.
    pub(crate) port: u16,
    /// Whether the next free port will do.
    pub(crate) or_next: bool,
    /// Names by which a proxy is asked.
    pub(crate) allowed_hosts: Vec<String>,
    /// Whether reading needs the token too.
    pub(crate) private: bool,
    /// The path that the page is below, with a slash at either end.
    pub(crate) base: String,
    /// Carries changes out.
    pub(crate) carry: Carry,
}

/// A server that has its port.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    token: String,
    site: Site,
}

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    /// Where it is taken or not to be had, and where there are no random numbers for a token.
    pub(crate) async fn bind(options: Options) -> Result<Self, ServeError> {
        let wanted = SocketAddr::new(options.address, options.port);
        let listener = match TcpListener::bind(wanted).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let next = next_free(wanted).await;
                match next.filter(|_| options.or_next) {
                    Some(listener) => listener,
                    None => {
                        let next = next_free(wanted).await.and_then(|listener| listener.local_addr().ok());
                        return Err(ServeError::Taken {
                            address: wanted,
                            next: next.map(|next| next.port()),
                        });
                    }
                }
            }
            bound => bound.map_err(|source| ServeError::Listen { address: wanted, source })?,
        };
        let address =
            listener.local_addr().map_err(|source| ServeError::Listen { address: wanted, source })?;
        let token = token().map_err(ServeError::Random)?;
        let readers = Readers::new(&options.runs_dir);
        let guard = Guard::new(&token, address, &options.allowed_hosts, options.private, &options.base);
        let site = Site {
            hub: Hub::new(readers.clone()),
            readers,
            guard: Arc::new(guard),
            experiments: options.experiments.into(),
            base: options.base.into(),
            carry: options.carry,
        };
        Ok(Self { listener, address, token, site })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the page, for a browser on this machine.
    pub(crate) fn url(&self) -> String {
        let ip = match self.address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V6(ip) => format!("[{ip}]"),
            IpAddr::V4(ip) => ip.to_string(),
        };
        format!("http://{ip}:{}{}", self.address.port(), self.site.base)
    }

    /// What whoever wants to change something has to know.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Serves until `end` is there; streams that are open then are cut off.
    ///
    /// # Errors
    /// Where no connection can be taken any more.
    pub(crate) async fn serve(self, end: impl Future<Output = ()>) -> Result<(), ServeError> {
        let serving = axum::serve(self.listener, routes::router(self.site));
        tokio::select! {
            ended = serving.into_future() => ended.map_err(ServeError::Ended),
            () = end => Ok(()),
        }
    }
}

/// The first port after this one that is free.
async fn next_free(taken: SocketAddr) -> Option<TcpListener> {
    for further in 1..=MOST_TRIES {
        let port = taken.port().checked_add(further)?;
        if let Ok(listener) = TcpListener::bind(SocketAddr::new(taken.ip(), port)).await {
            return Some(listener);
        }
    }
    None
}

/// A secret that nobody guesses, as hex digits.
fn token() -> io::Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
