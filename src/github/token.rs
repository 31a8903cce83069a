//! The secret that GitHub knows us by.

use std::fmt;

/// What stands where a token would.
const HIDDEN: &str = "[token]";

/// A token of GitHub. Neither `Debug` nor `Display` shows it, and no error holds it.
#[derive(Clone)]
pub struct Token(String);

/// A text that cannot be a token. The text itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is empty, or holds a character that no token has: set it again, without quotes, blanks and line ends")]
pub struct InvalidToken;

impl Token {
    /// A token, with the blanks and the line end around it that a shell may have left.
    ///
    /// # Errors
    /// What is left is empty, or could not stand in the header of a request.
    pub fn new(text: &str) -> Result<Token, InvalidToken> {
        let text = text.trim();
        match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Token(text.to_owned())),
            false => Err(InvalidToken),
        }
    }

    /// The secret itself, for the header of a request and nothing else.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// A text that came from outside, without the token: a proxy may show the request that it would not pass on.
    pub(super) fn hidden_in(&self, text: &str) -> String {
        text.replace(&self.0, HIDDEN)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let token = Token::new("ghs_secret").unwrap();
        assert_eq!(format!("{token} {token:?} {:#?}", Some(&token)), "[token] [token] Some(\n    [token],\n)");
        assert_eq!(token.hidden_in("Authorization: Bearer ghs_secret."), "Authorization: Bearer [token].");
    }

    #[test]
    fn what_a_shell_leaves_around_it_is_no_part_of_it() {
        assert_eq!(Token::new(" ghs_secret\r\n").unwrap().secret(), "ghs_secret");
    }

    #[test]
    fn what_could_break_a_header_is_refused_without_being_repeated() {
        for text in ["", " \n", "ghs_a\nX-Other: 1", "two words", "gh\u{e9}"] {
            let error = Token::new(text).unwrap_err().to_string();
            assert!(error.contains("set it again"), "{error}");
        }
    }
}
