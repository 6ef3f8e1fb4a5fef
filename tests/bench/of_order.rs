use crate::oracle::order::{Chosen, inversions};

fn export(disconnected: bool, created: f64, read: f64, decided: f64) -> Chosen {
    Chosen { namespace: "a".to_owned(), disconnected, created, read, decided }
}

#[test]
fn disconnected_first_then_the_oldest() {
    let right = [export(true, 9.0, 0.0, 5_000.0), export(false, 1.0, 0.0, 6_000.0), export(false, 2.0, 0.0, 7_000.0)];
    assert_eq!(inversions(&right, 1.0), 0);
    let connected_first = [export(true, 9.0, 0.0, 6_000.0), export(false, 1.0, 0.0, 5_000.0)];
    assert_eq!(inversions(&connected_first, 1.0), 1);
    let youngest_first = [export(false, 1.0, 0.0, 6_000.0), export(false, 2.0, 0.0, 5_000.0)];
    assert_eq!(inversions(&youngest_first, 1.0), 1);
}

#[test]
fn what_was_not_read_in_flight_or_elsewhere_was_not_passed_over() {
    let late = [export(true, 1.0, 4_500.0, 6_000.0), export(false, 2.0, 0.0, 5_000.0)];
    assert_eq!(inversions(&late, 1.0), 0, "read too late to be chosen");
    let together = [export(true, 1.0, 0.0, 5_100.0), export(false, 2.0, 0.0, 5_000.0)];
    assert_eq!(inversions(&together, 1.0), 0, "granted together");
    let apart = [export(true, 1.0, 0.0, 6_000.0), export(false, 2.0, 0.0, 5_000.0)];
    assert_eq!([1.0, 4.0].map(|slack| inversions(&apart, slack)), [1, 0], "together on a machine that is slow");
    let mut elsewhere = [export(true, 1.0, 0.0, 9_000.0), export(false, 2.0, 0.0, 5_000.0)];
    elsewhere[0].namespace = "b".to_owned();
    assert_eq!(inversions(&elsewhere, 1.0), 0, "another namespace");
}

#[test]
fn each_that_was_chosen_too_early_counts_once() {
    let mut all = vec![export(true, 0.0, 0.0, 99_000.0)];
    all.extend((1..=5).map(|n| export(false, f64::from(n), 0.0, 5_000.0 + 1_000.0 * f64::from(n))));
    assert_eq!(inversions(&all, 1.0), 5);
}
