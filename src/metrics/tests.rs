use super::*;

fn quota(waiting: usize) -> QuotaStats {
    QuotaStats { operation: "GetStreamSession", configured: 10.0, share: 5.0, tokens: 0.5, waiting }
}

#[test]
fn every_fact_shows_under_its_documented_name() {
    let metrics = Metrics::new();
    metrics.set_leader(true);
    metrics.set_ready(true);
    metrics.set_exports(Phase::Pending, "ExportPending", 3);
    metrics.set_unaccepted(Unaccepted {
        reason: "AccessDenied",
        remaining: Some(Duration::from_secs(240)),
        within: [1, 2, 3, 4, 5],
    });
    metrics.record_acceptance(Duration::from_secs(3));
    metrics.record_transition("ExportPending");
    metrics.record_aws_request("GetStreamSession", "ok", Duration::from_millis(20));
    metrics.set_quota(quota(7));
    metrics.set_queue_depth(9);
    metrics.record_denial("access-denied");
    metrics.record_scans(ScanStats { complete: 5, given_up: 1, failed: 2, missing: 17 }, Duration::from_secs(21));
    metrics.record_discovery_scan(Duration::from_secs(6));
    metrics.set_discovery_age(Duration::from_secs(8));
    metrics.record_reconcile();
    metrics.record_reconcile_panic();
    metrics.record_status_write("written");
    metrics.record_kube_error("conflict");
    metrics.record_event_dropped();
    metrics.record_watch_restart();
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
        "sessionexport_discovery_scan_duration_seconds_bucket{le=\"8.0\"} 1",
        "sessionexport_discovery_scan_age_seconds 8.0",
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

/// No series begins with its first event, because Prometheus would not see that as an increase; and no object, session
/// or namespace adds one.
#[test]
fn every_series_about_exports_exists_from_the_start() {
    let metrics = Metrics::new();
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    let before = series(&metrics.encode().unwrap());
    for reason in crate::api::Reason::ALL {
        metrics.record_transition(reason.as_str());
    }
    for operation in crate::aws::operation::Operation::ALL {
        for class in crate::aws::failure::FailureClass::ALL {
            metrics.record_aws_request(operation.name(), class.label(), Duration::ZERO);
        }
        metrics.record_aws_request(operation.name(), "ok", Duration::ZERO);
    }
    metrics.record_status_write("written");
    crate::metrics::ERROR_CLASSES.into_iter().for_each(|kind| metrics.record_kube_error(kind));
    assert_eq!(series(&metrics.encode().unwrap()), before);
}

#[test]
fn a_replica_that_leads_no_more_keeps_nothing_of_what_it_saw() {
    let metrics = Metrics::new();
    let fresh = metrics.encode().unwrap();
    metrics.set_leader(true);
    metrics.set_exports(Phase::Waiting, "AccessDenied", 3);
    let remaining = Some(Duration::from_secs(60));
    metrics.set_unaccepted(Unaccepted { reason: "AccessDenied", remaining, within: [3; 5] });
    // A combination of phase and reason that no version of this program writes.
    metrics.set_unaccepted(Unaccepted { reason: "Exported", remaining, within: [3; 5] });
    metrics.set_exports(Phase::Pending, "SessionEnded", 1);
    metrics.set_quota(quota(7));
    metrics.set_queue_depth(2);
    metrics.record_scans(ScanStats::default(), Duration::from_secs(21));
    metrics.reset_leader_metrics();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let left: Vec<String> = lines(&metrics.encode().unwrap()).difference(&lines(&fresh)).cloned().collect();
    assert_eq!(left, [""; 0]);
}
