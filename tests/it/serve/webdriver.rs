//! A real browser, driven over WebDriver: Debian's `chromium` and `chromium-driver`.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::{is_there, missing};
use crate::support::wait_until;

/// A browser, until it is dropped.
pub(super) struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Starts a browser; `None` where there is none, which is said with how to get it.
    pub(super) fn start() -> Option<Self> {
        if !is_there("chromedriver") || !is_there("chromium") {
            missing("a browser: apt-get install chromium chromium-driver");
            return None;
        }
        let port =
            TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its number").port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start chromedriver");
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(90)))
            .http_status_as_error(false)
            .build()
            .into();
        let base = format!("http://127.0.0.1:{port}");
        wait_until("chromedriver listens", || agent.get(format!("{base}/status")).call().is_ok());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let mut browser = Self { driver, session: format!("{base}/session"), agent };
        let made = browser.post("", &wanted);
        let id = made["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {made}")).to_owned();
        browser.session = format!("{base}/session/{id}");
        Some(browser)
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let mut answer = self
            .agent
            .post(&url)
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        let text = answer.body_mut().read_to_string().expect("read the answer");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["value"].clone()
    }

    pub(super) fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// What a script returns.
    #[track_caller]
    pub(super) fn run(&self, script: &str) -> Value {
        let value = self.post("/execute/sync", &json!({"script": script, "args": []}));
        assert!(value.get("error").is_none(), "{script}: {value}");
        value
    }

    /// Waits until an expression of JavaScript is true.
    #[track_caller]
    pub(super) fn wait(&self, what: &str, expression: &str) {
        wait_until(what, || self.run(&format!("return Boolean({expression})")) == true);
    }

    /// Presses, moves and lets go of the mouse.
    pub(super) fn drag(&self, from: (i64, i64), to: (i64, i64)) {
        let by = |(x, y): (i64, i64)| json!({"type": "pointerMove", "x": x, "y": y, "duration": 20});
        let press = |kind: &str| json!({"type": kind, "button": 0});
        let middle = ((from.0 + to.0) / 2, (from.1 + to.1) / 2);
        self.post(
            "/actions",
            &json!({"actions": [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": [
                by(from), press("pointerDown"), by(middle), by(to), press("pointerUp"),
            ]}]}),
        );
    }

    /// Types keys to whatever has the focus.
    pub(super) fn keys(&self, text: &str) {
        let actions: Vec<Value> = text
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keys", "actions": actions}]}));
    }

    /// What the browser complains of: errors of scripts, and what the policy forbids.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let severe = |entry: &&Value| entry["level"] == "SEVERE";
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().filter(severe).map(|entry| entry["message"].to_string()).collect()
    }
}
