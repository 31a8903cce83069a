//! `compare` on real processes and a real ONNX Runtime: each way of naming two sides, and what goes wrong with it.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nongemm::onnx::proto::ModelProto;
use nongemm::report::{Design, FindingCode, Report, ScenarioResult, Severity, Verdict};
use support::models::{Dim, classifier, node};
use support::project::{Outcome, Project};

/// Timings disturb each other, so one test that judges them runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What takes a moment to measure: the fewest pairs that can turn the gate red, and few iterations.
const QUICK: [&str; 4] = ["--pairs", "8", "--iterations", "4"];

/// Four operators, most of them of half a millisecond or more: above the clock's floor, and enough to tell the machine.
fn large() -> ModelProto {
    with_erfs(1)
}

/// The same with so many Erf in a row.
fn with_erfs(count: usize) -> ModelProto {
    let mut model = classifier(Dim::Fixed(1024), 256, 1024);
    let nodes = &mut model.graph.as_mut().unwrap().node;
    let names: Vec<String> =
        (0..=count).map(|n| if n == 0 { "shift_out".into() } else { format!("erf_{n}") }).collect();
    let erfs = names.windows(2).map(|two| node(&two[1], "Erf", &[&two[0]], &[&two[1]]));
    let sine = node("sine", "Sin", &[&names[count]], &["squash_out"]);
    nodes.splice(2..3, erfs.chain([sine]));
    model
}

/// A small one that nobody times.
fn small() -> ModelProto {
    classifier(Dim::Fixed(8), 64, 16)
}

const SUITE: &str = "[suite]\nmodels = [\"models/*.onnx\"]\n";

