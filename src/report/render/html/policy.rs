//! What the page allows itself: one style sheet, and nothing else.

use std::fmt;

use askama::filters::HtmlSafe;
use sha2::{Digest, Sha256};

use crate::report::Group;
use crate::report::render::svg::palette;

/// The style sheet of every page, and the only thing that its policy admits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Style {
    sheet: Sheet,
    hash: String,
}

/// Our own rules.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sheet(String);

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Sheet {}

impl Style {
    /// The rules of the page, and the groups' colours as all charts have them.
    pub fn new() -> Style {
        let groups = Group::all().into_iter().map(Some).chain([None]);
        let dark = format!("@media (prefers-color-scheme: dark) {{ {} }}\n", palette::DARK_FILLS);
        let sheet = [include_str!("style.css"), &palette::fills(groups), "\n", &dark].concat();
        let hash = format!("sha256-{}", base64(&Sha256::digest(sheet.as_bytes())));
        Style { sheet: Sheet(sheet), hash }
    }

    /// What stands in the style element, to the letter.
    pub fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    /// The sheet as a content security policy names it.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// Bytes in base 64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let digit = (bits >> (18 - 6 * position)) & 63;
            // A chunk of n bytes has n + 1 digits of its own.
            out.push(if position <= chunk.len() { char::from(ALPHABET[digit as usize]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_the_standard() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in pairs {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_sheet_loads_nothing_and_ends_no_element() {
        let Sheet(sheet) = Style::new().sheet;
        for forbidden in ["url(", "@import", "@font-face", "</"] {
            assert!(!sheet.contains(forbidden), "{forbidden}");
        }
    }
}
