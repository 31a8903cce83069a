//! A scanner over the bytes of one event: JSON values are delimited, not built.

use std::borrow::Cow;

use memchr::memchr2;

/// A position in the bytes of one event. Each method advances past what it names or returns `None`, which means that
/// the bytes are not what JSON says they should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Scan { bytes, at: 0 }
    }

    /// What has not been scanned.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The byte, after any white space.
    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        self.space();
        if self.peek()? != byte {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// The bytes between two quotes, escapes as they stand.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let found = memchr2(b'"', b'\\', self.rest())?;
            self.at += found;
            match self.peek()? {
                b'"' => {
                    let text = self.bytes.get(start..self.at)?;
                    self.at += 1;
                    return Some(text);
                }
                _ => self.skip(2),
            }
        }
    }

    /// A string and the colon after it.
    pub(super) fn key(&mut self) -> Option<&'a [u8]> {
        let key = self.string()?;
        self.expect(b':')?;
        self.space();
        Some(key)
    }

    /// Any value: a string's contents, an object or array with its brackets, or the text of a number or literal.
    pub(super) fn value(&mut self) -> Option<&'a [u8]> {
        self.space();
        match self.peek()? {
            b'"' => self.string(),
            b'{' | b'[' => self.nested(),
            _ => {
                let start = self.at;
                while !matches!(self.peek(), None | Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')) {
                    self.at += 1;
                }
                self.bytes.get(start..self.at).filter(|text| !text.is_empty())
            }
        }
    }

    fn nested(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return self.bytes.get(start..self.at);
            }
        }
    }
}

/// A whole number that may carry a sign or a fraction, which is dropped: other writers of this format have both.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    let whole = digits.split(|byte| *byte == b'.').next()?;
    if whole.is_empty() {
        return None;
    }
    let value = whole.iter().try_fold(0i64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(i64::from(digit))
    })?;
    Some(if negative { -value } else { value })
}

/// Resolves JSON's escapes; what is no escape stays as it is. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn unescape(text: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text).is_none() {
        return String::from_utf8_lossy(text);
    }
    let quoted = [b"\"".as_slice(), text, b"\"".as_slice()].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(resolved) => Cow::Owned(resolved),
        Err(_) => String::from_utf8_lossy(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_delimited() {
        let cases: [(&str, &str); 6] = [
            (r#"12,"#, "12"),
            (r#" "a\"b" ,"#, r#"a\"b"#),
            (r#"{"a": {"b": "}"}, "c": []} ,"#, r#"{"a": {"b": "}"}, "c": []}"#),
            (r#"[{"float":[2,3]}]}"#, r#"[{"float":[2,3]}]"#),
            (r#"true}"#, "true"),
            (r#""""#, ""),
        ];
        for (text, expected) in cases {
            assert_eq!(Scan::new(text.as_bytes()).value(), Some(expected.as_bytes()), "{text}");
        }
    }

    #[test]
    fn unfinished_values_are_refused() {
        for text in ["\"abc", "{\"a\": 1", "[1, 2", "\"abc\\", "", "{\"a\": \"}"] {
            assert_eq!(Scan::new(text.as_bytes()).value(), None, "{text}");
        }
    }

    #[test]
    fn integers() {
        let cases: [(&[u8], Option<i64>); 7] = [
            (b"0", Some(0)),
            (b"1234567890123", Some(1_234_567_890_123)),
            (b"-7", Some(-7)),
            (b"12.75", Some(12)),
            (b"", None),
            (b"12a", None),
            (b"99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }
}
