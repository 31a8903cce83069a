//! `Nongemm-Allow` trailers of the commits under test: what their authors say is intended. The only reader of `git log`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::verdict::Rule;

/// The trailer's key; git does not tell letters apart by case.
const KEY: &str = "Nongemm-Allow";

/// Which commits are under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Commits {
    /// The one that is checked out.
    Head,
    /// Those since a revision, which is not among them.
    Since(String),
}

/// Rules of the commits, the oldest commit's first, and what could not be understood.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Trailers {
    pub allowances: Vec<Rule>,
    pub warnings: Vec<String>,
}

/// Reads the trailers of the commits in the repository that `directory` is in. `event` is what started a GitHub workflow
/// (`GITHUB_EVENT_NAME`): on a pull request GitHub checks out a merge of its own, and the commits under test are those of
/// its second parent.
///
/// No git, no repository and no such commit are no trailers: who does not use them has not to have git.
pub(super) fn read(directory: &Path, commits: &Commits, event: Option<&str>) -> Trailers {
    let git = Git { directory };
    let Some(head) = git.tip(event) else { return Trailers::default() };
    if head.missing {
        let warning = format!(
            "the commits of the pull request are not in this clone, so their `{KEY}` trailers are not read; let \
             actions/checkout fetch them with `fetch-depth: 2` or more"
        );
        return Trailers { warnings: vec![warning], ..Trailers::default() };
    }
    match commits {
        Commits::Head => git.trailers(&["--max-count=1", &head.revision]),
        Commits::Since(base) => git.trailers(&[&format!("{base}..{}", head.revision)]),
    }
}

/// The newest commit under test.
struct Tip {
    revision: String,
    /// True where it is known to exist and was not fetched.
    missing: bool,
}

struct Git<'a> {
    directory: &'a Path,
}

