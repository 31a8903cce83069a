//! Sequences of results and accepts, as `check` and `accept` would see them, without a machine.

use super::*;
use crate::baseline::{Document, Fingerprint, KEPT};
use crate::report::{Finding, Machine, ScenarioReport, ScenarioResult};
use crate::scenario::Provider;
use crate::summary::Clock;
use crate::summary::testing::{LaunchResult, Noise, Op, bert, launch, launches, summary_of};
use crate::verdict::Policy;

/// A project with at most one baseline.
struct Project {
    held: Held,
    policy: Policy,
    cpu: &'static str,
    day: u32,
    model: u32,
}

impl Project {
    fn new() -> Project {
        let policy = Policy { min_effect: 0.25, ..Policy::default() };
        Project { held: Held::Nothing, policy, cpu: "Example CPU", day: 0, model: 0 }
    }

    /// One with a baseline of these launches.
    fn of(launches: &[LaunchResult]) -> Project {
        let mut project = Project::new();
        let result = project.check(launches);
        assert_eq!(project.accept(&result), Change::New);
        project
    }

    /// A new day's measurement, judged against the baseline.
    fn check(&mut self, launches: &[LaunchResult]) -> SavedResult {
        self.measured("check", launches)
    }

    fn measured(&mut self, command: &str, launches: &[LaunchResult]) -> SavedResult {
        self.day += 1;
        let model_sha256 = format!("{:064x}", self.model);
        let launches: Vec<_> =
            launches.iter().map(|l| LaunchResult { model_sha256: model_sha256.clone(), ..l.clone() }).collect();
        let summary = summary_of(&launches);
        let head = summary.side(fingerprint().fields(), env!("CARGO_PKG_VERSION"), self.cpu);
        let (comparison, judgement) = self.held.judge(&summary, &head, &self.policy);
        let judged = command == "check";
        let report = ScenarioReport {
            id: summary.id.clone(),
            scenario: summary.scenario.clone(),
            result: ScenarioResult::Measured { summary: Box::new(summary) },
            comparison: comparison.filter(|_| judged),
            verdicts: if judged { judgement.verdicts } else { Vec::new() },
            findings: judgement.findings,
        };
        let machine = Machine {
            fingerprint: fingerprint().dir_name(),
            os: "linux".into(),
            arch: "x86_64".into(),
            instruction_set: "avx512".into(),
            cpu: self.cpu.into(),
            cores: 2,
            onnxruntime: "1.31.1".into(),
        };
        let digest = self.held.digest().filter(|_| judged);
        let mut result = SavedResult::new(command, &report, fingerprint(), &machine, digest);
        result.date = format!("2026-01-{:02}", self.day);
        result
    }

    fn review(&self, result: &SavedResult, wanted: &Wanted) -> Review {
        review(result, result.summary().unwrap(), &self.held, wanted)
    }

    fn accept(&mut self, result: &SavedResult) -> Change {
        self.accept_some(result, &Wanted::default())
    }

    fn accept_some(&mut self, result: &SavedResult, wanted: &Wanted) -> Change {
        let Review { change, document } = self.review(result, wanted);
        if let Some(document) = document {
            let digest = format!("after day {}", self.day);
            self.held = Held::Baseline { document: Box::new(document), digest };
        }
        change
    }

    fn document(&self) -> Document {
        self.held.document().unwrap().clone()
    }

    /// Lines that differ from an earlier text, as `-old` and `+new`.
    fn diff(&self, before: &Document) -> Vec<String> {
        let (before, after) = (before.to_toml(), self.document().to_toml());
        let missing = |sign: char, from: &str, other: &str| -> Vec<String> {
            let lines: Vec<&str> = other.lines().collect();
            from.lines().filter(|line| !lines.contains(line)).map(|line| format!("{sign}{line}")).collect()
        };
        [missing('-', &before, &after), missing('+', &after, &before)].concat()
    }

    fn time(&self, op_type: &str) -> f64 {
        let key = format!("ai.onnx:{op_type}");
        self.document().operators.iter().find(|operator| operator.key.0 == key).unwrap().self_us.median()
    }
}

