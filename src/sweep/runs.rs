//! The runs of a sweep, by index. Those of a search that learns come while it lasts: the list only ever grows, so that whoever
//! holds one of them keeps it.

use std::{
    collections::HashSet,
    ops::Index,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{grid::name_with_id, run::RunSpec};

/// The runs.
#[derive(Debug)]
pub(crate) struct Runs {
    places: Box<[OnceLock<RunSpec>]>,
    /// How many places are taken, from the first on.
    taken: AtomicUsize,
    /// Their names in lower case: some file systems do not tell case apart.
    names: Mutex<HashSet<String>>,
}

impl Runs {
    /// A list of these runs, with room for so many in all.
    pub(crate) fn new(runs: impl IntoIterator<Item = RunSpec>, room: usize) -> Self {
        let runs: Vec<RunSpec> = runs.into_iter().collect();
        let names = runs.iter().map(|run| run.name.to_ascii_lowercase()).collect();
        let taken = AtomicUsize::new(runs.len());
        let rest = room.saturating_sub(runs.len());
        let places = runs.into_iter().map(OnceLock::from).chain((0..rest).map(|_| OnceLock::new()));
        Self { places: places.collect(), taken, names: Mutex::new(names) }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// The run at a place.
    pub(crate) fn get(&self, place: usize) -> Option<&RunSpec> {
        self.places.get(place)?.get()
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RunSpec> {
        self.places.iter().map_while(OnceLock::get)
    }

    /// Adds a run at the end, under a name that no other has; `None` where there is no room.
    pub(crate) fn push(&self, mut run: RunSpec) -> Option<&RunSpec> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if !names.insert(run.name.to_ascii_lowercase()) {
            run.name = name_with_id(&run.name, &run.id);
            names.insert(run.name.to_ascii_lowercase());
        }
        let place = self.places.get(self.len())?;
        place.set(run).ok()?;
        self.taken.fetch_add(1, Ordering::Release);
        place.get()
    }
}

impl Index<usize> for Runs {
    type Output = RunSpec;

    fn index(&self, place: usize) -> &RunSpec {
        self.get(place).expect("only runs that are there have an index")
    }
}
