use super::*;
use crate::export::fixtures::{ExportBuilder, export, secs, wall};
use crate::export::row::{Held, Outcome, Row};

const BOUND: Duration = Duration::from_secs(25 * 3600);

fn held(name: &str, held: Held) -> ExportBuilder {
    export().named(name).showing(Row::Held(held))
}

fn denied(name: &str) -> ExportBuilder {
    held(name, Held::AccessDenied { stalled: false, operation: "ExportStreamSessionFiles" })
}

fn book(exports: impl IntoIterator<Item = ExportBuilder>) -> Ledger {
    let mut ledger = Ledger::default();
    exports.into_iter().for_each(|export| ledger.note(&export.build(), BOUND));
    ledger
}

/// What the metrics say, in whole lines, without the zeros.
fn shown(ledger: &Ledger, seconds: u64) -> Vec<String> {
    let metrics = Metrics::new();
    ledger.show(&metrics, wall(seconds));
    let text = metrics.encode().unwrap();
    let told = |line: &&str| {
        let own = line.starts_with("sessionexport_exports{") || line.starts_with("sessionexport_unaccepted");
        own && !line.ends_with("} 0")
    };
    text.lines().filter(told).map(|line| line.trim_start_matches("sessionexport_").to_owned()).collect()
}

#[test]
fn exports_are_counted_by_phase_and_reason_and_each_once() {
    let mut ledger = book([
        export().named("new"),
        denied("a"),
        denied("b"),
        export().named("p").accepted().showing(Row::Pending),
        export().named("f").showing(Row::Final(Outcome::SessionEnded)),
        export()
            .named("g")
            .showing(Row::Final(Outcome::GaveUp { held: Box::new(Held::RateLimited), bound: secs(90_000) })),
    ]);
    // Seen again, and moved on.
    ledger.note(&denied("a").build(), BOUND);
    let done = Outcome::Exported { output_uri: None };
    ledger.note(&export().named("b").accepted().showing(Row::Final(done)).build(), BOUND);
    let counts: Vec<String> = shown(&ledger, 0).into_iter().filter(|line| line.starts_with("exports")).collect();
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
fn the_unaccepted_are_told_by_what_is_left_of_their_session() {
    let mut ledger = book([denied("soon"), denied("later"), denied("unread")]);
    let ends = |ledger: &mut Ledger, name: &str, seconds| {
        let uid = export().named(name).build().uid;
        ledger.session_ends(&uid, wall(seconds));
    };
    ends(&mut ledger, "soon", 1200);
    ends(&mut ledger, "later", 7000);
    // A minute is rounded down: 1200 s from 03:04:05 is 03:24:05, told as 03:24.
    let remaining = |ledger: &Ledger, now| {
        let lines = shown(ledger, now);
        lines
            .iter()
            .find_map(|line| line.strip_prefix("unaccepted_remaining_seconds{reason=\"AccessDenied\"} "))
            .map(str::to_owned)
    };
    assert_eq!(remaining(&ledger, 0).unwrap(), "1195.0");
    assert_eq!(within(&ledger, 0), [0, 0, 1, 2, 3]);
    assert_eq!(within(&ledger, 1000), [1, 1, 1, 2, 3]);
    assert_eq!(remaining(&ledger, 5000).unwrap(), "0.0");

    // Accepted, and gone: nobody waits any more.
    ledger.note(&export().named("soon").accepted().showing(Row::Pending).build(), BOUND);
    assert_eq!(within(&ledger, 1000), [0, 0, 0, 1, 2]);
    ["later", "unread"].iter().for_each(|name| ledger.forget(&export().named(name).build().uid));
    assert_eq!(within(&ledger, 1000), [0; 5]);
    assert_eq!(remaining(&ledger, 1000), None);
}

fn within(ledger: &Ledger, now: u64) -> [usize; 5] {
    let lines = shown(ledger, now);
    WITHIN.map(|(step, _)| {
        let series = format!("unaccepted_exports{{reason=\"AccessDenied\",within=\"{step}\"}} ");
        lines.iter().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
    })
}

#[test]
fn a_session_that_was_never_read_counts_until_the_export_is_given_up() {
    let ledger = book([denied("unread")]);
    assert_eq!(within(&ledger, 24 * 3600), [0, 0, 1, 1, 1]);
    assert_eq!(within(&ledger, 25 * 3600 - 600), [0, 1, 1, 1, 1]);
}

#[test]
fn an_object_that_is_gone_stays_gone_though_a_pass_still_reads_its_session() {
    let mut ledger = book([denied("x")]);
    let uid = export().named("x").build().uid;
    ledger.forget(&uid);
    ledger.session_ends(&uid, wall(60));
    assert!(shown(&ledger, 0).is_empty(), "{:?}", shown(&ledger, 0));
}

#[test]
fn a_word_of_another_version_is_counted_without_becoming_a_label() {
    let mut export = denied("x").build();
    export.status.conditions.iter_mut().for_each(|condition| "FromTheFuture".clone_into(&mut condition.reason));
    let mut ledger = Ledger::default();
    ledger.note(&export, BOUND);
    assert!(shown(&ledger, 0)[0].contains(r#"reason="Unrecognized""#));
}

/// At 100,000 objects a round of the metrics still looks at minutes and reasons only.
#[test]
fn telling_the_figures_looks_at_minutes_and_not_at_objects() {
    let mut ledger = Ledger::default();
    for n in 0..100_000_u64 {
        let export = denied(&format!("x{n}")).build();
        ledger.note(&export, BOUND + secs(n % 3600));
    }
    let minutes: usize = ledger.ends.values().map(BTreeMap::len).sum();
    assert!(minutes <= 61, "{minutes}");
    assert_eq!(within(&ledger, 0)[4], 100_000);
}