fn fingerprint() -> Fingerprint {
    Fingerprint {
        os: "linux".into(),
        arch: "x86_64".into(),
        instruction_set: "avx512".into(),
        provider: Provider::Cpu,
        gpu: None,
    }
}

/// Three launches without noise.
fn steady(ops: &[Op]) -> Vec<LaunchResult> {
    vec![launch(ops), launch(ops), launch(ops)]
}

fn scaled(ops: &[Op], op_type: &str, by: f64) -> Vec<Op> {
    ops.iter()
        .map(|o| Op { self_us: if o.op_type == op_type { o.self_us * by } else { o.self_us }, ..o.clone() })
        .collect()
}

fn slower_machine(ops: &[Op], by: f64) -> Vec<Op> {
    ops.iter().map(|o| Op { self_us: o.self_us * by, ..o.clone() }).collect()
}

fn lines(change: &Change) -> Vec<(String, Moved)> {
    let Change::Lines { operators, latency, .. } = change else { panic!("{change:?}") };
    let name = |line: &MovedLine| line.operator.as_ref().map_or("latency".to_owned(), |key| key.0.clone());
    operators.iter().chain(latency).map(|line| (name(line), line.what)).collect()
}

fn drifts(result: &SavedResult) -> Vec<&Finding> {
    result.report.findings.iter().filter(|finding| finding.code == FindingCode::Drift).collect()
}

#[test]
fn what_did_not_move_changes_no_byte() {
    let mut project = Project::of(&steady(&bert()));
    let before = project.document();
    for machine in [1.0, 0.85, 1.2] {
        let result = project.check(&steady(&slower_machine(&bert(), machine)));
        assert_eq!(project.accept(&result), Change::Nothing, "machine {machine}");
    }
    assert_eq!(project.document(), before);
}

#[test]
fn another_clock_renews_every_line() {
    let mut project = Project::of(&steady(&bert()));
    let waiting: Vec<LaunchResult> = steady(&scaled(&bert(), "Softmax", 9.0))
        .into_iter()
        .map(|launch| LaunchResult { clock: Clock::DeviceSynchronous, ..launch })
        .collect();
    let result = project.check(&waiting);
    let Change::All { why, .. } = project.accept(&result) else { panic!("single lines of another clock") };
    assert!(why.contains("clock device-synchronous") && why.contains("none"), "{why}");
    assert_eq!(project.document().clock, Clock::DeviceSynchronous);
}

#[test]
fn one_operator_that_moved_is_one_line_and_its_circumstances() {
    let mut project = Project::of(&steady(&bert()));
    let before = project.document();
    let result = project.check(&steady(&scaled(&bert(), "Softmax", 0.5)));
    assert_eq!(lines(&project.accept(&result)), [("ai.onnx:Softmax".to_owned(), Moved::Improved)]);
    assert_eq!(
        project.diff(&before),
        [
            "-date = \"2026-01-01\"",
            "-\"ai.onnx:Softmax\" = { executions = 12, self-us = 800, launches-us = [800, 800, 800] }",
            "+date = \"2026-01-02\"",
            "+\"ai.onnx:Softmax\" = { executions = 12, self-us = 400, launches-us = [400, 400, 400] }",
            "+2 = { date = \"2026-01-02\", tool = \"0.1.0\", onnxruntime = \"1.31.1\", latency-us = 49510 }",
        ]
    );
}

#[test]
fn a_line_is_written_in_the_times_of_the_lines_that_stay() {
    let mut project = Project::of(&steady(&bert()));
    let result = project.check(&steady(&slower_machine(&scaled(&bert(), "Softmax", 0.5), 1.25)));
    project.accept(&result);
    assert_eq!((project.time("Softmax"), project.time("Add")), (400.0, 1900.0));
    // The same on the first machine: nothing moved any more.
    let result = project.check(&steady(&scaled(&bert(), "Softmax", 0.5)));
    assert_eq!(project.accept(&result), Change::Nothing);
}

