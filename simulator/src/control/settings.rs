//! Journal, counts, clock, quotas, switches, faults, keys.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Json;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::behaviour::{Behaviour, Changes, Override, Switches};
use crate::clock::{as_millis, rfc3339};
use crate::control::{Body, Refusal, ok};
use crate::faults::Rule;
use crate::identity::Key;
use crate::journal::Filter;
use crate::quota::Limits;

type Shared = State<Arc<App>>;
type Answer = Result<Json<Value>, Refusal>;

/// `GET healthz`
pub async fn health(State(app): Shared) -> Json<Value> {
    Json(json!({
        "ok": true,
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeMs": app.clock.since_start(),
        "sessions": app.world().sessions().count(),
    }))
}

/// `GET journal?since=&limit=&kind=&operation=&session=`
pub async fn journal(State(app): Shared, Query(filter): Query<Filter>) -> Json<Value> {
    let (records, last) = app.journal.read(&filter);
    Json(json!({ "records": records, "last": last }))
}

/// `GET counts`
pub async fn counts(State(app): Shared) -> Json<Value> {
    Json(json!(app.journal.counts()))
}

/// `DELETE counts`
pub async fn reset_counts(State(app): Shared) -> Json<Value> {
    app.journal.reset_counts();
    ok()
}

/// How far to push the clock.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advance {
    seconds: f64,
}

/// `GET time`
pub async fn time(State(app): Shared) -> Json<Value> {
    let now = app.clock.now();
    Json(
        json!({ "now": rfc3339(now), "nowMs": now, "aheadMs": app.clock.ahead(), "sinceStartMs": app.clock.since_start() }),
    )
}

/// `POST time`
pub async fn advance(State(app): Shared, Body(by): Body<Advance>) -> Answer {
    let by = Duration::try_from_secs_f64(by.seconds).map_err(|error| Refusal::bad(error.to_string()))?;
    if by > Duration::from_secs(100 * 365 * 86_400) {
        return Err(Refusal::bad("a century is the most at once"));
    }
    {
        // Under the lock: no session arrives between the one and the other.
        let mut world = app.world();
        world.postpone_arrivals(as_millis(by));
        app.clock.advance(by);
    }
    app.wake.notify_one();
    Ok(time(State(app)).await)
}

/// `GET quota`
pub async fn quota(State(app): Shared) -> Json<Value> {
    Json(json!(app.quota().limits()))
}

/// `PUT quota`
pub async fn set_quota(State(app): Shared, Body(limits): Body<Limits>) -> Json<Value> {
    app.quota().set(limits);
    quota(State(app)).await
}

/// Switches to set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewSwitches {
    defaults: Changes,
    overrides: Option<Vec<Override>>,
}

/// `GET behaviour`
pub async fn behaviour(State(app): Shared) -> Json<Value> {
    Json(json!(app.world().switches()))
}

/// `PUT behaviour`: what is absent goes back to the default.
pub async fn replace_behaviour(State(app): Shared, Body(new): Body<NewSwitches>) -> Json<Value> {
    let mut defaults = Behaviour::default();
    new.defaults.apply(&mut defaults);
    app.world().set_switches(Switches { defaults, overrides: new.overrides.unwrap_or_default() });
    app.wake.notify_one();
    behaviour(State(app)).await
}

/// `PATCH behaviour`: what is absent stays; overrides are added.
pub async fn change_behaviour(State(app): Shared, Body(new): Body<NewSwitches>) -> Json<Value> {
    {
        let mut world = app.world();
        let mut switches = world.switches().clone();
        new.defaults.apply(&mut switches.defaults);
        switches.overrides.extend(new.overrides.unwrap_or_default());
        world.set_switches(switches);
    }
    app.wake.notify_one();
    behaviour(State(app)).await
}

/// One rule or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Rules {
    /// Several.
    Many(Vec<Value>),
    /// One.
    One(Value),
}

/// `GET faults`
pub async fn faults(State(app): Shared) -> Json<Value> {
    Json(json!({ "faults": app.faults().entries() }))
}

/// `POST faults`: a rule, or an array of rules, all or none of which are taken.
pub async fn add_faults(State(app): Shared, Body(rules): Body<Rules>) -> Answer {
    let (values, single) = match rules {
        Rules::Many(values) => (values, false),
        Rules::One(value) => (vec![value], true),
    };
    let rules = values.into_iter().map(read_rule).collect::<Result<Vec<_>, _>>()?;
    let mut book = app.faults();
    let ids: Vec<u64> = rules.into_iter().map(|rule| book.add(rule)).collect();
    Ok(Json(if single { json!({ "id": ids.first() }) } else { json!({ "ids": ids }) }))
}

/// Read one by one: serde's untagged enums hide what was wrong.
fn read_rule(value: Value) -> Result<Rule, Refusal> {
    let rule: Rule = serde_json::from_value(value).map_err(|error| Refusal::bad(error.to_string()))?;
    rule.check().map_err(Refusal::bad)?;
    Ok(rule)
}

/// `DELETE faults`
pub async fn clear_faults(State(app): Shared) -> Json<Value> {
    app.faults().clear();
    ok()
}

/// `DELETE faults/{id}`
pub async fn remove_fault(State(app): Shared, Path(id): Path<u64>) -> Answer {
    if app.faults().remove(id) { Ok(ok()) } else { Err(Refusal::missing(&format!("fault {id}"))) }
}

/// `GET keys`: without their secrets.
pub async fn keys(State(app): Shared) -> Json<Value> {
    let keys = app.keys().public(app.clock.now());
    Json(json!({ "keys": keys }))
}

/// `POST keys`
pub async fn add_key(State(app): Shared, Body(key): Body<Key>) -> Json<Value> {
    app.keys_mut().add(key, &app.home.account, app.clock.now());
    ok()
}
