//! Why a workflow runs, on what, and with which rights, as its environment and its event tell.

use std::path::{Path, PathBuf};

use super::payload::{Payload, is_commit};
use super::repository::{InvalidRepository, Repository};
use super::token::{InvalidToken, Token};

/// The API of the public host, where the environment names none.
const PUBLIC_API: &str = "https://api.github.com";
/// The public host itself.
const PUBLIC_SERVER: &str = "https://github.com";

/// A run of a workflow, seen from one of its steps.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// Where it runs; for a pull request the repository that it would be merged into.
    pub repository: Repository,
    /// Why it runs.
    pub event: Event,
    /// Where the API is, on GitHub Enterprise Server with a path.
    pub api_url: String,
    /// Where a browser finds GitHub.
    pub server_url: String,
    /// Where a browser finds this run.
    pub run_url: Option<String>,
    /// `GITHUB_TOKEN`, else `GH_TOKEN`. `None` where the step was given neither.
    pub token: Option<Token>,
    /// The file for the outputs of the step.
    pub output_file: Option<PathBuf>,
    /// The file for the summary of the step.
    pub summary_file: Option<PathBuf>,
}

/// Where GitHub is, and as whom it is asked. All that there is outside of a workflow.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where the API is, on GitHub Enterprise Server with a path.
    pub api_url: String,
    /// `GITHUB_TOKEN`, else `GH_TOKEN`. `None` where neither is set.
    pub token: Option<Token>,
}

impl Access {
    /// What the environment says, in a workflow and elsewhere; `variable` reads a variable.
    ///
    /// # Errors
    /// A variable holds what can be no token.
    pub fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Access, EventError> {
        let environment = Environment(variable);
        let api_url = environment.get("GITHUB_API_URL").unwrap_or_else(|| PUBLIC_API.to_owned());
        Ok(Access { api_url, token: environment.token()? })
    }
}

/// Why a workflow runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pull request changed (`pull_request`, `pull_request_target`).
    PullRequest(PullRequest),
    /// Another workflow ended (`workflow_run`): here comments for pull requests of forks are posted.
    WorkflowRun(WorkflowRun),
    /// Commits were pushed.
    Push {
        /// The last of them.
        head_sha: String,
    },
    /// A merge queue tries a merge.
    MergeGroup {
        /// The merge that is tried.
        head_sha: String,
        /// What it is merged into.
        base_sha: String,
    },
    /// Anything else, such as `schedule` and `workflow_dispatch`.
    Other {
        /// The event's name.
        name: String,
        /// The commit that the workflow was started for.
        head_sha: String,
    },
}

impl Event {
    /// The commit that the workflow is about.
    pub fn head_sha(&self) -> &str {
        match self {
            Event::PullRequest(pull_request) => &pull_request.head_sha,
            Event::WorkflowRun(run) => &run.head_sha,
            Event::Push { head_sha } | Event::MergeGroup { head_sha, .. } | Event::Other { head_sha, .. } => head_sha,
        }
    }
}

/// A pull request, as far as reports are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number in the repository.
    pub number: u64,
    /// The last commit of its branch. (`GITHUB_SHA` is a merge of it that nobody wrote.)
    pub head_sha: String,
    /// The commit of the branch that it would be merged into.
    pub base_sha: String,
    /// Its branch lies in another repository, so that its workflows get a token that may only read.
    pub from_fork: bool,
}

/// The run of another workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRun {
    /// Its number, by which its artifacts are found.
    pub id: u64,
    /// The commit that it ran for.
    pub head_sha: String,
    /// The branch that it ran for. `None` where GitHub names none.
    pub head_branch: Option<String>,
    /// The owner of the repository that the branch lies in. `None` where that repository is gone.
    pub head_owner: Option<String>,
    /// Why it ran, such as `pull_request`.
    pub event: String,
    /// How it ended, such as `success` or `failure`. `None` while it runs.
    pub conclusion: Option<String>,
}

/// A workflow's environment, or its event, that lacks something.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A variable that the runner always sets.
    #[error("GITHUB_ACTIONS is set, but {name} is not: run this in a step of a workflow, or unset GITHUB_ACTIONS")]
    Variable {
        /// Its name.
        name: &'static str,
    },
    /// The commit is none.
    #[error("GITHUB_SHA is `{0}`, which names no commit: run this in a step of a workflow, or unset GITHUB_ACTIONS")]
    Commit(String),
    /// The repository is none.
    #[error("GITHUB_REPOSITORY: {0}")]
    Repository(#[from] InvalidRepository),
    /// The token cannot be one. Its text is not shown.
    #[error("{name} is no token: {source}")]
    Token {
        /// The variable that holds it.
        name: &'static str,
        /// What is wrong.
        source: InvalidToken,
    },
    /// The event's file cannot be read.
    #[error("{path}, where GITHUB_EVENT_PATH has the event, cannot be read: {source}; in a container, mount the runner's \
             folder or pass --pull-request", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The event's file is no JSON.
    #[error("{path}, where GITHUB_EVENT_PATH has the event, is no JSON: {source}; leave the file as the runner wrote it", path = path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// The event lacks a field.
    #[error("{path}: the event `{event}` has no usable `{field}`; check that GITHUB_EVENT_NAME and GITHUB_EVENT_PATH are the \
             runner's own and belong together", path = path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The event's name.
        event: String,
        /// The field, from the top, with points.
        field: &'static str,
    },
}

