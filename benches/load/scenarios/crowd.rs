//! Ten thousand of one team wait, then one of another comes.

use super::Found;
use super::ending::seed_live;
use crate::objects::{Destination, Planned, create, create_all, plan};
use crate::oracle::quantile::quantile;
use crate::report::{Bar, Row, thousands};
use crate::scale::Scale;
use crate::stand::Stand;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Teams with a single export each, one after the other: one wait could be luck.
const OTHERS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn crowd(scale: Scale) -> Found {
    let stand = Stand::new("crowd", 1 + OTHERS, scale.groups, Value::Null).await;
    let crowd = plan(&stand, scale.crowd, Destination::Prefix, |_| 0);
    seed_live(&stand, &crowd, json!({})).await;
    let operator = stand.operator().await;
    create_all(&stand, &crowd).await;
    sleep(Duration::from_secs(5)).await;
    let mut waits = Vec::new();
    for n in 1..=OTHERS {
        waits.push(one_other(&stand, n).await);
        sleep(Duration::from_secs(2)).await;
    }
    let before = stand.journal(0.0).first_accepted(stand.key()).len();
    operator.stop().await;
    let all: Vec<f64> = waits.iter().flatten().copied().collect();
    let longest = if all.len() == waits.len() { quantile(&all, 1.0) } else { None };
    let title = &format!("{} of one team waiting, then 1 of another", thousands(scale.crowd));
    let row = Row::new(title, "the one waits, longest of 5", longest, "s").bar(Bar::AtMost(1.0));
    let each: Vec<_> = waits.iter().map(|wait| wait.map_or("never".to_owned(), |wait| format!("{wait:.2}"))).collect();
    let note =
        format!("each {} s; {} of the crowd still waited", each.join(", "), scale.crowd - before.min(scale.crowd));
    Found { rows: vec![row.note(note)], points: Vec::new() }
}

/// From its creation to its call, in seconds.
async fn one_other(stand: &Stand, n: usize) -> Option<f64> {
    let other = Planned {
        namespace: stand.namespaces[n].clone(),
        session: format!("other{n}"),
        group: stand.groups[n % stand.groups.len()].clone(),
        uri: "s3://exports/other/".to_owned(),
    };
    seed_live(stand, std::slice::from_ref(&other), json!({})).await;
    let created = create(stand, &other).await;
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        sleep(Duration::from_millis(100)).await;
        let calls = stand.world.simulator.calls("ExportStreamSessionFiles", &other.session).await;
        if let Some(call) = calls.first() {
            return Some((call["ms"].as_f64().unwrap() + stand.wall - created) / 1000.0);
        }
    }
    None
}
