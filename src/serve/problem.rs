//! What is said to a request that cannot be answered: a status and a sentence.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{base::error::with_causes, store::StoreError};

/// A request that cannot be answered.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    sentence: String,
}

impl Problem {
    /// What was asked for does not exist.
    pub(super) fn missing(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, sentence: sentence.into() }
    }

    /// What was asked for makes no sense.
    pub(super) fn bad(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, sentence: sentence.into() }
    }

    /// Whoever asks may not.
    pub(super) fn forbidden(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, sentence: sentence.into() }
    }

    /// It is not known who asks.
    pub(super) fn unknown(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, sentence: sentence.into() }
    }

    /// It cannot be done as things are.
    pub(super) fn conflict(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, sentence: sentence.into() }
    }

    /// Too many ask.
    pub(super) fn busy(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, sentence: sentence.into() }
    }

    /// No fault of whoever asks.
    pub(super) fn ours(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, sentence: sentence.into() }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchExperiment { .. }
            | StoreError::NoSuchRun { .. }
            | StoreError::NoDatabase { .. }
            | StoreError::Elsewhere { .. }
            | StoreError::Gone { .. } => Self::missing(with_causes(&error)),
            error => Self::ours(with_causes(&error)),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error": self.sentence}))).into_response()
    }
}
