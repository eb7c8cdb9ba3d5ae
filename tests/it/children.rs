//! Nothing that a run has started outlives it or Gridboard, however either of them ends; and no bystander dies.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::support::{Project, alive, signal, wait_until};

/// A run whose children try to outlive it.
fn project(last: &str) -> Project {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/children.py");
    let project = Project::new();
    project.write(
        "spec.yaml",
        &format!(
            "experiment: daemons\nmodel: {{family: command, run: [python3, {}, {}, {last}]}}\nretry: {{attempts: 1}}\n",
            script.display(),
            project.path("pids").display()
        ),
    );
    project
}

/// All processes of the run, the trainer the last of them; `None` before all of them are there.
fn pids(project: &Project) -> Option<Vec<i64>> {
    let text = fs::read_to_string(project.path("pids")).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let (last, pids) = lines.split_last()?;
    (*last == "ready").then(|| pids.iter().map(|pid| pid.parse().expect("a pid")).collect())
}

#[track_caller]
fn wait_for_pids(project: &Project) -> Vec<i64> {
    wait_until("all children are there", || pids(project).is_some());
    let pids = pids(project).expect("just seen");
    assert_eq!(pids.len(), 6, "{pids:?}");
    assert!(pids.iter().all(|pid| alive(*pid)), "{pids:?}");
    pids
}

#[track_caller]
fn all_end(pids: &[i64]) {
    wait_until("all children are gone", || pids.iter().all(|pid| !alive(*pid)));
}

fn parent(pid: i64) -> i64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a live process");
    let rest = stat.rsplit(')').next().expect("a state");
    rest.split_whitespace().nth(1).expect("a parent").parse().expect("a pid")
}

/// Kills them as if at one instant: whoever is stopped first sees nothing of the others' ends.
fn kill_all(pids: &[i64]) {
    for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
        for pid in pids {
            kill(Pid::from_raw(i32::try_from(*pid).expect("a pid")), signal).expect("a signal");
        }
    }
}

#[test]
fn nothing_outlives_a_run() {
    for (last, code) in [("end", 0), ("killed", 3)] {
        let project = project(last);
        project.run(&["run", "spec.yaml"]).expect(code);
        let pids = pids(&project).expect("all children were there");
        assert_eq!(pids.len(), 6, "{pids:?}");
        // The end of a run is told when nothing is left: no time is given.
        assert!(pids.iter().all(|pid| !alive(*pid)), "{last}: {pids:?}");
        let trainer = project.sql("select pid from attempts")[0]["pid"].as_i64();
        assert_eq!(trainer, pids.last().copied(), "the ledger has the trainer's own id");
    }
}

#[test]
fn nothing_outlives_an_interrupt() {
    let project = project("stay");
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let pids = wait_for_pids(&project);
    signal(&sweep, Signal::SIGINT);
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(130));
    assert!(pids.iter().all(|pid| !alive(*pid)), "{pids:?}");
}

#[test]
fn nothing_outlives_a_killed_gridboard() {
    let project = project("stay");
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let pids = wait_for_pids(&project);
    let supervisor = parent(*pids.last().expect("a trainer"));
    let keeper = parent(supervisor);
    assert_eq!(parent(keeper), i64::from(sweep.id()));
    signal(&sweep, Signal::SIGKILL);
    sweep.wait().expect("the sweep is reaped");
    all_end(&pids);
    all_end(&[supervisor, keeper]);
}

#[test]
fn a_killed_supervisor_takes_its_run_along_and_no_other() {
    for which in ["supervisor", "keeper", "both"] {
        let project = project("stay");
        let mut sweep = project.start(&["run", "spec.yaml"]);
        let pids = wait_for_pids(&project);
        let supervisor = parent(*pids.last().expect("a trainer"));
        let keeper = parent(supervisor);
        kill_all(&match which {
            "supervisor" => vec![supervisor],
            "keeper" => vec![keeper],
            _ => vec![supervisor, keeper],
        });
        assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(3), "{}", project.read("err.log"));
        assert!(pids.iter().all(|pid| !alive(*pid)), "{which}: {pids:?}");
        let why = project.sql("select reason from attempts")[0]["reason"].clone();
        assert_eq!(why, "its supervisor was killed, and the attempt with it", "{which}");
    }
}

/// Processes that have much in common with a run, and nothing to do with it.
struct Bystanders(Vec<Child>);

impl Bystanders {
    fn new(project: &Project, trainer: i64) -> Self {
        let environment = fs::read(format!("/proc/{trainer}/environ")).expect("an environment");
        let environment = String::from_utf8(environment).expect("text");
        let sleeper = || {
            let mut command = Command::new("sleep");
            // All of the trainer's variables, and its folder.
            let variables = environment.split('\0').filter_map(|variable| variable.split_once('='));
            command.arg("1000").envs(variables).current_dir(project.path("runs/daemons/run"));
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command
        };
        Self(vec![
            sleeper().spawn().expect("in the session of Gridboard"),
            sleeper().process_group(0).spawn().expect("in a group of its own"),
            Command::new("setsid").args(["sleep", "1000"]).spawn().expect("in a session of its own"),
            sleeper().arg0("gb-supervisor").spawn().expect("under a supervisor's name"),
        ])
    }

