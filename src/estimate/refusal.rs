//! A scenario that would not fit into memory is refused before it starts.

use std::fmt;

/// Why a scenario is not started: the numbers and the remedy are its `Display`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Expected largest resident set, in bytes.
    pub needed_bytes: u64,
    /// What the machine can give without swapping, in bytes.
    pub available_bytes: u64,
}

/// Refuses what needs more than is available; where the machine does not tell what is, nothing is refused.
pub fn refuse(needed_bytes: u64, available_bytes: Option<u64>) -> Option<Refusal> {
    let available_bytes = available_bytes?;
    (needed_bytes > available_bytes).then_some(Refusal { needed_bytes, available_bytes })
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "needs about {} of memory and {} are available; take a smaller batch, sequence or image, close what else is \
             running, or try it all the same with `--ignore-memory`",
            gibibytes(self.needed_bytes),
            gibibytes(self.available_bytes)
        )
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_not_refused() {
        assert_eq!(refuse(1 << 30, Some(1 << 30)), None);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers_and_what_to_do() {
        let refusal = refuse(26 << 30, Some(21 << 30)).unwrap().to_string();
        assert!(refusal.starts_with("needs about 26.0 GiB of memory and 21.0 GiB are available;"), "{refusal}");
        assert!(refusal.contains("smaller batch") && refusal.contains("`--ignore-memory`"), "{refusal}");
    }

    #[test]
    fn a_machine_that_does_not_tell_refuses_nothing() {
        assert_eq!(refuse(u64::MAX, None), None);
    }
}