impl Git<'_> {
    /// What git prints, where it is there and content.
    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let output =
            Command::new("git").arg("-C").arg(self.directory).args(arguments).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn tip(&self, event: Option<&str>) -> Option<Tip> {
        // The parents as the commit itself names them: in a shallow clone git shows none that it has not fetched.
        let commit = self.ask(&["cat-file", "commit", "HEAD"])?;
        let headers = commit.lines().take_while(|line| !line.is_empty());
        let parents: Vec<&str> = headers.filter_map(|line| line.strip_prefix("parent ")).collect();
        let of_github = event.is_some_and(|event| event == "pull_request");
        Some(match parents.as_slice() {
            [_, second] if of_github => Tip {
                revision: (*second).to_owned(),
                missing: self.ask(&["cat-file", "-e", &format!("{second}^{{commit}}")]).is_none(),
            },
            _ => Tip { revision: "HEAD".to_owned(), missing: false },
        })
    }

    fn trailers(&self, range: &[&str]) -> Trailers {
        // A record a commit: its abbreviated hash, then the values, each on a line of its own.
        let format = format!("--format=%x1e%h%x1f%(trailers:key={KEY},valueonly,unfold)");
        let log = self.ask(&[&["log", "--reverse", &format], range, &["--"]].concat());
        let mut trailers = Trailers::default();
        for record in log.unwrap_or_default().split('\u{1e}') {
            let Some((commit, values)) = record.split_once('\u{1f}') else { continue };
            for value in values.lines().map(str::trim).filter(|value| !value.is_empty()) {
                match Rule::from_trailer(commit.trim(), value) {
                    Ok(rule) => trailers.allowances.push(rule),
                    Err(error) => trailers.warnings.push(error.to_string()),
                }
            }
        }
        trailers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository in a temporary folder.
    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Repository {
            let repository = Repository(tempfile::tempdir().unwrap());
            repository.git(&["init", "--quiet", "--initial-branch=main"]);
            repository.commit("first");
            repository
        }

        fn git(&self, arguments: &[&str]) -> String {
            let output = Command::new("git")
                .arg("-C")
                .arg(self.0.path())
                .args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"])
                .args(arguments)
                // Nobody's configuration but this.
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_SYSTEM", "/dev/null")
                .output()
                .unwrap();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        }

        fn commit(&self, message: &str) -> String {
            self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
            self.git(&["rev-parse", "--short", "HEAD"])
        }

        fn read(&self, commits: &Commits, event: Option<&str>) -> Trailers {
            read(self.0.path(), commits, event)
        }

        /// `scope: reason` of each allowance.
        fn allowed(&self, commits: &Commits, event: Option<&str>) -> Vec<String> {
            let trailers = self.read(commits, event);
            assert_eq!(trailers.warnings, Vec::<String>::new());
            let said = |rule: &Rule| format!("{}: {}", rule.scope(), rule.reason.as_deref().unwrap_or_default());
            trailers.allowances.iter().map(said).collect()
        }
    }

    #[test]
    fn trailers_of_the_head_commit_are_read_and_no_others() {
        let repository = Repository::new();
        repository.commit("before\n\nNongemm-Allow: old/* no longer of interest");
        repository.commit(
            "Use the new exporter\n\nNongemm-Allow: nowhere/in the text\n\nIt writes normalization in parts.\n\n\
             Nongemm-Allow: bert*/LayerNormalization written in parts by the new exporter,\n  see its notes\n\
             nongemm-allow: */com.microsoft:*Gelu gone with it\nSigned-off-by: A <a@example.com>",
        );
        let expected = [
            "bert*/LayerNormalization: written in parts by the new exporter, see its notes",
            "*/com.microsoft:*Gelu: gone with it",
        ];
        assert_eq!(repository.allowed(&Commits::Head, None), expected);
    }

    #[test]
    fn a_range_is_read_from_its_oldest_commit_to_its_newest_without_the_base() {
        let repository = Repository::new();
        let base = repository.commit("base\n\nNongemm-Allow: base/* not under test");
        repository.commit("one\n\nNongemm-Allow: a/b one");
        repository.commit("nothing to say");
        let last = repository.commit("two\n\nNongemm-Allow: a/b two");
        assert_eq!(repository.allowed(&Commits::Since(base.clone()), None), ["a/b: one", "a/b: two"]);
        let trailers = repository.read(&Commits::Since(base), None);
        let source = crate::verdict::RuleSource::Commit { id: last };
        assert_eq!(trailers.allowances[1].source, source);
        assert_eq!(repository.read(&Commits::Since("no-such-revision".into()), None), Trailers::default());
    }

    #[test]
    fn on_a_pull_request_the_merge_that_github_made_is_looked_through() {
        let repository = Repository::new();
        repository.git(&["checkout", "--quiet", "-b", "change"]);
        repository.commit("one\n\nNongemm-Allow: a/b one");
        repository.commit("two\n\nNongemm-Allow: a/b two");
        repository.git(&["checkout", "--quiet", "main"]);
        repository.commit("meanwhile");
        repository.git(&["merge", "--quiet", "--no-ff", "change", "--message", "Merge change into main"]);
        assert_eq!(repository.allowed(&Commits::Head, Some("pull_request")), ["a/b: two"]);
        assert_eq!(
            repository.allowed(&Commits::Since("main^1".into()), Some("pull_request")),
            ["a/b: one", "a/b: two"]
        );
        assert_eq!(repository.allowed(&Commits::Head, Some("push")), Vec::<String>::new());
        assert_eq!(repository.allowed(&Commits::Head, None), Vec::<String>::new());
        // A commit of one parent is what it is, whatever the event.
        repository.git(&["checkout", "--quiet", "change"]);
        assert_eq!(repository.allowed(&Commits::Head, Some("pull_request")), ["a/b: two"]);
    }

    #[test]
    fn a_shallow_clone_of_a_pull_request_says_what_it_lacks() {
        let repository = Repository::new();
        repository.git(&["checkout", "--quiet", "-b", "change"]);
        repository.commit("one\n\nNongemm-Allow: a/b one");
        repository.git(&["checkout", "--quiet", "main"]);
        repository.git(&["merge", "--quiet", "--no-ff", "change", "--message", "Merge change into main"]);
        let clone = tempfile::tempdir().unwrap();
        let url = format!("file://{}", repository.0.path().display());
        let target = clone.path().join("clone");
        repository.git(&["clone", "--quiet", "--depth=1", &url, target.to_str().unwrap()]);
        let trailers = read(&target, &Commits::Head, Some("pull_request"));
        assert_eq!(trailers.allowances, []);
        assert!(trailers.warnings[0].contains("fetch-depth: 2"), "{trailers:?}");
        assert_eq!(read(&target, &Commits::Head, Some("push")), Trailers::default());
    }

    #[test]
    fn a_malformed_trailer_is_named() {
        let repository = Repository::new();
        let commit =
            repository.commit("c\n\nNongemm-Allow: bert-base is slower\nNongemm-Allow: a/b\nNongemm-Allow: a/[ x");
        let warnings = repository.read(&Commits::Head, None).warnings;
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(
            warnings[0].starts_with(&format!("commit {commit}: `Nongemm-Allow: bert-base is slower` allows nothing"))
        );
        assert!(warnings[1].contains("it gives no reason"), "{warnings:?}");
        assert!(warnings[2].contains("`[` is not a glob"), "{warnings:?}");
    }

    #[test]
    fn outside_of_a_repository_there_are_no_trailers() {
        let folder = tempfile::tempdir().unwrap();
        // A temporary folder could lie in somebody's repository; this one is said not to.
        std::fs::write(folder.path().join(".git"), "gitdir: nowhere").unwrap();
        assert_eq!(read(folder.path(), &Commits::Head, Some("pull_request")), Trailers::default());
        let empty = Repository(tempfile::tempdir().unwrap());
        empty.git(&["init", "--quiet"]);
        assert_eq!(empty.read(&Commits::Head, None), Trailers::default());
    }
}
