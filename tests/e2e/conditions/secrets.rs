//! Secrets of a session: user ids, signals, environment, launch arguments.

use crate::simulator::{ACCESS_KEY_ID, GROUP, REGION, SECRET_ACCESS_KEY};
use crate::status::{DONE, PENDING};
use crate::world::World;
use aws_sdk_gameliftstreams::Client;
use aws_sdk_gameliftstreams::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_gameliftstreams::types::Protocol;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

/// As a game's backend has it.
fn backend(endpoint: &str) -> Client {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test");
    let config = aws_sdk_gameliftstreams::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .endpoint_url(endpoint)
        .region(Region::new(REGION));
    Client::from_conf(config.build())
}

#[tokio::test]
async fn nothing_secret_leaves_a_session() {
    let world = World::new("row-secrets").await;
    // All that can be logged is logged.
    let operator = world.start(json!({}), &[("RUST_LOG", "trace")]).await;
    operator.ready("").await;
    let started = backend(&world.simulator.aws)
        .start_stream_session()
        .identifier(GROUP)
        .application_identifier("a-9ZY8X7Wv6")
        .protocol(Protocol::Webrtc)
        .user_id("hidden-user")
        .signal_request("hidden-signal")
        .additional_environment_variables("HIDDEN_NAME", "hidden-value")
        .additional_launch_args("hidden-argument")
        .send()
        .await
        .unwrap();
    let arn = started.arn.unwrap();
    let session = arn.rsplit('/').next().unwrap();
    world.export("one", session, "s3://exports/a/").await;
    world.shows("one", PENDING, "ExportPending").await;
    // A read that fails in the middle of the secrets.
    let fault = world.simulator.fault(json!({"operation": "GetStreamSession", "action": {"type": "brokenJson"}})).await;
    world.reads(session, 2).await;
    world.simulator.ask("DELETE", &format!("faults/{}", fault["id"]), json!(null)).await;
    world.simulator.end(session).await;
    let done = world.shows("one", DONE, "Exported").await;
    world.tells(&done, &["Normal ExportPending", "Normal Exported"]).await;

    let events: Api<Event> = world.namespaced();
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let everything = [
        serde_json::to_string(&done).unwrap(),
        serde_json::to_string(&events).unwrap(),
        operator.log(),
        operator.get("/metrics").await.1,
        operator.get("/readyz").await.1,
    ];
    for text in everything {
        for secret in ["hidden", "HIDDEN", SECRET_ACCESS_KEY] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
