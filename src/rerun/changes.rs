//! What was different around two trainings of one run: the likely reasons where their results differ. Pure.

use std::collections::BTreeSet;

use crate::run::{GitState, Provenance, RunFile};

/// Something that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// `processor`, `threads`, `OMP_NUM_THREADS`.
    pub what: String,
    /// At the first training; `unknown` where its file does not say, `none` where there was none.
    pub then: String,
    /// At the second.
    pub now: String,
}

const UNKNOWN: &str = "unknown";
const NONE: &str = "none";

/// What differs, the likeliest reasons first. What the first training's file does not say is unknown and so not the same,
/// but only where it matters: a file without provenance makes one line.
#[must_use]
pub(crate) fn changed(then: &RunFile, now: &RunFile) -> Vec<Changed> {
    let mut all = Vec::new();
    let mut differs = |what: &str, then: String, now: String| {
        if then != now {
            all.push(Changed { what: what.to_owned(), then, now });
        }
    };
    differs("seed", then.seed.to_string(), now.seed.to_string());
    let fingerprint = |file: &RunFile| {
        file.dataset.as_ref().map_or_else(|| NONE.to_owned(), |dataset| dataset.fingerprint.clone())
    };
    differs("data fingerprint", fingerprint(then), fingerprint(now));
    differs("gridboard", then.version.clone(), now.version.clone());
    differs("threads", then.threads.to_string(), now.threads.to_string());
    differs("device", then.device.clone(), now.device.clone());
    differs("host", then.host.clone(), now.host.clone());
    match (&then.provenance, &now.provenance) {
        (Some(then), Some(now)) => provenance(then, now, &mut differs),
        (None, Some(_)) => {
            let then = format!("{UNKNOWN}: the run's file is of an older version of Gridboard");
            differs("processor, versions, environment", then, "known".to_owned());
        }
        (_, None) => {}
    }
    all
}

fn provenance(then: &Provenance, now: &Provenance, differs: &mut impl FnMut(&str, String, String)) {
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    let mut field = |what: &str, part: fn(&Provenance) -> &Option<String>| {
        differs(what, known(part(then)), known(part(now)));
    };
    field("processor", |of| &of.processor);
    field("instruction set", |of| &of.instructions);
    field("device model", |of| &of.device_name);
    field("libtorch", |of| &of.libtorch);
    field("tch", |of| &of.tch);
    differs("rustc", then.rustc.clone(), now.rustc.clone());
    let names: BTreeSet<&String> = then.environment.keys().chain(now.environment.keys()).collect();
    for name in names {
        let value = |of: &Provenance| of.environment.get(name).cloned().unwrap_or_else(|| NONE.to_owned());
        differs(name, value(then), value(now));
    }
    differs("repository", git(then.git.as_ref()), git(now.git.as_ref()));
}

/// `0123456789ab`, or `0123456789ab with changes 01234567`.
fn git(state: Option<&GitState>) -> String {
    let short = |hash: &str, digits: usize| hash.chars().take(digits).collect::<String>();
    match state {
        None => NONE.to_owned(),
        Some(GitState { commit, dirty: None }) => short(commit, 12),
        Some(GitState { commit, dirty: Some(diff) }) => {
            format!("{} with changes {}", short(commit, 12), short(diff, 8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        launch::test_run_file,
        spec::{self, Overrides},
    };

    fn file() -> RunFile {
        let text = "experiment: e\nmodel: {family: command, run: [a]}\nrank: {by: loss}\n";
        let spec = spec::parse(text, std::path::Path::new("s.yaml"), &Overrides::default()).unwrap();
        let provenance = Provenance {
            spec,
            git: Some(GitState { commit: "0123456789abcdef".to_owned(), dirty: None }),
            rustc: "rustc 1.95.0".to_owned(),
            tch: None,
            libtorch: Some("2.13.0".to_owned()),
            device_name: None,
            processor: Some("x".to_owned()),
            instructions: None,
            environment: [("OMP_PROC_BIND".to_owned(), "true".to_owned())].into(),
        };
        RunFile { provenance: Some(Box::new(provenance)), ..test_run_file(&[]) }
    }

    #[test]
    fn nothing_is_said_where_nothing_differs() {
        let moved = RunFile { attempt: 9, started: 7.0, ..file() };
        assert_eq!(changed(&file(), &moved), []);
    }

    #[test]
    fn everything_that_differs_is_named() {
        let mut now = file();
        now.threads = 1;
        let facts = now.provenance.as_mut().unwrap();
        facts.processor = None;
        facts.environment.clear();
        facts.git.as_mut().unwrap().dirty = Some("fedcba9876543210".to_owned());
        let lines: Vec<String> = changed(&file(), &now)
            .into_iter()
            .map(|Changed { what, then, now }| format!("{what}: {then}, {now}"))
            .collect();
        assert_eq!(
            lines,
            [
                "threads: 3, 1",
                "processor: x, unknown",
                "OMP_PROC_BIND: true, none",
                "repository: 0123456789ab, 0123456789ab with changes fedcba98",
            ]
        );
        let old = RunFile { provenance: None, ..file() };
        let lines = changed(&old, &file());
        assert!(lines.len() == 1 && lines[0].then.starts_with("unknown: "), "{lines:?}");
    }
}
