//! The action with the real program, a real model and the events of GitHub: exit codes, outputs, the saved report. GitHub
//! itself is a port that nobody listens on; that posting fails must not change the gate's exit code.

#![cfg(unix)]
#![allow(clippy::unwrap_used, dead_code)]

mod support;
mod workflow;

use std::fs;
use std::path::Path;
use std::process::Command;

use nongemm::report::{Outcome, Report};
use nongemm::runtime::{LocateOptions, locate};
use prost::Message;
use support::models::{Dim, classifier};
use workflow::runner::{Job, Runner};

/// Short to measure, and blind to all that a busy machine does: these tests are of what the action makes of a verdict.
const SUITE: &str = "[suite]\nmodels = [\"models/*.onnx\"]\n\
                     [measure]\nlaunches = 2\nwarmup = 1\niterations = { min = 2, max = 3 }\n\
                     [gate]\nmin-effect = 9.0\nmax-latency-growth = 9.0\nmin-drift = 9.0\n\
                     [compare]\npairs = [8]\nmin-effect = 9.0\n";

const ID: &str = "one@cpu-fp32-all-t1";

/// A job in a project with one model, with this build's program on PATH and an ONNX Runtime that is there already.
fn runner(event: &str, mode: &str) -> Runner {
    let library = locate(&LocateOptions::from_environment(None, false), &mut |_| {}).unwrap();
    let program = assert_cmd::cargo::cargo_bin("cargo-nongemm");
    let runner = Runner::new(event)
        .environment("ORT_DYLIB_PATH", library.path.to_str().unwrap())
        .path(program.parent().unwrap())
        .input("mode", mode);
    write(&runner, "nongemm.toml", SUITE.as_bytes());
    write(&runner, "models/one.onnx", &classifier(Dim::Fixed(64), 64, 16).encode_to_vec());
    runner
}

fn write(runner: &Runner, name: &str, bytes: &[u8]) {
    let path = runner.workspace().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The report that the job's outputs name.
fn report(runner: &Runner, job: &Job) -> Report {
    Report::read(&runner.workspace().join(&job.outputs["report-json"])).unwrap()
}

/// Runs a command in the workspace, as a later step of the job.
fn later(runner: &Runner, job: &Job, program: &Path, arguments: &[&str]) {
    let output =
        Command::new(program).args(arguments).current_dir(runner.workspace()).envs(&job.environment).output().unwrap();
    assert!(output.status.success(), "{program:?} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes the workspace a repository, with the base of the event as its only commit.
fn commit_base(runner: &mut Runner) {
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
        let output =
            Command::new("git").current_dir(runner.workspace()).args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    write(runner, ".gitignore", b".nongemm\nnongemm-report.*\n");
    git(&["init", "--quiet"]);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "base"]);
    let base = git(&["rev-parse", "HEAD"]);
    for place in ["/pull_request/base/sha", "/merge_group/base_sha"] {
        if let Some(sha) = runner.event.pointer_mut(place) {
            *sha = base.clone().into();
        }
    }
}

#[test]
fn run_shows_where_the_time_goes() {
    let runner = runner("push", "run");
    let job = runner.run();
    job.expect(0, &[ID]);
    assert_eq!(report(&runner, &job).scenarios[0].id.0, ID);
    assert!(job.summary.contains(ID), "{}", job.summary);
    assert!(fs::read_to_string(runner.workspace().join(&job.outputs["markdown"])).unwrap().contains(ID));
    assert_eq!(job.outputs["verdict"], "");
}

#[test]
fn a_selection_that_matches_nothing_is_wrong_usage() {
    let job = runner("push", "run").input("selection", "bert*\nno such model").run();
    job.expect(2, &[]);
}

#[test]
fn baselines_are_renewed_at_night_and_hold_on_the_next_push() {
    let night = runner("schedule", "check").input("arguments", "--pending");
    let job = night.run();
    job.expect(100, &["no-baseline"]);
    assert_eq!(job.outputs["verdict"], "gate-failed");
    assert_eq!(report(&night, &job).outcome, Outcome::GateFailed);
    // As nongemm-baselines.yml goes on. Two launches on a busy machine may well be called disturbed.
    later(&night, &job, Path::new("git"), &["init", "--quiet"]);
    later(&night, &job, &job.path[0].join("cargo-nongemm"), &["accept", "--in-ci", "--force"]);

    let push = runner("push", "check").input("check-run", "true");
    copy(&night.workspace().join("baselines"), &push.workspace().join("baselines"));
    let job = push.run();
    job.expect(0, &[]);
    assert_eq!((job.outputs["verdict"].as_str(), job.outputs["regressed"].as_str()), ("pass", "0"));
    assert!(job.summary.contains("nongemm") || job.summary.contains(ID), "{}", job.summary);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, target).map(drop).unwrap() }
    }
}

