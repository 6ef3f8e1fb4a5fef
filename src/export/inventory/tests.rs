use super::*;
use crate::aws::failure::FailureDetail;
use crate::aws::operation::Operation;
use crate::config::QuotaConfig;
use crate::export::fixtures::{ALL_COVERED, ExportBuilder, authorized, export, identity, secs, wall};
use crate::export::status::row::{Held, Outcome, Row};
use crate::quota::scheduler::{Bucket, Priority, PriorityClass, QuotaScheduler, Requester, Reservation};
use std::sync::Arc;
use tokio::time::Instant;

const BOUND: Duration = Duration::from_secs(25 * 3600);

fn held(name: &str, held: Held) -> ExportBuilder {
    export().named(name).showing(Row::Held(held))
}

fn denied(name: &str) -> ExportBuilder {
    held(name, Held::AccessDenied { stalled: false, operation: Operation::Export, detail: FailureDetail::Unknown })
}

fn inventory_of(exports: impl IntoIterator<Item = ExportBuilder>) -> ExportInventory {
    let mut inventory = ExportInventory::default();
    exports.into_iter().for_each(|export| inventory.upsert(authorized(export.build()), BOUND));
    inventory
}

/// The metrics' lines, without the zeros.
fn shown(inventory: &ExportInventory, seconds: u64) -> Vec<String> {
    let metrics = Metrics::new();
    inventory.publish(&metrics, wall(seconds));
    let text = metrics.encode().unwrap();
    let told = |line: &&str| {
        let own = line.starts_with("sessionexport_exports{") || line.starts_with("sessionexport_unaccepted");
        own && !line.ends_with("} 0")
    };
    text.lines().filter(told).map(|line| line.trim_start_matches("sessionexport_").to_owned()).collect()
}

#[test]
fn exports_are_counted_by_phase_and_reason_and_each_once() {
    let mut inventory = inventory_of([
        export().named("new"),
        denied("a"),
        denied("b"),
        export().named("p").accepted().showing(Row::Pending),
        export().named("f").showing(Row::Final(Outcome::SessionEnded)),
        export()
            .named("g")
            .showing(Row::Final(Outcome::GaveUp { held: Box::new(Held::RateLimited), bound: secs(90_000) })),
    ]);
    // An unchanged update, and a changed one.
    inventory.upsert(authorized(denied("a").build()), BOUND);
    let done = Outcome::Exported { output_uri: None };
    inventory.upsert(authorized(export().named("b").accepted().showing(Row::Final(done)).build()), BOUND);
    let counts: Vec<String> = shown(&inventory, 0).into_iter().filter(|line| line.starts_with("exports")).collect();
    let mut counts: Vec<&str> = counts.iter().map(String::as_str).collect();
    counts.sort_unstable();
    assert_eq!(
        counts,
        [
            r#"exports{phase="Failed",reason="RateLimited"} 1"#,
            r#"exports{phase="Failed",reason="SessionEnded"} 1"#,
            r#"exports{phase="Pending",reason="ExportPending"} 1"#,
            r#"exports{phase="Succeeded",reason="Exported"} 1"#,
            r#"exports{phase="Waiting",reason="AccessDenied"} 1"#,
            r#"exports{phase="Waiting",reason="New"} 1"#,
        ]
    );
}

