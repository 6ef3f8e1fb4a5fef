//! What an operator takes to start, and its memory: nothing to do, ten thousand objects, a hundred thousand; relists
//! included.

use super::{Found, Plot};
use crate::mode::Scale;
use crate::objects::{Destination, adopt_alone, plan, seed_pending};
use crate::report::{Bar, Row, thousands};
use crate::setup::Setup;
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// MiB with up to so many objects.
const BARS: [(usize, f64); 3] = [(0, 25.0), (10_000, 80.0), (100_000, 400.0)];
/// Seconds until ready with so many.
const STARTS_WITH: (usize, f64) = (10_000, 5.0);
/// Long enough for the watch's safety list, which comes every 60 s with 10,000 objects; beyond, for a restart's.
const WHILE: Duration = Duration::from_secs(25);

pub(crate) async fn memory(scale: Scale) -> Found {
    let setup = Setup::new("memory", 1, scale.groups, json!({"listMetadata": "full"})).await;
    let all = plan(&setup, scale.memory.last().copied().unwrap_or(0), Destination::Prefix, |_| 0);
    let mut found = Found::default();
    let mut memories = vec![measure(&setup, 0, &mut found).await];
    let mut there = 0;
    for &count in &scale.memory {
        let more = &all[there..count];
        seed_pending(&setup, more).await;
        adopt_alone(&setup, more).await;
        there = count;
        memories.push(measure(&setup, count, &mut found).await);
    }
    found.rows.append(&mut memories);
    found
}

/// A fresh operator lists everything; then the API server is killed, and it lists everything again. Returns what its
/// memory took.
async fn measure(setup: &Setup, count: usize, found: &mut Found) -> Row {
    let operator = setup.operator().await;
    let ready_after = operator.ready_after;
    sleep(WHILE).await;
    setup.world.control().restart_api_server().await;
    sleep(WHILE).await;
    let memory = operator.memory();
    operator.stop().await;
    let ready = Row::new(&format!("start with {} PENDING", thousands(count)), "until ready", Some(ready_after), "s");
    found.rows.push(if count == STARTS_WITH.0 { ready.bar(Bar::AtMost(STARTS_WITH.1)) } else { ready });
    let title = "memory, all objects PENDING";
    let row =
        Row::new(title, &format!("resident set with {} objects, peak", thousands(count)), Some(memory.peak), "MiB");
    let bar = BARS.iter().find(|(objects, _)| *objects == count).map_or(Bar::None, |(_, most)| Bar::AtMost(*most));
    if count > 0 {
        found.point(Plot::Memory, "peak", count as f64, memory.peak);
        found.point(Plot::Memory, "after relists", count as f64, memory.resident);
    }
    row.bar(bar).note(format!("{:.1} MiB after two relists", memory.resident))
}
