//! Quantiles of Student's t, for the intervals.

/// 95 % quantile of the standard normal distribution.
const NORMAL_95: f64 = 1.644_853_626_951_472_7;

/// The 95 % quantile of Student's t with `freedom` degrees of freedom, within 0.002; infinite for none.
///
/// Closed forms for one and two degrees; beyond, the expansion around the normal quantile of Abramowitz and Stegun
/// (1964), Handbook of Mathematical Functions, 26.7.5.
pub(super) fn quantile_95(freedom: usize) -> f64 {
    let z = NORMAL_95;
    let n = super::count(freedom);
    match freedom {
        0 => f64::INFINITY,
        1 => (std::f64::consts::PI * 0.45).tan(),
        2 => 0.9 * (2.0 / (1.0 - 0.81_f64)).sqrt(),
        _ => {
            let first = (z.powi(3) + z) / 4.0;
            let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
            let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
            let fourth =
                (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92_160.0;
            z + first / n + second / n.powi(2) + third / n.powi(3) + fourth / n.powi(4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        let table = [
            (1, 6.314),
            (2, 2.920),
            (3, 2.353),
            (4, 2.132),
            (5, 2.015),
            (7, 1.895),
            (11, 1.796),
            (19, 1.729),
            (30, 1.697),
            (120, 1.658),
        ];
        for (freedom, expected) in table {
            assert!((quantile_95(freedom) - expected).abs() < 0.002, "{freedom}: {}", quantile_95(freedom));
        }
        assert_eq!(quantile_95(0), f64::INFINITY);
    }
}
