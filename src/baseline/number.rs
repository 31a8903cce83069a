//! Numbers at 4 significant digits: enough for times whose spread is percents, short enough to read in a diff.

/// Rounds to 4 significant digits.
pub(super) fn rounded(value: f64) -> f64 {
    // Through the decimal text, so that the result is the number closest to what will be printed.
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// The number in decimal notation with at most 4 significant digits, without exponent or trailing zeros.
pub(super) fn text(value: f64) -> String {
    let digits = rounded(value).to_string();
    // TOML integers end at 2^63; a longer run of digits must say that it is a float.
    if digits.len() > 15 && !digits.contains('.') { digits + ".0" } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_and_no_exponent() {
        let cases = [
            (0.0, "0"),
            (51_234.6, "51230"),
            (1.0, "1"),
            (1.200_01, "1.2"),
            (999.96, "1000"),
            (0.023_456, "0.02346"),
            (0.000_001_234_5, "0.000001234"),
            (1e17, "100000000000000000.0"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn rounding_twice_changes_nothing() {
        for step in 1..2000_u32 {
            let value = f64::from(step) * 0.123_456_7;
            assert_eq!(rounded(rounded(value)).to_bits(), rounded(value).to_bits());
        }
    }
}
