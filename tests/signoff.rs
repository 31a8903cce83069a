//! Release sign-offs of whole projects, with real models on a real ONNX Runtime; and the other forms of a report.

#![allow(clippy::unwrap_used, dead_code)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use nongemm::report::signoff::{SignOff, Stated};
use nongemm::report::{Outcome, Report, ScenarioResult};
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::models::{Dim, classifier};
use support::project::{self, Project};

const SUITE: &str = "[suite]\nmodels = [\"classifier.onnx\"]\n";
const ID: &str = "classifier@cpu-fp32-all-t1";

/// A project in a repository of its own, tagged `v1.0.0`, whose baseline is of its model. What that does is too little to be
/// a matter of time.
fn project() -> Project {
    let project = Project::new(SUITE);
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(4), 8, 16));
    project.write(".gitignore", b"nongemm-signoff/\n");
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "-m", "first"]);
    git(&project, &["tag", "v1.0.0"]);
    run(&project, &["run"]).expect(0, &[]);
    run(&project, &["accept", "--force"]).expect(0, &[]);
    project
}

/// `cargo-nongemm ARGUMENTS`, outside of any workflow.
fn run(project: &Project, arguments: &[&str]) -> project::Outcome {
    let output = project.nongemm(arguments).env_remove("GITHUB_EVENT_NAME").output().unwrap();
    project::Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
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

/// The model with another function in it.
fn change_model(project: &Project) {
    let mut model = classifier(Dim::Fixed(4), 8, 16);
    model.graph.as_mut().unwrap().node[2].op_type = Some("Sin".into());
    project.write_model("classifier.onnx", &model);
}

fn sign_off(project: &Project, folder: &str) -> SignOff {
    SignOff::read(&project.path().join(folder).join("signoff.json")).unwrap()
}

fn text(project: &Project, name: &str) -> String {
    fs::read_to_string(project.path().join(name)).unwrap()
}

fn exists(project: &Project, name: &str) -> bool {
    project.path().join(name).exists()
}

#[test]
fn a_release_that_holds_to_its_baselines_is_signed_off_with_all_that_is_known_of_it() {
    let project = project();
    run(&project, &["signoff"]).expect(0, &["Wrote", "signoff.html", "Pass: 1 of 1 scenario"]);
    let signed = sign_off(&project, "nongemm-signoff");
    assert_eq!((signed.report.outcome, signed.exit_code), (Outcome::Pass, 0));
    assert_eq!(signed.facts.release.as_deref(), Some("v1.0.0"));
    let revision = signed.facts.revision.unwrap();
    assert!(revision.clean && revision.commit.len() == 40, "{revision:?}");
    assert_eq!((signed.policy.stated, signed.policy.min_effect), (Stated::WhenMeasured, 0.25));
    assert!(signed.policy.configuration.ends_with("nongemm.toml"));
    let ScenarioResult::Measured { summary } = &signed.report.scenarios[0].result else { panic!() };
    assert_eq!(summary.latency_us.len(), 4, "twice the launches of a check");
    let model = fs::read(project.path().join("classifier.onnx")).unwrap();
    let hash: String = Sha256::digest(&model).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(summary.model_sha256, hash);
    for name in ["nongemm-signoff/signoff.html", "nongemm-signoff/signoff.md"] {
        let text = text(&project, name);
        for said in ["v1.0.0", &hash, &revision.commit, "with the weights stored there", "standard errors"] {
            assert!(text.contains(said), "{said} is not in {name}:\n{text}");
        }
    }
    assert!(text(&project, "nongemm-signoff/signoff.html").contains("Signed off"));

    // What was measured waits for `accept`, as after a check.
    run(&project, &["pending"]).expect(0, &[ID]);
    project.write("classifier.onnx", &[&model[..], b"\x08\x0a"].concat());
    run(&project, &["signoff", "--release", "v1.0.1", "classifier"]).expect(0, &[]);
    let again = sign_off(&project, "nongemm-signoff");
    assert!(!again.facts.revision.unwrap().clean, "a tracked file has changed");
    assert_eq!(
        (again.facts.release.as_deref(), again.facts.selection),
        (Some("v1.0.1"), vec!["classifier".to_owned()])
    );
}

#[test]
fn a_release_that_fails_the_gate_is_not_signed_off_and_is_compared_with_the_one_before() {
    let project = project();
    run(&project, &["signoff", "-o", "first"]).expect(0, &[]);
    change_model(&project);
    let second = ["signoff", "--release", "v1.1.0", "--previous", "first/signoff.json", "-o", "second"];
    run(&project, &second).expect(100, &["Comparing", "with v1.0.0 of ", "structure-changed"]);
    let signed = sign_off(&project, "second");
    assert_eq!((signed.report.outcome, signed.exit_code), (Outcome::GateFailed, 100));
    let previous = signed.previous.unwrap();
    assert!(previous.same_machine_class && previous.differences.is_empty(), "{:?}", previous.differences);
    assert_eq!((previous.outcome, previous.scenarios.len()), (Outcome::Pass, 1));
    let since = &previous.scenarios[0];
    let mut differing: Vec<&str> =
        since.comparison.structure.iter().map(|difference| difference.key().0.as_str()).collect();
    differing.sort_unstable();
    assert_eq!(differing, ["ai.onnx:Erf", "ai.onnx:Sin"], "one vanished, one appeared");
    assert!(since.comparison.latency.base_us > 0.0 && since.non_gemm_then > 0.0 && since.non_gemm_now > 0.0);
    assert_eq!(since.comparison.causes[0].what, "model");
    let page = text(&project, "second/signoff.html");
    for said in ["Not signed off", "Since v1.0.0", "structure-changed", "Sin"] {
        assert!(page.contains(said), "{said}");
    }
    assert!(text(&project, "second/signoff.md").contains("## Since v1.0.0"));
}

#[test]
fn a_sign_off_of_another_machine_class_is_shown_and_said_to_tell_nothing_of_times() {
    let project = project();
    run(&project, &["signoff", "-o", "first"]).expect(0, &[]);
    let mut before = sign_off(&project, "first");
    before.report.machine.fingerprint = "beos-ppc-altivec-cpu".into();
    before.report.machine.os = "beos".into();
    let mut bytes = Vec::new();
    before.write_json(&mut bytes).unwrap();
    project.write("elsewhere.json", &bytes);
    run(&project, &["signoff", "--previous", "elsewhere.json"])
        .expect(0, &["another class of machine (beos-ppc-altivec-cpu"]);
    assert!(!sign_off(&project, "nongemm-signoff").previous.unwrap().same_machine_class);
}

#[test]
fn what_cannot_be_compared_with_and_where_nothing_can_be_written_is_refused_before_anything_is_measured() {
    let project = Project::new(SUITE);
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(4), 8, 16));
    run(&project, &["signoff", "-o", "first"]).expect(100, &["no-baseline"]);
    let good = text(&project, "first/signoff.json");
    project.write("damaged.json", &good.as_bytes()[..good.len() / 2]);
    project.write("newer.json", good.replacen("\"schema\": 2", "\"schema\": 9", 1).as_bytes());
    project.write("older.json", good.replacen("\"schema\": 2", "\"schema\": 1", 1).as_bytes());
    project.write("other.json", good.replace("classifier@", "ranker@").as_bytes());
    project.write("report.json", b"{\"schema\": 3, \"scenarios\": []}");
    for (file, said) in [
        ("damaged.json", "damaged.json:"),
        ("newer.json", "sign-off schema 9, but this cargo-nongemm reads schema 2"),
        ("older.json", "sign-off schema 1, but this cargo-nongemm reads schema 2"),
        ("other.json", "it is of another suite: it has none of the 1 scenario to be signed off now"),
        ("report.json", "no release sign-off"),
        ("missing.json", "cannot read the sign-off missing.json"),
    ] {
        let outcome = run(&project, &["signoff", "--previous", file, "-o", "second"]);
        outcome.expect(101, &[said]);
        assert!(!outcome.stderr.contains("Measuring"), "{outcome:?}");
    }
    assert!(!exists(&project, "second"));
    let nowhere = run(&project, &["signoff", "-o", "nongemm.toml/out"]);
    nowhere.expect(101, &["cannot write into nongemm.toml/out"]);
    assert!(!nowhere.stderr.contains("Measuring"), "{nowhere:?}");
}

