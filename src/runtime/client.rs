//! The user's own package clients as child processes. They know the index, the proxy and the credentials; this program
//! knows none of them.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::platform::Platform;

/// A program that can download a package without installing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The program, looked up in `PATH` unless it is a path.
    pub program: OsString,
    /// What comes before the verb, such as `-m pip`.
    pub leading: Vec<OsString>,
    /// Whose arguments it takes.
    pub kind: ClientKind,
}

/// The two kinds of package client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// `pip download`, a wheel of `onnxruntime`.
    Pip,
    /// `npm pack`, a tarball of `onnxruntime-node`.
    Npm,
}

impl Client {
    /// A client that is called as `program leading...`.
    pub fn new(program: impl Into<OsString>, leading: &[&str], kind: ClientKind) -> Client {
        Client { program: program.into(), leading: leading.iter().map(OsString::from).collect(), kind }
    }

    /// How it is called, such as `python3 -m pip`.
    pub fn name(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.leading);
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// The command that puts a package's release for `platform` into `directory`.
    pub(super) fn download(&self, package: &str, version: &str, platform: &Platform, directory: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.leading).current_dir(directory);
        match self.kind {
            ClientKind::Pip => {
                // The Python tag is any that the release has: the library in the wheel is the same in all of them.
                command
                    .args(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--retries", "2"])
                    .args(["--python-version", "312", "--implementation", "cp", "--abi", "cp312"])
                    .args(["--platform", platform.pip_tag, "--dest", "."])
                    .arg(format!("{package}=={version}"))
                    .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
                    .env("PIP_NO_INPUT", "1");
            }
            ClientKind::Npm => {
                command
                    .args(["pack", "--silent", "--no-update-notifier", "--no-fund"])
                    .arg(format!("{package}@{version}"));
            }
        }
        command
    }
}

/// The clients that are tried, in this order: pip through either name of Python, pip by itself, pip through uv, npm.
/// pip comes first because its package is a quarter of the size and of a newer release than npm's.
pub fn default_clients() -> Vec<Client> {
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    vec![
        Client::new("python3", &["-m", "pip"], ClientKind::Pip),
        Client::new("python", &["-m", "pip"], ClientKind::Pip),
        Client::new("pip3", &[], ClientKind::Pip),
        Client::new("pip", &[], ClientKind::Pip),
        Client::new("uvx", &["--quiet", "pip"], ClientKind::Pip),
        Client::new(npm, &[], ClientKind::Npm),
    ]
}

/// What a child process left behind.
#[derive(Debug)]
pub(super) struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// Why a child process has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChildError {
    #[error("there is no such program")]
    NoProgram,
    #[error("cannot be run: {0}")]
    Start(#[from] std::io::Error),
    #[error("was ended after {} s without a result{tail}", after.as_secs())]
    TimedOut { after: Duration, tail: String },
}

/// Runs a command to its end, or ends it when `limit` is over. Its output goes through files rather than pipes, so that
/// grandchildren that outlive it cannot block the reading.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<Finished, ChildError> {
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ChildError::NoProgram,
        _ => ChildError::Start(error),
    })?;
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            let tail = tail(&String::from_utf8_lossy(&contents(&mut stderr)?));
            return Err(ChildError::TimedOut { after: limit, tail: prefixed(&tail) });
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    let stderr = String::from_utf8_lossy(&contents(&mut stderr)?).into_owned();
    Ok(Finished { status, stdout: contents(&mut stdout)?, stderr })
}

/// Runs a client; success is exit code 0. The reason otherwise is one clause with the end of its stderr.
pub(super) fn run_client(command: &mut Command, limit: Duration) -> Result<(), String> {
    let finished = run(command, limit).map_err(|error| error.to_string())?;
    if finished.status.success() {
        return Ok(());
    }
    Err(format!("failed ({}){}", finished.status, prefixed(&tail(&finished.stderr))))
}

fn contents(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last lines of what a client wrote: the error is there.
fn tail(stderr: &str) -> String {
    const LINES: usize = 3;
    let lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].join(" / ")
}

fn prefixed(tail: &str) -> String {
    if tail.is_empty() { String::new() } else { format!(": {tail}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_called() {
        assert_eq!(default_clients()[0].name(), "python3 -m pip");
        assert_eq!(default_clients().last().map(|client| client.kind), Some(ClientKind::Npm));
    }

    #[test]
    fn a_missing_program_is_said_to_be_missing() {
        let error = run_client(&mut Command::new("no-such-package-client"), Duration::from_secs(5)).unwrap_err();
        assert_eq!(error, "there is no such program");
    }

    #[cfg(unix)]
    #[test]
    fn a_failing_client_is_quoted() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo first >&2; echo the index is unreachable >&2; exit 3"]);
        let error = run_client(&mut command, Duration::from_secs(5)).unwrap_err();
        assert!(error.contains("3") && error.ends_with("first / the index is unreachable"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_client_that_hangs_is_ended() {
        let start = Instant::now();
        let mut command = Command::new("sh");
        command.args(["-c", "echo still resolving >&2; exec sleep 60"]);
        let error = run_client(&mut command, Duration::from_millis(300)).unwrap_err();
        assert!(error.contains("was ended") && error.contains("still resolving"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
