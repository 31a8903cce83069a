//! A git revision as the base: checked out beside the working tree, its generated models made.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::command::Terminal;
use crate::config::{Prepare, Request};
use crate::git::{Repository, Worktree};
use crate::measure::supervise::LaunchFailure;

/// A revision that is checked out.
pub(super) struct CheckedOut {
    pub worktree: Worktree,
    /// Full name of the commit.
    pub commit: String,
    /// The revision as given, and the beginning of the commit's name.
    pub label: String,
    /// Where its configuration is looked for: where the user stands, in the other tree.
    pub request: Request,
}

/// Checks a revision out into a temporary folder.
///
/// # Errors
/// What git said, or that the current folder is not in the revision.
pub(super) fn check_out(terminal: &mut Terminal, revision: &str) -> anyhow::Result<CheckedOut> {
    let here = terminal.request()?;
    let repository = Repository::around(&here.cwd)?;
    let commit = repository.commit(revision)?;
    let short = commit.get(..12).unwrap_or(&commit);
    let label = if commit.starts_with(revision) { short.to_owned() } else { format!("{revision} ({short})") };
    terminal.status.say("Checking out", &format!("{label}, beside the working tree"));
    let worktree = repository.worktree(&commit)?;
    if terminal.interrupt.raised() {
        return Err(LaunchFailure::Interrupted.into());
    }
    // Git gives its root without symbolic links.
    let cwd = here.cwd.canonicalize().with_context(|| format!("cannot find {}", here.cwd.display()))?;
    let root = repository.root().canonicalize().unwrap_or_else(|_| repository.root().to_owned());
    let there = |path: &Path| match cwd.join(path).strip_prefix(&root) {
        Ok(inside) => worktree.path().join(inside),
        // A configuration outside of the repository is the same for both sides.
        Err(_) => cwd.join(path),
    };
    let request = Request {
        cwd: there(&cwd),
        config: here.config.as_deref().map(there),
        manifest_path: here.manifest_path.as_deref().map(there),
        package: here.package,
    };
    for (path, what) in [(Some(&request.cwd), "the current folder"), (request.config.as_ref(), "the configuration")] {
        if let Some(missing) = path.filter(|path| !path.exists()) {
            bail!("{what} ({}) is not in {label}", inside(missing, &worktree).display());
        }
    }
    Ok(CheckedOut { worktree, commit, label, request })
}

fn inside(path: &Path, worktree: &Worktree) -> PathBuf {
    path.strip_prefix(worktree.path()).unwrap_or(path).to_owned()
}

/// Makes the generated models of one side, if its configuration says how.
///
/// # Errors
/// The command failed or hung, with its last lines.
pub(super) fn prepare(
    terminal: &mut Terminal,
    prepare: Option<&Prepare>,
    cwd: &Path,
    side: &str,
) -> anyhow::Result<()> {
    let Some(prepare) = prepare else { return Ok(()) };
    terminal.status.say("Preparing", &format!("the {side}: {}", prepare.command));
    super::prepare::run(prepare, cwd, side, &terminal.interrupt)
}