#[test]
fn the_unaccepted_are_counted_by_the_remaining_time_of_their_session() {
    let mut inventory = inventory_of([denied("soon"), denied("later"), denied("unread")]);
    let ends = |inventory: &mut ExportInventory, name: &str, seconds| {
        let uid = export().named(name).build().uid;
        inventory.set_session_end(&uid, wall(seconds));
    };
    ends(&mut inventory, "soon", 1200);
    ends(&mut inventory, "later", 7000);
    // A minute is rounded down: 1200 s from 03:04:05 is 03:24:05, reported as 03:24.
    let remaining = |inventory: &ExportInventory, now| {
        let lines = shown(inventory, now);
        lines
            .iter()
            .find_map(|line| line.strip_prefix("unaccepted_remaining_seconds{reason=\"AccessDenied\"} "))
            .map(str::to_owned)
    };
    assert_eq!(remaining(&inventory, 0).unwrap(), "1195.0");
    assert_eq!(within(&inventory, 0), [0, 0, 1, 2, 3]);
    assert_eq!(within(&inventory, 1000), [1, 1, 1, 2, 3]);
    assert_eq!(remaining(&inventory, 5000).unwrap(), "0.0");

    // Accepted, and deleted: no export waits.
    inventory.upsert(authorized(export().named("soon").accepted().showing(Row::Pending).build()), BOUND);
    assert_eq!(within(&inventory, 1000), [0, 0, 0, 1, 2]);
    ["later", "unread"].iter().for_each(|name| inventory.forget(&export().named(name).build().uid));
    assert_eq!(within(&inventory, 1000), [0; 5]);
    assert_eq!(remaining(&inventory, 1000), None);
}

fn within(inventory: &ExportInventory, now: u64) -> [usize; 5] {
    let lines = shown(inventory, now);
    WITHIN.map(|(step, _)| {
        let series = format!("unaccepted_exports{{reason=\"AccessDenied\",within=\"{step}\"}} ");
        lines.iter().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
    })
}

#[test]
fn a_session_that_was_never_read_counts_until_the_export_is_given_up() {
    let inventory = inventory_of([denied("unread")]);
    assert_eq!(within(&inventory, 24 * 3600), [0, 0, 1, 1, 1]);
    assert_eq!(within(&inventory, 25 * 3600 - 600), [0, 1, 1, 1, 1]);
}

#[test]
fn a_deleted_object_stays_deleted_though_a_reconcile_still_reads_its_session() {
    let mut inventory = inventory_of([denied("x")]);
    let uid = export().named("x").build().uid;
    inventory.forget(&uid);
    inventory.set_session_end(&uid, wall(60));
    assert!(shown(&inventory, 0).is_empty(), "{:?}", shown(&inventory, 0));
}

#[test]
fn what_is_left_as_it_stands_is_counted_until_it_is_covered_finishes_or_goes() {
    let count = |inventory: &ExportInventory| {
        let metrics = Metrics::new();
        inventory.publish(&metrics, wall(0));
        let text = metrics.encode().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("sessionexport_uncovered_exports "));
        line.unwrap().to_owned()
    };
    let uncovered = |builder: ExportBuilder| identity("[]").authorize(Arc::new(builder.build()), false);
    let mut inventory = ExportInventory::default();
    let asked = |name: &str| export().named(name).accepted();
    for name in ["a", "b", "c"] {
        inventory.upsert(uncovered(asked(name)), BOUND);
    }
    inventory.upsert(uncovered(export().named("never-asked")), BOUND);
    assert_eq!(count(&inventory), "3");
    inventory.upsert(authorized(asked("a").build()), BOUND);
    inventory.upsert(uncovered(asked("b").finished(ExportStatus::Succeeded)), BOUND);
    assert_eq!(count(&inventory), "1");
    inventory.forget(&asked("c").build().uid);
    assert_eq!(count(&inventory), "0");
}

