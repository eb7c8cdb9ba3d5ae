//! A real TensorBoard on a log directory, asked over HTTP: for every test that must know what a user would see.
//!
//! It is the TensorBoard of `.venv`, which `scripts/setup.sh` makes. `event_files` proves that it shows what `tfevents`
//! writes, `sweeps` what it makes of whole sweeps, `database` that it is what SQL has, `verb` starts it by
//! `gridboard tensorboard`, `machine` looks at what is measured beside the runs.

#[cfg(test)]
mod database;
#[cfg(test)]
mod event_files;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod sweeps;
#[cfg(test)]
mod verb;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::Value as Json;
use tempfile::TempDir;

/// A running TensorBoard; ended when dropped.
pub(crate) struct TensorBoard {
    child: Child,
    port: u16,
    scratch: TempDir,
}

impl TensorBoard {
    /// Starts TensorBoard on `logdir` and returns when it answers. It looks for new data every second.
    pub(crate) fn start(logdir: &Path) -> Self {
        Self::start_as(logdir, true)
    }

    /// As [`Self::start`], with the fast loader or with that in Python.
    pub(crate) fn start_as(logdir: &Path, fast: bool) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/tensorboard");
        assert!(program.exists(), "{} is missing: run scripts/setup.sh", program.display());
        let mut command = Command::new(&program);
        command
            .arg("--logdir")
            .arg(logdir)
            .args(["--host", "127.0.0.1", "--port", "0", "--reload_interval", "1"])
            .arg(format!("--load_fast={fast}"));
        Self::spawn(&mut command)
    }

    /// Starts a command that starts TensorBoard on 127.0.0.1, and returns when that answers.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let scratch = tempfile::tempdir().expect("a directory for the log");
        let log = File::create(scratch.path().join("log")).expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            // A group of its own: TensorBoard has a data server as its child.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut board = Self { child, port: 0, scratch };
        board.port = board.wait_for("TensorBoard's address", |board| {
            if let Ok(Some(status)) = board.child.try_wait() {
                panic!("TensorBoard ended with {status}:\n{}", board.log());
            }
            let log = board.log();
            let (_, address) = log.split_once("http://127.0.0.1:")?;
            address.split_once('/')?.0.parse().ok()
        });
        board.wait_for("TensorBoard's answer", |board| board.try_get("/data/environment").ok());
        board
    }

    /// Asks until `answer` is there, for a minute at most.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut answer: impl FnMut(&mut Self) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(answer) = answer(self) {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain for {what}; TensorBoard says:\n{}",
                self.log()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The body at `path`, which holds its query.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        self.try_get(path).unwrap_or_else(|error| panic!("GET {path}: {error}\n{}", self.log()))
    }

    /// The JSON at `path` with a query.
    pub(crate) fn get_json(&self, path: &str, query: &[(&str, &str)]) -> Json {
        parse(&self.get(&format!("{path}?{}", form(query))))
    }

    /// The JSON that answers a JSON body.
    pub(crate) fn post_json(&self, path: &str, body: &Json) -> Json {
        self.post(path, "application/json", &body.to_string())
    }

    /// The JSON that answers a form.
    pub(crate) fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Json {
        self.post(path, "application/x-www-form-urlencoded", &form(fields))
    }

    fn post(&self, path: &str, kind: &str, body: &str) -> Json {
        let head = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        let answer = self.request("POST", path, &head, body);
        parse(&answer.unwrap_or_else(|error| panic!("POST {path}: {error}\n{}", self.log())))
    }

    fn try_get(&self, path: &str) -> io::Result<Vec<u8>> {
        self.request("GET", path, "", "")
    }

    fn request(&self, method: &str, path: &str, head: &str, body: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n{head}\r\n{body}",
            self.port
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        body_of(&answer)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.scratch.path().join("log")).unwrap_or_default()
    }
}

impl Drop for TensorBoard {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.child.id().try_into().expect("a process id is an i32"));
        // The verb removes its folder of links before it ends. Both fail only where all has ended already.
        let _ = killpg(group, Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The body of an HTTP/1.1 answer with status 200.
fn body_of(answer: &[u8]) -> io::Result<Vec<u8>> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let mut rest = &answer[end + 4..];
    if !head.starts_with("http/1.1 200 ") {
        return Err(io::Error::other(format!("{head}\n{}", String::from_utf8_lossy(rest))));
    }
    if !head.contains("\r\ntransfer-encoding: chunked") {
        return Ok(rest.to_vec());
    }
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|bytes| bytes == b"\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = String::from_utf8_lossy(&rest[..line]);
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(line + 2..line + 2 + size).ok_or(io::ErrorKind::UnexpectedEof)?;
        body.extend_from_slice(chunk);
        rest = rest.get(line + 4 + size..).ok_or(io::ErrorKind::UnexpectedEof)?;
    }
}

/// `application/x-www-form-urlencoded`, also the form of a query.
fn form(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| -> String {
        let escaped = |byte: &u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(*byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        text.as_bytes().iter().map(escaped).collect()
    };
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    fields.join("&")
}

fn parse(body: &[u8]) -> Json {
    serde_json::from_slice(body)
        .unwrap_or_else(|error| panic!("no JSON: {error}: {}", String::from_utf8_lossy(body)))
}
