//! The clerk's submissions: what waits and has the same needs is written down and given to `sbatch` as one array.
//!
//! A submission that Slurm may have taken although it has not answered is looked for by its name before it is tried again.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{CHANGED, Clerk, Live, SUBMIT, Start, Task};
use crate::{
    base::error::with_causes,
    launch::{
        Ending, News,
        slurm::{
            client,
            folder::Submission,
            queue::JobId,
            request::next_together,
            script::{Act, Script},
            site::Site,
            track::Tracked,
        },
    },
    run::{Evidence, ExperimentDir, Failure, FailureKind},
    spec::SlurmPlan,
};

/// How a submission is made.
pub(in crate::launch::slurm) struct Manner {
    pub(in crate::launch::slurm) dir: ExperimentDir,
    pub(in crate::launch::slurm) plan: SlurmPlan,
    /// This program, as the nodes see it.
    pub(in crate::launch::slurm) program: PathBuf,
    /// Where the setup lines are run.
    pub(in crate::launch::slurm) folder: PathBuf,
    /// How long a run that is asked to end has for it, seconds.
    pub(in crate::launch::slurm) grace: f64,
    pub(in crate::launch::slurm) site: Site,
    /// Set where Slurm has refused a time limit that was an estimate: no more of them.
    pub(in crate::launch::slurm) no_limits: Arc<AtomicBool>,
}

impl Clerk {
    /// Submits what waits, as far as Slurm takes it.
    pub(super) fn submit(&mut self) {
        while !self.waiting.is_empty() && self.now() >= self.submit_at {
            let most = usize::try_from(self.manner.site.array_tasks).unwrap_or(usize::MAX);
            let mut chunk = next_together(&mut self.waiting, most, |start| start.shape);
            let made = self.make(&chunk);
            let (submission, submitted) = match made {
                Ok(submission) => {
                    let submitted = client::submit(submission.path(), &submission.script());
                    (submission, submitted)
                }
                Err(problem) => {
                    self.refuse(chunk, &problem);
                    continue;
                }
            };
            match submitted {
                Ok(job) => {
                    // Where it is not kept, its jobs are found by their name.
                    let _ = submission.note_job(job);
                    self.submitted(&submission, job, chunk);
                    self.fine();
                    self.submit_pause = SUBMIT.0;
                }
                Err(error) if error.passes() => {
                    // It may have been taken all the same: then its jobs are there by name.
                    let found = client::jobs().ok().and_then(|jobs| {
                        let name = self.job_name(&submission);
                        jobs.iter().find(|seen| seen.name == name).map(|seen| seen.id.array)
                    });
                    if let Some(job) = found {
                        let _ = submission.note_job(job);
                        self.submitted(&submission, job, chunk);
                        continue;
                    }
                    let _ = submission.remove();
                    for start in &chunk {
                        self.situate(start.run, format!("waits for Slurm to take it: {error}"));
                    }
                    chunk.append(&mut self.waiting);
                    self.waiting = chunk;
                    self.submit_at = self.now() + self.submit_pause;
                    self.submit_pause = (2.0 * self.submit_pause).min(SUBMIT.1);
                    self.complain(&format!("{error}; runs wait until it takes them"));
                }
                Err(error) if chunk[0].shape.estimated_minutes(&self.manner.plan).is_some() => {
                    // A limit of the user's or of the account's, which nobody has told: the site's default is left.
                    let _ = submission.remove();
                    let minutes = chunk[0].shape.minutes().unwrap_or_default();
                    let text = format!(
                        "{error}; runs are submitted without --time={minutes}, which was an estimate"
                    );
                    let _ = self.news.send(News::Warning(text));
                    self.manner.no_limits.store(true, Ordering::Relaxed);
                    for start in &mut chunk {
                        start.shape = start.shape.without_limit();
                        start.order.estimated_minutes = None;
                    }
                    chunk.append(&mut self.waiting);
                    self.waiting = chunk;
                }
                Err(error) => {
                    let _ = submission.remove();
                    self.refuse(chunk, &error.to_string());
                }
            }
        }
    }

    fn job_name(&self, submission: &Submission) -> String {
        super::super::job_name(&self.manner.dir, submission)
    }

    /// Writes what a submission is made of.
    fn make(&self, chunk: &[Start]) -> Result<Submission, String> {
        let made = || {
            let submission = Submission::create(&self.manner.dir)?;
            for (place, start) in (0..).zip(chunk) {
                submission.task(place).write_order(&start.order)?;
            }
            let tasks = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            let Manner { plan, program, folder, grace, .. } = &self.manner;
            let script = Script {
                plan,
                shape: chunk[0].shape,
                name: &self.job_name(&submission),
                tasks: Some(tasks).filter(|_| self.manner.site.array_tasks > 0),
                grace: *grace,
                program,
                submission: submission.path(),
                folder,
                act: Act::Attend,
            };
            super::super::write_script(&submission, &script)?;
            Ok(submission)
        };
        made().map_err(|error: crate::base::files::FileError| with_causes(&error))
    }

    fn submitted(&mut self, submission: &Submission, job: u64, chunk: Vec<Start>) {
        let is_array = self.manner.site.array_tasks > 0;
        for (place, start) in (0..).zip(chunk) {
            let id = JobId { array: job, task: Some(place).filter(|_| is_array) };
            let Start { run, order, .. } = start;
            let dir = submission.task(place);
            let tracked = Tracked::new(run, order.attempt, Some(id));
            self.situate(run, format!("waits in Slurm's queue as job {id}"));
            let task = Task { dir, submission: submission.clone(), place, job: id, order };
            self.live.insert(run, Live { tracked, task });
        }
        // Short runs are submitted all the time: the queue is asked no more often for it.
        (self.files_at, self.queue_pause) = (0.0, CHANGED);
        self.queue_at = self.queue_at.min(self.now() + CHANGED);
    }

    /// Slurm does not want them, or they cannot be written.
    fn refuse(&mut self, chunk: Vec<Start>, problem: &str) {
        for start in chunk {
            let tracked = Tracked::new(start.run, start.order.attempt, None);
            let failure = Failure {
                kind: FailureKind::Launch,
                reason: problem.to_owned(),
                log_tail: String::new(),
                evidence: Evidence::default(),
            };
            self.tell_end(tracked.end(Ending::Failed(failure)));
        }
    }
}