#[test]
fn a_saved_report_of_the_gate_is_signed_off_without_measuring() {
    let project = project();
    run(&project, &["check", "--save", "report.json"]).expect(0, &[]);
    let from = run(&project, &["signoff", "--from", "report.json", "--release", "v1.0.0"]);
    from.expect(0, &["signoff.json"]);
    assert!(!from.stderr.contains("Measuring"), "{from:?}");
    let signed = sign_off(&project, "nongemm-signoff");
    assert_eq!(signed.report, Report::read(&project.path().join("report.json")).unwrap());
    assert_eq!((signed.policy.stated, signed.facts.from.as_deref()), (Stated::WhenSignedOff, Some("report.json")));
    assert!(text(&project, "nongemm-signoff/signoff.html").contains("nothing was measured here"));

    // Whatever a file says of itself: the verdict is made of its findings.
    let mut failed = signed.report;
    change_model(&project);
    run(&project, &["check", "--save", "failed.json"]).expect(100, &[]);
    failed.scenarios = Report::read(&project.path().join("failed.json")).unwrap().scenarios;
    let mut bytes = Vec::new();
    failed.write_json(&mut bytes).unwrap();
    project.write("forged.json", &bytes);
    run(&project, &["signoff", "--from", "forged.json"]).expect(100, &["The gate failed"]);
    run(&project, &["signoff", "--from", "report.json", "--launches", "3"]).expect(2, &["--launches"]);
    run(&project, &["signoff", "--from", "report.json", "classifier"]).expect(2, &["SELECTION"]);
}

