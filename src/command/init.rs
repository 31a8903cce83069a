//! `cargo nongemm init`: writes a commented configuration, or workflows for GitHub.

pub mod github;

use std::io;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::atomic_file;
use crate::cli::InitArgs;
use crate::config::{DEFAULT_TOML, FILE_NAME};
use crate::git::Repository;

use super::{Exit, Terminal};
use github::{Action, Request, Written};

/// Why no configuration was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is one.
    #[error("{path} is there already; `--force` replaces it", path = path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The directory or the file cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes the default configuration, every key commented, as `nongemm.toml` into `dir`, whole or not at all, and says
/// where.
///
/// # Errors
/// [`InitError::Exists`] where there is one and `force` is false; [`InitError::Write`] where it cannot be written.
pub fn init(dir: &Path, force: bool) -> Result<PathBuf, InitError> {
    let path = dir.join(FILE_NAME);
    let failed = |source: io::Error| InitError::Write { path: path.clone(), source };
    let text = DEFAULT_TOML.as_bytes();
    match if force { atomic_file::write(&path, text) } else { atomic_file::create(&path, text) } {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(InitError::Exists { path }),
        Err(error) => Err(failed(error)),
    }
}

/// `init --github`: writes the workflows to where GitHub looks for them, and says what is left to do.
///
/// # Errors
/// The action's name cannot be one, nothing was left to write, or [`github::write`]'s.
pub(super) fn workflows(terminal: &mut Terminal, arguments: &InitArgs, cwd: PathBuf) -> anyhow::Result<Exit> {
    let action = arguments.action.as_deref().map_or_else(|| Ok(Action::of_this_version()), str::parse)?;
    // Outside of a repository this folder is taken for the top one.
    let root = Repository::around(&cwd).map_or_else(|_| cwd.clone(), |repository| repository.root().to_owned());
    let request = Request { root, directory: cwd, parts: arguments.parts, action, force: arguments.force };
    let written = github::write(&request)?;
    for one in &written {
        match one {
            Written::New { path, purpose } => {
                terminal.status.say("Wrote", &format!("{}: {purpose}", path.display()));
            }
            Written::Kept { path } => {
                terminal.status.say("Kept", &format!("{}, which was there; `--force` replaces it", path.display()));
            }
        }
    }
    if written.iter().all(|one| matches!(one, Written::Kept { .. })) {
        bail!("nothing was written: all of these workflows are there already; `--force` replaces them");
    }
    for step in next_steps(terminal) {
        terminal.status.say("Next", step);
    }
    Ok(Exit::Pass)
}

/// What only the user can do.
fn next_steps(terminal: &Terminal) -> Vec<&'static str> {
    let mut steps = vec![
        "commit .github/workflows and merge it: the comment is posted from the default branch",
        "Settings, Actions, General: allow GitHub Actions to create pull requests, which new baselines come as",
    ];
    if !terminal.config().is_ok_and(|config| config.baselines.exists()) {
        steps.push(
            "Actions, nongemm baselines, Run workflow: baselines of the runners' machine class, for what needs them",
        );
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(dir: &Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn what_is_there_is_replaced_only_by_force() {
        let dir = tempfile::tempdir().unwrap();
        let path = init(dir.path(), false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), DEFAULT_TOML);
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(init(dir.path(), false), Err(InitError::Exists { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        init(dir.path(), true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), DEFAULT_TOML);
        assert_eq!(entries(dir.path()), 1, "temporary files are left");
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = init(&dir.path().join("none"), false).unwrap_err().to_string();
        assert!(error.contains("nongemm.toml") && error.contains("none"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_has_ordinary_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let ordinary = dir.path().join("ordinary");
        std::fs::write(&ordinary, "").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&init(dir.path(), false).unwrap()), mode(&ordinary));
    }
}
