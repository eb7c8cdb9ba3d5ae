//! The consumers of the events of a sweep: a plain struct of all there are, each told every event by the loop.
//!
//! A sink that is not there is left out: a run that is trained again has no ledger. No sink stops a sweep or slows its
//! loop: the ledger is written on a task of its own and tries again for as long as it must, the files in the run folders
//! are tried again at every tick, and the terminal is not worth an error.

mod folders;
pub(super) mod hparams;
mod ledger;
mod live;
mod notify;
mod terminal;

pub(super) use folders::Folders;
pub(crate) use hparams::foreign_records;
pub(super) use ledger::{Ledger, LedgerNews, LedgerState};
pub(super) use notify::Notifier;
pub(super) use terminal::Context;
pub(crate) use terminal::{Terminal, Verbosity};

use crate::{event::Event, publish::Answers};

/// Whoever is told of the events of one sweep.
pub(super) struct Sinks<'a> {
    /// The runs database.
    pub(super) ledger: Option<Ledger>,
    /// What Gridboard itself writes into the folders of the runs.
    pub(super) folders: Option<Folders<'a>>,
    /// stderr.
    pub(super) terminal: Option<&'a mut Terminal>,
    /// People, by webhooks and programs.
    pub(super) notifier: Option<Notifier>,
    /// Every event, for tests.
    #[cfg(test)]
    pub(super) told: Option<std::rc::Rc<std::cell::RefCell<Vec<Event>>>>,
}

impl<'a> Sinks<'a> {
    pub(super) fn new(
        ledger: Option<Ledger>,
        folders: Option<Folders<'a>>,
        terminal: Option<&'a mut Terminal>,
    ) -> Self {
        Self {
            ledger,
            folders,
            terminal,
            notifier: None,
            #[cfg(test)]
            told: None,
        }
    }

    /// Tells everybody. `answers` are those of a run that this event completes.
    pub(super) fn tell(&mut self, event: &Event, answers: Option<Answers>, context: &Context<'_>) {
        if let Some(ledger) = &mut self.ledger {
            ledger.tell(event, answers);
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.tell(event, context);
        }
        if let Some(notifier) = &mut self.notifier {
            notifier.tell(event, context.ranked.map(f64::from));
        }
        #[cfg(test)]
        if let Some(told) = &self.told {
            told.borrow_mut().push(event.clone());
        }
    }

    /// Whether attempts may start: what the sinks have not written yet is bounded.
    pub(super) fn has_room(&self) -> bool {
        self.ledger.as_ref().is_none_or(Ledger::has_room)
    }

    /// Waits until the ledger has something to say; for ever without one. Dropping the future loses nothing.
    pub(super) async fn changed(&mut self) -> LedgerState {
        match &mut self.ledger {
            Some(ledger) => ledger.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until the ledger, which is told to close, has something to say; for ever without one. Dropping the future loses
    /// nothing.
    pub(super) async fn closing(&mut self) -> LedgerNews {
        match &mut self.ledger {
            Some(ledger) => ledger.closing().await,
            None => std::future::pending().await,
        }
    }
}
