use crate::oracle::sweep::{Page, complete, rounds, sweeps};

/// Three lists of two pages each, a page every 100 ms, answered after 10.
fn pages(rounds: u32) -> Vec<Page> {
    let page = |n: u32| Page {
        list: format!("g{}", n / 2 % 3),
        first: n.is_multiple_of(2),
        begin: f64::from(n) * 100.0,
        end: f64::from(n) * 100.0 + 10.0,
    };
    (0..rounds * 6).map(page).collect()
}

#[test]
fn a_sweep_ends_with_the_last_page_of_the_last_list() {
    let pages = pages(3);
    let rounds = rounds(&pages, 2);
    assert_eq!(rounds.len(), 3);
    assert_eq!(complete(&rounds, 3, 0.0), Some(510.0));
    assert_eq!(complete(&rounds, 3, 1.0), Some(709.0), "the first list had begun before");
    assert!(sweeps(&rounds, 3).iter().all(|&time| time == 510.0));
    assert_eq!(sweeps(&rounds, 3).len(), 7, "the last sweeps never end");
}

#[test]
fn a_list_that_is_never_read_is_no_sweep() {
    let pages = pages(1);
    let rounds = rounds(&pages, 2);
    assert_eq!(complete(&rounds, 4, 0.0), None);
    assert_eq!(complete(&rounds, 3, 10_000.0), None);
}

#[test]
fn a_round_that_is_not_at_its_end_does_not_count() {
    let mut pages = pages(2);
    pages.pop();
    let rounds = rounds(&pages, 2);
    assert_eq!(complete(&rounds, 3, 0.0), Some(510.0));
    assert_eq!(complete(&rounds, 3, 600.0), None);
}
