//! For a minute the customer's own backend takes most of what AWS allows.

use super::Found;
use super::ending::seed_live;
use crate::journal::{EXPORT, Journal};
use crate::mode::Scale;
use crate::objects::{Destination, Planned, create_all, plan};
use crate::oracle::rate::{peak, recovered};
use crate::report::{Bar, Row};
use crate::setup::{EXPORT_SHARE, Setup};
use crate::simulator::REGION;
use aws_credential_types::Credentials;
use aws_sdk_gameliftstreams::Client;
use aws_sdk_gameliftstreams::config::retry::RetryConfig;
use aws_sdk_gameliftstreams::config::{BehaviorVersion, Config, Region};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

const KEY: &str = "AKIABACKEND";
const PER_SECOND: f64 = 15.0;
const STORM: Duration = Duration::from_secs(60);
const BEFORE: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_secs(80);
/// Sessions of the backend's own, whose exports it asks for again and again.
const OWN: usize = 30;
/// A rate is what comes within this, in milliseconds.
const WINDOW: f64 = 5_000.0;

pub(crate) async fn storm(scale: Scale) -> Found {
    let setup = Setup::new("storm", 2, scale.groups, Value::Null).await;
    let planned = plan(&setup, scale.storm, Destination::Prefix, |n| n / scale.groups % 2);
    let own: Vec<Planned> = plan(&setup, OWN, Destination::Prefix, |_| 0)
        .into_iter()
        .map(|one| Planned { session: format!("own{}", one.session), ..one })
        .collect();
    seed_live(&setup, &planned, json!({})).await;
    seed_live(&setup, &own, json!({})).await;
    setup.world.simulator.ask("POST", "keys", json!({"accessKeyId": KEY, "secretAccessKey": "backend"})).await;
    let operator = setup.operator().await;
    create_all(&setup, &planned).await;
    sleep(BEFORE).await;
    let begun = setup.now().await;
    rage(&backend(&setup), &own).await;
    let over = setup.now().await;
    sleep(AFTER).await;
    operator.stop().await;
    judge(&setup, &setup.journal(0.0), begun, over)
}

fn backend(setup: &Setup) -> Client {
    let keys = Credentials::new(KEY, "backend", None, None, "bench");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(&setup.world.simulator.aws)
        .credentials_provider(keys)
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

async fn rage(client: &Client, own: &[Planned]) {
    let begun = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..(PER_SECOND * STORM.as_secs_f64()) as usize {
        sleep_until(begun + Duration::from_secs_f64(n as f64 / PER_SECOND)).await;
        let one = &own[n % own.len()];
        let call = client.export_stream_session_files().identifier(&one.group);
        let call = call.stream_session_identifier(&one.session).output_uri("s3://exports/backend/");
        // Throttled or not: the journal tells.
        calls.spawn(async move { call.send().await.is_ok() });
    }
    calls.join_all().await;
}

fn judge(setup: &Setup, journal: &Journal, begun: f64, over: f64) -> Found {
    let title = "throttle storm: the backend takes 15 of the 20 for 60 s";
    let ours: Vec<f64> = journal.calls(EXPORT, setup.key()).iter().map(|call| call.ms).collect();
    let left = ours.last().is_some_and(|&last| last > over + 60_000.0);
    let back = recovered(&ours, over, 0.9 * EXPORT_SHARE, WINDOW).map(|ms| ms / 1000.0);
    let theirs = journal.calls(EXPORT, KEY);
    let late: Vec<_> = theirs.iter().filter(|call| call.ms > begun + 2_000.0).collect();
    let throttled = late.iter().filter(|call| call.error == "ThrottlingException").count();
    let early = theirs.iter().filter(|call| call.ms <= begun + 2_000.0 && call.error == "ThrottlingException").count();
    let during = ours.iter().filter(|&&at| at >= begun && at < over).count() as f64 / STORM.as_secs_f64();
    let mut found = Found::default();
    let row = Row::new(title, "from its end until 90 % of our share", back, "s").bar(Bar::AtMost(60.0));
    let work = if left { "" } else { "; we ran out of work" };
    found.rows.push(
        row.note(format!(
            "{during:.1}/s of ours during the storm, at most {} in any second{work}",
            peak(&ours, 1000.0)
        )),
    );
    let share = throttled as f64 / late.len().max(1) as f64 * 100.0;
    let row = Row::new(title, "their calls throttled because of us, after 2 s", Some(share), "%").bar(Bar::AtMost(1.0));
    found.rows.push(row.note(format!("{throttled} of {}; {early} in the first 2 s", late.len())));
    found
}
