//! The parent's side of a launch: starts the child, feeds it the job, watches over it, and names how it ended.
//!
//! A child that crashes, hangs or is killed costs its own scenario only. A parent that dies takes its child along:
//! the child's standard input is a pipe that the parent holds open, and its end is the child's signal to leave.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::measure::result::{LAUNCH_SCHEMA, LaunchAnswer, LaunchResult};

/// How often the parent looks whether the child has ended. It costs a system call, on a core that the child wants.
const POLL: Duration = Duration::from_millis(10);

/// Lines of the child's standard error that a failure keeps.
const LOG_LINES: usize = 12;

/// Set once by Ctrl-C or a termination signal; launches in progress end, and no new one starts.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks everything to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// True once it was raised.
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What to start and how long to wait for it.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program, which understands `__launch RESULT`; this very binary outside of tests.
    pub program: PathBuf,
    /// What stands before `__launch` on its command line; empty outside of tests.
    pub arguments: Vec<String>,
    /// A child that takes longer is killed.
    pub timeout: Duration,
    /// Stops a launch in progress.
    pub interrupt: Interrupt,
    /// Variables that the child has beside this process's own.
    pub environment: Vec<(OsString, OsString)>,
}

/// Why a launch gave no result.
#[derive(Debug, thiserror::Error)]
pub enum LaunchFailure {
    /// The child looked at the job and said why it cannot do it.
    #[error("{message}")]
    Refused {
        /// Its words.
        message: String,
    },
    /// The child died of a signal.
    #[error("the launch was killed by {signal}{hint}")]
    Killed {
        /// Signal name or number.
        signal: String,
        /// What that usually means.
        hint: &'static str,
        /// Last lines of its standard error.
        log: Vec<String>,
    },
    /// The child ended by itself without a result.
    #[error("the launch ended with exit code {code} and left no result")]
    Crashed {
        /// Exit code.
        code: i32,
        /// Last lines of its standard error.
        log: Vec<String>,
    },
    /// The child was still running at the time limit, and was killed.
    #[error(
        "the launch was still running after {seconds} s and was killed; raise `timeout-s` under `[measure]` if it needs longer"
    )]
    TimedOut {
        /// The limit.
        seconds: u64,
        /// Last lines of its standard error.
        log: Vec<String>,
    },
    /// Its result cannot be read.
    #[error("the launch left an unreadable result: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// Ctrl-C or a termination signal.
    #[error("interrupted")]
    Interrupted,
    /// Files or the process could not be made.
    #[error("cannot start a launch: {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl LaunchFailure {
    /// Last lines of the child's standard error, where there are any.
    pub fn log(&self) -> &[String] {
        match self {
            LaunchFailure::Killed { log, .. }
            | LaunchFailure::Crashed { log, .. }
            | LaunchFailure::TimedOut { log, .. } => log,
            _ => &[],
        }
    }
}

impl Launcher {
    /// Runs one launch of `job` (a JSON document on one line) to its end. `scratch` is a private folder for its files.
    ///
    /// # Errors
    /// How the launch failed; the child is gone in every case.
    pub fn launch(&self, job: &str, scratch: &Path) -> Result<LaunchResult, LaunchFailure> {
        let result = scratch.join("result.json");
        let log = scratch.join("stderr.log");
        let stderr = File::create(&log).map_err(io_failure("create", &log))?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg("__launch")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .arg(&result)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map(Guarded)
            .map_err(io_failure("start", &self.program))?;
        // Held until the child has ended: closing it tells the child that nobody waits for it any more.
        let mut stdin = child.0.stdin.take();
        if let Some(pipe) = &mut stdin {
            // A child that is gone already (wrong program, killed at once) shows in its exit status below.
            let _ = writeln!(pipe, "{job}").and_then(|()| pipe.flush());
        }
        let status = self.wait(&mut child.0, &log)?;
        drop(stdin);
        read_answer(status, &result, &log)
    }

    fn wait(&self, child: &mut Child, log: &Path) -> Result<ExitStatus, LaunchFailure> {
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(io_failure("wait for", &self.program))? {
                return if self.interrupt.raised() { Err(LaunchFailure::Interrupted) } else { Ok(status) };
            }
            if self.interrupt.raised() {
                return Err(LaunchFailure::Interrupted);
            }
            if start.elapsed() > self.timeout {
                return Err(LaunchFailure::TimedOut { seconds: self.timeout.as_secs(), log: tail(log) });
            }
            std::thread::sleep(POLL);
        }
    }
}

