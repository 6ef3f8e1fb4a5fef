use crate::oracle::rate::{peak, rate, recovered};

fn every(ms: f64, count: u32) -> Vec<f64> {
    (0..count).map(|n| f64::from(n) * ms).collect()
}

#[test]
fn a_call_every_50_ms_is_twenty_a_second() {
    let at = every(50.0, 101);
    assert_eq!(rate(&at), Some(20.0));
    assert_eq!(peak(&at, 1000.0), 20);
    assert_eq!((rate(&[5.0]), peak(&[], 1000.0)), (None, 0));
}

#[test]
fn recovery_is_when_the_first_fast_enough_window_begins() {
    let slow = every(200.0, 50);
    let fast = every(60.0, 200).iter().map(|t| t + 10_000.0).collect::<Vec<_>>();
    let at = [slow, fast].concat();
    let back = recovered(&at, 2_000.0, 16.2, 5_000.0).expect("it does recover");
    assert!((7_000.0..=8_200.0).contains(&back), "{back}");
    assert_eq!(recovered(&at, 2_000.0, 30.0, 5_000.0), None);
    assert_eq!(recovered(&every(50.0, 200), 1_000.0, 16.2, 5_000.0), Some(0.0), "never slow");
}

#[test]
fn what_was_fast_enough_before_is_no_recovery() {
    let fast_then_slow = [every(50.0, 200), every(200.0, 50).iter().map(|t| t + 10_000.0).collect()].concat();
    assert_eq!(recovered(&fast_then_slow, 10_000.0, 16.2, 5_000.0), None);
}