#[test]
fn a_latency_that_moved_is_written_as_it_is() {
    let mut project = Project::of(&steady(&bert()));
    let result = project.check(&steady(&slower_machine(&bert(), 1.5)));
    let before = project.document();
    assert_eq!(lines(&project.accept(&result)), [("latency".to_owned(), Moved::Regressed)]);
    assert_eq!(project.document().operators, before.operators);
    assert!((project.document().latency_us.median() / before.latency_us.median() - 1.5).abs() < 1e-3);
}

#[test]
fn only_what_improved_leaves_the_rest_and_the_circumstances() {
    let mut project = Project::of(&steady(&bert()));
    let before = project.document();
    project.model = 1;
    let result = project.check(&steady(&scaled(&scaled(&bert(), "Softmax", 0.5), "BiasGelu", 2.0)));
    let wanted = Wanted { only: vec![AcceptOnly::Improved], ..Wanted::default() };
    let change = project.accept_some(&result, &wanted);
    assert_eq!(lines(&change), [("ai.onnx:Softmax".to_owned(), Moved::Improved)]);
    assert_eq!(project.document().recorded, before.recorded);
    assert_eq!((project.time("Softmax"), project.time("BiasGelu")), (400.0, 2600.0));

    let Change::Lines { operators, .. } = change else { panic!() };
    let accepted: Vec<Identity> = operators.iter().filter_map(MovedLine::identity).collect();
    let rest = result.after(&accepted, false, project.held.digest().unwrap().to_owned());
    assert_eq!(lines(&project.accept(&rest)), [("ai.onnx:BiasGelu".to_owned(), Moved::Regressed)]);
    assert_eq!((project.time("Softmax"), project.time("BiasGelu")), (400.0, 5200.0));
}

#[test]
fn only_structure_takes_counts_and_leaves_times() {
    let mut project = Project::of(&steady(&bert()));
    let mut ops = scaled(&bert(), "Softmax", 0.5);
    ops[5].executions += 1;
    ops.push(crate::summary::testing::op("Erf", 3, 90.0));
    let gather = ops.remove(7);
    assert_eq!(gather.op_type, "Gather");
    let result = project.check(&steady(&ops));
    let wanted = Wanted { only: vec![AcceptOnly::Structure], ..Wanted::default() };
    let change = project.accept_some(&result, &wanted);
    let expected = ["Erf", "Gather", "Transpose"].map(|name| (format!("ai.onnx:{name}"), Moved::Structure));
    assert_eq!(lines(&change), expected);
    assert_eq!(project.time("Softmax"), 800.0);
    let keys: Vec<String> = project.document().operators.iter().map(|operator| operator.key.0.clone()).collect();
    assert!(keys.contains(&"ai.onnx:Erf".into()) && !keys.contains(&"ai.onnx:Gather".into()), "{keys:?}");
}

#[test]
fn only_new_touches_no_baseline_that_is_there() {
    let mut project = Project::of(&steady(&bert()));
    let wanted = Wanted { only: vec![AcceptOnly::New], ..Wanted::default() };
    let result = project.check(&steady(&scaled(&bert(), "Softmax", 0.5)));
    assert_eq!(project.accept_some(&result, &wanted), Change::Nothing);
    let mut empty = Project::new();
    let result = empty.check(&steady(&bert()));
    assert_eq!(empty.review(&result, &Wanted { only: vec![AcceptOnly::Improved], ..Wanted::default() }).document, None);
    assert_eq!(empty.accept_some(&result, &wanted), Change::New);
}

#[test]
fn a_model_that_changed_without_moving_anything_is_recorded() {
    let mut project = Project::of(&steady(&bert()));
    let before = project.document();
    project.model = 7;
    let result = project.check(&steady(&bert()));
    let Change::Lines { operators, latency, recorded } = project.accept(&result) else { panic!() };
    assert!(operators.is_empty() && latency.is_none());
    assert_eq!(recorded, ["model"]);
    assert_eq!(project.diff(&before).len(), 5, "model, date, row: {:?}", project.diff(&before));
}