/// A child that does not outlive the function that started it, however that function returns.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // Fails when it has ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read_answer(status: ExitStatus, result: &Path, log: &Path) -> Result<LaunchResult, LaunchFailure> {
    if let Some((signal, hint)) = signal_of(status) {
        return Err(LaunchFailure::Killed { signal, hint, log: tail(log) });
    }
    let code = status.code().unwrap_or(-1);
    let bytes = match fs::read(result) {
        Ok(bytes) => bytes,
        Err(_) => return Err(LaunchFailure::Crashed { code, log: tail(log) }),
    };
    let answer =
        serde_json::from_slice(&bytes).map_err(|error| LaunchFailure::Unreadable { reason: error.to_string() })?;
    match answer {
        LaunchAnswer::Measured { result } if result.schema == LAUNCH_SCHEMA => Ok(*result),
        LaunchAnswer::Measured { result } => Err(LaunchFailure::Unreadable {
            reason: format!("schema {} where this program reads {LAUNCH_SCHEMA}", result.schema),
        }),
        LaunchAnswer::Refused { message } => Err(LaunchFailure::Refused { message }),
    }
}

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<(String, &'static str)> {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal()?;
    Some(match signal {
        libc::SIGKILL => ("SIGKILL".into(), "; the kernel does that when memory runs out: see `cargo nongemm doctor`"),
        libc::SIGSEGV => ("SIGSEGV".into(), ": a crash inside ONNX Runtime or one of its providers"),
        libc::SIGABRT => ("SIGABRT".into(), ": ONNX Runtime gave up"),
        libc::SIGILL => ("SIGILL".into(), ": an instruction that this processor does not have"),
        libc::SIGBUS => ("SIGBUS".into(), ": a mapped file became shorter, or a disk is full"),
        other => (format!("signal {other}"), ""),
    })
}

#[cfg(not(unix))]
fn signal_of(_: ExitStatus) -> Option<(String, &'static str)> {
    None
}

fn tail(log: &Path) -> Vec<String> {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

fn io_failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LaunchFailure {
    let path = path.to_owned();
    move |source| LaunchFailure::Io { action, path, source }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// A program that does what the shell lines say; `$2` is the path of the result.
    fn launcher(lines: &str) -> Launcher {
        Launcher {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), lines.into(), "sh".into()],
            timeout: Duration::from_secs(20),
            interrupt: Interrupt::default(),
            environment: Vec::new(),
        }
    }

    fn failure(lines: &str) -> LaunchFailure {
        let dir = tempfile::tempdir().unwrap();
        launcher(lines).launch("{}", dir.path()).unwrap_err()
    }

    #[test]
    fn a_kill_is_named_by_its_signal() {
        let error = failure("echo last words >&2; kill -9 $$");
        assert!(error.to_string().contains("SIGKILL") && error.to_string().contains("memory"), "{error}");
        assert_eq!(error.log(), ["last words"]);
    }

    #[test]
    fn an_exit_without_a_result_is_a_crash() {
        assert!(matches!(failure("exit 7"), LaunchFailure::Crashed { code: 7, .. }));
    }

    #[test]
    fn half_a_result_is_unreadable() {
        assert!(matches!(failure("printf '{\"answer\":' > $2"), LaunchFailure::Unreadable { .. }));
    }

    #[test]
    fn a_refusal_keeps_the_words_of_the_child() {
        let error = failure("echo '{\"answer\":\"refused\",\"message\":\"no such operator\"}' > $2");
        assert_eq!(error.to_string(), "no such operator");
    }

    #[test]
    fn a_hang_is_killed_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let mut launcher = launcher("echo $$ > \"$(dirname $2)/pid\"; exec sleep 600");
        launcher.timeout = Duration::from_millis(300);
        let error = launcher.launch("{}", dir.path()).unwrap_err();
        assert!(matches!(error, LaunchFailure::TimedOut { .. }), "{error}");
        let pid: i32 = fs::read_to_string(dir.path().join("pid")).unwrap().trim().parse().unwrap();
        // SAFETY: signal 0 only asks whether the process exists.
        assert_eq!(unsafe { libc::kill(pid, 0) }, -1, "the child is still there");
    }

    #[test]
    fn an_interrupt_ends_a_launch_in_progress() {
        let dir = tempfile::tempdir().unwrap();
        let launcher = launcher("exec sleep 600");
        let interrupt = launcher.interrupt.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            interrupt.raise();
        });
        assert!(matches!(launcher.launch("{}", dir.path()).unwrap_err(), LaunchFailure::Interrupted));
    }

    #[test]
    fn a_missing_program_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut launcher = launcher("");
        launcher.program = dir.path().join("absent");
        assert!(launcher.launch("{}", dir.path()).unwrap_err().to_string().contains("absent"));
    }
}
