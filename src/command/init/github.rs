//! Workflows for GitHub, ready to be committed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::atomic_file;

/// Where GitHub looks for workflows, below the top folder of a repository.
const FOLDER: &str = ".github/workflows";

/// A workflow that can be written.
struct Template {
    name: &'static str,
    /// What it is for, as a clause.
    purpose: &'static str,
    text: &'static str,
}

const COMPARE: Template = Template {
    name: "nongemm.yml",
    purpose: "measures pull requests against their base",
    text: include_str!("workflows/nongemm.yml"),
};

const MATRIX: Template = Template {
    name: "nongemm.yml",
    purpose: "measures pull requests on several runners, against the committed baselines",
    text: include_str!("workflows/nongemm-matrix.yml"),
};

const OTHERS: [Template; 3] = [
    Template {
        name: "nongemm-comment.yml",
        purpose: "posts the report, for pull requests of forks too",
        text: include_str!("workflows/nongemm-comment.yml"),
    },
    Template {
        name: "nongemm-baselines.yml",
        purpose: "proposes new baselines every night",
        text: include_str!("workflows/nongemm-baselines.yml"),
    },
    Template {
        name: "nongemm-signoff.yml",
        purpose: "signs releases off",
        text: include_str!("workflows/nongemm-signoff.yml"),
    },
];

/// An action as workflows name it, `owner/name@ref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action(String);

impl Action {
    /// This program's own, at the tag of this version.
    pub fn of_this_version() -> Action {
        let repository = env!("CARGO_PKG_REPOSITORY").trim_start_matches("https://github.com/");
        Action(format!("{repository}@v{}", env!("CARGO_PKG_VERSION")))
    }
}

impl FromStr for Action {
    type Err = GitHubError;

    /// Reads `owner/name@ref`, with a path between name and ref where the action lies deeper.
    fn from_str(text: &str) -> Result<Action, GitHubError> {
        let wrong = || GitHubError::Action { text: text.to_owned() };
        let (path, reference) = text.split_once('@').ok_or_else(wrong)?;
        let plain = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        let whole = path.split('/').count() >= 2 && path.split('/').chain(reference.split('/')).all(plain);
        if whole { Ok(Action(text.to_owned())) } else { Err(wrong()) }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the workflows are written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The top folder of the repository.
    pub root: PathBuf,
    /// The folder that the program is to run in; the same, or below it.
    pub directory: PathBuf,
    /// Runners that the suite is divided over; one where `None`.
    pub parts: Option<u32>,
    /// The action that they use.
    pub action: Action,
    /// Replace what is there.
    pub force: bool,
}

/// What became of one workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is there now.
    New {
        /// Where.
        path: PathBuf,
        /// What it is for, as a clause.
        purpose: &'static str,
    },
    /// There was one, which stays as it was.
    Kept {
        /// Where.
        path: PathBuf,
    },
}

/// Why workflows were not written.
#[derive(Debug, thiserror::Error)]
pub enum GitHubError {
    /// The name of the action cannot be one.
    #[error("`{text}` names no action: give OWNER/NAME@REF, such as `{example}`", example = Action::of_this_version())]
    Action {
        /// As given.
        text: String,
    },
    /// The folder's name would have to be quoted.
    #[error(
        "the workflows would have to run in `{directory}`, which has characters that YAML or a shell reads otherwise: run \
         this in the top folder of the repository, and set `working-directory` in the workflows by hand"
    )]
    Directory {
        /// Below the top folder.
        directory: String,
    },
    /// A folder or a file cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes the workflows, each whole or not at all. One that is there already stays, unless it is to be replaced.
///
/// # Errors
/// The folder has a name that cannot be written into them, or a file cannot be written; those before it are.
pub fn write(request: &Request) -> Result<Vec<Written>, GitHubError> {
    let directory = directory_in_yaml(&request.root, &request.directory)?;
    let folder = request.root.join(FOLDER);
    let failed = |path: &Path, source| GitHubError::Write { path: path.to_owned(), source };
    std::fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
    let first = if request.parts.is_some() { &MATRIX } else { &COMPARE };
    let mut written = Vec::new();
    for template in std::iter::once(first).chain(&OTHERS) {
        let path = folder.join(template.name);
        let text = fill(template.text, request, &directory);
        let done = match request.force {
            true => atomic_file::write(&path, text.as_bytes()),
            false => atomic_file::create(&path, text.as_bytes()),
        };
        written.push(match done {
            Ok(()) => Written::New { path, purpose: template.purpose },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Written::Kept { path },
            Err(error) => return Err(failed(&path, error)),
        });
    }
    Ok(written)
}