#[test]
fn parts_of_a_suite_are_signed_off_joined_and_not_alone() {
    let project = Project::new("[suite]\nmodels = [\"a.onnx\", \"b.onnx\"]\n[gate]\nmissing-baseline = \"warn\"\n");
    for name in ["a.onnx", "b.onnx"] {
        project.write_model(name, &classifier(Dim::Fixed(4), 8, 16));
    }
    run(&project, &["check", "--partition", "1/2", "--save", "1.json"]).expect(0, &[]);
    run(&project, &["check", "--partition", "2/2", "--save", "2.json"]).expect(0, &[]);
    run(&project, &["signoff", "--from", "1.json"]).expect(101, &["1.json cannot be signed off", "part 1/2", "merge"]);
    run(&project, &["run", "a", "--save", "run.json"]).expect(0, &[]);
    run(&project, &["signoff", "--from", "run.json"]).expect(101, &["it is of `run`", "check --save"]);
    assert!(!exists(&project, "nongemm-signoff"));
    run(&project, &["merge", "1.json", "2.json", "--save", "all.json", "--html", "all.html"]).expect(0, &[]);
    run(&project, &["signoff", "--from", "all.json"]).expect(0, &[]);
    assert_eq!(sign_off(&project, "nongemm-signoff").report.scenarios.len(), 2);
    assert!(text(&project, "all.html").contains("b@cpu-fp32-all-t1"));
}

#[test]
fn a_scenario_that_cannot_be_measured_leaves_the_release_unsigned_and_is_in_the_document() {
    let project =
        Project::new("[suite]\nmodels = [\"broken.onnx\", \"classifier.onnx\"]\n[gate]\nmissing-baseline = \"warn\"\n");
    project.write("broken.onnx", b"garbage");
    project.write_model("classifier.onnx", &classifier(Dim::Fixed(4), 8, 16));
    run(&project, &["signoff"]).expect(101, &["broken@cpu-fp32-all-t1", ID]);
    let signed = sign_off(&project, "nongemm-signoff");
    assert_eq!((signed.report.outcome, signed.exit_code, signed.facts.revision), (Outcome::Incomplete, 101, None));
    let page = text(&project, "nongemm-signoff/signoff.html");
    assert!(page.contains("Not signed off: incomplete") && page.contains("not a readable ONNX model"), "{page}");
}

