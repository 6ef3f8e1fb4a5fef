//! What an operator's memory takes: nothing to do, ten thousand objects, a hundred thousand; relists included.

use super::{Found, Plot};
use crate::objects::{Destination, adopt, plan, seed_pending};
use crate::report::{Bar, Row};
use crate::scale::Scale;
use crate::stand::Stand;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// MiB with up to so many objects.
const BARS: [(usize, f64); 3] = [(0, 25.0), (10_000, 64.0), (100_000, 400.0)];
/// Long enough for the watch's safety list, which comes every 60 s with 10,000 objects; beyond, for a restart's.
const WHILE: Duration = Duration::from_secs(25);

pub(crate) async fn memory(scale: Scale) -> Found {
    let stand = Stand::new("memory", 1, scale.groups, json!({"listMetadata": "full"})).await;
    let all = plan(&stand, scale.memory.last().copied().unwrap_or(0), Destination::Prefix, |_| 0);
    let mut found = Found::default();
    measure(&stand, 0, &mut found).await;
    let mut there = 0;
    for &count in &scale.memory {
        let more = &all[there..count];
        seed_pending(&stand, more).await;
        adopt(&stand, more).await;
        there = count;
        measure(&stand, count, &mut found).await;
    }
    found
}

/// A fresh operator lists everything; then the API server is killed, and it lists everything again.
async fn measure(stand: &Stand, count: usize, found: &mut Found) {
    let operator = stand.operator().await;
    sleep(WHILE).await;
    stand.world.control().restart_api_server().await;
    sleep(WHILE).await;
    let memory = operator.memory();
    operator.stop().await;
    let title = "memory, all objects PENDING";
    let row = Row::new(title, &format!("resident set with {count} objects, peak"), Some(memory.peak), "MiB");
    let bar = BARS.iter().find(|(objects, _)| *objects == count).map_or(Bar::None, |(_, most)| Bar::AtMost(*most));
    let ready = operator_note(memory.resident);
    found.rows.push(row.bar(bar).note(ready));
    if count > 0 {
        found.point(Plot::Memory, "peak", count as f64, memory.peak);
        found.point(Plot::Memory, "after relists", count as f64, memory.resident);
    }
}

fn operator_note(resident: f64) -> String {
    format!("{resident:.1} MiB after two relists")
}
