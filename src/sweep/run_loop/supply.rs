//! Runs that are to be made are told to the scheduler while the sweep lasts: the points of a search that learns are suggested
//! when a slot is free, by what the earlier ones have come to.
//!
//! What a point has come to is the mean of the metric that ranks over its seeds, as the leaderboard has it of whole runs. A
//! point is kept in `search.jsonl` before any of its runs starts.

use std::{collections::BTreeMap, sync::Arc};

use super::{Loop, Now};
use crate::{
    base::{error::with_causes, human},
    event::Change,
    follow::RunFollower,
    grid::{Outcome, PointSearch, Suggested},
    launch::Launcher,
    run::{Failure, FailureKind, RunSpec, RunState},
    schedule::{Input, Job, Standing},
    sweep::told::{Told, outcome_of},
};

/// The search of a sweep.
pub(in crate::sweep) struct Supply<'a> {
    search: PointSearch<'a>,
    /// Runs of a point.
    seeds: u64,
    /// By run.
    told: BTreeMap<u64, Told>,
    /// A point that could not be kept yet.
    unkept: Option<Suggested>,
    /// Whether that has been told.
    is_late: bool,
    /// Points in a row, from the first on, whose values are none.
    barren: u32,
}

impl<'a> Supply<'a> {
    /// The search, with what earlier sweeps have left of its runs.
    pub(in crate::sweep) fn new(search: PointSearch<'a>, seeds: usize, told: BTreeMap<u64, Told>) -> Self {
        let mut supply = Self { search, seeds: seeds as u64, told, unkept: None, is_late: false, barren: 0 };
        for point in 0..supply.search.suggested() {
            supply.learn(point);
        }
        supply
    }

    /// Runs of points that are not suggested yet.
    pub(super) fn left(&self) -> u64 {
        (self.search.left() + u64::from(self.unkept.is_some())) * self.seeds
    }

    /// Works out what has become of a point; `None` while one of its runs is to be made.
    fn learn(&mut self, point: u64) -> Option<Outcome> {
        let runs = point * self.seeds..(point + 1) * self.seeds;
        let told: Option<Vec<Told>> = runs.map(|run| self.told.get(&run).copied()).collect();
        let outcome = told.map_or(Outcome::Running, |told| outcome_of(&told));
        self.search.learn(point, outcome);
        (outcome != Outcome::Running).then_some(outcome)
    }
}