#[test]
fn names_from_outside_are_shown_and_open_nothing() {
    let project =
        Project::new("[[model]]\npath = \"a<b>&amp;.onnx\"\nname = \"ranker\"\n[suite]\nmodels = [\"ranker\"]\n");
    project.write_model("a<b>&amp;.onnx", &classifier(Dim::Fixed(4), 8, 16));
    run(&project, &["signoff", "--release", "<script>alert(1)</script>\u{1b}[2J"]).expect(100, &["no-baseline"]);
    let page = text(&project, "nongemm-signoff/signoff.html");
    assert!(!page.contains("<script") && !page.contains("<b>&") && !page.contains('\u{1b}'), "{page}");
    assert!(page.contains("&#60;script&#62;alert(1)") && page.contains("a&#60;b&#62;&#38;amp;.onnx"), "{page}");
}

#[test]
fn the_configuration_says_which_tier_and_how_many_launches() {
    let plan = |configuration: &str, arguments: &[&str]| {
        let project = Project::new(configuration);
        let outcome = run(&project, &[&["signoff", "--dry-run"], arguments].concat());
        outcome.expect(0, &[]);
        outcome.stdout
    };
    let suite = "[suite]\nmodels = [\"vit-b-16\"]\n";
    assert!(!plan(suite, &[]).contains("bert-base@"));
    let quick = format!("{suite}[signoff]\ntier = \"quick\"\n");
    assert!(plan(&quick, &[]).contains("bert-base@") && !plan(&quick, &[]).contains("bert-large@"));
    assert!(plan(&quick, &["--tier", "standard"]).contains("swin-s@"));
    let wrong = Project::new("[signoff]\nlaunches = 0\n");
    run(&wrong, &["signoff"]).expect(101, &["signoff.launches"]);
}

#[test]
fn on_standard_output_is_the_sign_off_where_json_is_asked_for() {
    let project = project();
    let outcome = run(&project, &["signoff", "--message-format", "json", "-o", "out"]);
    outcome.expect(0, &[]);
    assert_eq!(outcome.stdout, text(&project, "out/signoff.json"));
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&json["document"], &json["report"]["command"]), (&"sign-off".into(), &"check".into()));
}

#[test]
fn a_report_is_written_in_every_form_that_is_asked_for() {
    let project = project();
    change_model(&project);
    let files = ["--html", "out/r.html", "--junit", "out/r.xml", "--sarif", "out/r.sarif"];
    run(&project, &[&["check", "--save", "r.json"], &files[..]].concat()).expect(100, &["r.html", "r.xml", "r.sarif"]);
    let [page, junit, sarif] = ["out/r.html", "out/r.xml", "out/r.sarif"].map(|name| text(&project, name));
    assert!(page.contains("Gate failed") && page.contains(ID));
    let document = roxmltree::Document::parse(&junit).unwrap();
    let mut red = document.descendants().filter(|node| node.has_tag_name("failure")).peekable();
    assert!(red.peek().is_some() && red.all(|node| node.attribute("type") == Some("structure-changed")), "{junit}");
    let log: Value = serde_json::from_str(&sarif).unwrap();
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    let baseline = project.baseline();
    let expected = baseline.strip_prefix(project.path()).unwrap().display().to_string().replace('\\', "/");
    assert_eq!((place["uri"].as_str(), place["uriBaseId"].as_str()), (Some(&*expected), Some("%SRCROOT%")));

    let again = ["--html", "out/2.html", "--junit", "out/2.xml", "--sarif", "out/2.sarif"];
    run(&project, &[&["report", "r.json"], &again[..]].concat()).expect(0, &[]);
    for (name, first) in BTreeMap::from([("out/2.html", page), ("out/2.xml", junit), ("out/2.sarif", sarif)]) {
        assert_eq!(text(&project, name), first, "{name}");
    }
    run(&project, &["compare", "r.json", "r.json", "--html", "c.html"]).expect(0, &[]);
    assert!(text(&project, "c.html").contains("r.json against r.json"));
    assert!(Path::new(&project.path().join("out")).is_dir());
}