/// A template with what it leaves open.
fn fill(text: &str, request: &Request, directory: &str) -> String {
    let count = request.parts.unwrap_or(1);
    let parts: Vec<String> = (1..=count).map(|part| part.to_string()).collect();
    text.replace("NONGEMM_ACTION", &request.action.0)
        .replace("NONGEMM_DIRECTORY", directory)
        .replace("NONGEMM_PARTS", &format!("[{}]", parts.join(", ")))
        .replace("NONGEMM_COUNT", &count.to_string())
}

/// A folder relative to the top one, as a plain word of YAML; `.` for the top folder itself, and for one that is not
/// below it.
fn directory_in_yaml(root: &Path, directory: &Path) -> Result<String, GitHubError> {
    let below = directory.strip_prefix(root).unwrap_or(Path::new(""));
    let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    if parts.is_empty() {
        return Ok(".".to_owned());
    }
    let joined = parts.join("/");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    if joined.starts_with('-') || !joined.chars().all(plain) {
        return Err(GitHubError::Directory { directory: joined });
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(root: &Path) -> Request {
        let (root, directory) = (root.to_owned(), root.to_owned());
        Request { root, directory, parts: None, action: Action::of_this_version(), force: false }
    }

    fn text(root: &Path, name: &str) -> String {
        std::fs::read_to_string(root.join(FOLDER).join(name)).unwrap()
    }

    #[test]
    fn nothing_is_left_open() {
        let dir = tempfile::tempdir().unwrap();
        for parts in [None, Some(3)] {
            let written = write(&Request { parts, force: true, ..request(dir.path()) }).unwrap();
            assert_eq!(written.len(), 4);
            for one in written {
                let Written::New { path, .. } = one else { panic!("{one:?}") };
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains("NONGEMM_"), "{text}");
                assert!(text.contains(&format!("uses: {}\n", Action::of_this_version())), "{text}");
            }
        }
    }

    #[test]
    fn parts_make_a_matrix() {
        let dir = tempfile::tempdir().unwrap();
        write(&Request { parts: Some(3), ..request(dir.path()) }).unwrap();
        let text = text(dir.path(), "nongemm.yml");
        for line in ["part: [1, 2, 3]", "partition: ${{ matrix.part }}/3", "mode: merge"] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn what_is_there_stays_unless_it_is_to_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let mine = dir.path().join(FOLDER).join("nongemm.yml");
        atomic_file::write(&mine, b"mine").unwrap();
        let written = write(&request(dir.path())).unwrap();
        assert_eq!(written[0], Written::Kept { path: mine });
        assert!(written[1..].iter().all(|one| matches!(one, Written::New { .. })), "{written:?}");
        assert_eq!(text(dir.path(), "nongemm.yml"), "mine");
        let again = write(&Request { force: true, ..request(dir.path()) }).unwrap();
        assert!(again.iter().all(|one| matches!(one, Written::New { .. })), "{again:?}");
        assert_ne!(text(dir.path(), "nongemm.yml"), "mine");
        assert_eq!(std::fs::read_dir(dir.path().join(FOLDER)).unwrap().count(), 4, "temporary files are left");
    }

    #[test]
    fn a_folder_below_the_top_one_is_where_the_program_runs() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("services/ranker-2");
        write(&Request { directory, ..request(dir.path()) }).unwrap();
        assert!(text(dir.path(), "nongemm.yml").contains("working-directory: services/ranker-2\n"));
        assert!(text(dir.path(), "nongemm-signoff.yml").contains("path: services/ranker-2/nongemm-signoff\n"));
        for odd in ["a b", "-a", "a: b", "ä", "${{ x }}"] {
            let directory = dir.path().join(odd);
            let refused = write(&Request { directory, ..request(dir.path()) });
            assert!(matches!(refused, Err(GitHubError::Directory { .. })), "{odd}");
        }
    }

    #[test]
    fn an_action_is_a_repository_at_a_ref() {
        for good in ["a/b@v1", "a/b/c@0123456789abcdef0123456789abcdef01234567", "my-org/cargo.nongemm@release/1"] {
            assert_eq!(good.parse::<Action>().unwrap().to_string(), good);
        }
        for wrong in ["", "a/b", "a@v1", "a/b@", "a/b@v1 # x", "a/b@v1\nrun: x", "a//b@v1", "./@v1"] {
            let error = wrong.parse::<Action>().unwrap_err().to_string();
            assert!(error.contains("OWNER/NAME@REF"), "{error}");
        }
        Action::of_this_version().to_string().parse::<Action>().unwrap();
    }
}
