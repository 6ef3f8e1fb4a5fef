//! AWS's side of the simulator: from a request's bytes to an answer's.

pub mod answer;
pub mod call;
pub mod constraint;
pub mod error;
pub mod long_body;
pub mod request;
pub mod route;
pub mod sigv4;
pub mod tamper;

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};

use crate::app::App;
use crate::clock;
use crate::faults::Subject;
use crate::journal::{Event, Kind};
use crate::server::Reset;
use crate::wire::call::Call;
use crate::wire::error::ApiError;
use crate::wire::route::{Route, bare_id};
use crate::wire::sigv4::{Caller, Judge, SERVICE};
use crate::wire::tamper::Reply;

const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// Answers a request and writes it into the journal.
pub async fn handle(app: Arc<App>, request: Request<Body>) -> Result<Response<Body>, Reset> {
    let arrived = app.clock.since_start();
    let request_id = uuid::Uuid::new_v4().to_string();
    let (parts, body) = request.into_parts();
    let mut event = Event {
        request_id: Some(request_id.clone()),
        user_agent: parts.headers.get("user-agent").map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned()),
        ..Event::default()
    };
    let body = Limited::new(body, LARGEST_BODY).collect().await.map(|body| body.to_bytes());
    let reply = match body {
        Ok(body) => judge(&app, &parts, &body, &mut event).await,
        Err(_) => Reply::error(ApiError::front_end(413, "RequestEntityTooLargeException", "The request is too large.")),
    };
    event.status = reply.status();
    event.error = reply.error_code();
    event.duration_ms = Some(clock::rounded(app.clock.since_start() - arrived));
    app.journal.write(Kind::Call, arrived, event);
    reply.into_response(&request_id).ok_or(Reset)
}

/// Refuses a request before anything has read it; the journal, which is one of calls, leaves it out.
pub fn refuse(why: String) -> Result<Response<Body>, Reset> {
    let reply = Reply::error(ApiError::front_end(403, "AccessDeniedException", why));
    reply.into_response(&uuid::Uuid::new_v4().to_string()).ok_or(Reset)
}

async fn judge(app: &Arc<App>, parts: &Parts, body: &Bytes, event: &mut Event) -> Reply {
    let Some(route) = Route::of(&parts.method, parts.uri.path()) else {
        return Reply::error(ApiError::front_end(
            404,
            "UnknownOperationException",
            "The requested operation is not known.",
        ));
    };
    describe(&route, parts, body, event);
    let caller = match authenticate(app, parts, body, event) {
        Ok(caller) => caller,
        Err(error) => return Reply::error(error),
    };
    let plan = app.faults().plan(&Subject {
        operation: route.operation,
        group: event.group.as_deref().unwrap_or_default(),
        session: event.session.as_deref(),
        access_key_id: &caller.identity.access_key_id,
    });
    event.faults.clone_from(&plan.names);
    if let Some(reply) = tamper::before(&plan, &caller, &route).await {
        return reply;
    }
    let call =
        Call { app, route: &route, caller: &caller, query: parts.uri.query().unwrap_or_default(), body, plan: &plan };
    let result = run(&call, event).await;
    tamper::after(&plan, &caller, &route, result).await
}

/// What the journal tells about a call before anything has judged it: cut, for it may be anything.
fn describe(route: &Route, parts: &Parts, body: &[u8], event: &mut Event) {
    let cut = |text: &str| text.chars().take(256).collect::<String>();
    event.operation = Some(route.operation);
    event.group = route.group.as_deref().map(|id| cut(bare_id(id)));
    event.session = route.session.as_deref().map(|id| cut(bare_id(id)));
    event.query = parts.uri.query().map(cut);
    if route.operation == route::Operation::ExportStreamSessionFiles {
        let input: Option<request::Export> = serde_json::from_slice(body).ok();
        event.output_uri = input.and_then(|input| input.output_uri).map(|uri| uri.chars().take(1100).collect());
    }
}

fn authenticate(app: &App, parts: &Parts, body: &[u8], event: &mut Event) -> Result<Caller, ApiError> {
    let keys = app.keys();
    let judge =
        Judge { keys: &keys, regions: &app.regions, service: SERVICE, wall: clock::wall(), now: app.clock.now() };
    event.access_key_id = sigv4::claimed_key(parts);
    let caller = judge.verify(parts, body)?;
    event.account = Some(caller.scope.account.clone());
    event.region = Some(caller.scope.region.clone());
    Ok(caller)
}

/// What the service itself does: authorisation, quota, the operation.
async fn run(call: &Call<'_>, event: &mut Event) -> Result<answer::Answer, ApiError> {
    call.authorise()?;
    let operation = call.route.operation;
    let admitted = call.app.quota().admit(operation, &call.caller.scope, tokio::time::Instant::now());
    if !admitted {
        return Err(ApiError::throttling());
    }
    let mut answer = call.run().await?;
    event.effect_ms = Some(call.app.clock.since_start());
    event.items = answer.listed.as_ref().map(Vec::len);
    event.sessions = answer.listed.take().unwrap_or_default();
    event.session = event.session.take().or_else(|| answer.session.clone());
    Ok(answer)
}
