//! Attempts as real processes: small shell commands, their ends, and what they leave behind.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::*;
use crate::{
    base::files::Durability,
    launch::{Ending, plan::tests::run_file},
    run::{FailureKind, Phases, RunFile, RunState, Spent},
};

/// The program of the tests is a keeper where a launcher starts it as one.
#[used]
#[expect(unsafe_code, reason = "nothing else runs before the test harness")]
#[unsafe(link_section = ".init_array")]
static KEEP: extern "C" fn() = {
    extern "C" fn keep() {
        if let Some(code) = keep_if_asked() {
            std::process::exit(i32::from(code != std::process::ExitCode::SUCCESS));
        }
    }
    keep
};

const LOG_LIMIT: u64 = 1 << 20;

fn launcher() -> LocalLauncher {
    LocalLauncher::new(&Children::random(), LOG_LIMIT).expect("a launcher")
}

/// Longer than any of this takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Run directories and a launcher, for a test's own runtime.
struct Env {
    folder: TempDir,
    launcher: LocalLauncher,
}

/// Runs a test on a runtime like the sweep's.
fn with_env<Test: AsyncFnOnce(&mut Env)>(test: Test) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let launcher = launcher();
        test(&mut Env { folder: tempfile::tempdir().expect("a folder"), launcher }).await;
    });
}

impl Env {
    fn run_dir(&self, run: u64) -> PathBuf {
        self.folder.path().join(run.to_string())
    }

    fn plan(&self, run: u64, command: &[&str], file: &RunFile) -> LaunchPlan {
        fs::create_dir_all(self.run_dir(run)).expect("a run directory");
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        LaunchPlan::command(run, &command, &self.run_dir(run), file).expect("a plan")
    }

    /// Starts `sh -c SCRIPT` in which braces are literal.
    fn start(&mut self, run: u64, script: &str) -> u32 {
        let script = script.replace('{', "{{").replace('}', "}}");
        let plan = self.plan(run, &["/bin/sh", "-c", &script], &run_file(&[]));
        self.launcher.start(&plan).expect("a process").pid().expect("a process of this machine")
    }

    async fn next(&mut self) -> AttemptEnd {
        tokio::time::timeout(DEADLINE, next_end(&mut self.launcher)).await.expect("an end in time")
    }

    /// Runs the script to its end.
    async fn end(&mut self, script: &str) -> AttemptEnd {
        self.start(0, script);
        let end = self.next().await;
        assert_eq!((end.run, end.attempt, self.launcher.n_live()), (0, 2, 0));
        end
    }

    fn log(&self, run: u64) -> String {
        fs::read_to_string(RunDir::new(&self.run_dir(run)).log()).expect("a log")
    }

    /// Waits for a process id in a file of the run's directory.
    async fn pid_in(&self, run: u64, file: &str) -> u32 {
        let path = self.run_dir(run).join(file);
        wait_until("the process id", || read_pid(&path).is_some()).await;
        read_pid(&path).expect("just seen")
    }
}

fn read_pid(path: &Path) -> Option<u32> {
    let text = fs::read_to_string(path).ok()?;
    text.ends_with('\n').then(|| text.trim().parse().ok()).flatten()
}

async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < DEADLINE, "{what} is still to come");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether a process runs; one that has ended and waits to be reaped by its parent does not.
fn runs(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The state is the first field after the name, which is in parentheses and may have any character.
    !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['Z', 'X']))
}

fn failure(end: AttemptEnd) -> (FailureKind, String, String) {
    match end.ending {
        Ending::Failed(failure) => (failure.kind, failure.reason, failure.log_tail),
        other => panic!("{other:?}"),
    }
}

#[test]
fn status_0_completes_and_the_log_has_both_streams() {
    with_env(async |env| {
        let end = env.end("echo out; echo err >&2").await;
        assert_eq!(end.ending, Ending::Completed);
        assert!(!end.has_outcome);
        let title = "--- gridboard: attempt 2 on cpu, threads: 3: /bin/sh -c \"echo out; echo err >&2\"";
        assert_eq!(env.log(0), format!("{title}\nout\nerr\n"));
    });
}

