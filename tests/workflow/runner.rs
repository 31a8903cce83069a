//! Plays a job that uses the action: the composite's steps one after another, as a runner would. Steps that run a script
//! run it; those that use another action are recorded.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use super::expression::{Scope, condition, interpolate};
use super::files;

/// The token of every job here.
pub const TOKEN: &str = "ghs_secret";

/// A port that nobody listens on.
pub const NOBODY: &str = "http://127.0.0.1:1";

/// A runner before its job: folders with spaces in their names, an event, inputs.
pub struct Runner {
    temp: tempfile::TempDir,
    event_name: String,
    pub event: Value,
    reference: String,
    inputs: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    path: Vec<PathBuf>,
}

/// One step that was played.
#[derive(Debug)]
pub struct Ran {
    pub name: String,
    /// The action it uses, with its inputs; else it ran a script.
    pub uses: Option<(String, BTreeMap<String, String>)>,
    /// `None` where it was skipped or used an action.
    pub code: Option<i32>,
    pub skipped: bool,
}

/// A job at its end.
#[derive(Debug)]
pub struct Job {
    pub steps: Vec<Ran>,
    /// The action's outputs.
    pub outputs: BTreeMap<String, String>,
    /// The page of the run.
    pub summary: String,
    /// What all scripts wrote to either stream.
    pub log: String,
    /// What a step after the action would have.
    pub environment: BTreeMap<String, String>,
    pub path: Vec<PathBuf>,
}

impl Runner {
    /// A job for one of the events under `tests/workflow/events`, such as `pull_request` or `pull_request.fork`.
    pub fn new(event: &str) -> Runner {
        let file = files::root().join("tests/workflow/events").join(format!("{event}.json"));
        let event_name = event.split('.').next().unwrap().to_owned();
        let runner = Runner {
            temp: tempfile::tempdir().unwrap(),
            event_name,
            event: serde_json::from_slice(&fs::read(file).unwrap()).unwrap(),
            reference: "main".into(),
            inputs: BTreeMap::new(),
            environment: BTreeMap::from([
                ("GITHUB_API_URL".into(), NOBODY.into()),
                ("GITHUB_SERVER_URL".into(), NOBODY.into()),
            ]),
            path: Vec::new(),
        };
        for folder in [runner.workspace(), runner.temp_folder(), runner.home()] {
            fs::create_dir_all(folder).unwrap();
        }
        runner
    }

    /// The event's reference to this action, as in `uses: cargo-nongemm/cargo-nongemm@REFERENCE`.
    pub fn at(mut self, reference: &str) -> Runner {
        self.reference = reference.into();
        self
    }

