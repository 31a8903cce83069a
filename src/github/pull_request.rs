//! What GitHub says of pull requests, where an event or a report says it too and need not be true.

use serde::Deserialize;

use super::client::Client;
use super::error::GitHubError;
use super::event::{PullRequest, WorkflowRun, is_fork};
use super::repository::Repository;
use super::text::encoded;

const READ: &str = "pull-requests: read";

/// A pull request as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestState {
    /// The last commit of its branch.
    pub head_sha: String,
    /// The commit of the branch that it would be merged into.
    pub base_sha: String,
    /// It is neither merged nor closed.
    pub open: bool,
    /// Its branch lies in another repository.
    pub from_fork: bool,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    state: String,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    sha: String,
    #[serde(rename = "ref")]
    branch: String,
    #[serde(default)]
    repo: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    full_name: String,
}

impl Pull {
    fn is_from_fork(&self, repository: &Repository) -> bool {
        is_fork(self.head.repo.as_ref().map(|repo| repo.full_name.as_str()), &repository.to_string())
    }
}

impl Client {
    /// A pull request by its number.
    ///
    /// # Errors
    /// There is none, or GitHub did not tell; the error says why and what to do.
    pub fn pull_request(&self, repository: &Repository, number: u64) -> Result<PullRequestState, GitHubError> {
        let pull: Pull = self.get(&format!("{}/{number}", pulls(repository)), READ)?;
        Ok(PullRequestState {
            open: pull.state == "open",
            from_fork: pull.is_from_fork(repository),
            head_sha: pull.head.sha,
            base_sha: pull.base.sha,
        })
    }

    /// The open pull request whose branch and last commit are those that another workflow ran for. `None` where there
    /// is none any more: it was closed, or there are newer commits.
    ///
    /// # Errors
    /// Several are open for them, or GitHub did not tell; the error says why and what to do.
    pub fn pull_request_of_run(
        &self,
        repository: &Repository,
        run: &WorkflowRun,
    ) -> Result<Option<PullRequest>, GitHubError> {
        let (Some(owner), Some(branch)) = (&run.head_owner, &run.head_branch) else {
            return Ok(None);
        };
        let head = encoded(&format!("{owner}:{branch}"));
        let path = format!("{}?state=open&head={head}", pulls(repository));
        let mut found = self.list(&path, READ, |page: Vec<Pull>| page)?;
        // GitHub lists all where it does not understand a filter.
        found.retain(|pull| pull.state == "open" && pull.head.branch == *branch && pull.head.sha == run.head_sha);
        match found.as_slice() {
            [] => Ok(None),
            [pull] => Ok(Some(PullRequest {
                number: pull.number,
                head_sha: pull.head.sha.clone(),
                base_sha: pull.base.sha.clone(),
                from_fork: pull.is_from_fork(repository),
            })),
            several => Err(GitHubError::Ambiguous {
                branch: format!("{owner}:{branch}"),
                head_sha: run.head_sha.clone(),
                numbers: several.iter().map(|pull| pull.number).collect(),
            }),
        }
    }
}

fn pulls(repository: &Repository) -> String {
    format!("/repos/{}/{}/pulls", encoded(&repository.owner), encoded(&repository.name))
}
