//! The action's steps, run as a runner runs them: what reaches the program, and where the program comes from. The program
//! is one that writes down how it was called; what the real one does with it is in `tests/action_program.rs`.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod workflow;

use std::collections::BTreeMap;
use std::fs;

use workflow::runner::{Job, Runner, TOKEN};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A program of the wanted version that keeps its arguments and its token in the runner's temporary folder, and ends as
/// `FAKE_CODE` says.
const PROGRAM: &str = r#"
if [ "$1" = --version ]; then echo "cargo-nongemm ${FAKE_VERSION}"; exit; fi
printf '%s\0' "$@" >"${RUNNER_TEMP}/called"
printf '%s' "${GITHUB_TOKEN-none}" >"${RUNNER_TEMP}/token"
if [ -n "${FAKE_VERDICT-}" ]; then printf 'verdict<<end\n%s\nend\n' "${FAKE_VERDICT}" >>"${GITHUB_OUTPUT}"; fi
exit "${FAKE_CODE:-0}"
"#;

/// A job with that program on PATH.
fn runner(event: &str, mode: &str) -> Runner {
    Runner::new(event).environment("FAKE_VERSION", VERSION).program("cargo-nongemm", PROGRAM).input("mode", mode)
}

/// How the program was called; `None` where it was not.
fn called(runner: &Runner) -> Option<Vec<String>> {
    let text = fs::read_to_string(runner.temp_folder().join("called")).ok()?;
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

/// The job, which must have ended well, and how the program was called.
#[track_caller]
fn arguments(runner: &Runner) -> Vec<String> {
    runner.run().expect(0, &[]);
    called(runner).unwrap()
}

/// The job, which must have failed before the program was called, with this said.
#[track_caller]
fn refused(runner: &Runner, code: i32, said: &str) -> Job {
    let job = runner.run();
    job.expect(code, &[said]);
    assert_eq!(called(runner), None);
    job
}

#[test]
fn check_needs_no_inputs() {
    let expected = ["check", "--github", "--save=nongemm-report.json", "--markdown=nongemm-report.md"];
    assert_eq!(arguments(&runner("push", "check")), expected);
}

#[test]
fn inputs_become_flags() {
    let check = runner("push", "check")
        .input("config", "ci/nongemm.toml")
        .input("tier", "standard")
        .input("partition", "2/5")
        .input("launches", "7")
        .input("onnxruntime-version", "1.30.0")
        .input("self-test", "true")
        .input("comment", "true")
        .input("check-run", "true")
        .input("require-comment", "true")
        .input("comment-id", "gpu")
        .input("report", "out/r.json")
        .input("markdown", "out/r.md")
        .input("arguments", "--provider=cpu\n--batch=1,8");
    let expected = [
        "check",
        "--config=ci/nongemm.toml",
        "--onnxruntime=1.30.0",
        "--tier=standard",
        "--partition=2/5",
        "--launches=7",
        "--self-test",
        "--comment",
        "--check-run",
        "--require-comment",
        "--comment-id=gpu",
        "--github",
        "--save=out/r.json",
        "--markdown=out/r.md",
        "--provider=cpu",
        "--batch=1,8",
    ];
    assert_eq!(arguments(&check), expected);
    let compare = arguments(&runner("pull_request", "compare").input("pairs", "8,12"));
    assert!(compare.contains(&"--pairs=8,12".to_owned()), "{compare:?}");
}

#[test]
fn nothing_in_an_input_is_split_expanded_or_read_as_a_flag() {
    let hostile = "--save=/etc/passwd\n  a model's \"name\".onnx \n\n$(touch pwned)\n`touch pwned`; *\r\n-q\n${HOME}";
    let runner = runner("push", "check").input("selection", hostile).input("tier", "quick --offline\n::error::x");
    let arguments = arguments(&runner);
    let (flags, selection) = arguments.split_at(arguments.iter().position(|one| one == "--").unwrap());
    assert!(flags.contains(&"--tier=quick --offline\n::error::x".to_owned()), "{flags:?}");
    let expected =
        ["--", "--save=/etc/passwd", "a model's \"name\".onnx", "$(touch pwned)", "`touch pwned`; *", "-q", "${HOME}"];
    assert_eq!(selection, expected);
    assert_eq!(fs::read_dir(runner.workspace()).unwrap().count(), 0);
    assert!(!runner.run().log.lines().any(|line| line.starts_with("::error")), "an input speaks to the runner");
}

#[test]
fn a_pull_request_is_compared_with_the_base_of_its_event() {
    let base = format!("--base={}", "b".repeat(40));
    for event in ["pull_request", "pull_request.fork", "merge_group"] {
        let arguments = arguments(&runner(event, "compare"));
        assert!(arguments.contains(&base), "{event}: {arguments:?}");
    }
    let given = arguments(&runner("pull_request", "compare").input("base", "origin/release"));
    assert!(given.contains(&"--base=origin/release".to_owned()) && !given.contains(&base), "{given:?}");
    for event in ["push", "schedule"] {
        refused(&runner(event, "compare"), 2, "has no base to compare with: set the input `base`");
    }
    let runtimes = arguments(&runner("push", "compare").input("arguments", "--base-runtime=1.30.0"));
    assert!(!runtimes.iter().any(|argument| argument.starts_with("--base=")), "{runtimes:?}");
}

#[test]
fn an_input_that_the_mode_has_no_use_for_is_refused_before_anything_is_installed() {
    for (mode, input, value) in [
        ("compare", "partition", "1/2"),
        ("check", "pairs", "8"),
        ("check", "base", "main"),
        ("check", "reports", "a.json"),
        ("run", "comment", "true"),
        ("merge", "selection", "bert*"),
        ("comment", "tier", "quick"),
        ("signoff", "partition", "1/2"),
    ] {
        let job = refused(&runner("pull_request", mode).input(input, value), 2, &format!("`{input}` is not for"));
        assert_eq!(job.played(), ["Read the inputs"]);
    }
    refused(&runner("push", "measure"), 2, "it must be check, compare, run, merge, comment or signoff");
    refused(&runner("push", "check").input("comment", "yes"), 2, "it must be true or false");
    refused(&runner("push", "check").input("version", "1; rm -rf /"), 2, "it must be a version such as 0.1.0");
}

#[test]
fn the_exit_code_of_the_program_is_the_steps() {
    for code in [0, 2, 4, 100, 101, 130] {
        let runner = runner("push", "check").environment("FAKE_CODE", &code.to_string());
        let job = runner.run();
        assert_eq!(job.code(), code);
        assert_eq!(job.outputs["verdict"], "incomplete", "what holds where the program says nothing");
        assert_eq!(job.outputs["report-json"], "nongemm-report.json");
        assert!(job.played().contains(&"Cache ONNX Runtime"), "a red gate keeps what was installed");
    }
    let said = runner("push", "check").environment("FAKE_CODE", "100").environment("FAKE_VERDICT", "gate-failed").run();
    assert_eq!(said.outputs["verdict"], "gate-failed");
}

#[test]
fn the_program_has_a_token_only_where_it_posts() {
    for (mode, input, token) in [
        ("check", None, "none"),
        ("check", Some("comment"), TOKEN),
        ("check", Some("check-run"), TOKEN),
        ("run", None, "none"),
    ] {
        let mut runner = runner("pull_request", mode);
        if let Some(input) = input {
            runner = runner.input(input, "true");
        }
        let job = runner.run();
        assert_eq!(fs::read_to_string(runner.temp_folder().join("token")).unwrap(), token, "{mode} {input:?}");
        assert!(!job.log.contains(TOKEN));
    }
}

#[test]
fn reports_to_merge_are_files_and_globs_with_any_name() {
    let runner = runner("pull_request", "merge").input("reports", "parts/*.json\nother part.json");
    for name in ["parts/2.json", "parts/1 of 2.json", "other part.json", "parts/1.md"] {
        let file = runner.workspace().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "{}").unwrap();
    }
    let arguments = arguments(&runner);
    assert_eq!(arguments[4..], ["--", "parts/1 of 2.json", "parts/2.json", "other part.json"]);
    refused(&self::runner("push", "merge").input("reports", "none/*.json"), 101, "no file is called `none/*.json`");
    refused(&self::runner("push", "merge"), 2, "needs the input `reports`");
}

