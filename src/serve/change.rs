//! What a page may ask to be changed, and who does it: the verbs of the command line, which hand their code in.

use std::sync::Arc;

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{problem::Problem, routes::Site};
use crate::run::Answer;

/// A wish of the page. Runs are given by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Change {
    /// These runs are not wanted.
    Cancel {
        /// Whose.
        experiment: String,
        /// Which.
        runs: Vec<String>,
    },
    /// These runs are to be trained after all.
    Requeue {
        /// Whose.
        experiment: String,
        /// Which.
        runs: Vec<String>,
    },
    /// Words by which a run is found.
    Tag {
        /// Whose.
        experiment: String,
        /// Which.
        run: String,
        /// To be added.
        #[serde(default)]
        add: Vec<String>,
        /// To be taken away.
        #[serde(default)]
        remove: Vec<String>,
    },
}

impl Change {
    fn experiment(&self) -> &str {
        match self {
            Self::Cancel { experiment, .. } | Self::Requeue { experiment, .. } | Self::Tag { experiment, .. } => {
                experiment
            }
        }
    }
}

/// A change that was not carried out, in a sentence.
#[derive(Debug)]
pub(crate) struct NotCarried(pub(crate) String);

/// Carries a change out. Blocks.
pub(crate) type Carry = Arc<dyn Fn(Change) -> Result<Answer, NotCarried> + Send + Sync>;

/// `POST /api/change`; the guard has seen the token.
///
/// # Errors
/// What is not understood or not done, in a sentence.
pub(super) async fn change(State(site): State<Site>, Json(wish): Json<Value>) -> Result<Json<Value>, Problem> {
    let wish: Change =
        serde_json::from_value(wish).map_err(|error| Problem::bad(format!("the change is not understood: {error}")))?;
    site.shown(wish.experiment())?;
    let carry = Arc::clone(&site.carry);
    let done = tokio::task::spawn_blocking(move || carry(wish)).await;
    let answer = done
        .map_err(|_| Problem::ours("the change has failed"))?
        .map_err(|NotCarried(sentence)| Problem::conflict(sentence))?;
    Ok(Json(json!({"changed": answer.changed, "refused": answer.refused, "text": answer.text})))
}

/// `POST /api/enter`: a browser that has the token gets the cookie that lets it read.
pub(super) async fn enter(State(site): State<Site>, headers: HeaderMap) -> impl IntoResponse {
    let mut answer = Json(json!({"entered": true})).into_response();
    if let Some(cookie) = site.guard.cookie(&headers) {
        answer.headers_mut().insert(axum::http::header::SET_COOKIE, cookie);
    }
    answer
}
