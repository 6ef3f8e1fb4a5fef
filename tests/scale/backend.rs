//! The customer's own backend uses the same quota.

use super::*;
use aws_credential_types::Credentials;
use aws_sdk_gameliftstreams::Client;
use aws_sdk_gameliftstreams::config::retry::RetryConfig;
use aws_sdk_gameliftstreams::config::{BehaviorVersion, Config, Region};
use tokio::task::JoinSet;

const KEY: &str = "AKIABACKEND";
/// What AWS allows in all, what is our share of it, and what the backend takes, requests a second.
const QUOTA: u32 = 40;
const SHARE: u32 = 36;
const PER_SECOND: usize = 30;
/// How many calls it makes; the first two seconds of it are ours to notice in.
const CALLS: usize = 22 * PER_SECOND;
const NOTICED: usize = 2 * PER_SECOND;

#[tokio::test]
async fn a_thousand_make_way_for_the_customers_backend_and_go_on() {
    let _turn = TURNS.acquire().await.unwrap();
    let quota = json!({"export": SHARE, "get": SHARE, "list": SHARE, "allowAboveDefault": true});
    let changes = json!({"quota": quota, "timing": {"heldStatusDelay": "5m", "retryMin": "1s", "retryMax": "2s"}});
    let world = World::with("thousand-backend", &[], changes).await;
    allow(&world, QUOTA).await;
    let (ours, theirs) = (names("ours", 1000), names("theirs", 30));
    sessions(&world, &ours, json!({})).await;
    sessions(&world, &theirs, json!({})).await;
    exports(&world, &world.namespace, &ours, json!({})).await;
    world.simulator.ask("POST", "keys", json!({"accessKeyId": KEY, "secretAccessKey": "backend"})).await;
    let _operator = world.operator().await;
    let asked = || async { world.simulator.calls(EXPORT, "").await.len() };
    world.eventually("we are at it", || async { asked().await >= 3 * SHARE as usize }).await;
    let before = now(&world).await;
    calls_of_the_backend(&client(&world), &theirs).await;

    let journal = journal(&world).await;
    let all = calls(&journal, EXPORT);
    let (theirs, ours): (Vec<_>, Vec<_>) = all.into_iter().partition(|call| call["accessKeyId"] == KEY);
    assert!(ours.len() < 1000, "we ran out of work");
    let noticed = ms(theirs[NOTICED]);
    let later = &theirs[NOTICED..];
    let throttled = later.iter().filter(|call| is_throttled(call)).count();
    let let_through =
        |from: f64, to: f64| ours.iter().filter(|call| (from..to).contains(&ms(call)) && !is_throttled(call)).count();
    let meanwhile = let_through(noticed, ms(theirs[CALLS - 1]));
    println!("{throttled} of {} of theirs throttled; {meanwhile} of ours went through", later.len());
    assert!(throttled * 20 <= later.len(), "{throttled} of {} of theirs throttled", later.len());
    let seconds = (ms(theirs[CALLS - 1]) - noticed) / 1000.0;
    let left_over = (f64::from(QUOTA) * seconds - later.len() as f64).max(0.0) as usize;
    let sent = ours.iter().filter(|call| (noticed..ms(theirs[CALLS - 1])).contains(&ms(call))).count();
    println!("{left_over} were left over, we sent {sent}");
    assert!(sent * 4 <= left_over * 5, "we sent {sent} where {left_over} were left over");
    assert!(meanwhile * 3 >= left_over, "{meanwhile} of ours went through where {left_over} were left over: we starve");
    assert!(let_through(0.0, before) >= 2 * SHARE as usize, "nothing held us back before");
    let promises = journal.iter().filter(|line| line["kind"] == "export" && of(line).starts_with("ours"));
    assert!(by_session(&promises.collect::<Vec<_>>()).values().all(|times| *times == 1), "one export each");
}

fn client(world: &World) -> Client {
    let keys = Credentials::new(KEY, "backend", None, None, "test");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(crate::simulator::REGION))
        .endpoint_url(&world.simulator.aws)
        .credentials_provider(keys)
        .retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

/// At a steady rate, and without a look at what we do.
async fn calls_of_the_backend(client: &Client, own: &[String]) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / PER_SECOND as u32);
    // A busy machine must not make bursts of it: they would throttle themselves.
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sent = JoinSet::new();
    for n in 0..CALLS {
        tick.tick().await;
        let call = client.export_stream_session_files().identifier(GROUP);
        let call = call.stream_session_identifier(&own[n % own.len()]).output_uri("s3://exports/backend/");
        // Throttled or not: the journal tells.
        sent.spawn(async move { call.send().await.is_ok() });
    }
    sent.join_all().await;
}
