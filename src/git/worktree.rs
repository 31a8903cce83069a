//! A revision checked out into a folder of its own, for as long as it is needed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{GitError, Repository, output, path_of_line, run, said};

/// Beginning of the names of the folders that worktrees are made in.
const FOLDER: &str = "nongemm-base-";
/// The worktree in its folder.
const TREE: &str = "tree";
/// A file beside it that its process holds locked.
const LOCK: &str = "lock";

/// The files of a commit, detached from every branch. Dropping it removes them.
#[derive(Debug)]
pub struct Worktree {
    repository: PathBuf,
    path: PathBuf,
    // Removed when the value above is gone from git's list, in this order.
    _lock: File,
    _folder: tempfile::TempDir,
}

impl Repository {
    /// Checks a commit out into a temporary folder. Filters of the repository run (Git LFS fetches what it needs), its
    /// hooks do not.
    ///
    /// # Errors
    /// What git said, or why there is no folder. Nothing is left behind.
    pub fn worktree(&self, commit: &str) -> Result<Worktree, GitError> {
        self.remove_abandoned();
        let failed = |source| GitError::Folder { dir: std::env::temp_dir(), source };
        let folder = tempfile::Builder::new().prefix(FOLDER).tempdir().map_err(failed)?;
        let lock = File::create(folder.path().join(LOCK)).map_err(failed)?;
        // Some network file systems have no locks; then nobody finds the folder abandoned either.
        let _ = lock.try_lock();
        let path = folder.path().join(TREE);
        // A value before the command, so that a checkout that fails half-way is removed too.
        let worktree =
            Worktree { repository: self.root().to_owned(), path: path.clone(), _lock: lock, _folder: folder };
        // A folder without hooks in it.
        let hooks = format!("core.hooksPath={}", path.with_file_name("no-hooks").display());
        let arguments = ["-c", &hooks, "worktree", "add", "--quiet", "--detach"].map(OsStr::new);
        let all = arguments.into_iter().chain([path.as_os_str(), OsStr::new(commit)]);
        let output = run(self.root(), all)?;
        if !output.status.success() {
            return Err(GitError::Failed { command: format!("worktree add {commit}"), said: said(&output) });
        }
        Ok(worktree)
    }

    /// Removes worktrees of processes that were killed before they could. What cannot be removed stays for the next.
    fn remove_abandoned(&self) {
        let Ok(list) = output(self.root(), ["worktree", "list", "--porcelain"]) else { return };
        let paths = list.stdout.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"worktree "));
        for path in paths.map(path_of_line) {
            let Some(folder) = abandoned(&path) else { continue };
            unregister(self.root(), &path);
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Worktree {
    /// The top folder of its files.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        unregister(&self.repository, &self.path);
    }
}

/// Takes a worktree off git's list and removes its files. `git worktree prune` would do it too, but also forget worktrees
/// of the user's that lie on a disk which is not there now.
fn unregister(repository: &Path, path: &Path) {
    let arguments = ["worktree", "remove", "--force"].map(OsStr::new);
    let _ = run(repository, arguments.into_iter().chain([path.as_os_str()]));
}

/// The folder of a worktree of ours whose process is gone.
fn abandoned(path: &Path) -> Option<&Path> {
    let folder = path.parent().filter(|_| path.file_name() == Some(OsStr::new(TREE)))?;
    folder.file_name()?.to_str()?.strip_prefix(FOLDER)?;
    match File::options().write(true).open(folder.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok().then_some(folder),
        // The folder was cleaned away, and git does not know.
        Err(error) => (error.kind() == std::io::ErrorKind::NotFound).then_some(folder),
    }
}
