use super::*;

fn quota(waiting: usize) -> Quota {
    Quota { operation: "GetStreamSession", configured: 10.0, share: 5.0, tokens: 0.5, waiting }
}

#[test]
fn every_fact_shows_under_its_documented_name() {
    let metrics = Metrics::new();
    metrics.leader(true);
    metrics.ready(true);
    metrics.exports(Phase::Pending, "ExportPending", 3);
    metrics.unaccepted(Unaccepted {
        reason: "AccessDenied",
        remaining: Some(Duration::from_secs(240)),
        within: [1, 2, 3, 4, 5],
    });
    metrics.accepted(Duration::from_secs(3));
    metrics.transition("ExportPending");
    metrics.aws_request("GetStreamSession", "ok", Duration::from_millis(20));
    metrics.quota(quota(7));
    metrics.queue_depth(9);
    metrics.denial("access-denied");
    metrics.swept(Tally { complete: 5, given_up: 1, failed: 2, missing: 17 }, Duration::from_secs(21));
    metrics.reconcile();
    metrics.reconcile_panic();
    metrics.status_write("written");
    metrics.kube_error("conflict");
    metrics.event_dropped();
    metrics.watch_restart();
    metrics.unknown_enum_values(Operation::List, 3);
    let text = metrics.clone().encode().unwrap();
    for line in [
        concat!("sessionexport_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "sessionexport_leader 1",
        "sessionexport_ready 1",
        "sessionexport_exports{phase=\"Pending\",reason=\"ExportPending\"} 3",
        "sessionexport_unaccepted_exports{reason=\"AccessDenied\",within=\"15m\"} 2",
        "sessionexport_unaccepted_remaining_seconds{reason=\"AccessDenied\"} 240.0",
        "sessionexport_acceptance_duration_seconds_bucket{le=\"5.0\"} 1",
        "sessionexport_transitions_total{reason=\"ExportPending\"} 1",
        "sessionexport_aws_requests_total{operation=\"GetStreamSession\",class=\"ok\"} 1",
        "sessionexport_aws_request_duration_seconds_bucket{le=\"0.025\",operation=\"GetStreamSession\"} 1",
        "sessionexport_quota_share_configured{operation=\"GetStreamSession\"} 10.0",
        "sessionexport_quota_share{operation=\"GetStreamSession\"} 5.0",
        "sessionexport_quota_tokens{operation=\"GetStreamSession\"} 0.5",
        "sessionexport_queue_depth 9",
        "sessionexport_aws_quota_queue_length{operation=\"GetStreamSession\"} 7",
        "sessionexport_aws_unknown_enum_values_total{operation=\"ListStreamSessions\"} 3",
        "sessionexport_denials_total{class=\"access-denied\"} 1",
        "sessionexport_list_scans_total{result=\"complete\"} 5",
        "sessionexport_list_scans_total{result=\"abandoned\"} 1",
        "sessionexport_list_scans_total{result=\"failed\"} 2",
        "sessionexport_list_scan_missing_sessions_total 17",
        "sessionexport_list_scan_age_seconds 21.0",
        "sessionexport_reconciles_total 1",
        "sessionexport_reconcile_panics_total 1",
        "sessionexport_status_writes_total{outcome=\"written\"} 1",
        "sessionexport_kube_errors_total{kind=\"conflict\"} 1",
        "sessionexport_events_dropped_total 1",
        "sessionexport_watch_restarts_total 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

/// No series begins with its first event, for Prometheus would not see that as an increase; and no object, session or
/// namespace makes one more.
#[test]
fn everything_that_can_be_told_of_an_export_is_there_from_the_start() {
    let metrics = Metrics::new();
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    let before = series(&metrics.encode().unwrap());
    for reason in crate::export::row::Reason::ALL {
        metrics.transition(reason.as_str());
    }
    for operation in crate::streams::operation::Operation::ALL {
        for class in crate::streams::observation::FailureClass::ALL {
            metrics.aws_request(operation.name(), class.label(), Duration::ZERO);
        }
        metrics.aws_request(operation.name(), "ok", Duration::ZERO);
    }
    metrics.status_write("written");
    crate::operator::client::ERROR_CLASSES.into_iter().for_each(|kind| metrics.kube_error(kind));
    assert_eq!(series(&metrics.encode().unwrap()), before);
}

#[test]
fn a_replica_that_leads_no_more_keeps_nothing_of_what_it_saw() {
    let metrics = Metrics::new();
    let fresh = metrics.encode().unwrap();
    metrics.leader(true);
    metrics.exports(Phase::Waiting, "AccessDenied", 3);
    let remaining = Some(Duration::from_secs(60));
    metrics.unaccepted(Unaccepted { reason: "AccessDenied", remaining, within: [3; 5] });
    // A mixture that no version of this program writes.
    metrics.unaccepted(Unaccepted { reason: "Exported", remaining, within: [3; 5] });
    metrics.exports(Phase::Pending, "SessionEnded", 1);
    metrics.quota(quota(7));
    metrics.queue_depth(2);
    metrics.swept(Tally::default(), Duration::from_secs(21));
    metrics.term_over();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let left: Vec<String> = lines(&metrics.encode().unwrap()).difference(&lines(&fresh)).cloned().collect();
    assert_eq!(left, [""; 0]);
}