impl Workflow {
    /// The run of a workflow that this process is a step of; `None` outside of GitHub Actions. `variable` looks up the
    /// environment.
    ///
    /// # Errors
    /// The environment or the event's file is not what the runner makes them.
    pub fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Workflow>, EventError> {
        let environment = Environment(variable);
        if environment.get("GITHUB_ACTIONS").as_deref() != Some("true") {
            return Ok(None);
        }
        let repository: Repository = environment.required("GITHUB_REPOSITORY")?.parse()?;
        let server_url = environment.get("GITHUB_SERVER_URL").unwrap_or_else(|| PUBLIC_SERVER.to_owned());
        let run = environment.get("GITHUB_RUN_ID");
        let Access { api_url, token } = Access::from_environment(environment.0)?;
        Ok(Some(Workflow {
            event: Event::of(&environment, &repository)?,
            api_url,
            run_url: run.map(|id| format!("{server_url}/{repository}/actions/runs/{id}")),
            token,
            output_file: environment.get("GITHUB_OUTPUT").map(PathBuf::from),
            summary_file: environment.get("GITHUB_STEP_SUMMARY").map(PathBuf::from),
            repository,
            server_url,
        }))
    }
}

/// The variables of a step. The runner and actions set some to nothing: those count as unset.
struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }

    fn required(&self, name: &'static str) -> Result<String, EventError> {
        self.get(name).ok_or(EventError::Variable { name })
    }

    fn token(&self) -> Result<Option<Token>, EventError> {
        for name in ["GITHUB_TOKEN", "GH_TOKEN"] {
            if let Some(text) = self.get(name) {
                return Token::new(&text).map(Some).map_err(|source| EventError::Token { name, source });
            }
        }
        Ok(None)
    }

    fn commit(&self) -> Result<String, EventError> {
        let commit = self.required("GITHUB_SHA")?;
        if is_commit(&commit) { Ok(commit) } else { Err(EventError::Commit(commit)) }
    }
}

impl Event {
    /// The file of the event is read only where the environment does not tell enough.
    fn of(environment: &Environment<'_>, repository: &Repository) -> Result<Event, EventError> {
        let name = environment.required("GITHUB_EVENT_NAME")?;
        let payload = || -> Result<Payload, EventError> {
            Payload::read(Path::new(&environment.required("GITHUB_EVENT_PATH")?), &name)
        };
        match name.as_str() {
            "pull_request" | "pull_request_target" => Ok(Event::PullRequest(PullRequest::of(&payload()?, repository)?)),
            "workflow_run" => Ok(Event::WorkflowRun(WorkflowRun::of(&payload()?)?)),
            "merge_group" => {
                let payload = payload()?;
                Ok(Event::MergeGroup {
                    head_sha: payload.commit("merge_group.head_sha")?,
                    base_sha: payload.commit("merge_group.base_sha")?,
                })
            }
            // The event's own `after` names a tag where one was pushed.
            "push" => Ok(Event::Push { head_sha: environment.commit()? }),
            _ => Ok(Event::Other { head_sha: environment.commit()?, name }),
        }
    }
}

impl PullRequest {
    fn of(payload: &Payload, repository: &Repository) -> Result<PullRequest, EventError> {
        let head = payload.text("pull_request.head.repo.full_name");
        Ok(PullRequest {
            number: payload.number("pull_request.number")?,
            head_sha: payload.commit("pull_request.head.sha")?,
            base_sha: payload.commit("pull_request.base.sha")?,
            from_fork: is_fork(head.as_deref(), &repository.to_string()),
        })
    }
}

impl WorkflowRun {
    /// The list `workflow_run.pull_requests` is not read: for forks it is empty, and whoever pushes to a branch can
    /// bring a pull request into it.
    fn of(payload: &Payload) -> Result<WorkflowRun, EventError> {
        Ok(WorkflowRun {
            id: payload.number("workflow_run.id")?,
            head_sha: payload.commit("workflow_run.head_sha")?,
            head_branch: payload.text("workflow_run.head_branch"),
            head_owner: payload.text("workflow_run.head_repository.owner.login"),
            event: payload.required("workflow_run.event")?,
            conclusion: payload.text("workflow_run.conclusion"),
        })
    }
}

/// Whether a branch lies in another repository than the one it would be merged into; one that was deleted was another.
pub(super) fn is_fork(head: Option<&str>, base: &str) -> bool {
    !head.is_some_and(|head| head.eq_ignore_ascii_case(base))
}

#[cfg(test)]
mod tests;
