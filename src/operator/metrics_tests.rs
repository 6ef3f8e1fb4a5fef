use super::*;

#[test]
fn every_fact_shows_under_its_documented_name() {
    let metrics = Metrics::new();
    metrics.leader(true);
    metrics.ready(true);
    metrics.exports(Phase::Pending, 3);
    metrics.transition("ExportPending");
    metrics.aws_request("GetStreamSession", "ok", Duration::from_millis(20));
    metrics.quota_share("GetStreamSession", 10.0);
    metrics.turns_waiting("GetStreamSession", 7);
    metrics.denial("AccessDenied");
    metrics.reconcile();
    metrics.reconcile_panic();
    metrics.status_write("ok");
    metrics.kube_error("conflict");
    metrics.event_dropped();
    metrics.watch_restart();
    let text = metrics.clone().encode().unwrap();
    for line in [
        concat!("sessionexport_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "sessionexport_leader 1",
        "sessionexport_ready 1",
        "sessionexport_exports{phase=\"Pending\"} 3",
        "sessionexport_transitions_total{reason=\"ExportPending\"} 1",
        "sessionexport_aws_requests_total{operation=\"GetStreamSession\",class=\"ok\"} 1",
        "sessionexport_aws_request_duration_seconds_bucket{le=\"0.025\",operation=\"GetStreamSession\"} 1",
        "sessionexport_quota_share{operation=\"GetStreamSession\"} 10.0",
        "sessionexport_turns_waiting{operation=\"GetStreamSession\"} 7",
        "sessionexport_denials_total{class=\"AccessDenied\"} 1",
        "sessionexport_reconciles_total 1",
        "sessionexport_reconcile_panics_total 1",
        "sessionexport_status_writes_total{outcome=\"ok\"} 1",
        "sessionexport_kube_errors_total{kind=\"conflict\"} 1",
        "sessionexport_events_dropped_total 1",
        "sessionexport_watch_restarts_total 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}
