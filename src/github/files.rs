//! The files by which a step hands on its outputs and its summary.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The largest summary of a step, in bytes: of a larger one GitHub shows nothing.
const SUMMARY: u64 = 1024 * 1024;

/// What ends a summary that did not fit.
const CUT: &str = "\n\n_The rest does not fit into GitHub's limit of 1 MiB for the summary of a step._\n";

/// A file of the step that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{path} cannot be appended to: {source}; the runner names it in {variable}", path = path.display())]
    Append {
        /// Which file.
        path: PathBuf,
        /// The variable of the environment that names it.
        variable: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A name that would be read as something else.
    #[error("`{name}` cannot name an output of a step: use letters, digits, `-` and `_`")]
    Name {
        /// As given.
        name: String,
    },
}

/// How much of a summary there was room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// All of it.
    Whole,
    /// Its beginning, or nothing; the summary says so where there was room for that.
    Cut,
}

/// Appends an output of the step to the file that `GITHUB_OUTPUT` names. The value may be any text.
///
/// # Errors
/// The name is none, or the file cannot be written.
pub fn append_output(path: &Path, name: &str, value: &str) -> Result<(), FileError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(FileError::Name { name: name.to_owned() });
    }
    let delimiter = delimiter(value);
    let lines = format!("{name}<<{delimiter}\n{value}\n{delimiter}\n");
    append(path, &lines).map_err(|source| FileError::Append {
        path: path.to_owned(),
        variable: "GITHUB_OUTPUT",
        source,
    })
}

/// A line that does not occur in the value, which could otherwise end itself early and set other outputs.
fn delimiter(value: &str) -> String {
    loop {
        let delimiter = format!("nongemm-{:032x}", fastrand::u128(..));
        if !value.contains(&delimiter) {
            return delimiter;
        }
    }
}

/// Appends Markdown to the file that `GITHUB_STEP_SUMMARY` names, up to the limit of 1 MiB for all that is in it.
///
/// # Errors
/// The file cannot be read or written.
pub fn append_summary(path: &Path, markdown: &str) -> Result<Appended, FileError> {
    append_within(path, markdown, SUMMARY).map_err(|source| FileError::Append {
        path: path.to_owned(),
        variable: "GITHUB_STEP_SUMMARY",
        source,
    })
}

fn append_within(path: &Path, markdown: &str, limit: u64) -> std::io::Result<Appended> {
    let there = match fs::metadata(path) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let room = usize::try_from(limit.saturating_sub(there)).unwrap_or(usize::MAX);
    // A paragraph of its own, whatever stands before it.
    let gap = if there == 0 { "" } else { "\n" };
    if gap.len() + markdown.len() <= room {
        append(path, &format!("{gap}{markdown}"))?;
        return Ok(Appended::Whole);
    }
    if let Some(text_room) = room.checked_sub(gap.len() + CUT.len()) {
        append(path, &format!("{gap}{}{CUT}", whole_lines(markdown, text_room)))?;
    }
    Ok(Appended::Cut)
}

/// The lines that fit into `bytes`.
fn whole_lines(text: &str, bytes: usize) -> &str {
    let head = &text[..text.floor_char_boundary(bytes)];
    head.rfind('\n').map_or("", |end| &head[..end])
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        (dir, path)
    }

    /// What the runner reads from the file: names with their values.
    fn outputs(text: &str) -> Vec<(String, String)> {
        let mut lines = text.lines();
        let mut found = Vec::new();
        while let Some(line) = lines.next() {
            let (name, delimiter) = line.split_once("<<").unwrap();
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            found.push((name.to_owned(), value.join("\n")));
        }
        found
    }

    #[test]
    fn outputs_come_out_as_they_went_in() {
        let (_dir, path) = file();
        let hostile = "red\nnongemm-0\nverdict<<EOF\ngreen\nEOF\n::error::";
        append_output(&path, "verdict", "failed").unwrap();
        append_output(&path, "comment-url", "").unwrap();
        append_output(&path, "regressed", hostile).unwrap();
        let read = outputs(&fs::read_to_string(&path).unwrap());
        let expected = [("verdict", "failed"), ("comment-url", ""), ("regressed", hostile)];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn no_two_outputs_end_alike() {
        assert_ne!(delimiter(""), delimiter(""));
    }

    #[test]
    fn a_name_that_would_be_read_as_a_line_is_refused() {
        let (_dir, path) = file();
        for name in ["", "a=b", "a\nb", "a<<b", "ä"] {
            assert!(matches!(append_output(&path, name, "x"), Err(FileError::Name { .. })), "{name}");
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_summary_is_added_to_what_other_commands_left() {
        let (_dir, path) = file();
        fs::write(&path, "before\n").unwrap();
        assert_eq!(append_summary(&path, "# After\n").unwrap(), Appended::Whole);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\n\n# After\n");
    }

    #[test]
    fn the_limit_counts_what_is_there_and_cuts_between_lines() {
        let (_dir, path) = file();
        fs::write(&path, "x".repeat(100)).unwrap();
        let markdown = "eine Zeile mit █\n".repeat(50);
        assert_eq!(append_within(&path, &markdown, 400).unwrap(), Appended::Cut);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() <= 400 && text.ends_with(CUT), "{text}");
        let kept = &text[101..text.len() - CUT.len()];
        assert!(kept.lines().count() > 5 && kept.lines().all(|line| line == "eine Zeile mit █"), "{kept}");
    }

    #[test]
    fn a_full_summary_is_left_alone() {
        let (_dir, path) = file();
        fs::write(&path, "x".repeat(100)).unwrap();
        assert_eq!(append_within(&path, "more", 90).unwrap(), Appended::Cut);
        assert_eq!(append_within(&path, "more", 104).unwrap(), Appended::Cut);
        assert_eq!(fs::read_to_string(&path).unwrap().len(), 100);
        assert_eq!(append_within(&path, "more", 105).unwrap(), Appended::Whole);
    }

    #[test]
    fn the_limit_is_github_s() {
        let (_dir, path) = file();
        assert_eq!(append_summary(&path, &"line\n".repeat(300_000)).unwrap(), Appended::Cut);
        let size = fs::metadata(&path).unwrap().len();
        assert!((1_048_000..=1_048_576).contains(&size), "{size}");
    }

    #[test]
    fn an_error_names_the_file_and_the_variable() {
        let dir = tempfile::tempdir().unwrap();
        let error = append_summary(dir.path(), "text").unwrap_err().to_string();
        assert!(error.contains("GITHUB_STEP_SUMMARY") && error.contains(&*dir.path().to_string_lossy()), "{error}");
    }
}
