//! Sends a message to an address or a program, within a time. What goes wrong is told without the address, which may be a
//! secret.

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use ureq::Agent;

use super::Message;
use crate::spec::{Notify, NotifyBy, command::variable};

/// How long an address has to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a program has.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(30);
/// Between looks at a program that has not ended.
const LOOK: Duration = Duration::from_millis(20);
/// Discord takes texts of 2000 characters.
const LONGEST: usize = 1900;

/// Whoever is told.
pub(super) enum Target {
    /// An address, with the words of the spec for it.
    Address { by: NotifyBy, address: String, name: String, agent: Agent },
    /// A program and its arguments.
    Program(Vec<String>),
}

impl Target {
    /// Those of a spec, and what is wrong with the others.
    pub(super) fn all(notify: &Notify) -> (Vec<Self>, Vec<String>) {
        let (mut targets, mut problems) = (Vec::new(), Vec::new());
        for (by, text) in &notify.targets {
            let address = match variable(text) {
                None => text.clone(),
                Some(name) => match env::var(name) {
                    Ok(address) if !address.trim().is_empty() => address.trim().to_owned(),
                    _ => {
                        problems.push(format!(
                            "nobody is notified by {}: the variable {name} is not set",
                            by.as_str()
                        ));
                        continue;
                    }
                },
            };
            let agent = Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
            let name = if by.is_secret() || variable(text).is_some() {
                format!("{} ({text})", by.as_str())
            } else {
                by.as_str().to_owned()
            };
            targets.push(Self::Address { by: *by, address, name, agent });
        }
        if !notify.command.is_empty() {
            targets.push(Self::Program(notify.command.clone()));
        }
        (targets, problems)
    }

    /// Sends a message; answers with what has gone wrong.
    pub(super) fn send(&self, message: &Message) -> Result<(), String> {
        match self {
            Self::Address { by, address, name, agent } => {
                post(agent, *by, address, message).map_err(|error| {
                    format!("cannot notify by {name}: {}", without(&error.to_string(), address))
                })
            }
            Self::Program(words) => {
                run(words, message).map_err(|error| format!("cannot notify by `{}`: {error}", words[0]))
            }
        }
    }
}

/// A text without an address that must not be repeated.
fn without(text: &str, address: &str) -> String {
    text.replace(address, "the address")
}

fn post(agent: &Agent, by: NotifyBy, address: &str, message: &Message) -> Result<(), ureq::Error> {
    let text: String = message.text.chars().take(LONGEST).collect();
    let request = agent.post(address).header("User-Agent", concat!("gridboard/", env!("CARGO_PKG_VERSION")));
    let json = match by {
        NotifyBy::Ntfy => {
            request.header("Title", "Gridboard").send(&text)?;
            return Ok(());
        }
        NotifyBy::Slack => json!({ "text": text }),
        NotifyBy::Discord => json!({ "content": text }),
        NotifyBy::Webhook => message.json.clone(),
    };
    request.content_type("application/json").send(json.to_string())?;
    Ok(())
}

/// Runs a program with the message as JSON on its standard input.
fn run(words: &[String], message: &Message) -> Result<(), String> {
    let (program, arguments) = words.split_first().ok_or("no program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read it may have ended well. A message is shorter than a pipe is long.
        let _ = writeln!(stdin, "{}", message.json);
    }
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(status.to_string()),
            Ok(None) if begun.elapsed() < PROGRAM_PATIENCE => thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not end within {} seconds", PROGRAM_PATIENCE.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
