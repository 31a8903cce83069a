//! Death in the middle: a launch that is killed, and Ctrl-C.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::models::{Dim, classifier};
use support::project::Project;

const LONG: &[&str] = &["run", "--launches", "1", "--iterations", "100000", "--time-budget", "300"];

/// Two models, the second with another name; each would run for minutes.
fn project() -> Project {
    let project = Project::new("[suite]\nmodels = [\"first.onnx\", \"second.onnx\"]\n");
    for name in ["first.onnx", "second.onnx"] {
        project.write_model(name, &classifier(Dim::Fixed(64), 512, 512));
    }
    project
}

fn start(project: &Project, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cargo-nongemm"))
        .args(arguments)
        .current_dir(project.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Process ids of the children of `parent` that are launches.
fn launches_of(parent: u32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = rest.split(' ').collect();
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let is_launch = String::from_utf8_lossy(&arguments).contains("__launch");
        if is_launch && fields[0] != "Z" && fields[1] == parent.to_string() {
            found.push(entry.file_name().to_string_lossy().parse().unwrap());
        }
    }
    found
}

fn wait_for_launch(parent: u32, except: Option<i32>) -> i32 {
    let start = Instant::now();
    loop {
        if let Some(pid) = launches_of(parent).into_iter().find(|pid| Some(*pid) != except) {
            return pid;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "no launch was started");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: sends a signal to a process that this test started.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

fn is_gone(pid: i32) -> bool {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if state.is_empty() || state.contains(") Z ") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_launch_killed_in_mid_run_fails_its_scenario_by_name_and_the_next_goes_on() {
    let project = project();
    let parent = start(&project, LONG);
    let first = wait_for_launch(parent.id(), None);
    signal(first, libc::SIGKILL);
    let second = wait_for_launch(parent.id(), Some(first));
    signal(second, libc::SIGKILL);
    let output = parent.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(101), "{said}");
    for text in ["first@cpu-fp32-all-t1", "second@cpu-fp32-all-t1", "SIGKILL"] {
        assert!(said.contains(text), "{text}:\n{said}");
    }
}

#[test]
fn ctrl_c_ends_everything_and_leaves_nothing_half_written() {
    let project = project();
    let mut arguments = LONG.to_vec();
    arguments.extend(["--save", "report.json"]);
    let parent = start(&project, &arguments);
    let launch = wait_for_launch(parent.id(), None);
    signal(i32::try_from(parent.id()).unwrap(), libc::SIGINT);
    let output = parent.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(is_gone(launch), "the launch outlived the program");
    assert!(!project.path().join("report.json").exists());
    let leftovers: Vec<_> = fs::read_dir(project.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !["nongemm.toml", "first.onnx", "second.onnx", ".nongemm"].contains(&name.as_str()))
        .collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

#[test]
fn ctrl_c_in_a_sign_off_leaves_no_half_of_one() {
    let project = project();
    let parent = start(&project, &["signoff", "--launches", "1", "--iterations", "100000", "--time-budget", "300"]);
    let launch = wait_for_launch(parent.id(), None);
    signal(i32::try_from(parent.id()).unwrap(), libc::SIGINT);
    let output = parent.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(is_gone(launch), "the launch outlived the program");
    assert!(!project.path().join("nongemm-signoff").exists());
}

#[test]
fn a_launch_does_not_outlive_a_killed_parent() {
    let project = project();
    let mut parent = start(&project, LONG);
    let launch = wait_for_launch(parent.id(), None);
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(is_gone(launch), "the launch is an orphan");
}
