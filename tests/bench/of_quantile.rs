use crate::oracle::quantile::quantile;

#[test]
fn a_quantile_is_one_of_the_values() {
    let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
    assert_eq!(quantile(&values, 0.5), Some(100.0));
    assert_eq!(quantile(&values, 0.99), Some(198.0));
    assert_eq!(quantile(&values, 1.0), Some(200.0));
    assert_eq!(quantile(&[7.0], 0.0), Some(7.0));
    assert_eq!(quantile(&[], 0.5), None);
}
