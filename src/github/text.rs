//! Texts cut to the lengths that GitHub takes, and texts from outside made fit to be quoted.

/// The longest quotation of what GitHub or a proxy said, in characters.
const QUOTED: usize = 300;

/// What ends a text that was cut.
const CUT: &str = "…";

/// The text, or the beginning of it that fits into `bytes` with a mark that it was cut, never inside a character.
///
/// GitHub counts some limits in characters and some in bytes; a text has never more characters than bytes.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub(CUT.len()));
    format!("{}{CUT}", &text[..end])
}

/// What someone else said, as one short line that cannot move a terminal's cursor.
pub(super) fn quotable(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}{CUT}", &line[..end]),
        None => line,
    }
}

/// A text as part of a path or a query: all but letters, digits and `-._~` is written in percent signs.
pub(super) fn encoded(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => written.push(char::from(byte)),
            _ => written.push_str(&format!("%{byte:02X}")),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_fits_is_left_alone() {
        assert_eq!(cut("abc", 3), "abc");
    }

    #[test]
    fn a_cut_is_marked_and_never_falls_inside_a_character() {
        assert_eq!(cut("abcdefg", 6), "abc…");
        let bars = "█".repeat(10);
        for bytes in 3..30 {
            let short = cut(&bars, bytes);
            assert!(short.len() <= bytes && short.ends_with(CUT), "{bytes}: {short}");
        }
    }

    #[test]
    fn a_quotation_is_one_short_line_without_control_characters() {
        assert_eq!(quotable("one\r\n\u{1b}[31m two\t three "), "one [31m two three");
        assert_eq!(quotable(&"ä".repeat(1000)).chars().count(), QUOTED + 1);
    }

    #[test]
    fn a_branch_in_a_query_keeps_its_slashes_to_itself() {
        assert_eq!(encoded("feature/a b&c#1+é"), "feature%2Fa%20b%26c%231%2B%C3%A9");
        assert_eq!(encoded("v1.2-rc_3~x"), "v1.2-rc_3~x");
    }
}
