//! The action and the workflows as data: the repository's own, and those that `init --github` writes.

use std::fs;
use std::path::{Path, PathBuf};

use nongemm::command::init::github::{Action, Request, write};
use serde_json::Value;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A YAML file.
pub struct File {
    /// How it is called in messages.
    pub name: String,
    pub text: String,
    pub yaml: Value,
}

impl File {
    pub fn read(path: &Path, name: String) -> File {
        let text = fs::read_to_string(path).unwrap();
        let yaml = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        File { name, text, yaml }
    }

    /// Steps of all jobs, or of the composite action.
    pub fn steps(&self) -> Vec<&Value> {
        let jobs = self.yaml["jobs"].as_object().into_iter().flatten().map(|(_, job)| &job["steps"]);
        let composite = Some(&self.yaml["runs"]["steps"]).filter(|steps| !steps.is_null());
        jobs.chain(composite).flat_map(|steps| steps.as_array().unwrap()).collect()
    }

    /// Jobs with their names.
    pub fn jobs(&self) -> Vec<(&String, &Value)> {
        self.yaml["jobs"].as_object().into_iter().flatten().collect()
    }
}

pub fn action() -> File {
    File::read(&root().join("action.yml"), "action.yml".into())
}

/// The workflows that this repository runs.
pub fn own_workflows() -> Vec<File> {
    yaml_files(&root().join(".github/workflows"), "")
}

/// What `init --github` writes, without and with `--parts`.
pub fn written_workflows() -> Vec<File> {
    let mut files = Vec::new();
    for (parts, name) in [(None, "init: "), (Some(3), "init --parts 3: ")] {
        let dir = tempfile::tempdir().unwrap();
        let root: PathBuf = dir.path().into();
        let (directory, action) = (root.clone(), Action::of_this_version());
        write(&Request { root: root.clone(), directory, parts, action, force: false }).unwrap();
        files.extend(yaml_files(&root.join(".github/workflows"), name));
    }
    files
}

fn yaml_files(folder: &Path, prefix: &str) -> Vec<File> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &Path| format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
    paths.iter().map(|path| File::read(path, name(path))).collect()
}
