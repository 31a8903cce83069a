//! Quantiles of Student's t and of the normal distribution, for intervals and for what could have been seen.

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

/// The quantile of the standard normal distribution for a probability of one half and more, within 0.0005.
///
/// Abramowitz and Stegun (1964), 26.2.23.
pub(super) fn normal_quantile(probability: f64) -> f64 {
    let t = (-2.0 * (1.0 - probability).ln()).sqrt();
    let above = 2.515_517 + 0.802_853 * t + 0.010_328 * t * t;
    let below = 1.0 + 1.432_788 * t + 0.189_269 * t * t + 0.001_308 * t.powi(3);
    t - above / below
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

    #[test]
    fn the_normal_quantiles_are_those_of_the_tables() {
        for (probability, expected) in [(0.5, 0.0), (0.8, 0.8416), (0.95, 1.6449), (0.99, 2.3263), (0.9999, 3.7190)] {
            let quantile = normal_quantile(probability);
            assert!((quantile - expected).abs() < 5e-4, "{probability}: {quantile}");
        }
    }
}
