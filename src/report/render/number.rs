//! Figures as text: one unit and one number of decimals a column, so that columns can be compared by eye.

/// The unit that all times of a column are shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeUnit {
    /// `us`, `ms` or `s`.
    pub name: &'static str,
    microseconds: u32,
    decimals: usize,
}

impl TimeUnit {
    /// The unit for a column whose largest time is `largest_us` microseconds: at least three significant digits there.
    pub fn for_largest(largest_us: f64) -> TimeUnit {
        let (name, microseconds) = match largest_us {
            us if us >= 1e6 => ("s", 1_000_000),
            us if us >= 1e3 => ("ms", 1_000),
            _ => ("us", 1),
        };
        let decimals = match largest_us / f64::from(microseconds) {
            n if n >= 100.0 => 1,
            n if n >= 10.0 => 2,
            _ => 3,
        };
        // The profiler's clock counts whole microseconds: more than a tenth of one would be invented.
        TimeUnit { name, microseconds, decimals: if microseconds == 1 { 1 } else { decimals } }
    }

    /// The unit for a column of these times, in microseconds.
    pub fn for_column(times_us: impl IntoIterator<Item = f64>) -> TimeUnit {
        TimeUnit::for_largest(times_us.into_iter().filter(|us| us.is_finite()).map(f64::abs).fold(0.0, f64::max))
    }

    /// The same unit with decimals enough for the smallest time of the column, in microseconds.
    pub fn resolving(self, smallest_us: f64) -> TimeUnit {
        let decimals = match smallest_us / f64::from(self.microseconds) {
            n if n < 1.0 => 3,
            n if n < 10.0 => 2,
            _ => self.decimals,
        };
        TimeUnit { decimals: if self.microseconds == 1 { 1 } else { decimals.max(self.decimals) }, ..self }
    }

    /// `us` microseconds in this unit, without its name.
    pub fn number(self, us: f64) -> String {
        finite(us, |us| {
            let digits = format!("{:.*}", self.decimals, us / f64::from(self.microseconds));
            // A remainder of -0.0001 ms is no remainder: "-0.000" would read as a fault.
            if digits.trim_start_matches(['-', '0', '.']).is_empty() {
                digits.trim_start_matches('-').to_owned()
            } else {
                digits
            }
        })
    }

    /// `us` microseconds in this unit, with its name.
    pub fn with_unit(self, us: f64) -> String {
        format!("{} {}", self.number(us), self.name)
    }
}

/// One time on its own, in the unit that fits it.
pub fn time(us: f64) -> String {
    TimeUnit::for_column([us]).with_unit(us)
}

/// A fraction as a percentage with one decimal: `21.9 %`.
pub fn percent(fraction: f64) -> String {
    finite(fraction, |fraction| format!("{} %", one_decimal(fraction * 100.0)))
}

/// A relative spread; `-` where one launch cannot tell.
pub fn spread(spread: Option<f64>) -> String {
    percent(spread.unwrap_or(f64::NAN))
}

/// A relative change with its sign: `+2.8 %`.
pub fn change(ratio: f64) -> String {
    finite(ratio - 1.0, |change| format!("{:+.1} %", change * 100.0))
}

/// A relative change with its interval: `+2.8 % (+1.1 to +4.5 %)`.
pub fn change_between(ratio: f64, low: f64, high: f64) -> String {
    let (low, high) = (change(low), change(high));
    format!("{} ({} to {high})", change(ratio), low.trim_end_matches(" %"))
}

/// A difference in microseconds with its sign, in the unit that fits it: `+2.69 ms`, `-14 us`.
pub fn difference(us: f64) -> String {
    finite(us, |us| match us.abs() {
        size if size >= 1e6 => format!("{:+.2} s", us / 1e6),
        size if size >= 1e3 => format!("{:+.2} ms", us / 1e3),
        size if size >= 0.5 => format!("{us:+.0} us"),
        _ => "0 us".to_owned(),
    })
}

/// A ratio with two decimals: `1.42`.
pub fn ratio(ratio: f64) -> String {
    finite(ratio, |ratio| format!("{ratio:.2}"))
}

/// Bytes in binary units: `612 MiB`, `1.4 GiB`.
pub fn bytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    let whole = bytes / MIB;
    if whole >= 1024 { format!("{}.{} GiB", whole / 1024, whole % 1024 * 10 / 1024) } else { format!("{whole} MiB") }
}

/// A length of time as people say it: `40 s`, `3.5 min`, `1.2 h`.
pub fn duration(seconds: f64) -> String {
    finite(seconds, |seconds| match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    })
}

/// `count` things: `1 launch`, `5 launches`.
pub fn count(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn one_decimal(value: f64) -> String {
    let text = format!("{value:.1}");
    if text == "-0.0" { "0.0".to_owned() } else { text }
}

/// A figure that could not be computed shows as `-`, never as `NaN`; one that no clock gives, as a report from elsewhere
/// may hold, by its power of ten and not with three hundred digits.
fn finite(value: f64, show: impl FnOnce(f64) -> String) -> String {
    const BEYOND_ALL: f64 = 1e15;
    match value.abs() {
        size if !size.is_finite() => "-".to_owned(),
        size if size >= BEYOND_ALL => format!("{value:.0e}"),
        _ => show(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_time_chooses_the_unit_of_a_column() {
        let unit = TimeUnit::for_column([12.0, 412_345.0, f64::NAN]);
        assert_eq!(unit.with_unit(412_345.0), "412.3 ms");
        assert_eq!(unit.number(12.0), "0.0");
        assert_eq!(TimeUnit::for_column([3_261_000.0]).with_unit(3_261_000.0), "3.261 s");
        assert_eq!(TimeUnit::for_column([999.94]).with_unit(999.94), "999.9 us");
        assert_eq!(TimeUnit::for_column([]).number(0.0), "0.0");
    }

    #[test]
    fn what_is_no_number_is_a_dash_and_zero_has_no_sign() {
        assert_eq!(percent(f64::NAN), "-");
        assert_eq!(percent(-0.0001), "0.0 %");
        assert_eq!(TimeUnit::for_largest(5_000.0).number(-0.01), "0.000");
        assert_eq!(time(f64::INFINITY), "- us");
    }

    #[test]
    fn what_no_clock_gives_stays_short() {
        assert_eq!([percent(1e308), change(-1e300), ratio(3e200)], ["1e308", "-1e300", "3e200"]);
    }

    #[test]
    fn differences_have_a_sign_and_the_unit_of_their_size() {
        let said = [2_693.1, -14.2, 0.2, -1.5e6, f64::NAN].map(difference);
        assert_eq!(said, ["+2.69 ms", "-14 us", "0 us", "-1.50 s", "-"]);
    }

    #[test]
    fn changes_carry_their_sign() {
        assert_eq!(change(1.028), "+2.8 %");
        assert_eq!(change(0.9), "-10.0 %");
        assert_eq!(change_between(1.028, 1.011, 1.045), "+2.8 % (+1.1 to +4.5 %)");
    }

    #[test]
    fn durations_have_the_unit_of_their_size() {
        assert_eq!([4.24, 61.4, 300.0, 9000.0].map(duration), ["4.2 s", "61 s", "5.0 min", "2.5 h"]);
    }

    #[test]
    fn bytes_are_binary() {
        assert_eq!(bytes(612 << 20), "612 MiB");
        assert_eq!(bytes((1 << 30) + (512 << 20)), "1.5 GiB");
    }
}
