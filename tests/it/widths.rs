//! What a terminal of any width gets, and what a pipe gets: no name in pieces, lines that end with what ended.

use crate::support::{Project, Ran};

const WIDTHS: [usize; 4] = [40, 80, 120, 200];

/// An experiment of four runs of a program of the user's, with long names.
fn ran() -> (Project, Ran) {
    let project = Project::with_spec(
        "experiment: widths\nmodel: {family: command, run: [{trainer}, '{accuracy}']}\nseeds: [0, 1]\n\
         grid: {accuracy: [0.75, 0.5], size: [16]}\n",
    );
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    (project, ran)
}

fn at(project: &Project, columns: usize, arguments: &[&str]) -> String {
    let output =
        project.command(arguments).env("COLUMNS", columns.to_string()).output().expect("start gridboard");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn listings_fit_any_terminal_with_names_whole() {
    let (project, _) = ran();
    let run = project.sql("select run from runs where seed = 1 order by run limit 1");
    let run = run[0]["run"].as_str().expect("a name").to_owned();
    let point = run.strip_suffix("-seed-1").expect("a seed");
    let listings: [&[&str]; 6] = [
        &["plan", "spec.yaml"],
        &["runs"],
        &["top"],
        &["top", "--runs"],
        &["sql", "select * from runs"],
        &["sql", "select run, state, seed, directory from runs"],
    ];
    for arguments in listings {
        for columns in WIDTHS {
            let text = at(&project, columns, arguments);
            for line in text.lines() {
                assert!(line.chars().count() <= columns, "{arguments:?} at {columns}: {line}\n{text}");
            }
            let name = if arguments == ["top"] { point } else { run.as_str() };
            let whole = text.lines().any(|line| line.split([' ', ':']).any(|word| word == name));
            assert!(whole, "{arguments:?} at {columns}: `{name}` is in pieces\n{text}");
        }
    }
    // What has no room is named, or each row is a record.
    assert!(at(&project, 40, &["runs"]).contains("no room for "));
    assert!(at(&project, 80, &["sql", "select * from runs"]).contains("experiment:  "));
    let times = &project.sql("select started_at, finished_at from runs limit 1")[0];
    for name in ["started_at", "finished_at"] {
        let time = times[name].as_str().expect("a text");
        assert!(time.len() == 20 && time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
}

#[test]
fn a_locale_without_unicode_gets_plain_signs() {
    let (project, _) = ran();
    let shown = |locale: &str| {
        let output = project.command(&["top"]).env("LC_ALL", locale).output().expect("start gridboard");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let (plain, unicode) = (shown("C"), shown("C.UTF-8"));
    assert!(plain.is_ascii() && plain.contains("----"), "{plain}");
    assert!(unicode.contains("────"), "{unicode}");
    let width = |text: &str| text.lines().map(|line| line.chars().count()).collect::<Vec<_>>();
    assert_eq!(width(&plain), width(&unicode));
    assert!(
        String::from_utf8(
            project
                .command(&["sql", "select '─' as rule", "--format", "csv"])
                .env("LC_ALL", "C")
                .output()
                .unwrap()
                .stdout
        )
        .unwrap()
        .contains('─'),
        "data stays as it is"
    );
}

#[test]
fn a_pipe_hears_what_ended_and_when_and_quiet_what_went_wrong() {
    let (_, ran) = ran();
    let ended: Vec<&str> = ran.stderr.lines().filter(|line| line.contains(" completed in ")).collect();
    assert_eq!(ended.len(), 4, "{}", ran.stderr);
    for line in ended {
        let (time, rest) = line.split_once(' ').expect("a time");
        assert!(time.len() == 9 && time.ends_with('Z') && time.matches(':').count() == 2, "{line}");
        assert!(rest.starts_with("widths: [") && rest.contains("val. acc. "), "{line}");
    }
    assert!(!ran.stderr.contains(" started on ") && !ran.stderr.contains('\u{1b}'), "{}", ran.stderr);

    let project = Project::with_spec(
        "experiment: quiet\nmodel: {family: command, run: [sh, -c, 'exit {code}']}\ngrid: {code: [0, 3]}\n",
    );
    let quiet = project.run(&["run", "spec.yaml", "--quiet"]).expect(3);
    let lines: Vec<&str> = quiet.stderr.lines().collect();
    let (warnings, others): (Vec<&str>, Vec<&str>) = lines
        .into_iter()
        .partition(|line| line.starts_with("warning: code-0 has completed and will not rank"));
    assert_eq!(warnings.len(), 1, "{}", quiet.stderr);
    assert!(others.len() == 1 && others[0].contains("code-3 failed"), "{}", quiet.stderr);
    assert!(quiet.stdout.contains("1 completed, 1 failed"), "{}", quiet.stdout);
}
