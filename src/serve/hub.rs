//! Who looks into the database for all pages together: one task an experiment that is looked at, which tells every page what is
//! new.
//!
//! What it has told last is kept, so that a page that comes back hears what it has missed; one that was away for longer is
//! told to read everything anew. A page that does not listen is waited for by nobody.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use tokio::sync::broadcast;

use super::{
    problem::Problem,
    readers::Readers,
    snapshot::{News, Snapshot},
};
use crate::{
    base::clock::wall_now,
    run::{ExperimentDir, RunKey},
    store::{Reader, Sight, StoreError},
};

/// How often the database is asked whether something has changed.
const TICK: Duration = Duration::from_millis(400);
/// A look that takes long is not taken more often than this many times its duration.
const REST: u32 = 4;
/// Without a page that listens, the task ends after that.
const IDLE: Duration = Duration::from_secs(30);
/// The connection is opened anew after that: the database may be another, a sweep may have been killed.
const FRESH: Duration = Duration::from_secs(5);
/// So much that was told is kept.
const KEPT: usize = 256;
/// Points of a run in one piece of news.
const MOST_NEW: usize = 600;

/// Something new, as the stream tells it.
#[derive(Debug)]
pub(super) struct Told {
    /// Counts from 1.
    pub(super) number: u64,
    pub(super) kind: &'static str,
    pub(super) data: String,
}

/// An experiment that is looked at.
#[derive(Debug)]
pub(super) struct Board {
    name: String,
    /// Tells the ids of this server from those of one before it.
    boot: String,
    state: Mutex<State>,
    sender: broadcast::Sender<Arc<Told>>,
}

#[derive(Debug)]
struct State {
    snapshot: Arc<Snapshot>,
    told: VecDeque<Arc<Told>>,
    number: u64,
    /// The whole as it was last asked for.
    whole: Option<(u64, Arc<str>)>,
    asked: Instant,
    /// Its task has ended.
    over: bool,
}

/// The experiments that are looked at.
#[derive(Clone, Debug)]
pub(super) struct Hub {
    readers: Readers,
    boot: String,
    boards: Arc<Mutex<HashMap<String, Arc<Board>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(super) fn new(readers: Readers) -> Self {
        Self { readers, boot: format!("{:x}", (wall_now() * 1e3) as u64), boards: Arc::default() }
    }

    /// The board of an experiment, which is looked at from now on.
    ///
    /// # Errors
    /// Where there is no such experiment, or the database cannot be read.
    pub(super) async fn board(&self, experiment: &str) -> Result<Arc<Board>, Problem> {
        if let Some(board) = self.known(experiment) {
            return Ok(board);
        }
        let mut reader = self.readers.open().await?;
        let snapshot = self.read(&mut reader, experiment, None).await?;
        let snapshot =
            snapshot.ok_or_else(|| Problem::missing(format!("there is no experiment `{experiment}`")))?;
        let mut boards = lock(&self.boards);
        if let Some(board) = boards.get(experiment).filter(|board| !lock(&board.state).over) {
            return Ok(Arc::clone(board));
        }
        let state = State {
            snapshot: Arc::new(snapshot),
            told: VecDeque::new(),
            number: 0,
            whole: None,
            asked: Instant::now(),
            over: false,
        };
        let board = Arc::new(Board {
            name: experiment.to_owned(),
            // Numbers begin anew where the task does.
            boot: format!("{}.{:x}", self.boot, (wall_now() * 1e3) as u64),
            state: Mutex::new(state),
            sender: broadcast::channel(KEPT).0,
        });
        boards.insert(experiment.to_owned(), Arc::clone(&board));
        tokio::spawn(self.clone().look(Arc::clone(&board), reader));
        Ok(board)
    }

    fn known(&self, experiment: &str) -> Option<Arc<Board>> {
        let board = lock(&self.boards).get(experiment).cloned()?;
        let mut state = lock(&board.state);
        state.asked = Instant::now();
        let over = state.over;
        drop(state);
        (!over).then_some(board)
    }

    async fn read(
        &self,
        reader: &mut Reader,
        experiment: &str,
        before: Option<&Snapshot>,
    ) -> Result<Option<Snapshot>, StoreError> {
        let Some(record) = reader.experiment(experiment).await? else { return Ok(None) };
        let dir = ExperimentDir::new(self.readers.runs_dir(), experiment);
        Snapshot::read(reader, record, &dir, before).await.map(Some)
    }

    /// Looks for news until no page listens any more, or the experiment is gone.
    async fn look(self, board: Arc<Board>, mut reader: Reader) {
        let mut opened = Instant::now();
        let mut version = None;
        let mut pause = TICK;
        loop {
            tokio::time::sleep(pause).await;
            let begun = Instant::now();
            if board.is_idle() {
                break;
            }
            if opened.elapsed() > FRESH {
                match self.readers.open().await {
                    Ok(fresh) => (reader, opened, version) = (fresh, Instant::now(), None),
                    Err(error) => {
                        board.tell(
                            vec![("trouble", json!({"error": crate::base::error::with_causes(&error)}))],
                            None,
                        );
                        pause = FRESH;
                        continue;
                    }
                }
            }
            match self.turn(&board, &mut reader, &mut version).await {
                Ok(true) => {}
                Ok(false) => {
                    board.tell(vec![("gone", json!({}))], None);
                    break;
                }
                // The next turn may have better luck: with a fresh connection.
                Err(_) => opened = begun.checked_sub(FRESH).unwrap_or(begun),
            }
            pause = TICK.max(begun.elapsed() * REST);
        }
        lock(&board.state).over = true;
        let mut boards = lock(&self.boards);
        if boards.get(&board.name).is_some_and(|known| Arc::ptr_eq(known, &board)) {
            boards.remove(&board.name);
        }
    }

