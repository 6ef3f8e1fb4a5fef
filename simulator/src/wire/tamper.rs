//! Carries out the faults: what goes wrong before a call has its effect, and after.

use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

use crate::faults::{Damage, Falsehood, Field, Instead, Plan};
use crate::service::identifier::unknown;
use crate::wire::answer::Answer;
use crate::wire::error::ApiError;
use crate::wire::long_body::LongBody;
use crate::wire::route::{Route, bare_id};
use crate::wire::sigv4::Caller;

const PROXY_PAGE: &str = "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n\
    <center><h1>503 Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n";

/// What the caller gets.
#[derive(Debug)]
pub enum Reply {
    /// What the service says.
    Answer(Answer, Damage),
    /// Its error.
    Error(ApiError, Damage),
    /// A proxy's page instead.
    Html503,
    /// No answer.
    Reset,
}

impl Reply {
    /// An error as it is.
    #[must_use]
    pub fn error(error: ApiError) -> Self {
        Self::Error(error, Damage::default())
    }

    /// The HTTP status; none for a reset.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answer(answer, _) => Some(answer.status),
            Self::Error(error, _) => Some(error.status),
            Self::Html503 => Some(503),
            Self::Reset => None,
        }
    }

    /// The error's name.
    #[must_use]
    pub fn error_code(&self) -> Option<String> {
        match self {
            Self::Error(error, _) => Some(error.code.clone()),
            Self::Answer(..) | Self::Html503 | Self::Reset => None,
        }
    }

    /// The response; none for a reset.
    #[must_use]
    pub fn into_response(self, request_id: &str) -> Option<Response<Body>> {
        let (status, kind, body, damage) = match &self {
            Self::Reset => return None,
            Self::Html503 => (503, "text/html", PROXY_PAGE.to_owned(), Damage::default()),
            Self::Error(error, damage) => (error.status, "application/json", error.body(), *damage),
            Self::Answer(answer, damage) => {
                let body = answer.body.as_ref().map(Value::to_string).unwrap_or_default();
                (answer.status, "application/json", body, *damage)
            }
        };
        let mut response = Response::new(lengthened(damage, cut(damage, body)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if status != 204 {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if let (Self::Error(error, _), name) = (&self, HeaderName::from_static("x-amzn-errortype")) {
            headers.extend(HeaderValue::from_str(&error.code).ok().map(|code| (name, code)));
        }
        // A proxy has not asked AWS for a request id.
        if !matches!(self, Self::Html503) {
            let name = HeaderName::from_static("x-amzn-requestid");
            headers.extend(HeaderValue::from_str(request_id).ok().map(|id| (name, id)));
        }
        headers.extend(date(damage).map(|date| (header::DATE, date)));
        Some(response)
    }
}

/// Half of the body, if it is to break off.
fn cut(damage: Damage, mut body: String) -> String {
    if damage.broken_json {
        let half = (1..=body.len() / 2).rev().find(|&at| body.is_char_boundary(at));
        body.truncate(half.unwrap_or(0));
    }
    body
}

/// With blanks at its end, if it is to be longer.
fn lengthened(damage: Damage, body: String) -> Body {
    match damage.length {
        Some(length) => Body::new(LongBody::new(body, length)),
        None => Body::from(body),
    }
}

/// The Date header, if it is to be wrong.
fn date(damage: Damage) -> Option<HeaderValue> {
    let offset = damage.date_offset?;
    let amount = Duration::from_secs(offset.unsigned_abs());
    let now = SystemTime::now();
    let date = if offset < 0 { now.checked_sub(amount) } else { now.checked_add(amount) };
    HeaderValue::from_str(&httpdate::fmt_http_date(date?)).ok()
}

/// What goes wrong before the call reaches the service, if anything ends it there.
pub async fn before(plan: &Plan, caller: &Caller, route: &Route) -> Option<Reply> {
    sleep(plan.wait_before).await;
    let instead = plan.instead_before.as_ref()?;
    Some(reply(instead, plan.damage, caller, route))
}

/// What goes wrong once the service has spoken.
pub async fn after(plan: &Plan, caller: &Caller, route: &Route, result: Result<Answer, ApiError>) -> Reply {
    sleep(plan.wait_after).await;
    match (&plan.instead_after, result) {
        (Some(instead), _) => reply(instead, plan.damage, caller, route),
        (None, Err(error)) => Reply::Error(error, plan.damage),
        (None, Ok(mut answer)) => {
            if let Some(body) = &mut answer.body {
                falsify(plan, body);
            }
            Reply::Answer(answer, plan.damage)
        }
    }
}

async fn sleep(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

fn reply(instead: &Instead, damage: Damage, caller: &Caller, route: &Route) -> Reply {
    let error = match instead {
        Instead::Reset => return Reply::Reset,
        Instead::Html503 => return Reply::Html503,
        Instead::Throttling => ApiError::throttling(),
        Instead::AccessDenied => caller.denied(route),
        Instead::ExpiredToken => ApiError::expired_token(),
        Instead::NotFound => {
            let id = route.session.as_deref().or(route.group.as_deref()).unwrap_or_default();
            unknown("Stream session", id)
        }
        Instead::Validation(message) => ApiError::validation(message),
        Instead::Server(status, code) => ApiError::server(*status, code),
    };
    Reply::Error(error, damage)
}

/// Falsifies every session that an answer shows and a rule covers.
fn falsify(plan: &Plan, body: &mut Value) {
    let Value::Object(map) = body else { return };
    match map.get_mut("Items").and_then(Value::as_array_mut) {
        Some(items) => {
            items.retain(|item| !falsehoods(plan, item).any(|falsehood| *falsehood == Falsehood::Unlisted));
            items.iter_mut().for_each(|item| falsify_one(plan, item));
        }
        None => falsify_one(plan, body),
    }
}

fn falsify_one(plan: &Plan, session: &mut Value) {
    let told: Vec<_> = falsehoods(plan, session).collect();
    if let Value::Object(session) = session {
        told.into_iter().for_each(|falsehood| tell(session, falsehood));
    }
}

/// What is said of a session that is not so.
fn falsehoods<'plan>(plan: &'plan Plan, session: &Value) -> impl Iterator<Item = &'plan Falsehood> {
    let id = session["Arn"].as_str().map(|arn| bare_id(arn).to_owned());
    let of_it = plan.falsehoods.iter().filter(move |(sessions, _)| id.as_ref().is_some_and(|id| sessions.matches(id)));
    of_it.map(|(_, falsehood)| falsehood)
}

/// A field of an export is only falsified where there is one.
fn tell(session: &mut Map<String, Value>, falsehood: &Falsehood) {
    let key = "ExportFilesMetadata";
    match falsehood {
        // Only a list can leave it out.
        Falsehood::Unlisted => {}
        Falsehood::NoExport => drop(session.remove(key)),
        Falsehood::NoField(name) => drop(session.remove(*name)),
        Falsehood::EmptyExport => drop(session.insert(key.to_owned(), Value::Object(Map::new()))),
        Falsehood::Text(Field::Session, name, text) => drop(session.insert((*name).to_owned(), text.as_str().into())),
        Falsehood::Text(Field::Export, name, text) => {
            if let Some(export) = session.get_mut(key).and_then(Value::as_object_mut) {
                export.insert((*name).to_owned(), text.as_str().into());
            }
        }
        Falsehood::NoOutputUri => {
            if let Some(export) = session.get_mut(key).and_then(Value::as_object_mut) {
                export.remove("OutputUri");
            }
        }
    }
}
