//! Foreign text in XML.

use std::fmt::Write as _;

use super::text::{self, Charset};

/// Foreign text as the content of an element or an attribute.
pub(super) fn escape(foreign: &str) -> String {
    let mut out = String::with_capacity(foreign.len());
    for c in text::escape(foreign, Charset::Unicode).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no way to write these two at all. Writing to a String cannot fail.
            '\u{fffe}' | '\u{ffff}' => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_content_of_an_element_and_of_an_attribute(
            content in proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter)
        ) {
            let escaped = escape(&content);
            let text = format!("<a b=\"{escaped}\">{escaped}</a>");
            let document = roxmltree::Document::parse(&text).unwrap();
            let shown = text::escape(&content, Charset::Unicode);
            let shown = shown.replace('\u{fffe}', r"\u{fffe}").replace('\u{ffff}', r"\u{ffff}");
            prop_assert_eq!(document.root_element().attribute("b"), Some(&*shown));
        }
    }
}