#[test]
fn an_enum_value_of_another_version_is_counted_without_becoming_a_label() {
    let mut export = denied("x").build();
    export.status.conditions.iter_mut().for_each(|condition| condition.reason = "FromTheFuture".into());
    let mut inventory = ExportInventory::default();
    inventory.upsert(authorized(export), BOUND);
    assert!(shown(&inventory, 0)[0].contains(r#"reason="Unrecognized""#));
}

/// At 100,000 objects publishing still iterates over minutes and reasons only.
#[test]
fn publishing_costs_by_minutes_and_not_by_objects() {
    let everything = identity(ALL_COVERED);
    let mut inventory = ExportInventory::default();
    for n in 0..100_000_u64 {
        let export = denied(&format!("x{n}")).build();
        inventory.upsert(everything.authorize(Arc::new(export), false), BOUND + secs(n % 3600));
    }
    let minutes: usize = inventory.ends.values().map(BTreeMap::len).sum();
    assert!(minutes <= 61, "{minutes}");
    assert_eq!(within(&inventory, 0)[4], 100_000);
}

fn version(name: &str, version: &str) -> Export {
    Export { resource_version: version.into(), ..export().named(name).build() }
}

#[test]
fn an_own_write_is_current_until_the_watch_shows_a_newer_version() {
    let mut inventory = ExportInventory::default();
    let current = |inventory: &ExportInventory| {
        inventory.current("uid-a").map(|current| current.export().resource_version.to_string())
    };
    inventory.upsert(authorized(version("a", "7")), BOUND);
    inventory.upsert(authorized(version("a", "10")), BOUND);
    for (shown, is_news) in [("7", false), ("9", false), ("10", false), ("11", true), ("no-integer", true)] {
        assert_eq!(inventory.is_news(&version("a", shown)), is_news, "{shown}");
    }
    assert_eq!(current(&inventory).as_deref(), Some("10"));
    // The watch's version of a finished object is pruned: it replaces the same version of an own write.
    let done =
        || Export { resource_version: "12".into(), ..export().finished(ExportStatus::Failed).named("a").build() };
    inventory.upsert(authorized(done()), BOUND);
    assert!(inventory.is_news(&done()) && !inventory.is_news(&version("a", "11")));
    inventory.retire("uid-a");
    assert_eq!(current(&inventory), None);
    assert!(inventory.contains("uid-a"));
}

#[test]
fn failures_and_warnings_are_counted_by_object_until_it_is_forgotten() {
    let mut inventory = inventory_of([export().named("a"), export().named("b")]);
    let seen = |inventory: &mut ExportInventory, uid: &str| (inventory.count_failure(uid), inventory.warn_once(uid));
    assert_eq!([(); 3].map(|()| seen(&mut inventory, "uid-a")), [(0, true), (1, false), (2, false)]);
    assert_eq!(seen(&mut inventory, "uid-b"), (0, true));
    inventory.reset_failures("uid-a");
    assert_eq!(seen(&mut inventory, "uid-a"), (0, false));
    inventory.forget("uid-a");
    assert!(!inventory.contains("uid-a") && inventory.current("uid-a").is_none());
    // A reconcile that outlives its object re-adds nothing.
    assert_eq!(seen(&mut inventory, "uid-a"), (0, false));
    inventory.upsert(authorized(export().named("a").build()), BOUND);
    assert_eq!(seen(&mut inventory, "uid-a"), (0, true), "created again");
}

/// The permit of an export call for this object.
fn permit_for(uid: &Uid) -> Permit {
    let (scheduler, _exports, _reads) = QuotaScheduler::new(QuotaConfig::default(), Instant::now());
    let bucket = Bucket {
        account: "111122223333".parse().unwrap(),
        region: "us-west-2".parse().unwrap(),
        operation: Operation::Export,
    };
    let holder = Requester { uid: uid.clone(), namespace: "team-a".into() };
    let priority = Priority::for_unread(PriorityClass::First);
    match scheduler.reserve(&bucket, holder, priority, Instant::now()) {
        Reservation::Granted(permit) => permit,
        Reservation::Waiting { .. } => panic!("the first of a bucket is granted ahead of its token"),
    }
}

#[test]
fn a_permit_is_kept_for_one_reconcile_of_a_stored_object() {
    let uid: Uid = denied("a").build().uid.clone();
    let mut inventory = inventory_of([denied("a")]);
    inventory.keep_permit(permit_for(&uid));
    assert_eq!(inventory.take_permit(&uid).map(|permit| permit.uid().clone()), Some(uid.clone()));
    assert!(inventory.take_permit(&uid).is_none(), "it is used once");
    inventory.keep_permit(permit_for(&uid));
    inventory.retire(&uid);
    assert!(inventory.take_permit(&uid).is_none(), "a finished object makes no call");
    inventory.forget(&uid);
    inventory.keep_permit(permit_for(&uid));
    assert!(inventory.take_permit(&uid).is_none(), "nor a deleted one");
}