#[test]
fn a_pull_request_is_compared_with_its_base_though_posting_fails() {
    for event in ["pull_request", "pull_request.fork", "merge_group"] {
        let mut runner = runner(event, "compare").input("comment", "true").input("check-run", "true");
        commit_base(&mut runner);
        let job = runner.run();
        job.expect(0, &[ID]);
        assert_eq!(job.outputs["verdict"], "pass", "{event}");
        assert_eq!(report(&runner, &job).scenarios.len(), 1, "{event}");
        assert_eq!(job.outputs["comment-url"], "", "{event}");
    }
}

#[test]
fn a_comment_that_is_required_and_cannot_be_posted_fails_the_job() {
    let mut runner = runner("pull_request", "compare").input("comment", "true").input("require-comment", "true");
    commit_base(&mut runner);
    let job = runner.run();
    job.expect(101, &[]);
    assert_eq!(report(&runner, &job).outcome, Outcome::Pass, "the report is there all the same");
}

#[test]
fn a_report_that_cannot_be_posted_fails_the_poster() {
    let measured = runner("pull_request.fork", "check");
    let job = measured.run();
    job.expect(100, &[]);
    let poster = runner("workflow_run", "comment").input("reports", "from the fork.json").input("check-run", "true");
    fs::copy(measured.workspace().join(&job.outputs["report-json"]), poster.workspace().join("from the fork.json"))
        .unwrap();
    poster.run().expect(101, &["no answer"]);
    write(&poster, "from the fork.json", b"{\"schema\": 1}");
    poster.run().expect(101, &["from the fork.json"]);
}

#[test]
fn parts_of_a_matrix_are_merged() {
    let merging = runner("pull_request", "merge").input("reports", "parts/*.json");
    for part in ["1/2", "2/2"] {
        let measuring = runner("pull_request", "check").input("partition", part).input("report", "part.json");
        write(&measuring, "models/two.onnx", &classifier(Dim::Fixed(64), 32, 8).encode_to_vec());
        let job = measuring.run();
        job.expect(100, &["no-baseline"]);
        let saved = fs::read(measuring.workspace().join(&job.outputs["report-json"])).unwrap();
        write(&merging, &format!("parts/{}.json", &part[..1]), &saved);
    }
    let job = merging.run();
    job.expect(100, &[]);
    assert_eq!(job.outputs["verdict"], "gate-failed");
    assert_eq!(report(&merging, &job).scenarios.len(), 2);
}

#[test]
fn a_release_is_signed_off() {
    let runner = runner("push", "signoff").input("launches", "2");
    let job = runner.run();
    job.expect(100, &["no-baseline"]);
    assert_eq!(job.outputs["verdict"], "gate-failed");
    for output in ["report-json", "markdown"] {
        let path = runner.workspace().join(&job.outputs[output]);
        assert!(fs::read_to_string(&path).unwrap().contains(ID), "{}", path.display());
    }
    assert!(runner.workspace().join("nongemm-signoff/signoff.html").is_file());
}
