//! The user's repository, through the `git` program: revisions, and temporary worktrees of them.
//!
//! Nothing here touches the user's index, branches or checked-out files. A worktree lies in the system's folder for
//! temporary files and is gone when its value is dropped; one that a killed process left is removed by the next.

mod worktree;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub use worktree::Worktree;

/// Why git could not do what was wanted. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no such program.
    #[error(
        "git is not installed, or not in PATH: install it, or compare two model files or two saved reports instead"
    )]
    Missing,
    /// The program could not be started.
    #[error("git cannot be run: {0}")]
    Start(std::io::Error),
    /// The folder belongs to no repository.
    #[error("{dir} is in no git repository that can be used: {said}", dir = dir.display())]
    NoRepository {
        /// Where the search began.
        dir: PathBuf,
        /// What git said.
        said: String,
    },
    /// Nothing is called so.
    #[error("`{revision}` is no revision of {root}: give a branch, a tag or a commit, as `git log {revision}` would take it", root = root.display())]
    Unknown {
        /// As given.
        revision: String,
        /// The repository.
        root: PathBuf,
    },
    /// Nothing is called so, and the clone lacks most of the history.
    #[error(
        "`{revision}` is not in this shallow clone: fetch it with `git fetch --unshallow origin`, or check out with \
         `fetch-depth: 0` where this runs on GitHub"
    )]
    Shallow {
        /// As given.
        revision: String,
    },
    /// A command failed for a reason of its own.
    #[error("`git {command}` failed: {said}")]
    Failed {
        /// Its arguments.
        command: String,
        /// The end of what git said.
        said: String,
    },
    /// The folder for a worktree could not be made.
    #[error("no folder for a worktree can be made in {dir}: {source}; set TMPDIR to one that can be written", dir = dir.display())]
    Folder {
        /// Where.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Variables that make git look at other places than its folder says, as it sets them for hooks: a `compare` in a hook
/// would otherwise work on the index that is being committed.
const REDIRECTIONS: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"];

/// A repository with its checked-out files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository that a folder is in.
    ///
    /// # Errors
    /// There is none, it has no checked-out files, or git is missing.
    pub fn around(dir: &Path) -> Result<Repository, GitError> {
        let output = output(dir, ["rev-parse", "--show-toplevel"])?;
        if !output.status.success() {
            return Err(GitError::NoRepository { dir: dir.to_owned(), said: said(&output) });
        }
        Ok(Repository { root: path_of_line(&output.stdout) })
    }

    /// The top folder of its files.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is checked out; `None` before the first commit.
    ///
    /// # Errors
    /// git cannot be run, or cannot compare the files with the commit.
    pub fn head(&self) -> Result<Option<Head>, GitError> {
        // Without the lock git refreshes no index, which is the user's.
        let ask = |arguments: &[&str]| output(&self.root, ["--no-optional-locks"].iter().chain(arguments).copied());
        let commit = ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?;
        if !commit.status.success() {
            return Ok(None);
        }
        let description = ask(&["describe", "--tags"])?;
        let status = ask(&["status", "--porcelain", "--untracked-files=no"])?;
        if !status.status.success() {
            return Err(GitError::Failed { command: "status".to_owned(), said: said(&status) });
        }
        let line = |output: &Output| String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(Some(Head {
            commit: line(&commit),
            description: description.status.success().then(|| line(&description)),
            clean: status.stdout.is_empty(),
        }))
    }

    /// The full name of the commit that a revision means.
    ///
    /// # Errors
    /// [`GitError::Unknown`], or [`GitError::Shallow`] where the clone may merely lack it.
    pub fn commit(&self, revision: &str) -> Result<String, GitError> {
        let wanted = format!("{revision}^{{commit}}");
        // What begins with a dash would be read as an option.
        if !revision.starts_with('-') {
            let output = output(&self.root, ["rev-parse", "--verify", "--quiet", &wanted])?;
            if output.status.success() {
                return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
            }
        }
        let shallow = output(&self.root, ["rev-parse", "--is-shallow-repository"])?;
        let revision = revision.to_owned();
        Err(match shallow.stdout.starts_with(b"true") {
            true => GitError::Shallow { revision },
            false => GitError::Unknown { revision, root: self.root.clone() },
        })
    }
}

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Full name of the commit.
    pub commit: String,
    /// What `git describe --tags` makes of it: the tag, or the newest one before it with the number of commits since;
    /// `None` where there is no tag.
    pub description: Option<String>,
    /// True where no tracked file differs from the commit. Files that git does not track are not looked at.
    pub clean: bool,
}

/// Runs git in a folder to its end.
fn output<'a>(dir: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Result<Output, GitError> {
    run(dir, arguments.into_iter().map(OsStr::new))
}

fn run<'a>(dir: &Path, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<Output, GitError> {
    let mut command = Command::new("git");
    command.current_dir(dir).args(arguments).stdin(std::process::Stdio::null()).env("GIT_TERMINAL_PROMPT", "0");
    for name in REDIRECTIONS {
        command.env_remove(name);
    }
    command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => GitError::Missing,
        _ => GitError::Start(error),
    })
}

/// The last lines of what git said: the reason is there.
fn said(output: &Output) -> String {
    const LINES: usize = 4;
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => format!("it ended with {} and said nothing", output.status),
        lines => lines[lines.len().saturating_sub(LINES)..].join(" / "),
    }
}

#[cfg(unix)]
fn path_of_line(line: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(line.trim_ascii_end()))
}

#[cfg(not(unix))]
fn path_of_line(line: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

#[cfg(test)]
mod tests;
