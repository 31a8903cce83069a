//! Shares as bars of characters.

use super::text::Charset;

/// One part of a stacked bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Fraction of the whole, 0 to 1.
    pub share: f64,
    /// What it is drawn with in [`Charset::Unicode`].
    pub unicode: char,
    /// What it is drawn with in [`Charset::Ascii`].
    pub ascii: char,
}

/// A bar of at most `width` columns for `share` of `full`, in eighths of a column; something above zero always shows.
pub fn share_bar(share: f64, full: f64, width: usize, charset: Charset) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let fraction = if full > 0.0 { (share / full).clamp(0.0, 1.0) } else { 0.0 };
    if fraction.is_nan() || share <= 0.0 {
        return String::new();
    }
    match charset {
        Charset::Unicode => {
            let eighths = nearest(fraction, width * 8).max(1);
            "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
        }
        Charset::Ascii => "#".repeat(nearest(fraction, width).max(1)),
    }
}

/// Parts side by side over exactly `width` columns; each part above zero has a column of its own if there is room.
pub fn stacked(parts: &[Part], width: usize, charset: Charset) -> Vec<String> {
    let total: f64 = parts.iter().map(|part| part.share.max(0.0)).sum();
    let mut columns: Vec<usize> = parts
        .iter()
        .map(|part| if part.share > 0.0 && total > 0.0 { nearest(part.share / total, width).max(1) } else { 0 })
        .collect();
    // Rounding leaves a column too many or too few: the widest part can spare or take it unnoticed.
    while let Some(widest) = (0..columns.len()).max_by_key(|&i| columns[i]) {
        let sum: usize = columns.iter().sum();
        if sum == width || sum == 0 {
            break;
        }
        if sum > width {
            columns[widest] -= 1;
        } else {
            columns[widest] += 1;
        }
    }
    let symbol = |part: &Part| match charset {
        Charset::Unicode => part.unicode,
        Charset::Ascii => part.ascii,
    };
    parts.iter().zip(columns).map(|(part, columns)| symbol(part).to_string().repeat(columns)).collect()
}

fn nearest(fraction: f64, steps: usize) -> usize {
    // Steps are columns of a terminal: the count is small and not negative.
    (fraction.clamp(0.0, 1.0) * steps as f64).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(shares: [f64; 3]) -> [Part; 3] {
        [('█', '#'), ('░', '.'), ('?', '?')]
            .iter()
            .zip(shares)
            .map(|(&(unicode, ascii), share)| Part { share, unicode, ascii })
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }

    #[test]
    fn a_share_bar_has_eighths() {
        assert_eq!(share_bar(0.5, 1.0, 4, Charset::Unicode), "██");
        assert_eq!(share_bar(0.59375, 1.0, 4, Charset::Unicode), "██▍");
        assert_eq!(share_bar(0.0001, 1.0, 4, Charset::Unicode), "▏");
        assert_eq!(share_bar(0.5, 1.0, 4, Charset::Ascii), "##");
        assert_eq!(share_bar(0.0, 1.0, 4, Charset::Unicode), "");
        assert_eq!(share_bar(f64::NAN, 1.0, 4, Charset::Unicode), "");
        assert_eq!(share_bar(1.0, 0.0, 4, Charset::Unicode), "▏");
    }

    #[test]
    fn a_small_part_is_seen() {
        assert_eq!(stacked(&parts([0.999, 0.001, 0.0]), 10, Charset::Ascii).concat(), "#########.");
        assert_eq!(stacked(&parts([0.5, 0.5, 0.0]), 5, Charset::Ascii).concat().len(), 5);
        assert_eq!(stacked(&parts([0.0, 0.0, 0.0]), 5, Charset::Ascii).concat(), "");
    }

    proptest! {
        #[test]
        fn a_stacked_bar_fills_its_width(a in 0.0..1.0f64, b in 0.0..1.0f64, c in 0.001..1.0f64, width in 3usize..80) {
            prop_assert_eq!(stacked(&parts([a, b, c]), width, Charset::Ascii).concat().len(), width);
        }
    }
}
