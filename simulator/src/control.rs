//! The simulator's own endpoints, `/_simulator/...`: for tests and for the curious. No signature; only for this
//! machine, and not for pages of other sites (`server` refuses both before anything here).

pub mod arrivals;
pub mod sessions;
pub mod settings;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::app::App;

/// All endpoints.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/_simulator/healthz", get(settings::health))
        .route("/_simulator/journal", get(settings::journal))
        .route("/_simulator/counts", get(settings::counts).delete(settings::reset_counts))
        .route("/_simulator/time", get(settings::time).post(settings::advance))
        .route("/_simulator/quota", get(settings::quota).put(settings::set_quota))
        .route(
            "/_simulator/behaviour",
            get(settings::behaviour).put(settings::replace_behaviour).patch(settings::change_behaviour),
        )
        .route("/_simulator/faults", get(settings::faults).post(settings::add_faults).delete(settings::clear_faults))
        .route("/_simulator/faults/{id}", axum::routing::delete(settings::remove_fault))
        .route("/_simulator/keys", get(settings::keys).post(settings::add_key))
        .route("/_simulator/groups", get(sessions::groups).post(sessions::add_group))
        .route("/_simulator/sessions", get(sessions::list).post(sessions::seed))
        .route("/_simulator/sessions/{id}", get(sessions::show).patch(sessions::change).post(sessions::change))
        .route("/_simulator/sessions/{id}/end", post(sessions::end))
        .route("/_simulator/sessions/{id}/disconnect", post(sessions::disconnect))
        .route("/_simulator/arrivals", get(arrivals::list).post(arrivals::start).delete(arrivals::stop_all))
        .route("/_simulator/arrivals/{id}", get(arrivals::show).delete(arrivals::stop))
        .fallback(unknown)
        .with_state(app)
}

async fn unknown(request: Request) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, format!("there is no {} {}", request.method(), request.uri().path()))
}

/// An answer with an error: `{"error": "..."}`.
#[derive(Debug)]
pub struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }

    /// A caller that no endpoint is for.
    pub(crate) fn forbidden(why: impl Into<String>) -> Self {
        Self(StatusCode::FORBIDDEN, why.into())
    }

    fn missing(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// A JSON body, whatever its Content-Type; what is wrong with it is said as JSON too.
#[derive(Debug)]
pub struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = axum::body::Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| Refusal::bad(error.body_text()))?;
        let bytes = if bytes.is_empty() { b"{}" } else { &bytes[..] };
        serde_json::from_slice(bytes).map(Self).map_err(|error| Refusal::bad(error.to_string()))
    }
}

fn ok() -> Json<Value> {
    Json(json!({ "ok": true }))
}
