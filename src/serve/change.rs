//! Takes what a page asks to be changed, and hands it to the code of the verbs.

use std::sync::Arc;

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde_json::{Value, json};

use super::{
    carry::{Change, NotCarried},
    problem::Problem,
    site::Site,
};

/// `POST /api/change`; the guard has seen the token.
///
/// # Errors
/// What is not understood or not done, in a sentence.
pub(super) async fn change(
    State(site): State<Site>,
    Json(wish): Json<Value>,
) -> Result<Json<Value>, Problem> {
    let wish: Change = serde_json::from_value(wish)
        .map_err(|error| Problem::bad(format!("the change is not understood: {error}")))?;
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
