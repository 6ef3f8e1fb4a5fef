//! Arrivals: to start and to stop them, and to see what has arrived.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock::rfc3339;
use crate::control::{Body, Refusal, ok};
use crate::service::arrivals::{ArrivalPlan, Arrivals};
use crate::service::session::Session;
use crate::service::status_reason::StatusReason;
use crate::service::world::World;

type Shared = State<Arc<App>>;
type Answer = Result<Json<Value>, Refusal>;

/// `POST arrivals`
pub async fn start(State(app): Shared, Body(plan): Body<ArrivalPlan>) -> Answer {
    plan.check().map_err(Refusal::bad)?;
    let started = app.world().start_arrivals(plan, &app.home, app.clock.now());
    let id = started.map_err(|why| Refusal(StatusCode::CONFLICT, why))?;
    app.wake.notify_one();
    Ok(Json(json!({ "id": id })))
}

/// `GET arrivals`: how many have come and how many of them were exported.
pub async fn list(State(app): Shared) -> Json<Value> {
    let world = app.world();
    let all: Vec<_> = world.arrivals().iter().map(|(id, arrivals)| summarize(&world, *id, arrivals)).collect();
    Json(json!({ "arrivals": all }))
}

/// `GET arrivals/{id}`: the same, and each session with its times.
pub async fn show(State(app): Shared, Path(id): Path<u64>) -> Answer {
    let world = app.world();
    let arrivals = world.arrivals().get(&id).ok_or_else(|| missing(id))?;
    let mut shown = summarize(&world, id, arrivals);
    shown["sessions"] = sessions_of(&world, arrivals).map(describe).collect();
    Ok(Json(shown))
}

/// `DELETE arrivals/{id}`: no more come; those that have come live on and stay listed.
pub async fn stop(State(app): Shared, Path(id): Path<u64>) -> Answer {
    if app.world().stop_arrivals(Some(id)) { Ok(ok()) } else { Err(missing(id)) }
}

/// `DELETE arrivals`
pub async fn stop_all(State(app): Shared) -> Json<Value> {
    app.world().stop_arrivals(None);
    ok()
}

fn missing(id: u64) -> Refusal {
    Refusal::missing(&format!("arrivals {id}"))
}

/// Those that can still be read.
fn sessions_of<'w>(world: &'w World, arrivals: &'w Arrivals) -> impl Iterator<Item = &'w Session> {
    arrivals.sessions.iter().filter_map(|seq| world.by_seq(*seq))
}

fn summarize(world: &World, id: u64, arrivals: &Arrivals) -> Value {
    let count = |fits: &dyn Fn(&Session) -> bool| sessions_of(world, arrivals).filter(|session| fits(session)).count();
    json!({
        "id": id,
        "running": arrivals.is_running(),
        "startedAt": rfc3339(arrivals.started_at),
        "arrived": arrivals.sessions.len(),
        "live": count(&|session| session.status().is_live()),
        "ended": count(&|session| session.ended_at().is_some()),
        "exportsAccepted": count(&|session| session.export_accepted_at().is_some()),
        "plan": arrivals.plan,
    })
}

/// Times are of the simulated clock, in milliseconds since 1970; null for what has not happened.
fn describe(session: &Session) -> Value {
    let state = session.state.current();
    let accepted_at = session.export_accepted_at();
    let accepted_after = accepted_at.and_then(|accepted| Some(accepted - session.activated_at?));
    json!({
        "id": session.id,
        "arn": session.arn(),
        "group": &*session.group,
        "application": &*session.application,
        "location": &*session.location,
        "status": state.status,
        "statusReason": state.reason.map(StatusReason::word),
        "createdAtMs": session.created_at,
        "activeAtMs": session.activated_at,
        "connectedAtMs": session.connected_at,
        "endedAtMs": session.ended_at(),
        "exportAcceptedAtMs": accepted_at,
        "acceptedAfterMs": accepted_after,
        "exportStatus": session.export_status(),
    })
}