#[test]
fn a_working_directory_is_where_it_runs_and_what_outputs_begin_with() {
    let runner = runner("push", "run").input("working-directory", "services/the ranker");
    fs::create_dir_all(runner.workspace().join("services/the ranker")).unwrap();
    let job = runner.run();
    job.expect(0, &[]);
    assert_eq!(job.outputs["report-json"], "services/the ranker/nongemm-report.json");
    assert_eq!(job.outputs["markdown"], "services/the ranker/nongemm-report.md");
    assert_eq!(job.outputs["verdict"], "", "`run` judges nothing");
}

#[test]
fn signoff_has_a_folder_of_its_own() {
    let runner = runner("push", "signoff").input("arguments", "--previous=old.json");
    let job = runner.run();
    job.expect(0, &[]);
    assert_eq!(called(&runner).unwrap(), ["signoff", "--github", "--output=nongemm-signoff", "--previous=old.json"]);
    assert_eq!(job.outputs["report-json"], "nongemm-signoff/signoff.json");
}

#[test]
fn later_steps_have_the_program_and_the_cache() {
    let runner = runner("push", "check");
    let job = runner.run();
    let cache = runner.temp_folder().join("nongemm-cache");
    assert_eq!(job.environment["NONGEMM_CACHE_DIR"], cache.to_str().unwrap());
    assert!(job.path[0].join("cargo-nongemm").is_file(), "{:?}", job.path);
    let cached = with_of(&job, "Restore ONNX Runtime");
    assert_eq!(cached["path"], cache.to_str().unwrap());
    let another = self::runner("push", "check").input("onnxruntime-version", "1.30.0").run();
    assert_ne!(cached["key"], with_of(&another, "Restore ONNX Runtime")["key"]);
    let none = self::runner("push", "check").input("cache", "false").run();
    assert_eq!(none.played(), ["Read the inputs", "Find cargo-nongemm", "cargo nongemm"]);
}