    pub fn input(mut self, name: &str, value: &str) -> Runner {
        self.inputs.insert(name.into(), value.into());
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Runner {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Puts a folder before all others of PATH.
    pub fn path(mut self, folder: &Path) -> Runner {
        self.path.insert(0, folder.into());
        self
    }

    /// Puts a program on PATH: a script of `sh`.
    pub fn program(self, name: &str, script: &str) -> Runner {
        let folder = self.temp.path().join("pro grams");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        self.path(&folder)
    }

    pub fn workspace(&self) -> PathBuf {
        self.temp.path().join("_work/the project/the project")
    }

    pub fn temp_folder(&self) -> PathBuf {
        self.temp.path().join("_work/_temp files")
    }

    fn home(&self) -> PathBuf {
        self.temp.path().join("home")
    }

    /// Plays the job.
    pub fn run(&self) -> Job {
        let action = self.unpack_action();
        let yaml = files::action().yaml;
        let mut contexts = json!({ "github": self.github(), "inputs": self.given(&yaml), "steps": {} });
        let mut job = Job {
            steps: Vec::new(),
            outputs: BTreeMap::new(),
            summary: String::new(),
            log: String::new(),
            environment: self.runner_environment(&action),
            path: self.path.clone(),
        };
        for step in yaml["runs"]["steps"].as_array().unwrap() {
            let failed = job.steps.iter().any(|ran| ran.code.is_some_and(|code| code != 0));
            let (ran, outputs) = self.step(step, &Scope { contexts: &contexts, failed }, &mut job);
            if let Some(id) = step["id"].as_str() {
                contexts["steps"][id] = json!({ "outputs": outputs });
            }
            job.steps.push(ran);
        }
        let scope = Scope { contexts: &contexts, failed: false };
        for (name, output) in yaml["outputs"].as_object().unwrap() {
            job.outputs.insert(name.clone(), interpolate(output["value"].as_str().unwrap(), &scope));
        }
        job
    }

    fn step(&self, step: &Value, scope: &Scope<'_>, job: &mut Job) -> (Ran, BTreeMap<String, String>) {
        for key in step.as_object().unwrap().keys() {
            let known = ["name", "id", "if", "uses", "with", "run", "shell", "env", "working-directory"];
            assert!(known.contains(&key.as_str()), "the key `{key}` of a step is not known here");
        }
        let name = step["name"].as_str().unwrap().to_owned();
        let mut ran = Ran { name, uses: None, code: None, skipped: false };
        if !condition(step["if"].as_str(), scope) {
            return (Ran { skipped: true, ..ran }, BTreeMap::new());
        }
        if let Some(uses) = step["uses"].as_str() {
            ran.uses = Some((uses.to_owned(), texts(&step["with"], scope)));
            return (ran, BTreeMap::new());
        }
        assert_eq!(step["shell"], "bash");
        let folder = interpolate(step["working-directory"].as_str().unwrap_or("."), scope);
        let (code, outputs) =
            self.script(step["run"].as_str().unwrap(), &self.workspace().join(folder), texts(&step["env"], scope), job);
        ran.code = Some(code);
        (ran, outputs)
    }

    /// Runs a script as `shell: bash` does, then reads the files that it speaks to the runner through.
    fn script(
        &self,
        script: &str,
        folder: &Path,
        environment: BTreeMap<String, String>,
        job: &mut Job,
    ) -> (i32, BTreeMap<String, String>) {
        let commands = tempfile::tempdir_in(self.temp_folder()).unwrap();
        let file = |name: &str| commands.path().join(name);
        fs::write(file("script.sh"), script).unwrap();
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail"]).arg(file("script.sh"));
        command.current_dir(folder).env_clear().envs(&job.environment).envs(environment);
        let inherited = std::env::var_os("PATH").unwrap();
        // A program that somebody installed on this machine is not the job's.
        let inherited = std::env::split_paths(&inherited).filter(|folder| !folder.join("cargo-nongemm").exists());
        command.env("PATH", std::env::join_paths(job.path.iter().cloned().chain(inherited)).unwrap());
        for name in ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"] {
            fs::write(file(name), "").unwrap();
            command.env(name, file(name));
        }
        let output = command.output().unwrap();
        job.log += &String::from_utf8_lossy(&output.stdout);
        job.log += &String::from_utf8_lossy(&output.stderr);
        job.summary += &fs::read_to_string(file("GITHUB_STEP_SUMMARY")).unwrap();
        job.environment.extend(assignments(&fs::read_to_string(file("GITHUB_ENV")).unwrap()));
        for line in fs::read_to_string(file("GITHUB_PATH")).unwrap().lines() {
            job.path.insert(0, line.into());
        }
        let outputs = assignments(&fs::read_to_string(file("GITHUB_OUTPUT")).unwrap());
        (output.status.code().unwrap(), outputs)
    }

    /// Puts the action where a runner unpacks it.
    fn unpack_action(&self) -> PathBuf {
        let to = self.temp.path().join("_work/_actions/cargo-nongemm/cargo-nongemm").join(&self.reference);
        let scripts = fs::read_dir(files::root().join(".github/action")).unwrap();
        let scripts = scripts.map(|entry| Path::new(".github/action").join(entry.unwrap().file_name()));
        let others = ["action.yml", "Cargo.toml", "Cargo.lock", "src/main.rs"].map(PathBuf::from);
        for file in scripts.chain(others) {
            let path = to.join(&file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(files::root().join(file), path).unwrap();
        }
        to
    }

    fn github(&self) -> Value {
        json!({ "event": self.event, "event_name": self.event_name, "token": TOKEN })
    }

    /// Every declared input: as given, else its default.
    fn given(&self, yaml: &Value) -> Value {
        let github = json!({ "github": self.github() });
        let scope = Scope { contexts: &github, failed: false };
        let declared = yaml["inputs"].as_object().unwrap();
        for name in self.inputs.keys() {
            assert!(declared.contains_key(name), "there is no input `{name}`");
        }
        let mut values = Map::new();
        for (name, input) in declared {
            let default = input["default"].as_str().map(|text| interpolate(text, &scope));
            let value = self.inputs.get(name).cloned().or(default);
            values.insert(name.clone(), value.unwrap_or_else(|| panic!("the input `{name}` is required")).into());
        }
        Value::Object(values)
    }

    fn runner_environment(&self, action: &Path) -> BTreeMap<String, String> {
        let event = self.temp_folder().join("event.json");
        fs::write(&event, self.event.to_string()).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let os = if cfg!(target_os = "macos") { "macOS" } else { "Linux" };
        let architecture = if cfg!(target_arch = "aarch64") { "ARM64" } else { "X64" };
        let mut environment: BTreeMap<String, String> = [
            ("CI", "true".into()),
            ("GITHUB_ACTIONS", "true".into()),
            ("GITHUB_ACTION_PATH", text(action.to_owned())),
            ("GITHUB_EVENT_NAME", self.event_name.clone()),
            ("GITHUB_EVENT_PATH", text(event)),
            ("GITHUB_JOB", "compare".into()),
            ("GITHUB_REF", "refs/pull/7/merge".into()),
            ("GITHUB_REPOSITORY", "acme/ranker".into()),
            ("GITHUB_RUN_ATTEMPT", "1".into()),
            ("GITHUB_RUN_ID", "4711".into()),
            ("GITHUB_SHA", "cccccccccccccccccccccccccccccccccccccccc".into()),
            ("GITHUB_WORKFLOW", "nongemm".into()),
            ("GITHUB_WORKSPACE", text(self.workspace())),
            ("HOME", text(self.home())),
            ("ImageOS", "test".into()),
            ("RUNNER_ARCH", architecture.into()),
            ("RUNNER_OS", os.into()),
            ("RUNNER_TEMP", text(self.temp_folder())),
        ]
        .into_iter()
        .map(|(name, value): (&str, String)| (name.to_owned(), value))
        .collect();
        environment.extend(self.environment.clone());
        environment
    }
}

impl Job {
    /// The exit code of the step that failed, else 0.
    pub fn code(&self) -> i32 {
        self.steps.iter().filter_map(|step| step.code).find(|code| *code != 0).unwrap_or(0)
    }

    /// Asserts the exit code and that each text stands in the log.
    #[track_caller]
    pub fn expect(&self, code: i32, texts: &[&str]) -> &Job {
        assert_eq!(self.code(), code, "{}\n{:#?}", self.log, self.steps);
        for text in texts {
            assert!(self.log.contains(text), "`{text}` is not in the log:\n{}", self.log);
        }
        self
    }

    /// Names of the steps that ran or were used.
    pub fn played(&self) -> Vec<&str> {
        self.steps.iter().filter(|step| !step.skipped).map(|step| step.name.as_str()).collect()
    }
}

/// A mapping of a step, evaluated.
fn texts(mapping: &Value, scope: &Scope<'_>) -> BTreeMap<String, String> {
    let entries = mapping.as_object().into_iter().flatten();
    entries.map(|(name, value)| (name.clone(), interpolate(value.as_str().unwrap(), scope))).collect()
}

/// `name=value` lines and `name<<END` blocks; the last value of a name counts.
fn assignments(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let block = line.split_once("<<").filter(|(name, _)| !name.contains('='));
        if let Some((name, end)) = block {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            found.insert(name.to_owned(), value.join("\n"));
        } else {
            let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("`{line}` is no assignment"));
            found.insert(name.to_owned(), value.to_owned());
        }
    }
    found
}