#[test]
fn old_lines_stand_beside_no_lines_that_cannot_be_compared_with_them() {
    let all = |project: &mut Project, command: &str, ops: &[Op]| {
        let result = project.measured(command, &steady(ops));
        let Change::All { why } = project.accept(&result) else { panic!() };
        why
    };
    let slow = slower_machine(&bert(), 1.25);
    let mut project = Project::of(&steady(&bert()));
    project.cpu = "Another CPU";
    assert_eq!(all(&mut project, "check", &slow), "another CPU model");
    assert_eq!(project.time("Add"), 2375.0);

    let mut project = Project::of(&steady(&bert()));
    assert!(all(&mut project, "run", &slow).starts_with("measured by `run`"));

    let mut project = Project::of(&steady(&bert()));
    let document = Document { protocol: 0, ..project.document() };
    project.held = Held::Baseline { document: Box::new(document), digest: "old".into() };
    assert_eq!(all(&mut project, "check", &slow), "measured by protocol 1, the baseline by 0");
    assert_eq!(project.document().protocol, 1);

    let mut project = Project::of(&steady(&bert()));
    let half = ["MatMul", "Add", "Softmax", "BiasGelu"].iter().fold(bert(), |ops, name| scaled(&ops, name, 1.6));
    assert_eq!(all(&mut project, "check", &half), "two machine factors explain the times");

    let mut project = Project::new();
    project.held = Held::Outdated { why: "the baseline is of schema 1".into() };
    assert_eq!(all(&mut project, "check", &bert()), "the baseline is of schema 1");
}

#[test]
fn a_part_is_refused_where_all_must_be_written() {
    let mut project = Project::of(&steady(&bert()));
    project.cpu = "Another CPU";
    let result = project.check(&steady(&scaled(&bert(), "Softmax", 0.5)));
    let wanted = Wanted { only: vec![AcceptOnly::Improved], ..Wanted::default() };
    let Change::Refused { why } = project.accept_some(&result, &wanted) else { panic!() };
    assert_eq!(why, "no line can be taken over alone (another CPU model); leave `--only` out");
}

#[test]
fn a_baseline_that_changed_since_is_compared_again_first() {
    let mut project = Project::of(&steady(&bert()));
    let result = project.check(&steady(&scaled(&bert(), "Softmax", 0.5)));
    project.held = Held::Baseline { document: Box::new(project.document()), digest: "edited".into() };
    let Change::Refused { why } = project.accept(&result) else { panic!() };
    assert!(why.contains("has changed since"), "{why}");
    let renewed = project.accept_some(&result, &Wanted { renew: true, ..Wanted::default() });
    assert_eq!(renewed, Change::All { why: "asked for".into() });
}

#[test]
fn launches_that_disagree_make_no_baseline_unless_insisted_on() {
    let wild: Vec<_> = [1.0, 1.7, 0.6].iter().map(|by| launch(&slower_machine(&bert(), *by))).collect();
    let mut project = Project::new();
    let result = project.check(&wild);
    assert!(matches!(project.accept(&result), Change::Refused { .. }));
    assert_eq!(project.accept_some(&result, &Wanted { force: true, ..Wanted::default() }), Change::New);
}

// ---- History and drift --------------------------------------------------------------------------------------------

#[test]
fn the_first_accept_and_the_last_few_are_kept() {
    let mut project = Project::of(&steady(&bert()));
    for model in 1..=20 {
        project.model = model;
        let result = project.check(&steady(&bert()));
        project.accept(&result);
    }
    let numbers: Vec<u32> = project.document().history.iter().map(|accepted| accepted.number).collect();
    assert_eq!(numbers.len(), KEPT + 1);
    assert_eq!((numbers[0], numbers[1], numbers[KEPT]), (1, 14, 21));
}

/// Six steps of a new model each that makes Softmax `step` times as slow, on a machine that is never the same twice:
/// by 10 % as a whole, by `noise` for each operator, and by `noise` from launch to launch.
fn six_steps(project: &mut Project, wanted: &Wanted, noise: f64, seed: u64, step: f64) -> SavedResult {
    let mut random = Noise::seeded(seed);
    let mut measured = |project: &mut Project, by: f64| {
        let machine = (0.1 * random.normal()).exp();
        let mut ops = slower_machine(&scaled(&bert(), "Softmax", by), machine);
        ops.iter_mut().for_each(|op| op.self_us *= (noise * random.normal()).exp());
        project.check(&launches(&ops, 5, noise, 0.02, &mut random))
    };
    let first = measured(project, 1.0);
    project.accept(&first);
    for number in 1..=6 {
        project.model += 1;
        let result = measured(project, step.powi(number));
        let named = result.report.findings.iter().any(|f| f.code == FindingCode::OperatorRegressed);
        assert!(!named || noise > 0.01, "step {number}: {:#?}", result.report.findings);
        project.accept_some(&result, wanted);
    }
    measured(project, step.powi(6))
}

