//! Which repository is meant.

use std::fmt;
use std::str::FromStr;

/// A repository by its owner and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// A user or an organization.
    pub owner: String,
    /// The repository's own name.
    pub name: String,
}

/// A text that names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no repository: give it as OWNER/NAME")]
pub struct InvalidRepository(String);

impl FromStr for Repository {
    type Err = InvalidRepository;

    fn from_str(text: &str) -> Result<Repository, InvalidRepository> {
        match text.split_once('/') {
            Some((owner, name)) if is_name(owner) && is_name(name) => {
                Ok(Repository { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(InvalidRepository(text.to_owned())),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.name)
    }
}

/// Letters that GitHub has in names; `.` and `..` would be steps of a path.
fn is_name(text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    plain && !matches!(text, "" | "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_and_a_name() {
        let repository: Repository = "acme/ranker.rs".parse().unwrap();
        assert_eq!((repository.owner.as_str(), repository.name.as_str()), ("acme", "ranker.rs"));
        assert_eq!(repository.to_string(), "acme/ranker.rs");
    }

    #[test]
    fn anything_else_is_refused_with_what_to_give() {
        for text in ["", "acme", "acme/", "/ranker", "a/b/c", "acme/..", "acme/ran ker", "acme/r?x=1", "acme/r#1"] {
            let error = text.parse::<Repository>().unwrap_err().to_string();
            assert!(error.contains("OWNER/NAME"), "{error}");
        }
    }
}
