//! Kinds 3 and 4: nothing is believed of, read for, or shown to an object that no rule covers, whatever its status
//! says.

use crate::all_cases;
use crate::cluster::{Cluster, HOSTILE_GROUP, prefix_of};
use crate::lateness::{TOLERANCE, TRIES, is_in_time};
use crate::simulator::{ACCOUNT, GROUP, REGION, merge};
use serde_json::{Value, json};

const TIME: &str = "2026-01-31T12:00:00Z";

/// What a tenant may write into a status by hand: each field, what an operator writes once AWS has accepted, and all.
fn forgeries(session: &str) -> Vec<(&'static str, Value)> {
    let arn = format!("arn:aws:gameliftstreams:{REGION}:{ACCOUNT}:streamsession/{GROUP}/{session}");
    let condition = |type_: &str| json!({"type": type_, "status": "True", "reason": "Exported", "message": "forged", "lastTransitionTime": TIME});
    let mut forged = vec![
        ("pending", json!({"exportStatus": "PENDING"})),
        ("succeeded", json!({"exportStatus": "SUCCEEDED"})),
        ("failed", json!({"exportStatus": "FAILED"})),
        ("reason", json!({"exportStatusReason": "forged"})),
        ("output", json!({"outputUri": "s3://exports/forged.zip"})),
        ("session", json!({"session": {"arn": arn, "status": "TERMINATED"}})),
        ("start", json!({"startTime": TIME})),
        ("intent", json!({"requestAttemptTime": TIME})),
        ("request", json!({"requestTime": TIME})),
        ("completion", json!({"completionTime": TIME})),
        ("generation", json!({"observedGeneration": 99})),
        ("conditions", json!({"conditions": [condition("Accepted"), condition("Succeeded"), condition("Ready")]})),
        ("accepted", json!({"exportStatus": "PENDING", "requestAttemptTime": TIME, "requestTime": TIME})),
    ];
    let mut all = json!({});
    forged.iter().for_each(|(_, forgery)| merge(&mut all, forgery.clone()));
    forged.push(("all", all));
    forged
}

/// Whether a status says that AWS has been asked, and that nothing has come of it yet.
fn has_asked(status: &Value) -> bool {
    let asked = ["requestAttemptTime", "requestTime"].iter().any(|field| !status[field].is_null());
    let accepted = matches!(status["exportStatus"].as_str(), Some("PENDING" | "SUCCEEDED"));
    (asked || accepted) && status["completionTime"].is_null()
}

/// Destinations of others: the victim's very own, one below it, and one without an owner.
fn destinations(cluster: &Cluster) -> [String; 3] {
    let victims = prefix_of(&cluster.victim);
    [victims.clone(), format!("{victims}closer/"), format!("{}x.zip", prefix_of(&cluster.hostile))]
}

/// An object of the hostile tenant that no rule covers for each forgery and each destination, all of one session of the
/// victim's for each.
async fn forge(cluster: &Cluster, round: &str) -> Vec<(String, String, Value)> {
    let mut forged = Vec::new();
    let most = if all_cases() { 3 } else { 1 };
    for (n, uri) in destinations(cluster).iter().enumerate().take(most) {
        for (what, status) in forgeries(&format!("{round}pending{n}")) {
            let session = format!("{round}{what}{n}");
            let name = session.to_lowercase();
            cluster.world.simulator.session(&session, json!({})).await;
            let spec = json!({"streamGroupIdentifier": GROUP, "streamSessionIdentifier": session, "outputUri": uri});
            cluster.create(&cluster.hostile, cluster.object(&cluster.hostile, &name, spec).to_string()).await.unwrap();
            cluster.shows(&cluster.hostile, &name, "DestinationForbidden").await;
            cluster.write_status(&cluster.hostile, &name, status.clone()).await.unwrap();
            forged.push((session, name, status));
        }
    }
    // A barrier: what has been written before is seen by then.
    cluster.victim_accepted_after().await;
    forged
}

