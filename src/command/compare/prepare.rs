//! Runs the command that makes a tree's generated models.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::config::{Prepare, PrepareCommand};
use crate::measure::supervise::{Interrupt, LaunchFailure};

/// How often it is looked whether the command has ended.
const POLL: Duration = Duration::from_millis(50);

/// Lines of its output that an error shows.
const LINES: usize = 12;

/// Runs a command in the tree that begins at `cwd`, to its end. What it writes is kept back, and shown where it fails.
///
/// # Errors
/// It cannot be started, fails or hangs: says on which `side`, with its last lines. An interrupt ends it.
pub(super) fn run(prepare: &Prepare, cwd: &Path, side: &str, interrupt: &Interrupt) -> anyhow::Result<()> {
    let text = &prepare.command;
    let directory = cwd.join(&prepare.directory);
    let log = tempfile::NamedTempFile::new().context("no temporary file can be made")?;
    let mut command = program(text);
    // One place to write at for both: two would write over one another.
    let output = log.reopen().context("the temporary file is gone")?;
    let errors = output.try_clone().context("the temporary file cannot be shared")?;
    command.current_dir(&directory).stdin(Stdio::null()).stdout(output).stderr(errors);
    without_tokens(&mut command);
    // A group of its own, so that what it starts ends with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let started = command.spawn();
    let child = started.with_context(|| format!("`{text}` cannot be run in {} for the {side}", directory.display()))?;
    let mut guarded = Guarded(child);
    let start = Instant::now();
    loop {
        if let Some(status) = guarded.0.try_wait().context("the prepare command cannot be waited for")? {
            if status.success() {
                return Ok(());
            }
            bail!("`{text}` failed on the {side} ({status}){}", last_lines(log.path()));
        }
        if interrupt.raised() {
            return Err(LaunchFailure::Interrupted.into());
        }
        if start.elapsed() > prepare.timeout {
            let seconds = prepare.timeout.as_secs();
            bail!(
                "`{text}` was still running on the {side} after {seconds} s and was ended; raise `prepare-timeout-s` under \
                 `[compare]` if it needs longer{}",
                last_lines(log.path())
            );
        }
        std::thread::sleep(POLL);
    }
}

fn program(command: &PrepareCommand) -> Command {
    match command {
        PrepareCommand::Line(line) => {
            let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
            let mut command = Command::new(shell);
            command.args([flag, line]);
            command
        }
        PrepareCommand::Words(words) => {
            let mut words = words.iter();
            let mut command = Command::new(words.next().map_or("", String::as_str));
            command.args(words);
            command
        }
    }
}

/// The end of what it wrote, for the end of a message; nothing where it wrote nothing.
fn last_lines(log: &Path) -> String {
    let mut bytes = Vec::new();
    // What cannot be read back is not worth another error.
    let _ = File::open(log).and_then(|mut file| file.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return "; it wrote nothing".to_owned();
    }
    let last = lines[lines.len().saturating_sub(LINES)..].iter().map(|line| format!("\n    {line}"));
    format!("; its last lines:{}", last.collect::<String>())
}

/// A command that does not outlive the function that started it, however that function returns.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let (Ok(None), Ok(group)) = (self.0.try_wait(), i32::try_from(self.0.id())) {
            // SAFETY: signals the group that was made for this child, which has not been waited for yet.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
        // Fails when it has ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command is the pull request's, and the token may write: it is for the comment alone.
fn without_tokens(command: &mut Command) {
    command.env_remove("GITHUB_TOKEN").env_remove("GH_TOKEN");
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn prepare(line: &str, timeout_ms: u64) -> Prepare {
        let command = PrepareCommand::Line(line.into());
        Prepare { command, directory: "sub".into(), timeout: Duration::from_millis(timeout_ms) }
    }

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        dir
    }

    #[test]
    fn it_sees_no_token() {
        let mut command = Command::new("make");
        without_tokens(&mut command);
        for name in ["GITHUB_TOKEN", "GH_TOKEN"] {
            assert!(command.get_envs().any(|(variable, value)| variable == name && value.is_none()), "{name}");
        }
    }

    #[test]
    fn it_runs_in_the_folder_of_its_document() {
        let dir = tree();
        run(&prepare("echo made > model", 10_000), dir.path(), "base", &Interrupt::default()).unwrap();
        assert!(dir.path().join("sub/model").exists());
        let words = PrepareCommand::Words(["touch", "a b"].map(str::to_owned).to_vec());
        let list = Prepare { command: words, ..prepare("", 10_000) };
        run(&list, dir.path(), "base", &Interrupt::default()).unwrap();
        assert!(dir.path().join("sub/a b").exists(), "a list is not split again");
    }

    #[test]
    fn a_failure_shows_where_and_its_last_lines() {
        let dir = tree();
        let lines = "for i in $(seq 20); do echo line $i; done; echo no rule >&2; exit 3";
        let said = run(&prepare(lines, 10_000), dir.path(), "base", &Interrupt::default()).unwrap_err().to_string();
        assert!(said.contains("failed on the base (exit status: 3)"), "{said}");
        assert!(said.ends_with("\n    no rule") && said.contains("line 10\n") && !said.contains("line 9\n"), "{said}");
        let none = Prepare { directory: "none".into(), ..prepare("true", 10_000) };
        let said = run(&none, dir.path(), "head", &Interrupt::default()).unwrap_err().to_string();
        assert!(said.contains("cannot be run in") && said.contains("for the head"), "{said}");
    }

    #[test]
    fn a_hang_ends_with_everything_that_was_started() {
        let dir = tree();
        let line = "sleep 600 & echo $! > pid; echo waiting; wait";
        let said = run(&prepare(line, 400), dir.path(), "head", &Interrupt::default()).unwrap_err().to_string();
        assert!(said.contains("still running on the head") && said.ends_with("waiting"), "{said}");
        let pid: i32 = std::fs::read_to_string(dir.path().join("sub/pid")).unwrap().trim().parse().unwrap();
        let gone = || {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // SAFETY: signal 0 only asks whether the process exists.
            let there = unsafe { libc::kill(pid, 0) } == 0;
            !there || state.contains(") Z ")
        };
        let start = Instant::now();
        while !gone() {
            assert!(start.elapsed() < Duration::from_secs(10), "the grandchild is still there");
            std::thread::sleep(POLL);
        }
    }

    #[test]
    fn an_interrupt_ends_it() {
        let dir = tree();
        let interrupt = Interrupt::default();
        interrupt.raise();
        let error = run(&prepare("sleep 600", 60_000), dir.path(), "base", &interrupt).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(LaunchFailure::Interrupted)));
    }
}