    /// One look; whether the experiment is still there.
    async fn turn(
        &self,
        board: &Board,
        reader: &mut Reader,
        version: &mut Option<i64>,
    ) -> Result<bool, StoreError> {
        let before = board.snapshot();
        let now = reader.data_version().await?;
        let mut snapshot = if version.is_some_and(|version| version == now) {
            let dir = ExperimentDir::new(self.readers.runs_dir(), &board.name);
            let strip = before.strip(&dir);
            if strip == before.strip {
                return Ok(true);
            }
            before.with_strip(strip)
        } else {
            match self.read(reader, &board.name, Some(&before)).await? {
                Some(snapshot) => snapshot,
                None => return Ok(false),
            }
        };
        *version = Some(now);
        let news = snapshot.since(&before);
        if news.is_nothing() {
            return Ok(true);
        }
        let told = told(reader, &mut snapshot, news).await?;
        board.tell(told, Some(snapshot));
        Ok(true)
    }
}

/// News as they are told: kind and data.
async fn told(
    reader: &mut Reader,
    snapshot: &mut Snapshot,
    news: News,
) -> Result<Vec<(&'static str, Json)>, StoreError> {
    if news.reset {
        return Ok(vec![("reset", json!({}))]);
    }
    let mut told = Vec::new();
    if !news.points.is_empty() {
        let tag = snapshot.record.spec.rank.by.tag.clone();
        let mut curves = Vec::with_capacity(news.points.len());
        for (key, after) in news.points {
            let from = after.map_or(i64::MIN, |after| after.saturating_add(1));
            let sight = Sight { steps: from..=i64::MAX, most: MOST_NEW };
            let points = reader.drawn(RunKey::new(key), &tag, &sight).await?;
            let (steps, values): (Vec<i64>, Vec<f64>) = points.into_iter().unzip();
            curves.push(json!({"key": key, "after": after, "steps": steps, "values": values}));
        }
        told.push(("points", json!(curves)));
    }
    if !news.runs.is_empty() {
        told.push(("runs", json!(news.runs)));
    }
    if news.strip {
        told.push(("strip", snapshot.strip.clone()));
    }
    if !news.grown.is_empty() {
        let names: Vec<&str> = news.grown.iter().filter_map(|key| snapshot.name_of(*key)).collect();
        told.push(("grown", json!(names)));
    }
    Ok(told)
}

/// A page's place in what is told.
pub(super) struct Place {
    /// What it has missed, or `None` where it has to read everything anew.
    pub(super) missed: Option<Vec<Arc<Told>>>,
    /// What comes.
    pub(super) receiver: broadcast::Receiver<Arc<Told>>,
    /// The number of the last piece that was told when it came.
    pub(super) number: u64,
}

impl Board {
    /// What is known now.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&lock(&self.state).snapshot)
    }

    /// The id of a piece of news.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.boot)
    }

    /// Everything, as JSON.
    pub(super) fn whole(&self) -> Arc<str> {
        let (snapshot, number) = {
            let state = lock(&self.state);
            if let Some((number, whole)) = &state.whole
                && *number == state.number
            {
                return Arc::clone(whole);
            }
            (Arc::clone(&state.snapshot), state.number)
        };
        let whole: Arc<str> = snapshot.whole(&self.id(number)).into();
        lock(&self.state).whole = Some((number, Arc::clone(&whole)));
        whole
    }

    fn is_idle(&self) -> bool {
        let mut state = lock(&self.state);
        if self.sender.receiver_count() > 0 {
            state.asked = Instant::now();
        }
        state.over = state.asked.elapsed() > IDLE;
        state.over
    }

    fn tell(&self, told: Vec<(&'static str, Json)>, snapshot: Option<Snapshot>) {
        let mut state = lock(&self.state);
        if let Some(snapshot) = snapshot {
            state.snapshot = Arc::new(snapshot);
        }
        for (kind, data) in told {
            state.number += 1;
            let told = Arc::new(Told { number: state.number, kind, data: data.to_string() });
            state.told.push_back(Arc::clone(&told));
            if state.told.len() > KEPT {
                state.told.pop_front();
            }
            // Nobody listens where this fails.
            let _ = self.sender.send(told);
        }
    }

    /// Where a page goes on that has heard everything up to this id.
    pub(super) fn place(&self, since: &str) -> Place {
        let state = lock(&self.state);
        let receiver = self.sender.subscribe();
        let number = since.rsplit_once('-').filter(|(boot, _)| *boot == self.boot);
        let heard: Option<u64> = number.and_then(|(_, number)| number.parse().ok());
        let oldest = state.told.front().map_or(state.number + 1, |told| told.number);
        let missed = heard
            .filter(|heard| *heard <= state.number && heard + 1 >= oldest)
            .map(|heard| state.told.iter().filter(|told| told.number > heard).map(Arc::clone).collect());
        Place { missed, receiver, number: state.number }
    }
}
