//! The stream of events of a page: what the hub has told, and the end of a run's log as it grows.

use std::{
    convert::Infallible,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::{Query, State},
    http::HeaderMap,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_core::Stream;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::MissedTickBehavior,
};

use super::{
    hub::{Board, Place},
    log::{LogPiece, log_piece},
    problem::Problem,
    site::Site,
};
use crate::run::ExperimentDir;

/// How often the log is looked at.
const LOG_TICK: Duration = Duration::from_millis(500);
/// A word at least so often, so that nobody on the way takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// So many streams at a time.
const MOST: usize = 1_000;
/// Events that wait for a reader; after that it misses some, and is told so.
const WAITING: usize = 32;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// What a page wants to hear.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    experiment: String,
    /// The id that the page was read at.
    #[serde(default)]
    since: String,
    /// The run whose log is followed.
    log: Option<String>,
    /// From which byte on.
    #[serde(default)]
    log_from: u64,
}

/// One of the streams that are open.
struct Open;

impl Open {
    fn new() -> Option<Self> {
        if OPEN.fetch_add(1, Ordering::Relaxed) >= MOST {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Events(mpsc::Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

/// `GET /api/events`: goes on after the `Last-Event-ID` of a browser that comes back, else after `since`.
///
/// # Errors
/// Where there is no such experiment, or too many listen.
pub(super) async fn events(
    State(site): State<Site>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    site.shown(&asked.experiment)?;
    let open = Open::new().ok_or_else(|| Problem::busy(format!("{MOST} pages are open already")))?;
    let board = site.hub.board(&asked.experiment).await?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let place = board.place(last.unwrap_or(&asked.since));
    let log = match &asked.log {
        Some(run) => {
            board
                .snapshot()
                .key_of(run)
                .ok_or_else(|| Problem::missing(format!("there is no run `{run}`")))?;
            let dir = ExperimentDir::new(site.readers.runs_dir(), &asked.experiment).run(run);
            Some((dir.log(), asked.log_from))
        }
        None => None,
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let _open = open;
        // Until the page is gone.
        tell(&sender, &board, place, log).await;
    });
    Ok(Sse::new(Events(receiver)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Tells a page everything; `None` once it is gone.
async fn tell(
    sender: &mpsc::Sender<Event>,
    board: &Arc<Board>,
    place: Place,
    mut log: Option<(PathBuf, u64)>,
) -> Option<()> {
    let Place { missed, mut receiver, mut number } = place;
    match missed {
        Some(missed) => {
            // So that a browser whose stream breaks before anything is new knows where it was.
            send(
                sender,
                Event::default()
                    .id(board.id(number.saturating_sub(missed.len() as u64)))
                    .event("hello")
                    .data("{}"),
            )
            .await?;
            for told in missed {
                send(sender, event(board, told.number, told.kind, &told.data)).await?;
            }
        }
        None => send(sender, event(board, number, "reset", "{}")).await?,
    }
    let mut tick = tokio::time::interval(LOG_TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = sender.closed() => return None,
            told = receiver.recv() => match told {
                Ok(told) if told.number <= number => {}
                Ok(told) => {
                    number = told.number;
                    send(sender, event(board, told.number, told.kind, &told.data)).await?;
                }
                // The page was too slow: it reads everything anew, and what it has missed with it.
                Err(RecvError::Lagged(_)) => {
                    receiver = receiver.resubscribe();
                    send(sender, event(board, number, "reset", "{}")).await?;
                }
                Err(RecvError::Closed) => return None,
            },
            _ = tick.tick(), if log.is_some() => {
                let Some((path, from)) = &mut log else { continue };
                if let Some(LogPiece { begins, text, end }) = log_piece(path, Some(*from)) && end != *from {
                    *from = end;
                    let data = json!({"begins": begins, "text": text, "end": end}).to_string();
                    // Without an id: it is no part of what is counted.
                    send(sender, Event::default().event("log").data(data)).await?;
                }
            }
        }
    }
}

async fn send(sender: &mpsc::Sender<Event>, event: Event) -> Option<()> {
    sender.send(event).await.ok()
}

fn event(board: &Board, number: u64, kind: &str, data: &str) -> Event {
    Event::default().id(board.id(number)).event(kind).data(data)
}
