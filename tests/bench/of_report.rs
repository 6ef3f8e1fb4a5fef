use crate::report::{Bar, Report, Row, Verdict, thousands};

fn row(value: Option<f64>, bar: Bar) -> Row {
    Row::new("s", "f", value, "s").limit(10.0).bar(bar)
}

#[test]
fn a_bar_is_met_or_missed() {
    for (value, bar, verdict) in [
        (12.5, Bar::RatioAtMost(1.25), Verdict::Met),
        (12.6, Bar::RatioAtMost(1.25), Verdict::Missed),
        (9.5, Bar::RatioAtLeast(0.95), Verdict::Met),
        (9.4, Bar::RatioAtLeast(0.95), Verdict::Missed),
        (45.0, Bar::AtMost(45.0), Verdict::Met),
        (45.1, Bar::AtMost(45.0), Verdict::Missed),
        (1.0, Bar::None, Verdict::NotJudged),
    ] {
        assert_eq!(row(Some(value), bar).verdict(true), verdict, "{value} {bar:?}");
    }
}

#[test]
fn what_was_not_measured_has_missed_and_times_may_go_unjudged() {
    assert_eq!(row(None, Bar::AtMost(1.0)).verdict(true), Verdict::Missed);
    assert_eq!(row(None, Bar::RatioAtMost(1.0)).counted().verdict(false), Verdict::Missed);
    assert_eq!(row(Some(99.0), Bar::AtMost(1.0)).verdict(false), Verdict::NotJudged);
    assert_eq!(Row::count("s", "f", 1, 0.0).verdict(false), Verdict::Missed);
    assert_eq!(Row::count("s", "f", 0, 0.0).verdict(false), Verdict::Met);
}

#[test]
fn the_table_shows_figure_limit_ratio_and_bar() {
    let rows = vec![row(Some(12.0), Bar::RatioAtMost(1.25)).note("why"), Row::count("s", "writes", 3, 0.0)];
    let report = Report { about: vec![("machine", "m".to_owned())], judge_times: true, rows, series: Vec::new() };
    let table = report.table();
    assert!(table.contains("12 s     10   1.20  ratio <= 1.25  met"), "{table}");
    assert!(table.contains("- s, f: why"), "{table}");
    let markdown = report.markdown();
    assert!(markdown.contains("| s | f | 12 s | 10 | 1.20 | ratio <= 1.25 | met |\n"), "{markdown}");
    assert!(markdown.contains("| verdict |\n|---|"), "{markdown}");
    assert_eq!(report.missed().len(), 1);
    assert_eq!(report.missed()[0].figure, "writes");
    assert_eq!(report.summary(), "MISSED: s, writes: 3; bar <= 0\n1 missed");
}

#[test]
fn large_counts_have_commas() {
    assert_eq!([30, 1_000, 10_000, 1_234_567].map(thousands), ["30", "1,000", "10,000", "1,234,567"]);
}