    #[track_caller]
    fn live(&mut self) {
        for child in &mut self.0 {
            assert_eq!(child.try_wait().expect("a child"), None, "a bystander has ended");
        }
    }
}

impl Drop for Bystanders {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn what_outlives_everybody_is_ended_by_the_next_run_wherever_its_folder_is() {
    let project = project("stay");
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let pids = wait_for_pids(&project);
    let (trainer, others) = pids.split_last().expect("a trainer");
    let mut bystanders = Bystanders::new(&project, *trainer);
    let supervisor = parent(*trainer);
    // The parents first, so that none can end its children.
    kill_all(&[i64::from(sweep.id()), parent(supervisor), supervisor]);
    sweep.wait().expect("the sweep is reaped");
    wait_until("the trainer goes with its supervisor", || !alive(*trainer));
    assert!(others.iter().all(|pid| alive(*pid)), "nobody is left to end them: {others:?}");

    fs::rename(project.path("runs"), project.path("moved")).expect("move the runs");
    project.write("go", "");
    fs::remove_file(project.path("pids")).expect("the file of the first attempt");
    // From a shell that says it is a run's, whose child must not take it for an orphan.
    let command = project.command(&["run", "spec.yaml", "--runs-dir", "moved"]);
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let shell = Command::new("sh")
        .args(["-c", "\"$@\" && echo lives", "sh"])
        .args(words)
        .envs(variables)
        .env("GRIDBOARD_RUN_DIR", project.path("moved/daemons/run"))
        .current_dir(project.path("."))
        .output()
        .expect("start a shell");
    let said = String::from_utf8_lossy(&shell.stderr);
    assert!(String::from_utf8_lossy(&shell.stdout).ends_with("lives\n"), "{said}");
    assert!(said.contains("5 processes of cut off runs still alive, now ended"), "{said}");
    all_end(&pids);
    bystanders.live();
}

#[test]
fn a_copy_of_a_live_sweeps_folder_does_not_end_its_runs() {
    let project = project("stay");
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let pids = wait_for_pids(&project);
    let copied = Command::new("cp").args(["-r", "runs", "copy"]).current_dir(project.path(".")).status();
    assert!(copied.expect("cp").success());
    project.write("go", "");
    project.run(&["run", "spec.yaml", "--runs-dir", "copy"]).expect(0);
    assert!(pids.iter().all(|pid| alive(*pid)), "{pids:?}");
    signal(&sweep, Signal::SIGINT);
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(130));
    all_end(&pids);
}

#[test]
fn a_program_that_asks_at_the_terminal_is_told_at_once_that_there_is_none() {
    let project = Project::with_spec(
        "
experiment: asks
model:
  family: command
  run: [python3, -c, 'import os, sys; print(os.getsid(0) == os.getpid(), repr(sys.stdin.read())); open(\"/dev/tty\")']
",
    );
    // With a terminal that it could ask at, where the tests have one or not.
    let mut command = Command::new("script");
    let program = env!("CARGO_BIN_EXE_gridboard");
    let ran = command
        .args(["-qec", &format!("{program} run spec.yaml"), "/dev/null"])
        .current_dir(project.path("."))
        .stdin(Stdio::null())
        .output();
    assert_eq!(ran.expect("script(1) makes a terminal").status.code(), Some(3));
    let log = project.read("runs/asks/run/worker.log");
    assert!(log.contains("True ''\n"), "{log}");
    assert!(log.contains("No such device or address: '/dev/tty'"), "{log}");
}

#[test]
fn a_log_has_a_limit() {
    let project = Project::with_spec(
        "
experiment: talks
model:
  family: command
  run: [python3, -c, 'for i in range(2000000): print(i)']
schedule: {log_limit: 2MiB}
",
    );
    project.run(&["run", "spec.yaml"]).expect(0);
    let log = project.read("runs/talks/run/worker.log");
    assert!((1 << 20..=2 << 20).contains(&log.len()), "{}", log.len());
    let (head, rest) = log.split_once("--- gridboard: attempt 1").expect("the line of the attempt");
    assert!(head.is_empty() && rest.contains("\n0\n1\n2\n") && rest.ends_with("\n1999998\n1999999\n"));
    assert!(rest.contains(" bytes are left out here, `schedule.log_limit` is 2097152 bytes\n"));
}

#[test]
fn a_trainer_that_empties_its_folder_keeps_a_whole_run() {
    let project = Project::with_spec(
        "
experiment: empties
model:
  family: command
  run: [sh, -c, 'echo before; rm -r \"$GRIDBOARD_RUN_DIR\"; \"$@\" 0.5; echo after', sh, {trainer}]
",
    );
    project.run(&["run", "spec.yaml"]).expect(0);
    let log = project.read("runs/empties/run/worker.log");
    assert!(log.contains("attempt 1") && log.contains("\nbefore\n") && log.ends_with("after\n"), "{log}");
    let run: serde_json::Value =
        serde_json::from_str(&project.read("runs/empties/run/run.json")).expect("a run file");
    assert_eq!(run["attempt"], 1);
    project.run(&["show", "empties/run"]).expect(0);
}
