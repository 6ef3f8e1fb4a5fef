//! Groups and sessions.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock::rfc3339;
use crate::config::GroupConfig;
use crate::control::{Body, Refusal, ok};
use crate::identity::Scope;
use crate::service::seed::{Change, ChangeError, Seed};
use crate::service::session::{Session, Status};
use crate::service::status_reason::StatusReason;

type Shared = State<Arc<App>>;
type Answer = Result<Json<Value>, Refusal>;

/// `GET groups`
pub async fn groups(State(app): Shared) -> Json<Value> {
    let world = app.world();
    let groups: Vec<_> = world
        .groups()
        .iter()
        .map(|((scope, id), group)| {
            json!({
                "id": id,
                "account": scope.account,
                "region": scope.region,
                "applications": group.applications,
                "sessions": group.sessions().len(),
            })
        })
        .collect();
    Json(json!({ "groups": groups }))
}

/// `POST groups`
pub async fn add_group(State(app): Shared, Body(group): Body<GroupConfig>) -> Answer {
    let account = group.account.as_ref().unwrap_or(&app.home.account);
    let regions: Vec<_> =
        app.regions.iter().filter(|region| group.region.as_ref().is_none_or(|only| only == *region)).collect();
    if regions.is_empty() {
        return Err(Refusal::bad("that Region is not served"));
    }
    for region in regions {
        app.world().add_group(&Scope::new(account, region), &group.id, group.applications.clone());
    }
    Ok(ok())
}

/// Which sessions are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    status: Option<Status>,
    limit: Option<usize>,
}

/// `GET sessions?status=&limit=`
pub async fn list(State(app): Shared, Query(wanted): Query<Wanted>) -> Json<Value> {
    let world = app.world();
    let sessions: Vec<_> = world
        .sessions()
        .filter(|session| wanted.status.is_none_or(|status| session.status() == status))
        .take(wanted.limit.unwrap_or(usize::MAX))
        .map(describe)
        .collect();
    Json(json!({ "sessions": sessions }))
}

/// `POST sessions`
pub async fn seed(State(app): Shared, Body(seed): Body<Seed>) -> Answer {
    let made = app.world().seed(&seed, &app.home, app.clock.now());
    let ids = made.map_err(|why| Refusal(StatusCode::CONFLICT, why))?;
    app.wake.notify_one();
    Ok(Json(json!({ "ids": ids })))
}

/// `GET sessions/{id}`: the truth, whatever reads lag.
pub async fn show(State(app): Shared, Path(id): Path<String>) -> Answer {
    let world = app.world();
    world.by_id(&id).map(|session| Json(describe(session))).ok_or_else(|| missing(&id))
}

/// `PATCH sessions/{id}`
pub async fn change(State(app): Shared, Path(id): Path<String>, Body(change): Body<Change>) -> Answer {
    let changed = app.world().change(&id, &change, app.clock.now());
    changed.map_err(|error| refuse(error, &id))?;
    app.wake.notify_one();
    show(State(app), Path(id)).await
}

/// Why a session ends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    #[serde(default = "application_exit")]
    reason: StatusReason,
}

fn application_exit() -> StatusReason {
    StatusReason::ApplicationExit
}

/// `POST sessions/{id}/end`
pub async fn end(State(app): Shared, Path(id): Path<String>, Body(end): Body<End>) -> Answer {
    change(State(app), Path(id), Body(Change { end: Some(end.reason), ..Change::default() })).await
}

/// `POST sessions/{id}/disconnect`: its client leaves.
pub async fn disconnect(State(app): Shared, Path(id): Path<String>) -> Answer {
    let changed = app.world().disconnect(&id, app.clock.now());
    changed.map_err(|error| refuse(error, &id))?;
    app.wake.notify_one();
    show(State(app), Path(id)).await
}

fn refuse(error: ChangeError, id: &str) -> Refusal {
    match error {
        ChangeError::Unknown => missing(id),
        ChangeError::Conflict(why) => Refusal(StatusCode::CONFLICT, why),
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::missing(&format!("session {id}"))
}

fn describe(session: &Session) -> Value {
    let state = session.state.current();
    let export = session.export.current().as_deref().map(|export| {
        json!({
            "status": export.status,
            "givenUri": export.given,
            "objectUri": export.object,
            "statusReason": export.reason,
            "accessKeyId": export.access_key_id,
            "frozen": export.frozen,
            "since": rfc3339(session.export.since()),
        })
    });
    json!({
        "id": session.id,
        "arn": session.arn(),
        "account": session.scope.account,
        "region": session.scope.region,
        "group": &*session.group,
        "status": state.status,
        "statusReason": state.reason.map(StatusReason::word),
        "since": rfc3339(session.state.since()),
        "createdAt": rfc3339(session.created_at),
        "endsOnDisconnect": session.ends_on_disconnect,
        "logFileLocationUri": session.log_file_location_uri.as_deref(),
        "held": session.held,
        "uploading": session.uploading,
        "export": export,
    })
}
