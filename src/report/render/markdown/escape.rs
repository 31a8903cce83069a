//! Foreign text in GitHub Markdown, shown as what it is.

use std::fmt::Write as _;

use crate::report::render::text::{self, Charset};

/// Invisible, and enough within a word to keep GitHub from taking what follows for a mention, an issue number or a link.
const BREAK: char = '\u{200b}';

/// Foreign text within a sentence or a table cell.
///
/// Characters that Markdown or HTML acts on become character references, which Markdown shows and never acts on; line
/// breaks and other control characters are spelled out. GitHub looks for mentions, issue numbers, addresses and emoji
/// after rendering, where references no longer help: those are broken up invisibly. The hash of a commit of the
/// repository still becomes a link to it.
pub(in crate::report::render) fn plain(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len());
    let mut seen = Seen::default();
    for c in text::escape(foreign, Charset::Unicode).chars() {
        if seen.begins_something(c) {
            out.push(BREAK);
        }
        push(&mut out, c);
        seen.passes(c);
    }
    out
}

/// What stands before a character, as far as GitHub looks for something there.
#[derive(Default)]
struct Seen {
    before: [char; 3],
    /// Letters since a colon that may begin an emoji.
    name: Option<usize>,
}

impl Seen {
    /// `@name`, `#12`, `GH-12`, `:name:` and addresses are where GitHub sees something.
    fn begins_something(&self, c: char) -> bool {
        let closes_emoji = c == ':' && self.name.is_some_and(|letters| letters > 0);
        let refers = match self.before.map(|c| c.to_ascii_lowercase()) {
            [_, _, '@' | '#'] => c.is_alphanumeric(),
            ['g', 'h', '-'] => c.is_ascii_digit(),
            _ => false,
        };
        closes_emoji || refers || self.begins_address(c)
    }

    /// `://` and `www.`.
    fn begins_address(&self, c: char) -> bool {
        match self.before {
            [_, _, ':'] => c == '/',
            [_, 'w' | 'W', 'w' | 'W'] => c == '.',
            _ => false,
        }
    }

    fn passes(&mut self, c: char) {
        self.name = match (c, self.name) {
            (':', _) => Some(0),
            (c, Some(letters)) if c.is_ascii_alphanumeric() || "_+-".contains(c) => Some(letters + 1),
            _ => None,
        };
        self.before = [self.before[1], self.before[2], c];
    }
}

/// A sentence of ours with foreign names in it: what stands between backticks is code, all else as in [`plain`].
pub(in crate::report::render) fn sentence(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // An odd backtick belongs to a name; nobody can say which.
        return plain(text);
    }
    parts.iter().enumerate().map(|(i, part)| if i % 2 == 1 { code(part) } else { plain(part) }).collect()
}

/// The same within code, which people copy: a tag is not copied along.
const BREAK_IN_CODE: &str = "<wbr>";

/// Foreign text as code. An element, since a name may hold any number of backticks. GitHub looks for no mentions and no
/// issues in it, but for addresses it does.
pub(in crate::report::render) fn code(foreign: &str) -> String {
    let text = text::escape(foreign, Charset::Unicode);
    // An address of mail has a dot behind its `@`.
    let last_dot = text.rfind('.').unwrap_or(0);
    let mut out = String::from("<code>");
    let mut seen = Seen::default();
    for (at, c) in text.char_indices() {
        if seen.begins_address(c) || (seen.before[2] == '@' && at < last_dot) {
            out.push_str(BREAK_IN_CODE);
        }
        push(&mut out, c);
        seen.passes(c);
    }
    out + "</code>"
}

/// Foreign text on a line of a fenced block, where nothing is acted on but a fence.
pub(in crate::report::render) fn fenced(foreign: &str) -> String {
    text::escape(foreign, Charset::Unicode).replace("```", "` ` `")
}

fn push(out: &mut String, c: char) {
    if matches!(
        c,
        '&' | '<' | '>' | '"' | '\'' | '|' | '`' | '*' | '_' | '~' | '[' | ']' | '\\' | '!' | '#' | '$' | '@'
    ) {
        // Writing to a String cannot fail.
        let _ = write!(out, "&#{};", u32::from(c));
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_acted_on() {
        assert_eq!(plain("a|b"), "a&#124;b");
        assert_eq!(plain("<b>"), "&#60;b&#62;");
        assert_eq!(plain("@octocat #12"), "&#64;\u{200b}octocat &#35;\u{200b}12");
        assert_eq!(plain("CPU @ 2.7"), "CPU &#64; 2.7");
        assert_eq!(sentence("run `a_b`, <i>"), "run <code>a&#95;b</code>, &#60;i&#62;");
        assert_eq!(sentence("odd ` one"), "odd &#96; one");
        assert_eq!(plain("https://x.y www.z"), "https:\u{200b}//x.y www\u{200b}.z");
        assert_eq!(plain("GH-12 gh-1 :tada: a:b"), "GH-\u{200b}12 gh-\u{200b}1 :tada\u{200b}: a:b");
        assert_eq!(plain("a\nb"), "a&#92;nb");
        assert_eq!(code("``x``"), "<code>&#96;&#96;x&#96;&#96;</code>");
        assert_eq!(code("https://x www.y a@b.c a@b"), "<code>https:<wbr>//x www<wbr>.y a&#64;<wbr>b.c a&#64;b</code>");
        assert_eq!(fenced("```\n# not a heading"), "` ` `\\n# not a heading");
    }

    /// `any::<String>()` makes no control characters; they are what matters here.
    fn any_text() -> impl Strategy<Value = String> {
        proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn no_character_that_markdown_acts_on_is_left(text in any_text()) {
            for escaped in [plain(&text), code(&text).replace("<code>", "").replace("</code>", "").replace("<wbr>", "")] {
                prop_assert!(!escaped.contains(['<', '>', '|', '`', '*', '_', '@', '[', ']', '\\', '\n']), "{escaped}");
            }
        }
    }
}