/// What a step gives the action that it uses.
fn with_of(job: &Job, name: &str) -> BTreeMap<String, String> {
    let step = job.steps.iter().find(|step| step.name == name && !step.skipped).unwrap_or_else(|| panic!("{job:#?}"));
    step.uses.clone().unwrap().1
}

#[test]
fn what_is_on_path_is_taken_only_if_it_is_the_wanted_version() {
    // A cargo that would have to build it, and says so.
    let runner =
        runner("push", "check").environment("FAKE_VERSION", "0.0.1").program("cargo", "echo called: \"$@\"; exit 7");
    let job = runner.run();
    job.expect(7, &["is built from source", "called: install --locked --root", "--path"]);
    assert_eq!(called(&runner), None);
    let key = &with_of(&job, "Restore cargo-nongemm")["key"];
    assert!(key.starts_with("cargo-nongemm-") && key.contains("-test-"), "{key}");
    let asked =
        self::runner("push", "check").input("version", "v9.8.7").program("cargo", "echo called: \"$@\"; exit 7");
    asked.run().expect(7, &["cargo-nongemm --version 9.8.7"]);
}

#[test]
fn a_build_is_made_once() {
    let cargo = r#"
while [ "$1" != --root ]; do shift; done
mkdir -p "$2/bin"
printf '#!/bin/sh\n%s' "${FAKE_PROGRAM}" >"$2/bin/cargo-nongemm"
chmod +x "$2/bin/cargo-nongemm"
echo 'cargo was called'"#;
    let runner = Runner::new("push")
        .environment("FAKE_VERSION", VERSION)
        .environment("FAKE_PROGRAM", PROGRAM)
        .input("mode", "check")
        .program("cargo", cargo);
    let job = runner.run();
    job.expect(0, &["cargo was called"]);
    assert!(called(&runner).is_some());
    assert_eq!(with_of(&job, "Cache cargo-nongemm"), with_of(&job, "Restore cargo-nongemm"));
    // The folder is there now, as the cache would have restored it.
    let again = runner.run();
    again.expect(0, &["was built by an earlier run"]);
    assert!(!again.log.contains("cargo was called") && !again.played().contains(&"Cache cargo-nongemm"));
}
