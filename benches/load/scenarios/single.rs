//! One export and nothing else to do: how long it takes when nothing is in the way.

use super::Found;
use super::ending::seed_live;
use crate::audit::Audit;
use crate::mode::Scale;
use crate::objects::{Destination, Planned, create, plan, warm_up};
use crate::oracle::quantile::quantile;
use crate::report::{Bar, Row};
use crate::setup::Setup;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn single(scale: Scale) -> Found {
    let title = "1 object, idle";
    let setup = Setup::new("single", 1, 1, Value::Null).await;
    let planned = plan(&setup, scale.singles, Destination::Prefix, |_| 0);
    if let Some(first) = planned.first() {
        warm_up(&setup, first).await;
    }
    let operator = setup.operator().await;
    let (mut to_call, mut to_status) = (Vec::new(), Vec::new());
    for one in &planned {
        let (call, status) = one_export(&setup, one).await;
        to_call.push(call);
        to_status.push(status);
    }
    operator.stop().await;
    let row = |figure: &str, values: &[f64], unit, most| {
        let middle = quantile(values, 0.5).unwrap_or_default();
        let row = Row::new(title, figure, quantile(values, 0.99), unit).bar(Bar::AtMost(most));
        let slowest = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(n, _)| n + 1);
        row.note(format!("p50 {middle:.1} {unit}, of {}; number {slowest} was the slowest", values.len()))
    };
    let rows =
        vec![row("create -> Export call, p99", &to_call, "ms", 150.0), row("end -> status, p99", &to_status, "s", 3.0)];
    Found { rows, points: Vec::new() }
}

/// Milliseconds from the creation to the call, and seconds from the ZIP to the status.
async fn one_export(setup: &Setup, one: &Planned) -> (f64, f64) {
    seed_live(setup, std::slice::from_ref(one), json!({})).await;
    let mut audit = setup.audit();
    let created = create(setup, one).await.sent;
    // The intent, and the acceptance.
    writes(&mut audit, 2).await;
    let call = setup.world.simulator.calls("ExportStreamSessionFiles", &one.session).await;
    let called = call[0]["ms"].as_f64().unwrap() + setup.wall - created;
    sleep(Duration::from_secs(1)).await;
    setup.world.simulator.end(&one.session).await;
    let written = writes(&mut audit, 1).await;
    let done = setup.journal(0.0).succeeded()[one.session.as_str()];
    (called, (written - setup.wall - done) / 1000.0)
}

/// Waits for so many status writes, and says when the last was answered.
async fn writes(audit: &mut Audit, wanted: usize) -> f64 {
    let until = Instant::now() + PATIENCE;
    let mut seen = 0;
    while Instant::now() < until {
        for request in audit.news().iter().filter(|request| request.is_status_write()) {
            seen += 1;
            if seen == wanted {
                return request.answered();
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{seen} status writes, where {wanted} were to come");
}