impl<L: Launcher> Loop<'_, L> {
    /// Tells the scheduler of further runs, as long as it has a slot for them.
    pub(super) fn supply(&mut self, now: Now) {
        while self.scheduler.wants_more() {
            if self.promote(now) || self.release_begun(now) {
                continue;
            }
            if self.scheduler.may_begin_new() {
                if let Some(run) = self.scheduler.next_held() {
                    self.step(now, Input::Release { run });
                    continue;
                }
                match self.next_point(now) {
                    Next::Added => continue,
                    Next::Later => return,
                    Next::None => {}
                }
            }
            if self.may_promote() {
                if !self.scheduler.is_idle() {
                    // Whoever is alive may come to a rung, and let another go on.
                    return;
                }
                // Where a budget has left runs, those that wait may go on when it is larger.
                if self.scheduler.may_begin_new() {
                    self.stop_parked(now);
                }
            }
            return self.step(now, Input::Closed);
        }
    }

    /// Lets the search suggest a point, keeps it and adds its runs.
    fn next_point(&mut self, now: Now) -> Next {
        let Some(supply) = &mut self.search else { return Next::None };
        let was_done = supply.search.is_done();
        let point = supply.unkept.take();
        let point = point.or_else(|| supply.search.next_point());
        let Some(point) = point else {
            let suggested = supply.search.suggested();
            if !was_done {
                let points = human::counted(suggested, "point");
                let text =
                    format!("the search has tried all of its space, {points}: fewer than `search.points`");
                self.tell(now, Change::Note(text));
            }
            return Next::None;
        };
        match self.attempts.keep_point(&point) {
            Ok(added) => {
                supply.is_late = false;
                let runs: Arc<Vec<RunSpec>> = Arc::new(added.iter().map(|(run, _)| run.clone()).collect());
                let jobs: Vec<Job> = added.into_iter().map(|(_, job)| job).collect();
                self.tell(now, Change::Suggested { point: Arc::new(point), runs });
                for job in jobs {
                    self.step(now, Input::Add(job));
                }
                Next::Added
            }
            Err(error) => {
                supply.unkept = Some(point);
                if !std::mem::replace(&mut supply.is_late, true) {
                    let text = format!(
                        "a point of the search cannot be kept, and waits until it can: {}",
                        with_causes(&error)
                    );
                    self.tell(now, Change::Warning(text));
                }
                Next::Later
            }
        }
    }

    /// A run has ended, and is in this state then: the search is told what its point has come to, once all its seeds have ended.
    pub(super) fn tell_search(
        &mut self,
        now: Now,
        run: u64,
        state: RunState,
        failure: Option<&Failure>,
        ranked: Option<f32>,
    ) {
        if self.search.is_none() {
            return;
        }
        let told = match state {
            RunState::Completed => {
                match ranked.or_else(|| self.ranked_in_folder(run).map(|(_, value)| value)) {
                    Some(value) => Told::Value(value.into()),
                    None => Told::Nothing,
                }
            }
            RunState::Paused if self.scheduler.standing(run) != Some(Standing::Held) => return,
            RunState::Stopped | RunState::Paused => match self.ranked_in_folder(run) {
                Some((step, value)) => Told::Stopped(step, value.into()),
                None => Told::Nothing,
            },
            RunState::Failed if failure.is_some_and(|failure| failure.kind == FailureKind::Diverged) => {
                Told::Value(f64::NAN)
            }
            RunState::Failed | RunState::Cancelled => Told::Nothing,
            RunState::Pending | RunState::Running | RunState::Reused => return,
        };
        let Some(supply) = &mut self.search else { return };
        supply.told.insert(run, told);
        let Some(outcome) = supply.learn(run / supply.seeds) else { return };
        self.tell_barren(now, outcome);
    }

    /// A run is to be made again: what it came to is no more.
    pub(super) fn forget_told(&mut self, run: u64) {
        if let Some(supply) = &mut self.search {
            supply.told.remove(&run);
            supply.learn(run / supply.seeds);
        }
    }

    /// Where the first points all come to nothing that a search learns from, the rest would too.
    fn tell_barren(&mut self, now: Now, outcome: Outcome) {
        let most = self.limits.stop_after;
        let Some(supply) = &mut self.search else { return };
        let is_barren = match outcome {
            Outcome::Completed { value } => value.is_none(),
            // Runs that fail are the business of whoever compares failures.
            Outcome::Running | Outcome::Stopped { .. } => false,
            Outcome::Failed => supply.told.values().any(|told| *told == Told::Nothing),
        };
        if !is_barren {
            supply.barren = u32::MAX;
        }
        if supply.barren == u32::MAX || most == 0 {
            return;
        }
        supply.barren += 1;
        if supply.barren < most {
            return;
        }
        supply.barren = u32::MAX;
        let by = &self.rank_by;
        let nothing = match outcome {
            Outcome::Completed { .. } => format!("`{by}` is not a number at each of them"),
            _ => format!("none of them has a value of `{by}`, which `rank.by` names"),
        };
        let points = human::counted(most, "point");
        let text = format!(
            "the first {points} tell the search nothing: {nothing}; nothing more is started \
             (schedule.stop_after sets the number, 0 goes on in any case)"
        );
        self.tell(now, Change::Warning(text));
        self.drain(now);
    }

    /// The last step and value of the metric that ranks, by the event files of a run.
    fn ranked_in_folder(&self, run: u64) -> Option<(u64, f32)> {
        let forecast = self.attempts.forecast(run);
        let dir = self.attempts.folder(run)?;
        let points = RunFollower::new(dir.path()).poll().scalars;
        let last = points.iter().filter(|point| forecast.ranks(&point.tag)).max_by_key(|point| point.step)?;
        Some((u64::try_from(last.step).unwrap_or(0), last.value))
    }
}

/// What the search answers.
enum Next {
    Added,
    /// There is one, and it waits.
    Later,
    None,
}
