//! Which address is answered by what.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    middleware,
    response::Response,
    routing::{get, post},
};

use super::{
    answers, assets, change, compare, curves, experiment, guard, log, problem::Problem, run, site::Site,
    stream,
};

/// No wish of a page is larger, bytes.
const MOST_BODY: usize = 1 << 20;

/// The server's answers. A proxy may hand the path on with or without what it is below.
pub(super) fn router(site: Site) -> Router {
    let api = Router::new()
        .route("/experiments", get(experiment::all))
        .route("/experiment", get(experiment::one))
        .route("/curves", get(curves::of_experiment))
        .route("/run", get(run::one))
        .route("/run/curves", get(curves::of_run))
        .route("/run/log", get(log::log))
        .route("/run/predictions", get(answers::predictions))
        .route("/run/wrong.png", get(answers::wrong))
        .route("/compare", get(compare::compare))
        .route("/events", get(stream::events))
        .route("/change", post(change::change))
        .route("/enter", post(change::enter))
        .fallback(|| async { Problem::missing("there is nothing at this address") });
    let page = Router::new()
        .route("/", get(document))
        .route("/{file}", get(|Path(name): Path<String>| async move { assets::file(&name) }))
        .nest("/api", api);
    let below = site.base.trim_end_matches('/').to_owned();
    let all = match below.as_str() {
        "" => page,
        below => page.clone().nest(below, page).route(&site.base, get(document)),
    };
    let guard = Arc::clone(&site.guard);
    all.method_not_allowed_fallback(|| async { Problem::bad("this address is not to be asked so") })
        .fallback(|| async { Problem::missing("there is nothing at this address") })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(site)
}

async fn document(State(site): State<Site>) -> Response {
    assets::document(&site.base)
}