#[test]
fn a_status_is_a_failure_with_its_log() {
    with_env(async |env| {
        let end = env.end("echo epoch 1; echo 'ValueError: bad axis' >&2; exit 3").await;
        let (kind, reason, log_tail) = failure(end);
        assert_eq!(kind, FailureKind::Exit);
        assert_eq!(reason, "exited with status 3: ValueError: bad axis");
        assert_eq!(log_tail, "epoch 1\nValueError: bad axis");
    });
}

#[test]
fn the_tail_is_of_the_last_attempt() {
    with_env(async |env| {
        env.end("printf 'unfinished line'; exit 1").await;
        let (_, reason, log_tail) = failure(env.end("exit 1").await);
        assert_eq!((reason.as_str(), log_tail.as_str()), ("exited with status 1", ""));
        assert_eq!(env.log(0).lines().filter(|line| line.starts_with("--- gridboard: attempt")).count(), 2);
    });
}

#[test]
fn a_signal_is_named() {
    with_env(async |env| {
        let (kind, reason, _) = failure(env.end("kill -ABRT $$").await);
        assert_eq!((kind, reason.as_str()), (FailureKind::Signal, "killed by SIGABRT"));
        let (kind, reason, _) = failure(env.end("kill -KILL $$").await);
        assert_eq!((kind, reason.as_str()), (FailureKind::Signal, "killed by SIGKILL"));
    });
}

#[test]
fn the_child_sees_its_run_and_its_device_alone() {
    with_env(async |env| {
        let names = "$GRIDBOARD_RUN $GRIDBOARD_SEED $GRIDBOARD_ATTEMPT $GRIDBOARD_PARAM_LR $GRIDBOARD_DEVICE";
        let devices = "[$CUDA_VISIBLE_DEVICES] [$CUDA_DEVICE_ORDER] $OMP_NUM_THREADS";
        let script =
            format!("echo {names} {devices} >\"$GRIDBOARD_RUN_DIR/seen\"; pwd >>\"$GRIDBOARD_RUN_DIR/seen\"");
        let on_cpu = run_file(&[("lr", crate::spec::Value::Float(0.5))]);
        let on_cuda = RunFile { device: "GPU-1a".into(), ..on_cpu.clone() };
        for (run, file) in [(0, &on_cpu), (1, &on_cuda)] {
            let plan = env.plan(run, &["/bin/sh", "-c", &script], file);
            env.launcher.start(&plan).expect("a process");
            assert_eq!(env.next().await.ending, Ending::Completed);
        }
        let seen = |run| fs::read_to_string(env.run_dir(run).join("seen")).expect("what the child wrote");
        let here = std::env::current_dir().unwrap();
        let here = here.display();
        assert_eq!(seen(0), format!("lr-0.1-seed-7 7 2 0.5 cpu [] [] 3\n{here}\n"));
        assert_eq!(seen(1), format!("lr-0.1-seed-7 7 2 0.5 GPU-1a [GPU-1a] [PCI_BUS_ID] 3\n{here}\n"));
    });
}

#[test]
fn a_stop_reaches_what_the_attempt_has_started() {
    with_env(async |env| {
        let leader = env.start(0, "sleep 1000 & echo $! >\"$GRIDBOARD_RUN_DIR/pid\"; wait");
        let grandchild = env.pid_in(0, "pid").await;
        assert!(runs(leader) && runs(grandchild));
        env.launcher.stop(0, false).expect("a signal");
        let end = env.next().await;
        assert_eq!((end.ending, end.run), (Ending::Interrupted, 0));
        wait_until("the end of the grandchild", || !runs(grandchild)).await;
        env.launcher.stop(0, false).expect("a run that is not live is left alone");
    });
}

#[test]
fn an_attempt_that_will_not_end_is_killed() {
    with_env(async |env| {
        env.start(0, "trap '' TERM; echo $$ >\"$GRIDBOARD_RUN_DIR/pid\"; while :; do sleep 0.01; done");
        let pid = env.pid_in(0, "pid").await;
        env.launcher.stop(0, false).expect("a signal");
        let waited = tokio::time::timeout(Duration::from_millis(50), next_end(&mut env.launcher)).await;
        assert!(waited.is_err() && runs(pid), "it does not listen to SIGTERM");
        env.launcher.stop(0, true).expect("a signal");
        assert_eq!(env.next().await.ending, Ending::Interrupted);
        assert!(!runs(pid));
    });
}