/// Forges until all of the victim's exports of the sessions of one round are accepted in time, and returns what was
/// forged in all rounds.
async fn forge_beside_victims(
    cluster: &mut Cluster,
    undisturbed: &Cluster,
    prefix: &str,
    restart: bool,
) -> Vec<(String, String, Value)> {
    let mut forged = Vec::new();
    for round in 0..TRIES {
        let new = forge(cluster, &format!("{prefix}{round}")).await;
        if restart {
            cluster.restart().await;
        }
        let mut late = Vec::new();
        for (session, name, _) in &new {
            let victim = cluster.accepted_after(session);
            if !is_in_time(victim, undisturbed.victim_accepted_after(), TOLERANCE).await {
                late.push(name.clone());
            }
        }
        forged.extend(new);
        if late.is_empty() {
            return forged;
        }
        println!("late beside these: {late:?}");
    }
    panic!("kind 3: a victim was late in each round");
}

#[tokio::test]
async fn kind_3_a_status_forged_in_any_field_fails_and_delays_nothing_of_others() {
    let mut cluster = Cluster::start("forged", json!({})).await;
    let undisturbed = cluster.undisturbed().await;
    let mut forged = forge_beside_victims(&mut cluster, &undisturbed, "Before", false).await;
    forged.extend(forge_beside_victims(&mut cluster, &undisturbed, "After", true).await);

    for (session, name, status) in &forged {
        cluster.world.simulator.end(session).await;
        let done = cluster.until_finished(&session.to_lowercase()).await;
        assert_eq!(done["exportStatus"], "SUCCEEDED", "kind 3: beside {name}: {done}");
        let stored = cluster.stored_status(&cluster.hostile, name).await;
        if has_asked(status) {
            let mut left = stored.clone();
            merge(&mut left, status.clone());
            assert_eq!(stored, left, "{name} is left as it stands");
        }
        assert!(stored["session"]["applicationArn"].is_null() && stored["session"]["location"].is_null(), "{stored}");
        assert_eq!(cluster.world.simulator.destinations(session).await, [prefix_of(&cluster.victim)]);
    }
    let asked = forged.iter().filter(|(_, _, status)| has_asked(status)).count();
    cluster.until_metric("sessionexport_uncovered_exports", u32::try_from(asked).unwrap()).await;
}

#[tokio::test]
async fn kind_3_nothing_is_read_for_an_object_that_no_rule_covers() {
    let mut cluster = Cluster::start("unread", json!({})).await;
    let forged = forge(&cluster, "Alone").await;
    cluster.restart().await;
    cluster.victim_accepted_after().await;
    for (session, name, _) in &forged {
        for operation in ["GetStreamSession", "ExportStreamSessionFiles"] {
            assert_eq!(
                cluster.world.simulator.calls(operation, session).await.len(),
                0,
                "kind 3: {operation} for {name}"
            );
        }
    }
}

/// What it asks for itself, its own rule covers; its status is all that it can lie in.
#[tokio::test]
async fn kind_3_a_forged_status_of_a_covered_object_harms_its_owner_alone() {
    let mut cluster = Cluster::start("own", json!({})).await;
    let mut undisturbed = cluster.undisturbed().await;
    for (what, status) in forgeries("none") {
        let (name, session) = (format!("own-{what}"), format!("Own{what}"));
        cluster.world.simulator.session(&session, json!({"group": HOSTILE_GROUP})).await;
        cluster.create(&cluster.hostile, cluster.covered(&name, &session).to_string()).await.unwrap();
        cluster.write_status(&cluster.hostile, &name, status).await.unwrap();
    }
    cluster.victims_are_unharmed(&mut undisturbed).await;
}

#[tokio::test]
async fn kind_4_an_object_that_no_rule_covers_shows_nothing_of_anothers_session() {
    let cluster = Cluster::start("shown", json!({})).await;
    cluster.world.simulator.session("Secret", json!({})).await;
    cluster.accepted_after("Secret").await;
    for (n, uri) in destinations(&cluster).iter().enumerate() {
        let name = format!("spy-{n}");
        let spec = json!({"streamGroupIdentifier": GROUP, "streamSessionIdentifier": "Secret", "outputUri": uri});
        cluster.create(&cluster.hostile, cluster.object(&cluster.hostile, &name, spec).to_string()).await.unwrap();
        cluster.shows(&cluster.hostile, &name, "DestinationForbidden").await;
        for suspend in [true, false] {
            cluster.edit(&cluster.hostile, &name, json!({"suspend": suspend})).await;
            cluster.victim_accepted_after().await;
            let stored = cluster.stored(&cluster.hostile, &name).await;
            let status = cluster.stored_status(&cluster.hostile, &name).await;
            assert!(status["session"].is_null() && !status.to_string().contains(ACCOUNT), "kind 4: {stored}");
        }
    }
}
