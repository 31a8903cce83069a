//! Text that came from outside, made safe and measured in terminal columns.
//!
//! A model's names may hold anything: escape sequences that move the cursor, marks that reverse the line, characters
//! two columns wide. Everything the text renderers print passes through here.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;

/// The characters a rendering may draw with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Charset {
    /// Bars, rules and signs beyond ASCII.
    #[default]
    Unicode,
    /// ASCII alone, for terminals and logs that cannot show more.
    Ascii,
}

impl Charset {
    /// `unicode` or `ascii`, whichever this charset may print.
    pub fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self {
            Charset::Unicode => unicode,
            Charset::Ascii => ascii,
        }
    }

    /// What stands for text that was cut out.
    pub fn ellipsis(self) -> &'static str {
        self.pick("…", "..")
    }

    /// From the left to the right.
    pub fn arrow(self) -> &'static str {
        self.pick("→", "->")
    }

    /// Multiplication sign.
    pub fn times(self) -> &'static str {
        self.pick("×", "x")
    }

    /// Sign before a spread.
    pub fn plus_minus(self) -> &'static str {
        self.pick("±", "+/-")
    }

    /// Separator of facts on one line.
    pub fn dot(self) -> &'static str {
        self.pick("·", "-")
    }
}

/// `text` with everything spelled out that a terminal would act on instead of showing it.
///
/// Control characters become `\n`, `\t`, `\r` or `\u{1b}`; so do marks that reverse or hide text. In
/// [`Charset::Ascii`] the signs our own messages use are transliterated, and the rest is spelled out.
pub fn escape(text: &str, charset: Charset) -> Cow<'_, str> {
    if text.chars().all(|c| shows_as_itself(c, charset)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if shows_as_itself(c, charset) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => match transliterated(c) {
                Some(ascii) if charset == Charset::Ascii => out.push_str(ascii),
                // Writing to a String cannot fail.
                _ => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
            },
        }
    }
    Cow::Owned(out)
}

fn shows_as_itself(c: char, charset: Charset) -> bool {
    match charset {
        Charset::Ascii => c.is_ascii() && !c.is_control(),
        Charset::Unicode => !c.is_control() && !is_invisible_format(c),
    }
}

/// Characters that change how their neighbours show, or take a name apart invisibly.
fn is_invisible_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn transliterated(c: char) -> Option<&'static str> {
    Some(match c {
        '→' => "->",
        '×' => "x",
        '±' => "+/-",
        '…' => "...",
        '–' | '—' | '−' => "-",
        '’' | '‘' => "'",
        'µ' | 'μ' => "u",
        '·' => "-",
        _ => return None,
    })
}

/// Columns that one character takes.
pub fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Columns that `text` takes, character by character, which is how terminals advance.
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Where text is cut that is too wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// In the middle: both ends of an id or a path tell more than its centre.
    Middle,
    /// After the first few columns: the end tells most.
    Early,
    /// At the end: a sentence is read from its beginning.
    End,
}

impl Cut {
    /// What part of the room is left for the end of the text.
    fn tail(self, room: usize) -> usize {
        match self {
            Cut::Middle => room / 2,
            Cut::Early => room - room / 6,
            Cut::End => 0,
        }
    }
}

/// [`truncate`] in the middle.
pub fn truncate_middle(text: &str, max: usize, charset: Charset) -> Cow<'_, str> {
    truncate(text, max, Cut::Middle, charset)
}

/// `text` in at most `max` columns, an ellipsis where it was cut.
pub fn truncate(text: &str, max: usize, cut: Cut, charset: Charset) -> Cow<'_, str> {
    if width(text) <= max {
        return Cow::Borrowed(text);
    }
    let ellipsis = charset.ellipsis();
    let room = max.saturating_sub(width(ellipsis));
    let tail_room = cut.tail(room);
    let head = take_columns(text.chars(), room - tail_room);
    let tail: String = take_columns(text.chars().rev(), tail_room).chars().rev().collect();
    let mut out = head + ellipsis + &tail;
    if max < width(ellipsis) {
        out = take_columns(out.chars(), max);
    }
    Cow::Owned(out)
}

