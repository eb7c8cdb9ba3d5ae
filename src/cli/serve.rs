//! `gridboard serve`: the live page. What a page may change is done here, by the code of the verbs.

use std::{net::IpAddr, path::Path};

use super::CliError;

/// Show experiments in a browser, live while they are run
///
/// The page has the state of the sweep, the curves of the metric that ranks, the ranked table with a filter, parallel coordinates
/// and a heat map over two axes; each run has a page of its own, and several can be compared. It needs no network, and no sweep:
/// it shows what the runs database has. Only this machine can reach it, unless --host says otherwise. Runs can be cancelled,
/// requeued and tagged from the page with the token that is printed at the start.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiments that are shown; without a name all of them
    experiments: Vec<String>,
    /// Port to listen on
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Address to listen on. With one that others can reach, reading needs the token too
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// A name by which a proxy is asked for the page
    #[arg(long = "allow-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// Reading needs the token too, as on a machine that you share
    #[arg(long)]
    private: bool,
    /// The path that a proxy has the page below, as `/gridboard`
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = base_path)]
    base_path: String,
}

/// TensorBoard's is 6006.
const PORT: u16 = 6007;

/// A path with a slash at either end.
fn base_path(text: &str) -> Result<String, String> {
    let inner = text.trim_matches('/');
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._~/".contains(letter);
    if !inner.chars().all(fits)
        || inner.split('/').any(|part| part == ".." || part == ".")
        || inner.contains("//")
    {
        return Err("a path has letters, digits, `-`, `.`, `_` and `~` between slashes".to_owned());
    }
    Ok(if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") })
}

#[cfg(not(feature = "page"))]
pub(super) fn run(_: &Path, args: &Args) -> Result<u8, CliError> {
    let Args { experiments, port, host, allowed_hosts, private, base_path } = args;
    // What was asked for cannot be done, whatever it was.
    let _ = (experiments, port, host, allowed_hosts, private, base_path);
    Err(CliError::NoPage)
}

#[cfg(not(feature = "page"))]
pub(super) fn beside(_: &Path, _: u16) -> Result<String, CliError> {
    Err(CliError::NoPage)
}

#[cfg(feature = "page")]
pub(super) use page::{beside, run};

#[cfg(feature = "page")]
mod page {
    use std::{
        net::Ipv4Addr,
        sync::{Arc, mpsc},
        thread,
    };

    use super::{Args, CliError, Path};
    use crate::{
        base::{error::with_causes, process::step_back},
        cli::{cancel, control, exit, experiments, marks, output, requeue, runtime, signals, tag},
        run::{Answer, Changed},
        serve::{Carry, Change, NotCarried, Options, Server, has_page},
        store::Reader,
    };

    /// Of the page beside a sweep: a third of what the trainers get of a core that both want.
    const NICENESS: i32 = 5;

    pub(in crate::cli) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
        if !has_page() {
            return Err(CliError::NoPage);
        }
        let mut signals = signals()?;
        runtime()?.block_on(async {
            let mut reader = Reader::open(runs_dir).await?;
            let mut names = Vec::new();
            for name in &args.experiments {
                names.push(experiments::named(&mut reader, runs_dir, name).await?.name);
            }
            reader.close().await?;
            let private = args.private || !args.host.is_loopback();
            let server = Server::bind(Options {
                runs_dir: runs_dir.to_owned(),
                experiments: names,
                address: args.host,
                port: args.port,
                or_next: false,
                allowed_hosts: args.allowed_hosts.clone(),
                private,
                base: args.base_path.clone(),
                carry: carry(runs_dir),
            })
            .await?;
            if !args.host.is_loopback() {
                output::note(&format!(
                    "warning: whoever reaches {} can ask this page; it is not encrypted, and what is read needs the token",
                    server.address()
                ));
            }
            output::data(&told(&server, private))?;
            server.serve(signals.next()).await?;
            Ok(exit::DONE)
        })
    }

    /// Serves the page beside what the command does, on a thread of its own, until the process ends. Answers with what to say of
    /// it.
    ///
    /// # Errors
    /// Where this program has no page, or no port is to be had.
    pub(in crate::cli) fn beside(runs_dir: &Path, port: u16) -> Result<String, CliError> {
        if !has_page() {
            return Err(CliError::NoPage);
        }
        let options = Options {
            runs_dir: runs_dir.to_owned(),
            experiments: Vec::new(),
            address: Ipv4Addr::LOCALHOST.into(),
            port,
            or_next: true,
            allowed_hosts: Vec::new(),
            private: false,
            base: "/".to_owned(),
            carry: carry(runs_dir),
        };
        let (sender, bound) = mpsc::channel();
        let serving = move || {
            step_back(NICENESS);
            let served = runtime().map(|runtime| {
                runtime.block_on(async {
                    let server = match Server::bind(options).await {
                        Ok(server) => server,
                        Err(error) => return drop(sender.send(Err(CliError::from(error)))),
                    };
                    let taken = server.address().port() != port;
                    let text = if taken { format!("port {port} is taken\n") } else { String::new() };
                    let _ = sender.send(Ok(text + &told(&server, false)));
                    // The sweep does without it.
                    if let Err(error) = server.serve(std::future::pending()).await {
                        output::note(&format!("warning: {}", with_causes(&error)));
                    }
                });
            });
            if let Err(error) = served {
                output::note(&format!("warning: there is no live page: {}", with_causes(&error)));
            }
        };
        thread::Builder::new().name("page".to_owned()).spawn(serving).map_err(CliError::Runtime)?;
        bound
            .recv()
            .unwrap_or_else(|_| Err(CliError::Runtime(std::io::Error::other("the page has no runtime"))))
    }

    /// Where the page is, and how it may change something.
    fn told(server: &Server, private: bool) -> String {
        let (url, token) = (server.url(), server.token());
        let first = if private { format!("{url}#token={token}") } else { url.clone() };
        format!("page         {first}\nto change    {url}#token={token}")
    }

    /// Carries out what a page asks for.
    fn carry(runs_dir: &Path) -> Carry {
        let runs_dir = runs_dir.to_owned();
        Arc::new(move |change| {
            let done = runtime().and_then(|runtime| runtime.block_on(carried(&runs_dir, change)));
            done.map_err(|error| {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                NotCarried(with_causes(&error) + &hint)
            })
        })
    }

    async fn carried(runs_dir: &Path, change: Change) -> Result<Answer, CliError> {
        let full = |experiment: &str, runs: &[String]| -> Vec<String> {
            runs.iter().map(|run| format!("{experiment}/{run}")).collect()
        };
        match change {
            Change::Cancel { experiment, runs } | Change::Requeue { experiment, runs } if runs.is_empty() => {
                Ok(Answer::refusal(format!("no run of {experiment} is named")))
            }
            Change::Cancel { experiment, runs } => {
                let (name, runs) = control::chosen(runs_dir, &full(&experiment, &runs), None, None).await?;
                cancel::cancel(runs_dir, &name, &runs, false).await
            }
            Change::Requeue { experiment, runs } => {
                let (name, runs) = control::chosen(runs_dir, &full(&experiment, &runs), None, None).await?;
                requeue::requeue(runs_dir, &name, &runs, false).await
            }
            Change::Tag { experiment, run, add, remove } => {
                for text in &add {
                    tag::word(text).map_err(|message| CliError::Usage { message, hint: None })?;
                }
                let runs = full(&experiment, std::slice::from_ref(&run));
                let marked = marks::mark_all(runs_dir, &runs, |marks| {
                    marks.tags.extend(add.iter().cloned());
                    marks.tags.retain(|tag| !remove.contains(tag));
                });
                let changed = marked.await?.into_iter().map(|(run, _)| Changed {
                    run: run.spec.name,
                    state: run.state,
                    text: None,
                });
                Ok(Answer { changed: changed.collect(), ..Answer::default() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_has_a_slash_at_either_end() {
        let path = |text: &str| base_path(text).unwrap();
        assert_eq!(
            (path("/"), path(""), path("/a/b"), path("a/")),
            ("/".to_owned(), "/".into(), "/a/b/".into(), "/a/".into())
        );
        for bad in ["/a\"b", "/../a", "/a//b", "/<script>"] {
            assert!(base_path(bad).is_err(), "{bad}");
        }
    }
}
