//! Rules, trailers and budgets of whole projects.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::fs;
use std::process::Command;

use nongemm::report::{FindingCode, Report, Severity};
use support::models::{Dim, classifier};
use support::project::{Outcome, Project};

const SUITE: &str = "[suite]\nmodels = [\"classifier.onnx\"]\n";

/// A project in a repository of its own whose baseline is of a model with Erf, and whose model has Sin now. What it does
/// is too little to be a matter of time.
fn changed() -> Project {
    let project = Project::new(SUITE);
    let mut model = classifier(Dim::Fixed(4), 8, 16);
    project.write_model("classifier.onnx", &model);
    git(&project, &["init", "--quiet"]);
    commit(&project, "first");
    project.run(&["run"]).expect(0, &[]);
    project.run(&["accept", "--force"]).expect(0, &[]);
    let squash = &mut model.graph.as_mut().unwrap().node[2];
    assert_eq!(squash.op_type(), "Erf");
    squash.op_type = Some("Sin".into());
    project.write_model("classifier.onnx", &model);
    project
}

fn git(project: &Project, arguments: &[&str]) {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
    let done = Command::new("git")
        .current_dir(project.path())
        .args(identity)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .status();
    assert!(done.unwrap().success(), "{arguments:?}");
}

fn commit(project: &Project, message: &str) {
    git(project, &["commit", "--quiet", "--allow-empty", "--message", message]);
}

fn configure(project: &Project, more: &str) {
    let short = "[measure]\nlaunches = 2\nwarmup = 1\niterations = { min = 2, max = 3 }\n";
    project.write("nongemm.toml", format!("{SUITE}\n{short}\n{more}").as_bytes());
}

fn check(project: &Project) -> Outcome {
    let mut command = project.nongemm(&["check", "--save", "report.json", "--markdown", "report.md"]);
    let output = command.env_remove("GITHUB_EVENT_NAME").output().unwrap();
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Severities of the structural findings, and how many of them carry a ruling.
fn structure(project: &Project) -> (Vec<Severity>, usize) {
    let report = Report::read(&project.path().join("report.json")).unwrap();
    let findings: Vec<_> =
        report.scenarios[0].findings.iter().filter(|f| f.code == FindingCode::StructureChanged).collect();
    let ruled = findings.iter().filter(|finding| finding.ruling.is_some()).count();
    (findings.iter().map(|finding| finding.severity).collect(), ruled)
}

#[test]
fn a_commit_allows_what_it_names_and_the_report_says_so() {
    let project = changed();
    check(&project).expect(100, &["ai.onnx:Erf vanished", "ai.onnx:Sin appeared"]);
    assert_eq!(structure(&project), (vec![Severity::Error; 2], 0));

    commit(
        &project,
        "Another function\n\nNongemm-Allow: classifier*/Sin smoother\nNongemm-Allow: classifier*/Erf gone",
    );
    check(&project).expect(0, &["allowed by commit ", "(classifier*/Sin): smoother"]);
    assert_eq!(structure(&project), (vec![Severity::Note; 2], 2));
    let markdown = fs::read_to_string(project.path().join("report.md")).unwrap();
    assert!(markdown.contains("allowed by commit ") && markdown.contains("smoother"), "{markdown}");

    configure(&project, "[gate]\ntrailers = false");
    check(&project).expect(100, &["structure-changed"]);

    configure(&project, "");
    commit(&project, "Mistyped\n\nNongemm-Allow: classifier smoother\nNongemm-Allow: clasifier*/Sin smoother");
    let said =
        ["`Nongemm-Allow: classifier smoother` allows nothing", "`clasifier*/Sin`, which commit", "matches nothing"];
    check(&project).expect(100, &said);
}

#[test]
fn rules_of_the_configuration_hold_until_they_expire() {
    let project = changed();
    let rule = |more: &str| {
        format!("[[rule]]\nlevel = \"allow\"\noperator = \"ai.onnx:{{Erf,Sin}}\"\nreason = \"on trial\"\n{more}\n")
    };
    configure(&project, &rule("expires = \"2999-12-31\""));
    check(&project).expect(0, &["allowed by rule 1 (*/ai.onnx:{Erf,Sin}, until 2999-12-31): on trial"]);

    configure(&project, &rule("expires = \"2001-12-31\""));
    check(&project).expect(100, &["rule 1, `*/ai.onnx:{Erf,Sin}` (until 2001-12-31); it no longer applies"]);

    let last_wins = format!("{}[[rule]]\nlevel = \"deny\"\noperator = \"Sin\"\n", rule(""));
    configure(&project, &last_wins);
    check(&project).expect(100, &["allowed by rule 1"]);
    assert_eq!(structure(&project), (vec![Severity::Error, Severity::Note], 1));

    configure(&project, &format!("{}[[rule]]\nlevel = \"deny\"\noperator = \"Gelu\"\n", rule("scenario = \"class*\"")));
    check(&project).expect(0, &["rule 2, `*/Gelu` matches nothing in the suite"]);
}

#[test]
fn budgets_name_machines_and_groups() {
    let project = Project::new(SUITE);
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(4), 8, 16));
    let budget = |machine: &str| {
        format!("[gate]\nmissing-baseline = \"warn\"\n[[budget]]\nscenario = \"*\"\n{machine}max-latency-ms = 0.0001\n")
    };
    configure(&project, &budget(""));
    check(&project).expect(0, &["warning[budget-exceeded]", "no failure on"]);
    configure(&project, &budget("machine = \"beos-*\"\n"));
    let elsewhere = check(&project);
    elsewhere.expect(0, &[]);
    assert!(!elsewhere.stdout.contains("budget-exceeded"), "{elsewhere:#?}");

    let group = "max-group-share = { element-wise = 0.0 }";
    configure(&project, &format!("[gate]\nmissing-baseline = \"warn\"\n[[budget]]\nscenario = \"*\"\n{group}\n"));
    check(&project).expect(100, &["the share of element-wise is"]);
}