/// `text` in at most `most` characters (one at least), an ellipsis where it was cut. Looks at no more of the text than it
/// keeps, so that it does for text of any length.
pub fn shorten(text: &str, most: usize, cut: Cut) -> Cow<'_, str> {
    // Bytes are never fewer than characters.
    if text.len() <= most || text.chars().nth(most).is_none() {
        return Cow::Borrowed(text);
    }
    let room = most.saturating_sub(1);
    let tail = cut.tail(room);
    let mut out: String = text.chars().take(room - tail).collect();
    out.push('…');
    let end: Vec<char> = text.chars().rev().take(tail).collect();
    out.extend(end.into_iter().rev());
    Cow::Owned(out)
}

/// Foreign text made safe, in at most `most` characters. Spelling out makes text longer, so it is shortened before, which
/// bounds the work, and after.
pub fn brief(foreign: &str, most: usize, cut: Cut) -> String {
    let short = shorten(foreign, most, cut);
    shorten(&escape(&short, Charset::Unicode), most, cut).into_owned()
}

fn take_columns(chars: impl Iterator<Item = char>, room: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|&c| {
            used += char_width(c);
            used <= room
        })
        .collect()
}

/// `text` in lines of at most `max` columns, broken at spaces; a word longer than a line is broken where the line ends.
pub fn wrap(text: &str, max: usize) -> Vec<String> {
    let max = max.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && width(&line) + 1 + width(word) > max {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if !line.is_empty() && width(&line) + char_width(c) > max {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_never_sees_a_control_character() {
        let hostile = "a\x1b[2J\r\nb\u{9b}1A\u{202e}c\u{200b}\t\0";
        let shown = escape(hostile, Charset::Unicode);
        assert_eq!(shown, "a\\u{1b}[2J\\r\\nb\\u{9b}1A\\u{202e}c\\u{200b}\\t\\u{0}");
    }

    #[test]
    fn ascii_keeps_our_signs_legible_and_spells_out_the_rest() {
        assert_eq!(escape("1 → 2, ± 3 ×, 名", Charset::Ascii), "1 -> 2, +/- 3 x, \\u{540d}");
    }

    #[test]
    fn truncation_keeps_both_ends() {
        assert_eq!(truncate_middle("bert-base@cpu-fp32-all-b1-s128-t1", 15, Charset::Unicode), "bert-ba…s128-t1");
        assert_eq!(truncate_middle("bert-base@cpu-fp32-all-b1-s128-t1", 15, Charset::Ascii), "bert-ba..128-t1");
        assert_eq!(truncate_middle("short", 5, Charset::Unicode), "short");
    }

    #[test]
    fn text_is_shortened_by_characters_from_where_it_tells_least() {
        assert_eq!(shorten("bert-base@cpu-t1", 9, Cut::Middle), "bert…u-t1");
        assert_eq!(shorten("killed by a signal", 10, Cut::End), "killed by…");
        assert_eq!(shorten("e\u{301}e\u{301}e\u{301}", 4, Cut::End), "e\u{301}e…");
        assert_eq!(shorten("模型", 2, Cut::Middle), "模型");
    }

    #[test]
    fn wide_characters_are_never_halved() {
        assert_eq!(truncate_middle("模型模型模型", 7, Charset::Unicode), "模…型");
        assert_eq!(width("模型"), 4);
    }

    #[test]
    fn wrapping_breaks_at_spaces_and_only_then_inside_words() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
    }

    /// `any::<String>()` makes no control characters; they are what matters here.
    fn any_text() -> impl Strategy<Value = String> {
        proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn escaped_text_holds_nothing_to_act_on(text in any_text()) {
            prop_assert!(!escape(&text, Charset::Unicode).chars().any(|c| c.is_control() || is_invisible_format(c)));
            prop_assert!(escape(&text, Charset::Ascii).chars().all(|c| c.is_ascii() && !c.is_control()));
        }

        #[test]
        fn nothing_is_wider_than_asked(text in any_text(), max in 2usize..40) {
            let shown = escape(&text, Charset::Unicode);
            prop_assert!(width(&truncate_middle(&shown, max, Charset::Unicode)) <= max);
            prop_assert!(wrap(&shown, max).iter().all(|line| width(line) <= max));
            for cut in [Cut::Middle, Cut::Early, Cut::End] {
                prop_assert!(shorten(&text, max, cut).chars().count() <= max);
                prop_assert!(brief(&text, max, cut).chars().count() <= max);
                prop_assert!(!brief(&text, max, cut).chars().any(is_invisible_format));
            }
        }
    }
}