#[test]
fn six_accepts_of_three_percent_are_found_whether_lines_are_kept_or_renewed() {
    for wanted in [Wanted::default(), Wanted { renew: true, ..Wanted::default() }] {
        let mut project = Project::new();
        let result = six_steps(&mut project, &wanted, 0.005, 1, 1.03);
        let found = drifts(&result);
        assert_eq!(found.len(), 1, "{wanted:?}: {found:#?}\n{}", project.document().to_toml());
        assert_eq!(found[0].operator.as_ref().unwrap().0, "ai.onnx:Softmax");
        assert!(
            found[0].message.contains("1.19 times") || found[0].message.contains("1.20 times"),
            "{}",
            found[0].message
        );
        assert!(found[0].message.contains("none of the 6 accepts since"), "{}", found[0].message);
    }
}

#[test]
fn noise_alone_does_not_drift() {
    for wanted in [Wanted::default(), Wanted { renew: true, ..Wanted::default() }] {
        for seed in 0..40 {
            let result = six_steps(&mut Project::new(), &wanted, 0.04, seed, 1.0);
            assert!(drifts(&result).is_empty(), "seed {seed}: {:#?}", drifts(&result));
        }
    }
}

#[test]
fn what_somebody_accepted_with_open_eyes_does_not_drift() {
    let mut project = Project::of(&steady(&bert()));
    for (day, by) in [1.4, 1.41, 1.42, 1.43, 1.44, 1.45].into_iter().enumerate() {
        project.model += 1;
        let result = project.check(&steady(&scaled(&bert(), "Softmax", by)));
        assert_eq!(drifts(&result).len(), 0);
        let change = project.accept(&result);
        if day == 0 {
            assert_eq!(lines(&change), [("ai.onnx:Softmax".to_owned(), Moved::Regressed)]);
        }
    }
    assert!(drifts(&project.check(&steady(&scaled(&bert(), "Softmax", 1.45)))).is_empty());
}

#[test]
fn another_cpu_neither_counts_nor_ends_a_drift() {
    let mut project = Project::of(&steady(&bert()));
    for step in 1..=6 {
        project.model += 1;
        // The new CPU is slow at Softmax.
        let by = 1.03_f64.powi(step) * if step > 3 { 1.5 } else { 1.0 };
        if step == 4 {
            project.cpu = "Another CPU";
        }
        let result = project.check(&steady(&scaled(&bert(), "Softmax", by)));
        project.accept_some(&result, &Wanted { renew: true, ..Wanted::default() });
    }
    let result = project.check(&steady(&scaled(&bert(), "Softmax", 1.03_f64.powi(6) * 1.5)));
    let ratios = &result.report.comparison.as_ref().unwrap().drift[0].ratios;
    // Five steps: the one that came with the CPU is not known.
    assert!((ratios.last().unwrap() - 1.03_f64.powi(5)).abs() < 2e-3, "{ratios:?}");
}

#[test]
fn a_history_can_begin_anew() {
    let mut project = Project::new();
    let result = six_steps(&mut project, &Wanted { renew: true, ..Wanted::default() }, 0.005, 2, 1.03);
    assert_eq!(drifts(&result).len(), 1);
    let change = project.accept_some(&result, &Wanted { forget: true, ..Wanted::default() });
    assert_eq!(change, Change::All { why: "asked for, with a new history".into() });
    let document = project.document();
    assert_eq!((document.history.len(), document.history[0].number), (1, 1));
    assert!(document.operators.iter().all(|operator| operator.held == 1.0));
    assert!(drifts(&project.check(&steady(&scaled(&bert(), "Softmax", 1.194)))).is_empty());
}
