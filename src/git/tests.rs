//! On real repositories, made for the test.

use std::fs;

use super::*;

/// A repository with two commits; `model.txt` is `one` in the first (tagged `first`) and `two` in the second.
fn repository() -> (tempfile::TempDir, Repository) {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "--quiet", "--initial-branch=main"]);
    for (text, tag) in [("one", "first"), ("two", "second")] {
        fs::write(dir.path().join("model.txt"), text).unwrap();
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", text]);
        git(dir.path(), &["tag", tag]);
    }
    let repository = Repository::around(dir.path()).unwrap();
    (dir, repository)
}

fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = output(dir, arguments.iter().copied()).unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn worktrees(repository: &Repository) -> usize {
    git(repository.root(), &["worktree", "list"]).lines().count()
}

#[test]
fn a_revision_is_checked_out_beside_what_the_user_has_and_goes_again() {
    let (dir, repository) = repository();
    fs::write(dir.path().join("model.txt"), "changed").unwrap();
    fs::write(dir.path().join("staged.txt"), "staged").unwrap();
    git(dir.path(), &["add", "staged.txt"]);
    let before = git(dir.path(), &["status", "--porcelain=v2", "--branch"]);
    let worktree = repository.worktree(&repository.commit("first").unwrap()).unwrap();
    let path = worktree.path().to_owned();
    assert_eq!(fs::read_to_string(path.join("model.txt")).unwrap(), "one");
    assert_eq!(worktrees(&repository), 2);
    fs::write(path.join("left.txt"), "what a prepare command leaves").unwrap();
    drop(worktree);
    assert!(!path.parent().unwrap().exists());
    assert_eq!(worktrees(&repository), 1);
    assert_eq!(git(dir.path(), &["status", "--porcelain=v2", "--branch"]), before);
    assert_eq!(fs::read_to_string(dir.path().join("model.txt")).unwrap(), "changed");
}

#[test]
fn hooks_do_not_run() {
    let (dir, repository) = repository();
    let hook = dir.path().join(".git/hooks/post-checkout");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\ntouch {}/ran\n", dir.path().display())).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
    repository.worktree("first").unwrap();
    assert!(!dir.path().join("ran").exists());
}

#[test]
fn a_worktree_of_a_killed_process_is_removed_by_the_next() {
    let (dir, repository) = repository();
    let folder = tempfile::Builder::new().prefix("nongemm-base-").tempdir().unwrap().keep();
    fs::write(folder.join("lock"), "").unwrap();
    git(dir.path(), &["worktree", "add", "--quiet", "--detach", folder.join("tree").to_str().unwrap(), "first"]);
    let mine = dir.path().join("mine");
    git(dir.path(), &["worktree", "add", "--quiet", "--detach", mine.to_str().unwrap(), "first"]);
    // One whose process lives is left alone.
    let other = repository.worktree("second").unwrap();
    assert!(!folder.exists());
    let another = repository.worktree("second").unwrap();
    assert_eq!(worktrees(&repository), 4, "the user's, the one beside it, and two of ours");
    assert!(other.path().exists() && another.path().exists() && mine.exists());
}

#[test]
fn a_checkout_that_fails_leaves_nothing() {
    let (_dir, repository) = repository();
    let error = repository.worktree("0123456789012345678901234567890123456789").unwrap_err();
    assert!(matches!(&error, GitError::Failed { said, .. } if !said.is_empty()), "{error}");
    assert_eq!(worktrees(&repository), 1);
}

#[test]
fn what_is_no_revision_is_named() {
    let (dir, repository) = repository();
    for wrong in ["mian", "-x", "first^^", ""] {
        let error = repository.commit(wrong).unwrap_err();
        assert!(matches!(error, GitError::Unknown { .. }), "{error}");
        assert!(error.to_string().contains(&format!("`{wrong}` is no revision")), "{error}");
    }
    let shallow = dir.path().join("shallow");
    let from = format!("file://{}", dir.path().display());
    git(dir.path(), &["clone", "--quiet", "--depth=1", &from, "shallow"]);
    let error = Repository::around(&shallow).unwrap().commit("first").unwrap_err().to_string();
    assert!(error.contains("shallow clone") && error.contains("fetch-depth: 0"), "{error}");
}

#[test]
fn a_folder_outside_of_any_repository() {
    let dir = tempfile::tempdir().unwrap();
    let error = Repository::around(dir.path()).unwrap_err().to_string();
    assert!(error.contains("is in no git repository") && error.contains("not a git repository"), "{error}");
}

#[test]
fn what_is_checked_out_is_named_and_changes_of_tracked_files_are_seen() {
    let (dir, repository) = repository();
    let index = || fs::read(dir.path().join(".git/index")).unwrap();
    let head = repository.head().unwrap().unwrap();
    assert_eq!(head.commit, repository.commit("second").unwrap());
    assert_eq!((head.description.as_deref(), head.clean), (Some("second"), true));
    fs::write(dir.path().join("new.txt"), "not tracked").unwrap();
    assert!(repository.head().unwrap().unwrap().clean);
    fs::write(dir.path().join("model.txt"), "changed").unwrap();
    let before = index();
    assert!(!repository.head().unwrap().unwrap().clean);
    assert_eq!(index(), before, "the user's index is left as it is");
    git(dir.path(), &["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "-am", "three"]);
    let description = repository.head().unwrap().unwrap().description.unwrap();
    assert!(description.starts_with("second-1-g"), "{description}");
}

#[test]
fn without_tags_there_is_no_description_and_without_commits_nothing_is_checked_out() {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "--quiet", "--initial-branch=main"]);
    let repository = Repository::around(dir.path()).unwrap();
    assert_eq!(repository.head().unwrap(), None);
    let message = ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "--allow-empty", "-m", "one"];
    git(dir.path(), &message);
    assert_eq!(repository.head().unwrap().unwrap().description, None);
}
