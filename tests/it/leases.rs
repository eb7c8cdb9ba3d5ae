//! One experiment and several machines: who holds it, who has died, who is outbid.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    process::{Child, Command},
};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Project, alive, signal, wait_until};

/// Two runs that wait until they may end.
const HELD: &str = "
experiment: held
model: {family: command, run: [sh, -c, 'echo $$ > \"$GRIDBOARD_RUN_DIR/pid\"; test -e go && exit 0; sleep 1000 & wait']}
grid: {x: [1, 2]}
schedule: {devices: 'cpu:2'}
";

fn pids(project: &Project) -> Vec<i64> {
    let pid = |x| fs::read_to_string(project.path(&format!("runs/held/x-{x}/pid"))).ok()?.trim().parse().ok();
    (1..=2).filter_map(pid).collect()
}

/// Says in the experiment's folder that a process of another machine holds it, which gives a sign of life every 0.4 s.
fn hold(project: &Project, number: u64, host: &str, beat: u64) {
    let path = project.path(&format!("runs/held/.lease/{number:08}"));
    fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
    let file = fs::File::options().create(true).truncate(false).write(true).open(&path).expect("the lease");
    let lease = json!({
        "host": host, "pid": 7, "pid_start": 70, "boot_id": format!("boot of {host}"), "nonce": host,
        "inode": file.metadata().expect("the lease").ino(), "every": 0.4, "beat": beat, "left": false,
    });
    fs::write(&path, lease.to_string()).expect("write the lease");
}

#[test]
fn the_experiment_of_another_machine_is_left_alone_until_that_falls_silent() {
    let project = Project::with_spec(HELD);
    project.write("go", "");
    hold(&project, 3, "login1", 0);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("it is watched", || project.read("err.log").contains("no sign of life for 0 s of 2"));
    hold(&project, 3, "login1", 1);
    assert_eq!(sweep.wait().expect("it ends").code(), Some(1));
    let said = project.read("err.log");
    assert!(said.contains("experiment `held` is being run on login1 by process 7"), "{said}");
    assert!(said.contains("`--take-over` makes it end there"), "{said}");
    assert!(!project.path("runs/gridboard.db").exists());
    let refused = project.run(&["delete", "held", "--yes"]).expect(1);
    assert!(refused.stderr.contains("`held` is being run on login1 by process 7"), "{}", refused.stderr);
    // It gives no sign of life any more.
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("`held` is held by process 7 on login1: no sign"), "{}", ran.stderr);
    let leases: Vec<_> =
        fs::read_dir(project.path("runs/held/.lease")).expect("a folder").flatten().collect();
    assert_eq!(leases.len(), 1, "{leases:?}");
    // Nobody has to be watched now.
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(!ran.stderr.contains("is held by"), "{}", ran.stderr);
    // It is held there again, and takes no requests yet.
    hold(&project, 9, "login1", 0);
    let deaf = project.run(&["cancel", "held/x-1"]).expect(1);
    assert!(
        deaf.stderr.contains("takes no requests at the moment: process 7 on login1 holds it"),
        "{}",
        deaf.stderr
    );
    assert!(deaf.stderr.contains("give the command on login1"), "{}", deaf.stderr);
    let refused = project.run(&["verify"]).expect(2);
    assert!(refused.stderr.contains("`held` is being run on login1 by process 7"), "{}", refused.stderr);
}

#[test]
fn a_sweep_that_is_taken_over_ends_with_a_sentence_and_touches_nothing_more() {
    let project = Project::with_spec(HELD);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("two runs are alive", || pids(&project).len() == 2);
    let before = pids(&project);
    hold(&project, 2, "login2", 0);
    assert_eq!(sweep.wait().expect("it ends").code(), Some(1), "{}", project.read("err.log"));
    let said = project.read("err.log");
    let sentence =
        "experiment `held` was taken over by process 7 on login2: it goes on there, and this program ends";
    assert!(said.contains(sentence), "{said}");
    assert!(before.iter().all(|pid| !alive(*pid)), "its own runs have ended");
    assert!(project.path("runs/held/.control").is_dir(), "that is the other one's");
    assert!(!project.path("runs/held/report").exists());
}

/// `gridboard ARGUMENTS` on a machine of another name, which was started at another time.
fn on_machine(project: &Project, name: &str, arguments: &[&str]) -> Command {
    let command = project.command(arguments);
    let boot = project.write(&format!("boot-{name}"), &format!("boot-{name}\n"));
    let script =
        "hostname \"$1\" && mount --bind \"$2\" /proc/sys/kernel/random/boot_id && shift 2 && exec \"$@\"";
    let mut there = Command::new("unshare");
    there.args(["--user", "--map-root-user", "--mount", "--uts", "sh", "-c", script, "sh", name]).arg(boot);
    there.arg(command.get_program()).args(command.get_args());
    there.current_dir(project.path(""));
    for (variable, value) in command.get_envs() {
        match value {
            Some(value) => there.env(variable, value),
            None => there.env_remove(variable),
        };
    }
    there
}

fn start(project: &Project, mut command: Command, name: &str) -> Child {
    let log = |what| fs::File::create(project.path(&format!("{name}.{what}"))).expect("create the log");
    command.stdout(log("out")).stderr(log("err")).spawn().expect("start it")
}

/// What a file system that keeps locks to each machine shows: the one that is held is on another file.
fn forget_locks(project: &Project) {
    let (lock, other) = (project.path("runs/held/.lock"), project.path("runs/held/.lock-2"));
    fs::copy(&lock, &other).expect("copy the lock");
    fs::rename(&other, &lock).expect("replace the lock");
}

#[test]
fn two_machines_never_both_go_on_and_one_takes_over_from_the_other() {
    let project = Project::with_spec(HELD);
    let tried = on_machine(&project, "login1", &["--version"]).output();
    if !tried.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("left out: namespaces of one's own are not allowed here: {tried:?}");
        return;
    }
    let mut first = start(&project, on_machine(&project, "login1", &["run", "spec.yaml"]), "login1");
    wait_until("two runs are alive", || pids(&project).len() == 2);
    let before = pids(&project);
    forget_locks(&project);
    // Whoever only looks believes it, and its folder carries requests.
    let why = project.run(&["why", "held/x-1"]).expect(0);
    assert!(why.stdout.contains("is being run on cpu/0"), "{}", why.stdout);
    let refused = on_machine(&project, "login2", &["run", "spec.yaml"]).output().expect("start it");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("is being run on login1 by process {}", first.id())), "{said}");
    let mut second =
        start(&project, on_machine(&project, "login2", &["run", "spec.yaml", "--take-over"]), "login2");
    assert_eq!(first.wait().expect("it ends").code(), Some(1), "{}", project.read("login1.err"));
    let said = project.read("login1.err");
    assert!(said.contains(&format!("was taken over by process {} on login2", second.id())), "{said}");
    wait_until("the runs go on there", || {
        let now = pids(&project);
        now.len() == 2 && now.iter().all(|pid| !before.contains(pid))
    });
    assert!(before.iter().all(|pid| !alive(*pid)), "two copies of a run never live at once");
    // Killed: its own machine knows at once, another one after it has watched.
    signal(&second, Signal::SIGKILL);
    second.wait().expect("it ends");
    project.write("go", "");
    let again = on_machine(&project, "login2", &["run", "spec.yaml"]).output().expect("start it");
    let said = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(0), "{said}");
    assert!(!said.contains("no sign of life"), "{said}");
    let states = project.sql("select state, count(*) as runs from runs group by state");
    assert_eq!(json!(states), json!([{"state": "completed", "runs": 2}]));
}
