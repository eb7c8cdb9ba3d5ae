//! A job's own process on its node: `gridboard __attend SUBMISSION TASK`, which a batch script becomes.
//!
//! It carries an order out as this machine's own launcher does, with all that this sees to: the log and its limit, what is left
//! behind, the verdict. It passes on the signals by which Slurm announces an end, and ends at once where its order is taken back:
//! then another attempt of the run begins elsewhere.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    folder::{Submission, TaskDir},
    order::{AskedBy, Ended, Order, Started},
    script::VERB,
};
use crate::{
    base::{clock::wall_now, error::with_causes, files::FileError, program::host, signals::hear_children},
    device,
    launch::{
        Alive, AttemptEnd, Children, Ending, LaunchError, LaunchPlan, Launcher as _, LocalLauncher, News,
        PlanError, Stdin, plan,
    },
    run::RunFile,
    schedule::Slot,
};

/// How often is looked whether the order still stands.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// `EX_TEMPFAIL`: somebody else carries the order out, or nobody is to.
const NOT_OURS: u8 = 75;

/// What the arguments of this process ask for, if that is to attend to an attempt: then it does so until its end.
#[must_use]
pub fn attend_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != VERB {
        return None;
    }
    let (submission, place) = (arguments.next()?, arguments.next()?.to_str()?.parse().ok()?);
    let task = Submission::at(Path::new(&submission)).task(place);
    Some(match attend(&task) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&with_causes(&error));
            ExitCode::FAILURE
        }
    })
}

/// Why an order cannot be carried out.
#[derive(Debug, thiserror::Error)]
enum AttendError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("cannot attend to the run: {0}")]
    Io(#[from] io::Error),
}

/// On the job's own standard error, which Slurm keeps in a file.
fn say(text: &str) {
    // Nobody is left to tell.
    let _ = writeln!(io::stderr(), "gridboard: {text}");
}

fn attend(task: &TaskDir) -> Result<u8, AttendError> {
    let order = match task.read_order() {
        Ok(order) => order,
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
            say("the order was taken back: nothing is to be done");
            return Ok(NOT_OURS);
        }
        Err(error) => return Err(error.into()),
    };
    let job = job_name();
    if !task.claim(&format!("job {job} on {}\n", host()))? {
        say("another process has carried this order out, or is at it: Slurm has started the job once more");
        return Ok(NOT_OURS);
    }
    let order = order.through(&task.door());
    hear_children()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let began = wall_now();
    let (mut end, asked) = runtime.block_on(carry_out(task, &order, job))?;
    let time = wall_now();
    end.alive = Some(Alive { began, ended: time });
    let code = match end.ending {
        Ending::Completed => 0,
        Ending::Failed(_) => 1,
        Ending::Interrupted => 143,
    };
    task.write_ended(&Ended { end, asked, time })?;
    Ok(code)
}

/// The job as Slurm calls it.
fn job_name() -> String {
    let variable = |name| std::env::var(name).unwrap_or_default();
    match (variable("SLURM_ARRAY_JOB_ID"), variable("SLURM_ARRAY_TASK_ID")) {
        (array, task) if !array.is_empty() => format!("{array}_{task}"),
        _ => variable("SLURM_JOB_ID"),
    }
}

async fn carry_out(
    task: &TaskDir,
    order: &Order,
    job: String,
) -> Result<(AttemptEnd, Option<AskedBy>), AttendError> {
    // Before the process begins that they are passed on to.
    let mut heard = Heard::new()?;
    let (plan, device) = match planned(order) {
        Ok(planned) => planned,
        Err(error) => return Ok((not_started(order, &LaunchError::from(error)), None)),
    };
    let mut launcher = LocalLauncher::new(&Children::apart(), order.log_limit)?;
    let pid = std::process::id();
    // As Slurm calls it: a site may have names of its own for its nodes.
    let host = std::env::var("SLURMD_NODENAME").unwrap_or_else(|_| host().to_owned());
    let started = Started { host, pid, job, device, time: wall_now() };
    tell_run_file(order, &started);
    task.write_started(&started)?;
    if let Err(error) = launcher.start(&plan) {
        return Ok((not_started(order, &error), None));
    }
    let mut asked = None;
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            news = launcher.next() => if let News::Ended(end) = news {
                return Ok((*end, asked));
            },
            by = heard.next() => {
                asked = asked.or(Some(by));
                stop(&mut launcher, false);
            }
            _ = look.tick() => if !task.may_go_on() {
                say("the order was taken back: the run is ended");
                stop(&mut launcher, true);
            },
        }
    }
}

/// Says in the run's own file where the attempt is: who has made it did not know.
fn tell_run_file(order: &Order, started: &Started) {
    // Where it cannot be written, the run itself will say so.
    let Ok(mut file) = RunFile::read(&order.run_dir) else { return };
    file.host.clone_from(&started.host);
    file.device.clone_from(&started.device);
    if let Err(error) = file.write(&order.run_dir) {
        say(&with_causes(&error));
    }
}

fn stop(launcher: &mut LocalLauncher, kill: bool) {
    if let Err(error) = launcher.stop(0, kill) {
        say(&with_causes(&error));
    }
}

fn not_started(order: &Order, error: &LaunchError) -> AttemptEnd {
    AttemptEnd {
        run: 0,
        attempt: order.attempt,
        ending: Ending::Failed(error.failure()),
        used: crate::run::Used::default(),
        has_outcome: false,
        resumed_from: None,
        asked_to_end: false,
        has_paused: false,
        alive: None,
    }
}

/// What is started here, and on which device.
fn planned(order: &Order) -> Result<(LaunchPlan, String), PlanError> {
    let mut env: Vec<(String, OsString)> =
        order.env.iter().map(|(name, value)| (name.clone(), value.into())).collect();
    let mut device = Slot::CPU.to_owned();
    if order.gpus > 0 {
        // Slurm has chosen, and says so in the environment.
        env.retain(|(name, _)| !matches!(name.as_str(), "CUDA_VISIBLE_DEVICES" | "CUDA_DEVICE_ORDER"));
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
        let uuids: Vec<String> = device::discover().cuda.into_iter().map(|device| device.uuid).collect();
        device = if uuids.is_empty() { visible } else { uuids.join(",") };
        for (name, value) in &mut env {
            if name == plan::DEVICE {
                *value = device.clone().into();
            }
        }
    }
    let plan = LaunchPlan {
        run: 0,
        attempt: order.attempt,
        run_dir: order.run_dir.clone(),
        program: order.program.clone().into(),
        args: order.args.iter().map(OsString::from).collect(),
        env,
        folder: Some(order.folder.clone()),
        stdin: if order.lifeline { Stdin::Lifeline } else { Stdin::Null },
        pauses: order.pauses,
        inherited: order.inherited.clone(),
        memory: 0,
        seconds: None,
        started: order.started,
        resumed: order.resumed(),
    };
    let inherited = order.inherited.iter().map(|(name, from)| (name.clone(), format!("${from}")));
    let plan = plan.with_variables(&inherited.collect())?;
    Ok((plan, device))
}

/// The signals by which Slurm and its users announce an end.
struct Heard {
    term: Signal,
    warning: Signal,
    interrupt: Signal,
}

impl Heard {
    fn new() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            warning: signal(SignalKind::user_defined2())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> AskedBy {
        tokio::select! {
            _ = self.warning.recv() => AskedBy::Warning,
            _ = self.term.recv() => AskedBy::Term,
            _ = self.interrupt.recv() => AskedBy::Term,
        }
    }
}
