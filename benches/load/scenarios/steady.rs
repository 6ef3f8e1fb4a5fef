//! Exports that come and go at an even pace: what each costs.

use super::Found;
use super::ending::seed_live;
use crate::journal::{EXPORT, GET, LIST};
use crate::mode::{Mode, Scale};
use crate::objects::{Destination, Planned, create, outcomes, plan};
use crate::oracle::quantile::quantile;
use crate::report::{Row, thousands};
use crate::setup::Setup;
use futures::future::join_all;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

const PER_SECOND: f64 = 15.0;
/// Seconds that each session lives on from its object's creation.
const LIFE: u64 = 20;
const MOST: f64 = 3.0;
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn steady(scale: Scale) -> Found {
    let title = &format!("{} created at 15/s", thousands(scale.steady));
    let setup = Setup::new("steady", 1, scale.groups, Value::Null).await;
    let planned = plan(&setup, scale.steady, Destination::Prefix, |_| 0);
    let life = if scale.mode == Mode::Quick { 8 } else { LIFE };
    let operator = setup.operator().await;
    let (mut audit, used) = (setup.audit(), operator.cpu_seconds());
    let begun = Instant::now();
    join_all(planned.iter().enumerate().map(|(n, one)| come(&setup, one, begun, n, life))).await;
    let until = Instant::now() + PATIENCE;
    while outcomes(&setup).await.succeeded < planned.len() && Instant::now() < until {
        sleep(Duration::from_secs(2)).await;
    }
    let end = outcomes(&setup).await;
    let used = 1000.0 * (operator.cpu_seconds() - used) / planned.len() as f64;
    operator.stop().await;
    let mut writes: HashMap<String, f64> = HashMap::new();
    for write in audit.news().iter().filter(|request| request.is_status_write()) {
        *writes.entry(write.name().to_owned()).or_default() += 1.0;
    }
    let mut found = Found::default();
    let unfinished = planned.len() - end.succeeded.min(planned.len());
    found.rows.push(Row::count(title, "exports without their result", unfinished, 0.0).note(format!("{end:?}")));
    found.rows.push(most(title, "status writes per export, max", &writes));
    found.rows.push(most(title, "Events per export, max", &events(&setup).await));
    found.rows.append(&mut requests(title, &setup, planned.len()));
    found.rows.push(Row::new(title, "processor time per export, from creation to end", Some(used), "ms"));
    found
}

async fn come(setup: &Setup, one: &Planned, begun: Instant, n: usize, life: u64) {
    sleep_until(begun + Duration::from_secs_f64(n as f64 / PER_SECOND)).await;
    seed_live(setup, std::slice::from_ref(one), json!({"sessionLengthSeconds": life})).await;
    create(setup, one).await;
}

fn most(title: &str, figure: &str, by_name: &HashMap<String, f64>) -> Row {
    let values: Vec<f64> = by_name.values().copied().collect();
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let row = Row::count(title, figure, quantile(&values, 1.0).unwrap_or_default() as usize, MOST);
    row.note(format!("mean {mean:.2}, of {}", values.len()))
}

async fn events(setup: &Setup) -> HashMap<String, f64> {
    let mut all = HashMap::new();
    for namespace in &setup.namespaces {
        let events: Api<Event> = Api::namespaced(setup.world.client.clone(), namespace);
        for event in events.list(&ListParams::default()).await.unwrap() {
            *all.entry(event.involved_object.name.unwrap_or_default()).or_default() += 1.0;
        }
    }
    all
}

/// Lists are of many exports: they count for the mean only.
fn requests(title: &str, setup: &Setup, exports: usize) -> Vec<Row> {
    let journal = setup.journal(0.0);
    let calls = |operation| journal.calls(operation, setup.key());
    let (export, get, list) = (calls(EXPORT), calls(GET), calls(LIST));
    let mut own: HashMap<&str, f64> = HashMap::new();
    export.iter().chain(&get).for_each(|call| *own.entry(&call.session).or_default() += 1.0);
    let own: Vec<f64> = own.into_values().collect();
    let all = (export.len() + get.len() + list.len()) as f64;
    let note = format!("{} Export, {} Get, {} List", export.len(), get.len(), list.len());
    let row = |figure, value| Row::new(title, figure, value, "").counted();
    vec![
        row("requests to AWS per export, mean", Some(all / exports as f64)).note(note),
        row("Export and Get calls per export, max", quantile(&own, 1.0)),
    ]
}
