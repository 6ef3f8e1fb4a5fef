use crate::plot::{Words, bars, lines};
use crate::report::Series;

const WORDS: Words = Words { title: "a < b", x: "objects", y: "s" };

fn series(points: &[(f64, f64)]) -> Vec<Series> {
    vec![Series { name: "one".to_owned(), points: points.to_vec() }]
}

#[test]
fn a_larger_value_lies_higher_and_further_right() {
    let svg = lines(WORDS, &series(&[(10.0, 1.0), (1000.0, 100.0)]), true);
    assert!(svg.contains(r#"points="70.0,310.0 490.0,40.0""#), "{svg}");
    assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>\n"), "{svg}");
}

#[test]
fn bars_stand_on_the_axis() {
    let svg = bars(WORDS, &["a".to_owned(), "b".to_owned()], &series(&[(0.0, 4.0), (1.0, 2.0)]));
    assert!(svg.contains(r#"y="40.0" width="168.0" height="270.0""#), "{svg}");
    assert!(svg.contains(r#"y="175.0" width="168.0" height="135.0""#), "{svg}");
}

#[test]
fn nothing_at_all_can_be_drawn_too() {
    assert!(lines(WORDS, &[], true).contains("</svg>"));
    assert!(bars(WORDS, &[], &series(&[(0.0, 0.0)])).contains("</svg>"));
}
