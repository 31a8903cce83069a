//! The line that tells our comments from others and from one another. It is an HTML comment, which GitHub does not show.

use std::fmt;

use sha2::{Digest, Sha256};

use super::error::GitHubError;

/// The longest name of a comment.
const LONGEST_ID: usize = 64;
/// What a marker begins with, and every comment of ours with it.
const START: &str = "<!-- nongemm-comment";
const END: &str = "-->";
/// Bytes of the digest that are kept: enough that two reports do not meet.
const DIGEST_BYTES: usize = 16;

/// Whose comment it is, what it says, and a digest of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    pub id: String,
    pub red: bool,
    digest: String,
}

/// The room that a marker takes at most in a body, in bytes and, as it is ASCII, in characters: to be left free in the
/// text of a comment.
pub fn marker_room() -> usize {
    let longest = Marker { id: "x".repeat(LONGEST_ID), red: false, digest: "0".repeat(2 * DIGEST_BYTES) };
    longest.before("").len()
}

impl Marker {
    /// The marker of a text.
    ///
    /// # Errors
    /// The name could not stand in it.
    pub(super) fn of(id: &str, red: bool, text: &str) -> Result<Marker, GitHubError> {
        if !is_id(id) {
            return Err(GitHubError::CommentId { id: id.to_owned(), longest: LONGEST_ID });
        }
        Ok(Marker { id: id.to_owned(), red, digest: digest(text) })
    }

    /// The marker that a comment begins with, and the text after it. `None` where it begins with none.
    pub(super) fn read(body: &str) -> Option<(Marker, &str)> {
        let (line, text) = body.split_once('\n').unwrap_or((body, ""));
        let inner = line.trim_end().strip_prefix(START)?.strip_suffix(END)?;
        let mut fields = inner.split_ascii_whitespace();
        let id = fields.next()?.strip_prefix("id=")?;
        let red = match fields.next()?.strip_prefix("verdict=")? {
            "red" => true,
            "green" => false,
            _ => return None,
        };
        let digest = fields.next()?.strip_prefix("digest=")?;
        let whole = fields.next().is_none() && is_id(id);
        whole.then(|| (Marker { id: id.to_owned(), red, digest: digest.to_owned() }, text))
    }

    /// The body of a comment: the marker, then the text.
    pub(super) fn before(&self, text: &str) -> String {
        format!("{self}\n{text}")
    }

    /// Whether the text is the one that the marker was made for.
    pub(super) fn fits(&self, text: &str) -> bool {
        self.digest == digest(text)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.red { "red" } else { "green" };
        write!(formatter, "{START} id={} verdict={verdict} digest={} {END}", self.id, self.digest)
    }
}

fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=LONGEST_ID).contains(&text.len()) && text.chars().all(plain)
}

/// GitHub may change line ends and drop blanks at the end: neither makes another text.
fn digest(text: &str) -> String {
    let hash = Sha256::digest(text.replace("\r\n", "\n").trim_end().as_bytes());
    hash.iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(id: &str, red: bool, text: &str) -> Marker {
        Marker::of(id, red, text).unwrap()
    }

    #[test]
    fn a_body_is_read_back() {
        let body = marker("nongemm", true, "# Report\nred").before("# Report\nred");
        let (read, text) = Marker::read(&body).unwrap();
        assert_eq!((read.id.as_str(), read.red, text), ("nongemm", true, "# Report\nred"));
        assert!(read.fits(text) && !read.fits("# Report\ngreen"));
    }

    #[test]
    fn what_github_does_to_line_ends_is_no_change() {
        let body = marker("a", false, "one\ntwo\n").before("one\ntwo\n").replace('\n', "\r\n");
        let (read, text) = Marker::read(body.trim_end()).unwrap();
        assert!(read.fits(text));
        assert_eq!(read, marker("a", false, "one\ntwo\n"));
    }

    #[test]
    fn only_the_very_start_of_a_body_marks_it() {
        let marker = marker("a", false, "text").to_string();
        for body in [format!("> {marker}"), format!("text\n{marker}"), format!(" {marker}"), String::new()] {
            assert_eq!(Marker::read(&body), None, "{body}");
        }
    }

    #[test]
    fn a_damaged_marker_is_none() {
        for inner in [
            "",
            "id=a",
            "id=a verdict=red",
            "id=a verdict=blue digest=0",
            "id=a verdict=red digest=0 more",
            "id= verdict=red digest=0",
        ] {
            assert_eq!(Marker::read(&format!("{START} {inner} {END}\ntext")), None, "{inner}");
        }
        assert_eq!(Marker::read("<!-- nongemm-comment id=a verdict=red digest=0"), None);
    }

    #[test]
    fn a_name_that_could_end_the_marker_is_refused() {
        for id in ["", "a b", "a-->", "a\nb", "ä", &"x".repeat(65)] {
            let error = Marker::of(id, false, "").unwrap_err().to_string();
            assert!(error.contains("1 to 64 letters"), "{error}");
        }
    }

    #[test]
    fn the_room_is_that_of_the_longest_marker() {
        let longest = marker(&"x".repeat(LONGEST_ID), false, "text").before("text");
        assert_eq!(marker_room(), longest.len() - "text".len());
        assert!(marker_room() >= marker("a", true, "text").before("text").len() - "text".len());
        assert!(longest.is_ascii());
    }
}