fn git(project: &Project, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").current_dir(project.path()).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Everything of the project is committed as `message`.
fn commit(project: &Project, message: &str) {
    git(project, &["add", "--all"]);
    git(project, &["commit", "--quiet", "--message", message]);
}

/// A repository whose only commit has this configuration and model.
fn repository(configuration: &str, model: &ModelProto) -> Project {
    let project = Project::new(configuration);
    git(&project, &["init", "--quiet"]);
    project.write(".gitignore", b".nongemm\n*.json\n*.md\n");
    project.write_model("models/one.onnx", model);
    commit(&project, "first");
    project
}

fn compare(project: &Project, arguments: &[&str]) -> Outcome {
    project.run(&[&["compare"], arguments, &QUICK, &["--save", "report.json"]].concat())
}

fn saved(project: &Project) -> Report {
    Report::read(&project.path().join("report.json")).unwrap()
}

/// What the user has: changes that are staged and those that are not, branch, stash, and the list of worktrees.
fn state(project: &Project) -> [String; 3] {
    [
        git(project, &["status", "--porcelain=v2", "--branch", "--untracked-files=all"]),
        git(project, &["diff", "--cached", "--stat"]),
        git(project, &["worktree", "list"]),
    ]
}

#[test]
fn a_revision_against_a_slower_working_tree_fails_and_blames_the_operator() {
    let _alone = alone();
    let project = repository(SUITE, &large());
    project.write_model("models/one.onnx", &with_erfs(9));
    project.write("staged.txt", b"staged");
    git(&project, &["add", "staged.txt"]);
    project.write("staged.txt", b"and changed since");
    let before = state(&project);
    let outcome = compare(&project, &["--base", "main", "--markdown", "report.md"]);
    outcome
        .expect(100, &["structure-changed", "operator-regressed", "Erf", "main (", "The gate failed: 1 of 1 scenario"]);
    assert_eq!(state(&project), before, "index, files or worktrees were touched");

    let report = saved(&project);
    let sides = report.sides.as_ref().unwrap();
    assert_eq!(sides.base.revision.as_deref(), Some(git(&project, &["rev-parse", "main"]).trim()));
    assert_eq!(
        (sides.base.configuration.as_deref(), sides.head.label.as_str()),
        (Some("nongemm.toml"), "the working tree")
    );
    let gate = report.gate.as_ref().unwrap();
    assert_eq!((gate.looks.as_slice(), gate.looks_done, gate.confirmed.len()), (&[8][..], 1, 1));
    assert!(gate.wall_s > 1.0 && gate.expected_s.is_some(), "{gate:?}");
    let blamed: Vec<_> = report.scenarios[0]
        .findings
        .iter()
        .filter(|finding| finding.code == FindingCode::OperatorRegressed && finding.severity == Severity::Error)
        .map(|finding| finding.operator.as_ref().unwrap().0.as_str())
        .collect();
    assert_eq!(blamed, ["ai.onnx:Erf"], "{:#?}", report.scenarios[0].findings);
    let markdown = fs::read_to_string(project.path().join("report.md")).unwrap();
    for text in ["| base | main (", "8 pairs of launches", "**regressed**", "compare --base main"] {
        assert!(markdown.contains(text), "{text} in {markdown}");
    }
    // It can be shown again, and is no part of a whole.
    let shown = project.run(&["report", "report.json"]);
    shown.expect(0, &["base → head", "regressed", "base: main ("]);
    project.run(&["merge", "report.json"]).expect(101, &["report.json is of `compare`", "cannot be merged"]);
    // What was measured of the head may be accepted.
    project.run(&["accept", "--force"]).expect(0, &["one@cpu-fp32-all-t1"]);
}

#[test]
fn a_revision_against_the_same_holds() {
    let _alone = alone();
    let project = repository(SUITE, &large());
    compare(&project, &["--base", "HEAD"]).expect(0, &[]);
    assert_alike(&saved(&project));
}

/// A shared machine may be too noisy to show that nothing changed; what it must not do is blame anything.
fn assert_alike(report: &Report) {
    let scenario = &report.scenarios[0];
    let comparison = scenario.comparison.as_ref().unwrap();
    assert!(comparison.structure.is_empty() && comparison.causes.is_empty(), "{comparison:#?}");
    assert!(scenario.verdicts.iter().all(|judged| judged.verdict != Verdict::Regressed), "{:#?}", scenario.verdicts);
    assert_eq!(comparison.design, Design::Paired { pairs: 8 });
    assert_eq!(scenario.verdicts.len(), 5, "four operators and the latency");
}

#[test]
fn scenarios_of_one_side_are_told_and_the_others_compared() {
    let project = repository(SUITE, &small());
    project.write_model("models/gone.onnx", &small());
    commit(&project, "second");
    fs::rename(project.path().join("models/gone.onnx"), project.path().join("models/new.onnx")).unwrap();
    let said = ["gone@cpu-fp32-all-t1 is gone", "new-scenario", "1 new, 1 gone"];
    compare(&project, &["--base", "main"]).expect(0, &said);
    let report = saved(&project);
    let sides = report.sides.unwrap();
    assert_eq!(sides.new[0].0, "new@cpu-fp32-all-t1");
    assert_eq!(sides.gone[0].0, "gone@cpu-fp32-all-t1");
    let compared: Vec<bool> = report.scenarios.iter().map(|scenario| scenario.comparison.is_some()).collect();
    assert_eq!(compared.len(), 2);
    assert!(report.scenarios.iter().all(|one| matches!(one.result, ScenarioResult::Measured { .. })));
    assert_eq!(compared.iter().filter(|compared| **compared).count(), 1);
    // A selection may name what one side alone has.
    compare(&project, &["--base", "main", "new", "one"]).expect(0, &["1 new"]);
    compare(&project, &["--base", "main", "gone"]).expect(4, &["no scenario stands on both sides", "gone@cpu"]);
    compare(&project, &["--base", "main", "none"]).expect(2, &["no scenario or model matches `none`"]);
}

#[test]
fn a_side_that_cannot_be_launched_is_named_and_the_others_go_on() {
    let project = repository(SUITE, &small());
    project.write("models/two.onnx", b"garbage");
    project.write("models/three.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 4\n");
    commit(&project, "broken");
    project.write_model("models/two.onnx", &small());
    let outcome = compare(&project, &["--base", "main"]);
    outcome.expect(
        101,
        &["base: ", "two.onnx", "Git LFS pointer", "git lfs pull", "2 of 3 scenarios could not be measured"],
    );
    let report = saved(&project);
    let compared = report.scenarios.iter().find(|one| one.id.0.starts_with("one@")).unwrap();
    assert!(compared.comparison.is_some());
}

#[cfg(unix)]
#[test]
fn generated_models_are_made_in_both_trees_by_their_own_configuration() {
    let configuration =
        |from: &str| format!("{SUITE}[compare]\nprepare = \"mkdir -p models; cp {from} models/made.onnx\"\n");
    let project = repository(&configuration("model.bin"), &small());
    project.write(".gitignore", b".nongemm\n*.json\nmodels/made.onnx\n");
    project.write_model("model.bin", &small());
    git(&project, &["rm", "--quiet", "-r", "models"]);
    commit(&project, "generated");
    let mut model = small();
    model.graph.as_mut().unwrap().node[2] = node("squash", "Sin", &["shift_out"], &["squash_out"]);
    project.write_model("other.bin", &model);
    let text = format!("{}[measure]\nwarmup = 1\n", configuration("other.bin"));
    project.write("nongemm.toml", text.as_bytes());
    compare(&project, &["--base", "main"]).expect(100, &["Preparing the base: mkdir", "Sin", "Erf", "made@cpu"]);
    assert!(project.path().join("models/made.onnx").is_file());

    let failing = "[suite]\nmodels = [\"models/*.onnx\"]\n[compare]\nprepare = \"echo no exporter >&2; exit 3\"\n";
    project.write("nongemm.toml", failing.as_bytes());
    let before = state(&project);
    compare(&project, &["--base", "main"]).expect(101, &["failed on the head", "exit status: 3", "no exporter"]);
    let hanging = "[suite]\nmodels = [\"models/*.onnx\"]\n[compare]\nprepare = \"echo still exporting; sleep 100\"\n\
                   prepare-timeout-s = 0.3\n";
    project.write("nongemm.toml", hanging.as_bytes());
    compare(&project, &["--base", "main"]).expect(101, &["still running on the head", "still exporting"]);
    assert_eq!(state(&project)[2], before[2], "a worktree was left");
}

#[test]
fn a_revision_that_is_none() {
    let project = repository(SUITE, &small());
    compare(&project, &["--base", "mian"]).expect(101, &["`mian` is no revision"]);
    let outside = Project::new(SUITE);
    outside.write_model("models/one.onnx", &small());
    compare(&outside, &["--base", "main"]).expect(101, &["is in no git repository"]);
    let from = format!("file://{}", project.path().display());
    project.write("later.txt", b"");
    commit(&project, "later");
    git(&project, &["tag", "old", "HEAD~1"]);
    git(&project, &["clone", "--quiet", "--depth=1", &from, "shallow"]);
    let output =
        project.nongemm(&["compare", "--base", "old"]).current_dir(project.path().join("shallow")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(101), "{stderr}");
    assert!(stderr.contains("shallow clone") && stderr.contains("fetch-depth: 0"), "{stderr}");
    let output = project.nongemm(&["compare", "--base", "main"]).env("PATH", project.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(101) && stderr.contains("git is not installed"), "{stderr}");
}

#[test]
fn a_base_with_a_configuration_that_cannot_be() {
    let project = repository("[suit]\n", &small());
    project.write("nongemm.toml", SUITE.as_bytes());
    let outcome = compare(&project, &["--base", "main"]);
    outcome.expect(101, &["the configuration of main (", "unknown key `suit`", "nongemm.toml:1:2"]);
}

#[test]
fn two_files_are_compared_whatever_they_are_called() {
    let _alone = alone();
    let project = Project::new("[suite]\nmodels = []\n");
    let mut model = large();
    project.write_model("old.onnx", &model);
    model.graph.as_mut().unwrap().node[2] = node("cosine", "Cos", &["shift_out"], &["erf_1"]);
    project.write_model("new.onnx", &model);
    let outcome = compare(&project, &["old.onnx", "new.onnx"]);
    outcome
        .expect(100, &["base: old.onnx", "head: new.onnx", "structure-changed", "Cos", "Erf", "new@cpu-fp32-all-t1"]);
    let report = saved(&project);
    assert_eq!(report.sides.unwrap().arguments[..2], ["old.onnx", "new.onnx"]);
    compare(&project, &["old.onnx", "none.onnx"]).expect(2, &["`none.onnx` is no file"]);
}

#[test]
fn two_values_of_a_dimension_show_what_the_optimizer_does() {
    let project = Project::new(SUITE);
    project.write_model("models/one.onnx", &small());
    let flags = ["--base-optimization", "disable", "--head-optimization", "all"];
    // MatMul and Add become one Gemm.
    let outcome = compare(&project, &flags);
    outcome.expect(100, &["base: optimization disable", "structure-changed", "Gemm", "MatMul", "one@cpu-fp32-all-t1"]);
}

#[test]
fn two_configurations_are_matched_by_what_they_have_in_common() {
    let project = Project::new(SUITE);
    project.write_model("models/one.onnx", &small());
    project.write("other.toml", format!("{SUITE}threads = 2\n[measure]\nwarmup = 1\n").as_bytes());
    let flags = ["--base-config", "nongemm.toml", "--head-config", "other.toml", "--message-format", "json"];
    let outcome = compare(&project, &flags);
    let report = Report::from_json(outcome.stdout.as_bytes()).unwrap();
    assert_eq!(report.scenarios[0].id.0, "one@cpu-fp32-all-t2", "{outcome:#?}");
    assert!(report.scenarios[0].comparison.as_ref().unwrap().structure.is_empty());
    assert_eq!(report.sides.unwrap().base.label, "nongemm.toml");
}

#[test]
fn two_saved_reports_are_compared_without_measuring() {
    let project = Project::new(SUITE);
    project.write_model("models/one.onnx", &small());
    project.run(&["run", "--save", "base.json"]).expect(0, &[]);
    let mut model = small();
    model.graph.as_mut().unwrap().node[2] = node("squash", "Sin", &["shift_out"], &["squash_out"]);
    project.write_model("models/one.onnx", &model);
    project.write_model("models/two.onnx", &model);
    project.run(&["run", "--save", "head.json"]).expect(0, &[]);
    let same = project.run(&["compare", "base.json", "base.json", "--save", "report.json"]);
    same.expect(0, &["not measured in turns", "1 of 1 scenario holds to the base"]);
    let outcome = project.run(&["compare", "base.json", "head.json", "--save", "report.json"]);
    outcome.expect(100, &["structure-changed", "Sin", "1 new", "base: base.json"]);
    assert!(saved(&project).gate.is_none());
    // Times of another machine class are never judged.
    let text = fs::read_to_string(project.path().join("base.json")).unwrap();
    let line = text.lines().find(|line| line.contains("\"instruction_set\"")).unwrap();
    project.write("base.json", text.replace(line, "\"instruction_set\": \"sse2\",").as_bytes());
    project.run(&["compare", "base.json", "head.json"]).expect(0, &["fingerprint-differs", "sse2"]);
    project.run(&["compare", "base.json", "none.json"]).expect(101, &["cannot read the report none.json"]);
}

#[test]
fn the_same_runtime_on_both_sides_is_green() {
    let _alone = alone();
    let project = Project::new(SUITE);
    project.write_model("models/one.onnx", &large());
    project.run(&["run", "--save", "run.json"]).expect(0, &[]);
    let doctor = project.run(&["doctor", "--message-format", "json"]);
    let doctor: serde_json::Value = serde_json::from_str(&doctor.stdout).unwrap();
    let path = doctor["runtime"]["library"]["path"].as_str().unwrap();
    let outcome = compare(&project, &["--base-runtime", path, "--head-runtime", path]);
    outcome.expect(0, &[path]);
    assert_alike(&saved(&project));
}

#[test]
fn two_releases_of_the_runtime_one_of_them_installed_for_it() {
    let project = Project::new(SUITE);
    project.write_model("models/one.onnx", &small());
    let outcome = compare(&project, &["--base-runtime", "1.30.0", "--head-runtime", "1.31.1"]);
    assert!(matches!(outcome.code, Some(0 | 100)), "{outcome:#?}");
    let sides = saved(&project).sides.unwrap();
    assert_eq!((sides.base.onnxruntime.as_str(), sides.head.onnxruntime.as_str()), ("1.30.0", "1.31.1"));
    let causes = &saved(&project).scenarios[0].comparison.as_ref().unwrap().causes.clone();
    assert!(causes.iter().any(|cause| cause.what == "onnxruntime" && cause.base == "1.30.0"), "{causes:?}");
    compare(&project, &["--head-runtime", "1.30.0", "--offline"]).expect(0, &["head: ONNX Runtime 1.30.0"]);
    let offline = ["--base-runtime", "1.27.99", "--offline"];
    compare(&project, &offline).expect(101, &["1.27.99 is not in the cache", "without --offline"]);
    compare(&project, &["--base-runtime", "1.20.0"]).expect(101, &["1.25.0 or newer"]);
    compare(&project, &["--base-runtime", "none.so"]).expect(101, &["none.so", "--base-runtime"]);
}

#[test]
fn a_plan_is_shown_without_measuring() {
    let project = repository(SUITE, &small());
    let before = state(&project);
    let plan = project.run(&["compare", "--base", "main", "--dry-run"]);
    let said = ["base: main (", "head: the working tree", "one@cpu-fp32-all-t1", "after 8, 12, 20 pairs", "about"];
    plan.expect(0, &said);
    let json = project.run(&["compare", "--base", "main", "--dry-run", "--pairs", "9", "--message-format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["pairs"][0], &json["scenarios"][0]["base"]), (&9.into(), &"one@cpu-fp32-all-t1".into()));
    assert_eq!(state(&project), before);
    assert!(!project.path().join(".nongemm").exists(), "nothing was measured");
}

#[test]
fn what_names_no_two_sides_is_told_the_ways() {
    let project = Project::new(SUITE);
    project.write_model("models/one.onnx", &small());
    for arguments in [&[][..], &["one"], &["a.json"], &["--base", "main", "--head-runtime", "1.30.0"]] {
        project
            .run(&[&["compare"], arguments].concat())
            .expect(2, &["compare --base REVISION", "compare OLD.onnx NEW.onnx"]);
    }
    project.run(&["compare", "--base", "main", "--pairs", "6"]).expect(2, &["6 pairs cannot turn the gate red"]);
    project.run(&["compare", "--base-threads", "0"]).expect(2, &["base-threads"]);
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_keeps_what_is_known_and_leaves_no_worktree() {
    let project = repository(SUITE, &small());
    let before = state(&project);
    let arguments =
        ["compare", "--base", "main", "--iterations", "100000", "--time-budget", "300", "--save", "report.json"];
    let parent = Command::new(env!("CARGO_BIN_EXE_cargo-nongemm"))
        .args(arguments)
        .current_dir(project.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid = i32::try_from(parent.id()).unwrap();
    let start = std::time::Instant::now();
    while !has_launch(pid) {
        assert!(start.elapsed().as_secs() < 120, "no launch was started");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // SAFETY: sends a signal to a process that this test started.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let output = parent.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let report = saved(&project);
    let ScenarioResult::Failed { reason, .. } = &report.scenarios[0].result else { panic!("{report:#?}") };
    assert!(reason.contains("interrupted after 0 of up to 20 pairs"), "{reason}");
    assert_eq!(state(&project), before);
}

/// True once a child of the process is a launch.
fn has_launch(parent: i32) -> bool {
    let children = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(&parent.to_string()))
    });
    children.into_iter().any(|entry| {
        let arguments = fs::read(Path::new(&entry.path()).join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains("__launch")
    })
}
