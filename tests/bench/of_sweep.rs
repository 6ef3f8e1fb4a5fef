use crate::oracle::sweep::{Page, Sweep, complete, rounds, sweeps};

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
    let one_after_the_other = [0.0, 600.0, 1200.0].map(|begin| Sweep { begin, end: begin + 510.0 });
    assert_eq!(sweeps(&rounds, 3), one_after_the_other);
}

#[test]
fn a_pause_between_sweeps_makes_none_longer() {
    let mut paused = pages(3);
    for page in paused.iter_mut().filter(|page| page.begin >= 600.0) {
        (page.begin, page.end) = (page.begin + 1000.0, page.end + 1000.0);
    }
    let begins =
        |pages: &[Page]| -> Vec<f64> { sweeps(&rounds(pages, 2), 3).iter().map(|sweep| sweep.begin).collect() };
    assert_eq!(begins(&paused), [0.0, 1600.0, 2200.0]);
    // A measurement that begins in the middle of a scan doesn't count its rest, the pause and half of the next as one.
    assert_eq!(begins(&paused[2..]), [1600.0, 2200.0]);
}

#[test]
fn a_list_that_is_never_read_is_no_sweep() {
    let pages = pages(1);
    let rounds = rounds(&pages, 2);
    assert_eq!(complete(&rounds, 4, 0.0), None);
    assert_eq!(complete(&rounds, 3, 10_000.0), None);
}

#[test]
fn an_incomplete_scan_does_not_count() {
    let mut pages = pages(2);
    pages.pop();
    let rounds = rounds(&pages, 2);
    assert_eq!(complete(&rounds, 3, 0.0), Some(510.0));
    assert_eq!(complete(&rounds, 3, 600.0), None);
}
