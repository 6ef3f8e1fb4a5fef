use crate::oracle::ideal::saved;

#[test]
fn it_saves_what_fits_and_no_more() {
    assert_eq!(saved(&[], 0.0, 10.0), 0);
    assert_eq!(saved(&[50.0, 50.0, 50.0], 0.0, 10.0), 1, "one call at 0, the next at 100");
    assert_eq!(saved(&[250.0, 150.0, 50.0], 0.0, 10.0), 3, "in whatever order they come");
    assert_eq!(saved(&[50.0, 150.0], 100.0, 10.0), 1, "what ended before it began is lost");
}

#[test]
fn no_other_order_saves_more() {
    let ends = [130.0, 110.0, 90.0, 410.0, 205.0, 10.0];
    let mut best = 0;
    permute(&mut ends.to_vec(), 0, &mut |order| {
        let mut calls = 0;
        order.iter().for_each(|&end| calls += usize::from(calls as f64 * 100.0 < end));
        best = best.max(calls);
    });
    assert_eq!(saved(&ends, 0.0, 10.0), best);
}

fn permute(items: &mut Vec<f64>, from: usize, each: &mut impl FnMut(&[f64])) {
    if from == items.len() {
        return each(items);
    }
    for n in from..items.len() {
        items.swap(from, n);
        permute(items, from + 1, each);
        items.swap(from, n);
    }
}
