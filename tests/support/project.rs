//! A temporary project, and the program run in it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use nongemm::onnx::proto::ModelProto;
use prost::Message;

/// A folder with a configuration and models, gone at the end of the test.
pub struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// A project with this `nongemm.toml`; measuring is kept short.
    pub fn new(suite: &str) -> Project {
        let short = "[measure]\nlaunches = 2\nwarmup = 1\niterations = { min = 2, max = 3 }\n";
        Project::with_configuration(&format!("{suite}\n{short}"))
    }

    /// A project with exactly this `nongemm.toml`.
    pub fn with_configuration(text: &str) -> Project {
        let project = Project { dir: tempfile::tempdir().unwrap() };
        project.write("nongemm.toml", text.as_bytes());
        project
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn write_model(&self, name: &str, model: &ModelProto) -> PathBuf {
        self.write(name, &model.encode_to_vec())
    }

    /// `cargo-nongemm ARGUMENTS` in the project.
    pub fn nongemm(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("cargo-nongemm").unwrap();
        command.current_dir(self.path()).args(arguments).env_remove("CI").env("NO_COLOR", "1");
        command
    }

    /// Exit code, standard output and standard error of `cargo-nongemm ARGUMENTS`.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let output = self.nongemm(arguments).output().unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The only baseline file in the project.
    pub fn baseline(&self) -> PathBuf {
        let mut found = Vec::new();
        for class in fs::read_dir(self.path().join("baselines")).unwrap() {
            found.extend(fs::read_dir(class.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
        }
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Asserts the exit code and that every text is said somewhere.
    #[track_caller]
    pub fn expect(&self, code: i32, texts: &[&str]) -> &Outcome {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in texts {
            assert!(self.stdout.contains(text) || self.stderr.contains(text), "`{text}` is not said:\n{self:#?}");
        }
        self
    }
}
