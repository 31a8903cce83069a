//! Foreign text in GitHub Markdown, shown as what it is.

use std::fmt::Write as _;

use crate::report::render::text::{self, Charset};

/// Invisible, and enough to keep GitHub from taking what follows for a mention, an issue number or a link.
const BREAK: char = '\u{200b}';

/// Foreign text within a sentence or a table cell.
///
/// Characters that Markdown or HTML acts on become character references, which Markdown shows and never acts on; line
/// breaks and other control characters are spelled out. GitHub looks for mentions, issue numbers and addresses after
/// rendering, where references no longer help: those are broken up invisibly.
pub(in crate::report::render) fn plain(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len());
    let mut before = ' ';
    for c in text::escape(foreign, Charset::Unicode).chars() {
        // `@name`, `#12`, `://` and `www.` are where GitHub begins to see something.
        let begins = match before {
            '@' | '#' => c.is_alphanumeric(),
            ':' => c == '/',
            'w' | 'W' => c == '.',
            _ => false,
        };
        if begins {
            out.push(BREAK);
        }
        push(&mut out, c);
        before = c;
    }
    out
}

/// A sentence of ours with foreign names in it: what stands between backticks is code, all else as in [`plain`].
pub(super) fn sentence(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // An odd backtick belongs to a name; nobody can say which.
        return plain(text);
    }
    parts.iter().enumerate().map(|(i, part)| if i % 2 == 1 { code(part) } else { plain(part) }).collect()
}

/// Foreign text as code. An element, since a name may hold any number of backticks; GitHub looks for no mentions in it.
pub(in crate::report::render) fn code(foreign: &str) -> String {
    let mut out = String::from("<code>");
    text::escape(foreign, Charset::Unicode).chars().for_each(|c| push(&mut out, c));
    out + "</code>"
}

/// Foreign text on a line of a fenced block, where nothing is acted on but a fence.
pub(super) fn fenced(foreign: &str) -> String {
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
        assert_eq!(plain("a\nb"), "a&#92;nb");
        assert_eq!(code("``x``"), "<code>&#96;&#96;x&#96;&#96;</code>");
        assert_eq!(fenced("```\n# not a heading"), "` ` `\\n# not a heading");
    }

    /// `any::<String>()` makes no control characters; they are what matters here.
    fn any_text() -> impl Strategy<Value = String> {
        proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn no_character_that_markdown_acts_on_is_left(text in any_text()) {
            for escaped in [plain(&text), code(&text).replace("<code>", "").replace("</code>", "")] {
                prop_assert!(!escaped.contains(['<', '>', '|', '`', '*', '_', '@', '[', ']', '\\', '\n']), "{escaped}");
            }
        }
    }
}
