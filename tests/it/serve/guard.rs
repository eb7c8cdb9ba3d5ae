//! Who is answered: names and pages, tokens, what the browser is forbidden, and names that mean harm.

use super::{Served, finished, http::ask};
use crate::support::Project;

#[test]
fn foreign_names_and_pages_are_refused() {
    let project = finished();
    let Some(served) = Served::start(&project, &["--allow-host", "lab.example"]) else { return };
    let port = served.port;
    let own = format!("http://127.0.0.1:{port}");
    let get = |headers: &[(&str, &str)]| ask(port, "GET", "/api/experiments", headers, "");
    assert_eq!(get(&[("Host", "lab.example"), ("Origin", "https://lab.example")]).status, 200);
    assert_eq!(get(&[("Origin", &own)]).status, 200);
    assert_eq!(get(&[("Host", &format!("localhost:{port}"))]).status, 200);
    let rebound = get(&[("Host", "evil.example")]);
    assert_eq!(rebound.status, 403);
    assert!(rebound.sentence().contains("not called `evil.example`"), "{}", rebound.body);
    for foreign in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(get(&[("Origin", foreign)]).status, 403, "{foreign}");
    }
}

#[test]
fn every_answer_forbids_the_browser_what_is_not_ours() {
    let project = finished();
    let Some(served) = Served::start(&project, &[]) else { return };
    for path in [
        "/",
        "/app.js",
        "/api/experiments",
        "/api/nothing",
        "/nothing",
        "/api/run/wrong.png?experiment=done&run=x",
    ] {
        let answer = served.get(path);
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    let page = served.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let inline = page.body.split("<script").skip(1).any(|script| !script.starts_with(" src="));
    assert!(!inline && !page.body.contains(" style=") && !page.body.contains(" onclick="), "{}", page.body);
}

#[test]
fn nothing_is_changed_without_the_token_nor_by_a_question() {
    let project = finished();
    let Some(served) = Served::start(&project, &[]) else { return };
    let wish = r#"{"verb": "tag", "experiment": "done", "run": "x-0.5-y-1", "add": ["seen"]}"#;
    let post = |headers: &[(&str, &str)]| ask(served.port, "POST", "/api/change", headers, wish);
    assert_eq!(post(&[]).status, 401);
    assert_eq!(post(&[("Authorization", "Bearer 0123")]).status, 401);
    let bearer = format!("Bearer {}", served.token);
    let forged = [("Authorization", bearer.as_str()), ("Origin", "http://evil.example")];
    assert_eq!(post(&forged).status, 403);
    let asked = ask(served.port, "GET", "/api/change", &[("Authorization", &bearer)], wish);
    assert_eq!(asked.status, 400, "{}", asked.body);
    let tags = "select tags from runs where run = 'x-0.5-y-1'";
    assert_eq!(project.sql(tags)[0]["tags"], "[]");
    let done = served.post("/api/change", wish);
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.json()["changed"][0]["run"], "x-0.5-y-1");
    assert_eq!(project.sql(tags)[0]["tags"], "[\"seen\"]");
}

#[test]
fn a_private_page_is_read_with_the_token_alone() {
    let project = finished();
    let Some(served) = Served::start(&project, &["--private"]) else { return };
    assert_eq!(served.get("/").status, 200, "the page without data");
    assert_eq!(served.get("/api/experiments").status, 401);
    assert_eq!(served.get("/api/events?experiment=done").status, 401);
    let entered = served.post("/api/enter", "{}");
    let cookie = entered.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(entered.header("set-cookie").contains("HttpOnly; SameSite=Strict"), "{entered:?}");
    let get = |cookie: &str| ask(served.port, "GET", "/api/experiments", &[("Cookie", cookie)], "").status;
    assert_eq!((get(&cookie), get("gridboard-1=x")), (200, 401));
    let open = project.run(&["serve", "--help"]).expect(0).stdout;
    assert!(open.contains("--private"), "{open}");
}

#[test]
fn whoever_listens_for_others_is_warned_and_asks_for_the_token() {
    let project = finished();
    let Some(served) = Served::start(&project, &["--host", "0.0.0.0"]) else { return };
    let warned = project.read("serve.err");
    assert!(
        warned.contains("warning: whoever reaches 0.0.0.0:") && warned.contains("not encrypted"),
        "{warned}"
    );
    assert_eq!(served.get("/").status, 200, "the page without data");
    assert_eq!(served.get("/api/experiments").status, 401);
    assert_eq!(served.post("/api/enter", "{}").status, 200);
    drop(served);
    let Some(_served) = Served::start(&project, &["--host", "127.0.0.1"]) else { return };
    assert_eq!(project.read("serve.err"), "", "nobody else reaches it");
}

#[test]
fn nonsense_is_answered_with_a_sentence() {
    let project = finished();
    let Some(served) = Served::start(&project, &[]) else { return };
    for (path, status) in [
        ("/api/experiment?experiment=nothing", 404),
        ("/api/run?experiment=done&run=..%2F..%2Fetc%2Fpasswd", 404),
        ("/api/run?experiment=done&run=x'%20or%20'1'='1", 404),
        ("/api/curves?experiment=done&runs=1;drop", 400),
        ("/api/compare?experiment=done&runs=1", 400),
        ("/api/compare?experiment=done&runs=1,99", 404),
        ("/api/run/predictions?experiment=done&run=x-0.5-y-1", 404),
        ("/api/nothing", 404),
        ("/..%2fCargo.toml", 404),
        ("/nothing.js", 404),
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.sentence().len() > 10, "{path}: {}", answer.body);
    }
    assert_eq!(served.get("/api/experiment").status, 400, "without its argument");
    for body in [
        "",
        "nonsense",
        "{}",
        r#"{"verb": "dance"}"#,
        r#"{"verb": "cancel", "experiment": "done", "runs": "all"}"#,
    ] {
        assert_eq!(served.post("/api/change", body).status, 400, "{body}");
    }
    let bad = r#"{"verb": "tag", "experiment": "done", "run": "x-0.5-y-1", "add": ["two words"]}"#;
    assert_eq!(served.post("/api/change", bad).status, 409);
    assert_eq!(served.post("/api/change", &"x".repeat(2 << 20)).status, 413);
}

#[test]
fn only_what_is_named_is_shown_and_below_a_path() {
    let project = finished();
    let other = project.read("spec.yaml").replace("experiment: done", "experiment: other");
    project.write("other.yaml", &other);
    project.run(&["run", "other.yaml"]).expect(0);
    let Some(served) = Served::start(&project, &["--base-path", "/grid/board", "other"]) else { return };
    let known = served.json("/grid/board/api/experiments")["experiments"].clone();
    assert_eq!(known.as_array().expect("a list").len(), 1);
    assert_eq!(served.get("/grid/board/api/experiment?experiment=done").status, 404);
    for path in ["/", "/grid/board", "/grid/board/"] {
        let page = served.get(path);
        assert!(page.status == 200 && page.body.contains("<base href=\"/grid/board/\">"), "{path}: {page:?}");
    }
    assert_eq!(served.get("/grid/board/app.js").header("content-type"), "text/javascript; charset=utf-8");
    let bad = Project::new().run(&["serve", "--base-path", "/\"><script>"]).expect(2);
    assert!(bad.stderr.contains("letters, digits"), "{}", bad.stderr);
}
