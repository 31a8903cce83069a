//! Why GitHub did not do what it was asked.

use std::time::SystemTime;

/// A request that came to nothing. Each message says which request, what GitHub said, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// The address of the API is none.
    #[error(
        "`{url}` is no address of GitHub's API ({reason}): GITHUB_API_URL must look like https://api.github.com or https://HOST/api/v3"
    )]
    Address {
        /// As given, without credentials.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Nothing can be sent from this machine.
    #[error(
        "connections to GitHub cannot be prepared: {0}; where the system has no certificates, install its package ca-certificates"
    )]
    Setup(String),
    /// The name of a comment could not stand in its marker.
    #[error("`{id}` cannot name a comment: give 1 to {longest} letters, digits, `.`, `_` and `-`")]
    CommentId {
        /// As given.
        id: String,
        /// The longest name.
        longest: usize,
    },
    /// 401.
    #[error(
        "{call}: GitHub does not know the token ({said}): it is wrong, expired or revoked; give a valid one in GITHUB_TOKEN, in a workflow `${{{{ github.token }}}}`"
    )]
    Unauthorized {
        /// Method and address.
        call: String,
        /// What GitHub said.
        said: String,
    },
    /// 403: the workflow's token lacks a permission.
    #[error(
        "{call}: the token may not do this ({said}): add `{permission}` under `permissions:` of the job. Pull requests of \
             forks and of Dependabot get a token that may only read, whatever the workflow asks for: save the report there \
             and post it from a `workflow_run` workflow, which `cargo nongemm init --github` writes"
    )]
    ReadOnly {
        /// Method and address.
        call: String,
        /// What GitHub said.
        said: String,
        /// The line to add to the workflow.
        permission: &'static str,
    },
    /// 403 for another reason.
    #[error("{call}: GitHub forbids it ({said}); {remedy}")]
    Forbidden {
        /// Method and address.
        call: String,
        /// What GitHub said.
        said: String,
        /// What to do.
        remedy: &'static str,
    },
    /// 403 or 429: too many requests.
    #[error("{call}: GitHub's limit of requests is used up ({said}){}: try again later, or use a token of your own", again(*until))]
    Limited {
        /// Method and address.
        call: String,
        /// What GitHub said.
        said: String,
        /// When it takes requests again, where it says so.
        until: Option<SystemTime>,
    },
    /// 404.
    #[error(
        "{call}: GitHub finds nothing there ({said}): check the repository and the number, and that the token has `{permission}`, without which GitHub denies that it exists"
    )]
    NotFound {
        /// Method and address.
        call: String,
        /// What GitHub said.
        said: String,
        /// The permission that it needs.
        permission: &'static str,
    },
    /// Another answer that the request is to blame for: 400, 409, 410, 422.
    #[error("{call}: GitHub refused it with {status} ({said}); {remedy}")]
    Refused {
        /// Method and address.
        call: String,
        /// The status.
        status: u16,
        /// What GitHub said.
        said: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The repository has another name now.
    #[error(
        "{call}: GitHub answers with {status}, it has moved ({to}): give the repository's present name, in a workflow by starting it anew"
    )]
    Moved {
        /// Method and address.
        call: String,
        /// The status.
        status: u16,
        /// Where to.
        to: String,
    },
    /// A failure of GitHub's own, or of a proxy before it.
    #[error("{call}: GitHub failed with {status} ({said}), the last of {tries}: try again later", tries = tries(*attempts))]
    Server {
        /// Method and address.
        call: String,
        /// The status.
        status: u16,
        /// What GitHub said.
        said: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// No answer, or the beginning of one.
    #[error("{call}: no answer ({reason}) in {tries}: check the network and GITHUB_API_URL", tries = tries(*attempts))]
    NoAnswer {
        /// Method and address.
        call: String,
        /// What became of the connection.
        reason: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// An answer that GitHub does not give.
    #[error(
        "{call}: the answer is not one of GitHub's ({reason}): something between may have answered in its place; check GITHUB_API_URL"
    )]
    Unreadable {
        /// Method and address.
        call: String,
        /// What it is instead.
        reason: String,
    },
    /// An answer without an end.
    #[error(
        "{call}: the answer is longer than {limit}, and was not read to its end; check that GITHUB_API_URL leads to GitHub"
    )]
    TooLong {
        /// Method and address.
        call: String,
        /// How much was read, in words.
        limit: String,
    },
    /// A commit that several open pull requests want merged.
    #[error(
        "pull requests {} are open for branch {branch} at {head_sha}: say which one is meant with --pull-request",
        listed(numbers)
    )]
    Ambiguous {
        /// The branch that they have in common.
        branch: String,
        /// Its last commit.
        head_sha: String,
        /// Their numbers.
        numbers: Vec<u64>,
    },
}

fn tries(attempts: u32) -> String {
    if attempts == 1 { "one try".to_owned() } else { format!("{attempts} tries") }
}

fn again(until: Option<SystemTime>) -> String {
    let Some(until) = until else { return String::new() };
    let time = time::OffsetDateTime::from(until);
    format!(" until {} {:02}:{:02}:{:02} UTC", time.date(), time.hour(), time.minute(), time.second())
}

fn listed(numbers: &[u64]) -> String {
    numbers.iter().map(|number| format!("#{number}")).collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_limit_is_told_with_its_end() {
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1_700_000_000));
        let error = GitHubError::Limited { call: "GET x".to_owned(), said: "slow down".to_owned(), until };
        assert!(error.to_string().contains("until 2023-11-14 22:13:20 UTC: try again later"), "{error}");
        let error = GitHubError::Limited { call: "GET x".to_owned(), said: "slow down".to_owned(), until: None };
        assert!(error.to_string().contains("used up (slow down): try again later"), "{error}");
    }

    #[test]
    fn a_workflow_s_token_is_written_as_in_a_workflow() {
        let error = GitHubError::Unauthorized { call: "GET x".to_owned(), said: "Bad credentials".to_owned() };
        assert!(error.to_string().ends_with("in a workflow `${{ github.token }}`"), "{error}");
    }

    #[test]
    fn pull_requests_are_listed() {
        let error = GitHubError::Ambiguous { branch: "b".to_owned(), head_sha: "c".to_owned(), numbers: vec![7, 8] };
        assert!(error.to_string().starts_with("pull requests #7 and #8 are open"), "{error}");
    }
}