#[test]
fn what_an_attempt_leaves_running_is_killed_with_its_end() {
    with_env(async |env| {
        let end = env.end("sleep 1000 & echo $! >\"$GRIDBOARD_RUN_DIR/pid\"").await;
        assert_eq!(end.ending, Ending::Completed);
        let stray = env.pid_in(0, "pid").await;
        wait_until("the end of the stray", || !runs(stray)).await;
    });
}

#[test]
fn dropping_the_launcher_leaves_nobody() {
    with_env(async |env| {
        let leader = env.start(0, "sleep 1000 & echo $! >\"$GRIDBOARD_RUN_DIR/pid\"; wait");
        let grandchild = env.pid_in(0, "pid").await;
        env.launcher = launcher();
        wait_until("the end of both", || !runs(leader) && !runs(grandchild)).await;
    });
}

#[test]
fn ends_are_told_as_they_come() {
    with_env(async |env| {
        env.start(1, "exec sleep 1000");
        env.start(2, "exit 2");
        env.start(3, "exit 0");
        let mut early = [env.next().await, env.next().await].map(|end| (end.run, end.state()));
        early.sort_unstable_by_key(|(run, _)| *run);
        assert_eq!(early, [(2, RunState::Failed), (3, RunState::Completed)]);
        assert_eq!(env.launcher.n_live(), 1);
        env.launcher.stop(1, true).expect("a signal");
        assert_eq!(env.next().await.run, 1);
        let nothing = tokio::time::timeout(Duration::from_millis(20), next_end(&mut env.launcher)).await;
        assert!(nothing.is_err(), "with nobody live there is no end to tell");
    });
}

#[test]
fn many_ends_at_once_are_all_told() {
    with_env(async |env| {
        for run in 0..40 {
            env.start(run, "exit 0");
        }
        let mut told = Vec::new();
        for _ in 0..40 {
            // A future that is dropped while it waits loses no end.
            let dropped = tokio::time::timeout(Duration::ZERO, next_end(&mut env.launcher)).await;
            told.push(match dropped {
                Ok(end) => end.run,
                Err(_) => env.next().await.run,
            });
        }
        told.sort_unstable();
        assert_eq!(told, (0..40).collect::<Vec<u64>>());
    });
}

#[test]
fn a_run_is_live_once() {
    with_env(async |env| {
        env.start(0, "exec sleep 1000");
        let plan = env.plan(0, &["/bin/true"], &run_file(&[]));
        assert_eq!(env.launcher.start(&plan).expect_err("live").to_string(), "run 0 has a live attempt");
        env.launcher.stop(0, true).expect("a signal");
        env.next().await;
        env.launcher.start(&plan).expect("a process");
        assert_eq!(env.next().await.ending, Ending::Completed);
    });
}

#[test]
fn a_program_that_is_not_there_is_named() {
    with_env(async |env| {
        let script = env.folder.path().join("script");
        fs::write(&script, "#!/no/such/interpreter\n").unwrap();
        let mut permissions = fs::metadata(&script).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        fs::set_permissions(&script, permissions).unwrap();
        let script = script.to_str().unwrap();
        for (program, detail) in [
            ("no-such-program", "No such file or directory (os error 2) on PATH"),
            ("/no/such/program", "No such file or directory (os error 2)"),
            (
                script,
                "No such file or directory (os error 2); the file is there, but the interpreter it names is not",
            ),
            ("/etc", "Permission denied (os error 13)"),
        ] {
            let plan = env.plan(0, &[program], &run_file(&[]));
            let failure = env.launcher.start(&plan).expect_err("no program").failure();
            assert_eq!(failure.kind, FailureKind::Launch);
            assert_eq!(failure.reason, format!("cannot start `{program}`: {detail}"));
        }
        assert_eq!(env.launcher.n_live(), 0);
    });
}

