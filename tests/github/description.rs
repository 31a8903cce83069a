//! GitHub's own description of its API, and a proxy that holds requests and answers to it; both from npm.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

const PACKAGES: &str = include_str!("package.json");
/// How long the proxy may take to read the description.
const PATIENCE: Duration = Duration::from_secs(240);

/// The folder that the packages are installed into, once for all runs and anew where their versions change.
///
/// Panics, saying what npm said, where that fails: a test that could not run has not passed.
pub fn packages() -> PathBuf {
    let digest: String = Sha256::digest(PACKAGES).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("npm");
    let installed = cache.join(format!("github-contract-{digest}"));
    if installed.is_dir() {
        return installed;
    }
    fs::create_dir_all(&cache).unwrap();
    let fresh = tempfile::tempdir_in(&cache).unwrap();
    fs::write(fresh.path().join("package.json"), PACKAGES).unwrap();
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(npm)
        .args(["install", "--no-audit", "--no-fund", "--no-update-notifier", "--no-package-lock", "--ignore-scripts"])
        .arg("--loglevel=error")
        .current_dir(fresh.path())
        .output()
        .unwrap_or_else(|error| panic!("this test needs npm of Node.js: {error}"));
    assert!(output.status.success(), "npm could not install {PACKAGES}:\n{}", String::from_utf8_lossy(&output.stderr));
    // Complete before it is visible; where another process was first, its copy is as good.
    if let Err(error) = fs::rename(fresh.path(), &installed) {
        assert!(installed.is_dir(), "{}: {error}", installed.display());
    }
    installed
}

/// The description of the public host's API.
pub struct Description {
    pub path: PathBuf,
    whole: Value,
}

impl Description {
    pub fn of(packages: &Path) -> Description {
        let path = packages.join("node_modules/@octokit/openapi/generated/api.github.com.json");
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Description { whole: serde_json::from_slice(&text).unwrap(), path }
    }

    /// What the description gives as an example of an answer; of a list, one entry.
    pub fn example(&self, method: &str, path: &str, status: &str) -> Value {
        let answer = self.at(&["paths", path, method, "responses", status]);
        let examples = &answer["content"]["application/json"]["examples"];
        let example = examples.as_object().and_then(|examples| examples.values().next());
        let example = self.resolved(example.unwrap_or_else(|| panic!("{method} {path} {status} has no example")));
        match &example["value"] {
            Value::Array(entries) => entries[0].clone(),
            value => value.clone(),
        }
    }

    fn at(&self, keys: &[&str]) -> &Value {
        keys.iter().fold(&self.whole, |value, key| self.resolved(&value[*key]))
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            Some(pointer) => self.whole.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere")),
            None => value,
        }
    }
}

/// Prism between a client and an upstream server; it ends when this is dropped.
pub struct Prism {
    child: Child,
    port: u16,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

impl Prism {
    /// Starts the proxy and waits until it listens.
    pub fn start(packages: &Path, description: &Path, upstream: &str) -> Prism {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("prism.log");
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new("node")
            .arg(packages.join("node_modules/@stoplight/prism-cli/dist/index.js"))
            .args(["proxy", "--errors", "--multiprocess", "false", "--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .arg(description)
            .arg(upstream)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs node of Node.js: {error}"));
        let mut prism = Prism { child, port, log, _folder: folder };
        prism.wait();
        prism
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The end of what it wrote so far; it begins with a line for each route.
    pub fn said(&self) -> String {
        const LINES: usize = 60;
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    fn wait(&mut self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "prism ended with {ended:?}:\n{}", self.said());
            assert!(start.elapsed() < PATIENCE, "prism does not listen after {PATIENCE:?}:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