#[test]
fn a_run_without_a_directory_has_no_log() {
    with_env(async |env| {
        let mut plan = env.plan(0, &["/bin/true"], &run_file(&[]));
        plan.run_dir.push("missing");
        let reason = env.launcher.start(&plan).expect_err("no folder").to_string();
        let log = RunDir::new(&plan.run_dir).log();
        assert_eq!(
            reason,
            format!("cannot write the log `{}`: No such file or directory (os error 2)", log.display())
        );
    });
}

#[test]
fn the_trainers_outcome_is_taken_over_if_it_is_of_this_attempt() {
    with_env(async |env| {
        let spent = |seconds| Spent { seconds, core_seconds: 2.0 * seconds };
        let phases = Phases { training: spent(4.0), validation: spent(0.5) };
        let failure_of = |attempt| Outcome {
            attempt,
            state: RunState::Failed,
            failure: Some(crate::run::Failure {
                kind: FailureKind::Diverged,
                reason: "loss is NaN".into(),
                log_tail: String::new(),
                evidence: crate::run::Evidence::default(),
            }),
            finished: 1.0,
            peak_memory: Some(12345),
            peak_device_memory: Some(67),
            phases: Some(phases),
            resumed_from: None,
            files: std::collections::BTreeMap::new(),
        };
        fs::create_dir_all(env.run_dir(0)).unwrap();
        failure_of(2).write(&env.run_dir(0), Durability::Written).unwrap();
        let end = env.end("echo epoch 3; exit 1").await;
        assert_eq!((end.has_outcome, end.used.peak_memory), (true, Some(12345)));
        assert_eq!((end.used.phases, end.used.peak_device_memory), (Some(phases), Some(67)));
        let expected = (FailureKind::Diverged, "loss is NaN".to_owned(), "epoch 3".to_owned());
        assert_eq!(failure(end), expected);

        failure_of(1).write(&env.run_dir(0), Durability::Written).unwrap();
        let end = env.end("exit 0").await;
        assert_eq!((end.ending, end.has_outcome), (Ending::Completed, false));
    });
}

#[test]
fn the_lifeline_of_a_worker_holds_while_it_lives() {
    with_env(async |env| {
        let mut plan =
            env.plan(0, &["/bin/sh", "-c", "cat; echo >\"$GRIDBOARD_RUN_DIR/over\""], &run_file(&[]));
        // Without a lifeline the standard input is at its end at once.
        env.launcher.start(&plan).expect("a process");
        assert_eq!(env.next().await.ending, Ending::Completed);
        fs::remove_file(env.run_dir(0).join("over")).expect("the command got to its end");

        plan.stdin = Stdin::Lifeline;
        env.launcher.start(&plan).expect("a process");
        let waited = tokio::time::timeout(Duration::from_millis(50), next_end(&mut env.launcher)).await;
        assert!(waited.is_err() && !env.run_dir(0).join("over").exists(), "its lifeline holds");
        env.launcher.stop(0, true).expect("a signal");
        assert_eq!(env.next().await.ending, Ending::Interrupted);
    });
}

#[test]
fn peak_memory_is_known_of_what_is_larger_than_gridboard() {
    with_env(async |env| {
        let bytes = 400 << 20;
        let end = env.end(&format!("dd if=/dev/zero of=/dev/null bs={bytes} count=1 2>/dev/null")).await;
        let peak = end.used.peak_memory.expect("a known peak");
        assert!((bytes..bytes + (64 << 20)).contains(&peak), "{peak}");
        assert_eq!(env.end("exit 0").await.used.peak_memory, None);
    });
}

#[test]
fn the_processor_time_of_an_attempt_and_its_children_is_known() {
    with_env(async |env| {
        // The shell waits for the other one, which counts on one core.
        let end = env.end("sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; exit 0").await;
        let busy = end.used.core_seconds.expect("the kernel counts");
        assert!((0.005..60.0).contains(&busy), "{busy}");
        let idle = env.end("sleep 0.2").await.used.core_seconds.expect("the kernel counts");
        assert!(idle < 0.15, "{idle}");
        assert_eq!(env.end("exit 0").await.used.phases, None);
    });
}

async fn next_end(launcher: &mut LocalLauncher) -> AttemptEnd {
    match launcher.next().await {
        News::Ended(end) => *end,
        other => panic!("{other:?}"),
    }
}
