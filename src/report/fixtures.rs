//! Reports as a real run makes them, in fixed numbers, for the tests of all renderers.

use crate::measure::result::LaunchWarning;
use crate::scenario::{ImageSize, ModelRef, Optimization, Precision, Provider};

use super::*;

mod pull_request;

pub use pull_request::*;

const CPU: &str = "CPUExecutionProvider";

fn key(key: &str) -> OperatorKey {
    OperatorKey(key.into())
}

/// A value with a fixed small wobble over three launches, `wobble` relative.
fn sample(value: f64, wobble: f64) -> Sample {
    Sample(vec![value * (1.0 - wobble), value, value * (1.0 + 1.2 * wobble)])
}

struct Row(&'static str, Option<Group>, u32, f64, &'static str);

fn scenario(name: &str) -> Scenario {
    Scenario {
        model: ModelRef::Zoo { name: name.into() },
        provider: Provider::Cpu,
        precision: Precision::Fp32,
        optimization: Optimization::All,
        batch: Some(1),
        sequence: Some(128),
        image: None,
        threads: 1,
        cuda: None,
    }
}

fn summary(name: &str, id: &str, latency_us: f64, rows: &[Row]) -> Summary {
    let total: f64 = rows.iter().map(|row| row.3).sum();
    let operators = rows
        .iter()
        .map(|row| OperatorSummary {
            key: key(row.0),
            group: row.1,
            fused: row.0.contains("Fused") || row.0.ends_with(":Attention"),
            provider: CPU.into(),
            nodes: row.2,
            executions: row.2,
            self_us: sample(row.3, 0.012),
            share: sample(row.3 / total, 0.007),
            shapes: vec![
                ShapeClass { inputs: row.4.into(), executions: row.2 - row.2 / 3, self_us: row.3 * 0.7, varies: false },
                ShapeClass {
                    inputs: format!("{} int64[4]", row.4),
                    executions: row.2 / 3,
                    self_us: row.3 * 0.3,
                    varies: false,
                },
            ]
            .into_iter()
            .filter(|shape| shape.executions > 0)
            .collect(),
            inserted: None,
            device: None,
        })
        .collect();
    Summary {
        scenario: scenario(name),
        id: ScenarioId(id.into()),
        protocol: 1,
        onnxruntime: "1.31.1".into(),
        model_sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        clock: Default::default(),
        gpu: None,
        device: None,
        latency_us: sample(latency_us, 0.009),
        remainder_us: sample(latency_us - total, 0.05),
        reconciliation: sample(total / latency_us, 0.001),
        raw_reconciliation: sample(total / latency_us + 0.021, 0.001),
        synthetic_weights: true,
        iterations: 150,
        running_us: Sample(vec![3.6e6, 3.7e6, 3.5e6]),
        peak_rss_bytes: Some(612 << 20),
        operators,
        warnings: Vec::new(),
        unsteady: Vec::new(),
    }
}

/// A transformer encoder, nothing wrong with it.
pub fn bert() -> Summary {
    let rows = [
        Row("ai.onnx:MatMul", Some(Group::Gemm), 73, 271_400.0, "float[1,128,768] float[768,3072]"),
        Row("com.microsoft:Attention", Some(Group::Gemm), 12, 58_120.0, "float[1,128,768] float[768,2304]"),
        Row("com.microsoft:BiasGelu", Some(Group::Activation), 12, 31_870.0, "float[1,128,3072] float[3072]"),
        Row("com.microsoft:SkipLayerNormalization", Some(Group::Normalization), 24, 17_904.0, "float[1,128,768]"),
        Row("ai.onnx:Softmax", Some(Group::LogitComputation), 12, 9_333.0, "float[1,12,128,128]"),
        Row("ai.onnx:Add", Some(Group::ElementWise), 26, 8_020.0, "float[1,128,768] float[768]"),
        Row("ai.onnx:Transpose", Some(Group::Memory), 36, 4_410.0, "float[1,128,12,64]"),
        Row("ai.onnx:Gather", Some(Group::Embedding), 5, 811.0, "float[30522,768] int64[1,128]"),
        Row("ai.onnx:Reshape", Some(Group::Memory), 49, 120.0, "float[1,128,768] int64[4]"),
        Row("ai.onnx:Tanh", Some(Group::Activation), 1, 14.0, "float[1,768]"),
    ];
    summary("bert-base", "bert-base@cpu-fp32-all-b1-s128-t1", 407_300.0, &rows)
}

fn finding(code: FindingCode, severity: Severity, id: &str, operator: &str, message: &str, remedy: &str) -> Finding {
    Finding {
        code,
        severity,
        scenario: ScenarioId(id.into()),
        operator: (!operator.is_empty()).then(|| key(operator)),
        operators: Vec::new(),
        message: message.into(),
        remedy: remedy.into(),
        ruling: None,
    }
}

fn structure(id: &str, operator: &str, message: &str) -> Finding {
    let remedy = "Compare the exporter's and ONNX Runtime's versions; accept the new structure if it is meant.";
    finding(FindingCode::StructureChanged, Severity::Warning, id, operator, message, remedy)
}

/// The finding as a commit allows it.
fn allowed(finding: Finding) -> Finding {
    let ruling = Ruling {
        was: Severity::Warning,
        source: RuleSource::Commit { id: "abc1234".into() },
        scope: "bert*/Embed*".into(),
        reason: Some("positions are computed now, see <issue> #12".into()),
    };
    Finding { severity: Severity::Note, ruling: Some(ruling), ..finding }
}

fn measured(summary: Summary, comparison: Option<Comparison>, findings: Vec<Finding>) -> ScenarioReport {
    ScenarioReport {
        id: summary.id.clone(),
        scenario: summary.scenario.clone(),
        result: ScenarioResult::Measured { summary: Box::new(summary) },
        comparison,
        verdicts: Vec::new(),
        findings,
    }
}

/// A comparison in which each operator keeps its time, but for those named with another ratio head/base.
fn comparison(summary: &Summary, machine: f64, moved: &[(&str, f64)]) -> Comparison {
    let ratio = |key: &OperatorKey| moved.iter().find(|(name, _)| *name == key.0).map_or(1.0, |&(_, ratio)| ratio);
    let base = |operator: &OperatorSummary| operator.self_us.0[1] / ratio(&operator.key) / machine;
    let base_total: f64 = summary.operators.iter().map(base).sum();
    let group = |group: &Group| {
        let members = || summary.operators.iter().filter(|operator| operator.group == Some(*group));
        let (base_us, head_us) = (members().map(base).sum(), members().map(|operator| operator.self_us.0[1]).sum());
        GroupChange { group: Some(*group), base_us, head_us, delta_us: Some(head_us - base_us * machine) }
    };
    Comparison {
        design: Design::Stored,
        structure: Vec::new(),
        changes: Vec::new(),
        groups: Group::all().iter().map(group).filter(|group| group.head_us > 0.0).collect(),
        fingerprint: Vec::new(),
        protocol: None,
        machine_factor: Some(machine),
        operators: summary
            .operators
            .iter()
            .map(|operator| OperatorChange {
                key: operator.key.clone(),
                group: operator.group,
                provider: operator.provider.clone(),
                base_executions: operator.executions,
                head_executions: operator.executions,
                base_us: base(operator),
                head_us: operator.self_us.0[1],
                base_share: base(operator) / base_total,
                head_share: operator.share.0[1],
                normalized_ratio: Some(ratio(&operator.key)),
                standard_error: 0.009,
                estimate: None,
            })
            .collect(),
        latency: LatencyChange {
            base_us: base_total * 1.013,
            head_us: summary.latency_us.0[1],
            standard_error: 0.006,
            estimate: None,
        },
        causes: Vec::new(),
        drift: Vec::new(),
    }
}

/// Softmax regressed and a fusion broke, after an upgrade of ONNX Runtime.
fn regressed() -> ScenarioReport {
    let summary = bert();
    let id = summary.id.0.clone();
    let mut comparison = comparison(&summary, 1.034, &[("ai.onnx:Softmax", 1.42), ("ai.onnx:Add", 1.9)]);
    comparison.operators.retain(|change| change.key.0 != "ai.onnx:Tanh");
    comparison.structure = vec![
        StructuralDifference::Vanished {
            key: key("com.microsoft:EmbedLayerNormalization"),
            provider: CPU.into(),
            executions: 1,
        },
        StructuralDifference::Appeared { key: key("ai.onnx:Tanh"), provider: CPU.into(), executions: 1 },
        StructuralDifference::Count { key: key("ai.onnx:Add"), provider: CPU.into(), base: 14, head: 26 },
        StructuralDifference::Moved {
            key: key("ai.onnx:Gather"),
            from: "CUDAExecutionProvider".into(),
            to: CPU.into(),
            executions: 5,
        },
    ];
    let delta = |name: &str, group, executions| OperatorDelta { key: key(name), group: Some(group), executions };
    let change = |kind, nodes, operator, delta_us| StructuralChange {
        kind,
        nodes,
        operators: vec![operator],
        delta_us: Some(delta_us),
        data_dependent: false,
    };
    let alone = |base, head| ChangeKind::Operator { base, head };
    let embedding = "com.microsoft:EmbedLayerNormalization";
    comparison.changes = vec![
        change(alone(14, 26), 12, delta("ai.onnx:Add", Group::ElementWise, 12), 3_799.0),
        change(alone(0, 1), 1, delta("ai.onnx:Tanh", Group::Activation, 1), 14.0),
        change(alone(1, 0), 1, delta(embedding, Group::Embedding, -1), -402.0),
        change(
            ChangeKind::Moved { from: "CUDAExecutionProvider".into(), to: CPU.into() },
            5,
            delta("ai.onnx:Gather", Group::Embedding, 0),
            311.0,
        ),
    ];
    comparison.causes = vec![
        Cause { what: "onnxruntime".into(), base: "1.30.0".into(), head: "1.31.1".into() },
        Cause { what: "model".into(), base: "3b1c5f0a9e77".into(), head: "9f86d081884c".into() },
    ];
    let findings = vec![
        finding(
            FindingCode::OperatorRegressed,
            Severity::Error,
            &id,
            "ai.onnx:Softmax",
            "ai.onnx:Softmax takes 1.42 times its baseline time after the machine factor 1.03; its limit is 1.10 (6.57 ms -> 9.33 ms)",
            "See the structure differences first; if the change is meant, run `cargo nongemm accept` and commit the baseline.",
        ),
        structure(
            &id,
            "ai.onnx:Add",
            "ai.onnx:Add runs 26 times on CPUExecutionProvider, 14 times in the baseline, +3.80 ms",
        ),
        structure(
            &id,
            "ai.onnx:Tanh",
            "ai.onnx:Tanh appeared: 1 execution per run on CPUExecutionProvider, none in the baseline, +14 us",
        ),
        structure(
            &id,
            "ai.onnx:Gather",
            "1 operator fell back from CUDAExecutionProvider to the CPU, 5 executions per run on CPUExecutionProvider, +311 us: Gather",
        ),
        allowed(structure(
            &id,
            embedding,
            "com.microsoft:EmbedLayerNormalization vanished: 1 execution per run on CPUExecutionProvider in the baseline, none now, -402 us",
        )),
        finding(
            FindingCode::OperatorImproved,
            Severity::Note,
            &id,
            "com.microsoft:BiasGelu",
            "com.microsoft:BiasGelu takes 0.81 times its baseline time",
            "Run `cargo nongemm accept` to hold later runs to it.",
        ),
    ];
    measured(summary, Some(comparison), findings)
}

fn improved() -> ScenarioReport {
    let rows = [
        Row("ai.onnx:Conv", Some(Group::Gemm), 1, 8_420.0, "float[1,3,224,224] float[768,3,16,16]"),
        Row("ai.onnx:MatMul", Some(Group::Gemm), 72, 691_400.0, "float[1,197,768] float[768,3072]"),
        Row("ai.onnx:LayerNormalization", Some(Group::Normalization), 25, 12_204.0, "float[1,197,768] float[768]"),
        Row("com.microsoft:Gelu", Some(Group::Activation), 12, 48_870.0, "float[1,197,3072]"),
    ];
    let mut summary = summary("vit-b-16", "vit-b-16@cpu-fp32-all-b1-i224-t1", 772_000.0, &rows);
    summary.operators.sort_by(|a, b| b.share.0[1].total_cmp(&a.share.0[1]));
    summary.scenario.sequence = None;
    summary.scenario.image = Some(ImageSize { height: 224, width: 224 });
    let comparison = comparison(&summary, 0.998, &[("com.microsoft:Gelu", 0.71)]);
    let id = summary.id.0.clone();
    let improved = finding(
        FindingCode::OperatorImproved,
        Severity::Note,
        &id,
        "com.microsoft:Gelu",
        "com.microsoft:Gelu takes 0.71 times its baseline time",
        "Run `cargo nongemm accept` to hold later runs to it.",
    );
    measured(summary, Some(comparison), vec![improved])
}

fn without_baseline() -> ScenarioReport {
    let rows = [
        Row("ai.onnx:MatMul", Some(Group::Gemm), 48, 402.0, "float[1,1,768] float[768,2304]"),
        Row("ai.onnx:Concat", Some(Group::Memory), 24, 201.3, "float[1,12,127,64] float[1,12,1,64]"),
        Row("ai.onnx:Split", Some(Group::Memory), 12, 77.4, "float[1,1,2304]"),
        Row("ai.onnx:Softmax", Some(Group::LogitComputation), 12, 31.1, "float[1,12,1,128]"),
    ];
    let mut summary = summary("gpt2", "gpt2@cpu-fp32-all-b1-s1-t1", 731.0, &rows);
    summary.warnings = vec![LaunchWarning::NotReconciled { ratio: 0.973 }, LaunchWarning::Contended { ratio: 1.62 }];
    let id = summary.id.0.clone();
    let note = finding(
        FindingCode::NoBaseline,
        Severity::Warning,
        &id,
        "",
        "no baseline for this scenario on linux-x86_64-avx512-cpu",
        "Run `cargo nongemm accept` here and commit the file it writes.",
    );
    measured(summary, None, vec![note])
}

fn other_machine() -> ScenarioReport {
    let rows = [
        Row("ai.onnx:Conv", Some(Group::Gemm), 20, 61_000.0, "float[1,3,512,512] float[32,3,7,7]"),
        Row("ai.onnx:Resize", Some(Group::Interpolation), 4, 22_750.0, "float[1,256,16,16]"),
        Row("ai.onnx:Relu", Some(Group::Activation), 1, 900.0, "float[1,256,128,128]"),
    ];
    let summary = summary("segformer-b0", "segformer-b0@cpu-fp32-all-b1-i512-t1", 85_400.0, &rows);
    let mut comparison = comparison(&summary, 0.62, &[("ai.onnx:Resize", 1.3)]);
    comparison.fingerprint =
        vec![FingerprintDifference { field: "instruction-set".into(), base: "avx2".into(), head: "avx512".into() }];
    comparison.causes = vec![Cause {
        what: "cpu".into(),
        base: "AMD EPYC 7763 64-Core Processor".into(),
        head: "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz".into(),
    }];
    let id = summary.id.0.clone();
    let differs = finding(
        FindingCode::FingerprintDiffers,
        Severity::Note,
        &id,
        "",
        "the baseline is of another machine class (instruction-set avx2, here avx512): times are shown, not judged",
        "Run `cargo nongemm accept` here to make a baseline for this class.",
    );
    measured(summary, Some(comparison), vec![differs])
}

fn failed() -> ScenarioReport {
    let id = "swin-t@cpu-fp32-all-b1-i224-t1";
    ScenarioReport {
        id: ScenarioId(id.into()),
        scenario: Scenario { sequence: None, image: Some(ImageSize { height: 224, width: 224 }), ..scenario("swin-t") },
        result: ScenarioResult::Failed {
            reason: "launch 2 was killed by signal 9 (SIGKILL) after 14 of 50 iterations".into(),
            log: vec![
                "[W:onnxruntime:, execution_frame.cc:874] Expected shape from model of {1,768} does not match".into(),
                "\x1b[31mout of memory\x1b[0m: peak 7.9 GiB".into(),
            ],
        },
        comparison: None,
        verdicts: Vec::new(),
        findings: vec![finding(
            FindingCode::NotMeasured,
            Severity::Error,
            id,
            "",
            "launch 2 was killed by signal 9 (SIGKILL) after 14 of 50 iterations",
            "Give the job more memory or measure a smaller batch.",
        )],
    }
}

/// A third party's model whose names try to move the cursor, open tags and mention people.
pub fn hostile() -> ScenarioReport {
    let rows = [
        Row("ai.onnx:Gemm", Some(Group::Gemm), 3, 4_000.0, "float[1,64] float[64,64]"),
        Row("evil|`x`:\x1b[2J<b>@octocat\n|Loss", None, 2, 2_500.0, "float[1,64]"),
        Row("模型工房.中文:非常に長い演算子の名前でありますから切り詰める", None, 1, 310.0, "float[1,64] | `tick` <i>"),
    ];
    let id = "user-model_名前-with-a-very-long-name-that-goes-on-and-on-and-never-ends@cpu-fp32-all-b1-t1";
    let mut summary = summary("user-model", id, 6_900.0, &rows);
    summary.peak_rss_bytes = None;
    summary.unsteady = vec![UnsteadyOperator { key: key(rows[2].0), provider: CPU.into(), executions: vec![1, 1, 4] }];
    let unknown = finding(
        FindingCode::UnknownOperator,
        Severity::Warning,
        id,
        rows[1].0,
        &format!("{} is not in the taxonomy", rows[1].0),
        "It counts as non-GEMM; report it, so that the taxonomy can name its group.",
    );
    let comparison = comparison(&summary, 1.0, &[]);
    measured(summary, Some(comparison), vec![unknown])
}

fn machine() -> Machine {
    Machine {
        fingerprint: "linux-x86_64-avx512-cpu".into(),
        os: "linux".into(),
        arch: "x86_64".into(),
        instruction_set: "avx512".into(),
        cpu: "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz".into(),
        cores: 2,
        onnxruntime: "1.31.1".into(),
    }
}

/// `scenarios` in place of the report's own, which are then the whole suite.
fn over(scenarios: Vec<ScenarioReport>, report: Report) -> Report {
    let listed = |one: &ScenarioReport| Listed { id: one.id.clone(), scenario: one.scenario.clone() };
    let suite = Suite { scenarios: scenarios.iter().map(listed).collect(), partition: None };
    Report { suite, scenarios, ..report }
}

/// fp16 on a provider without kernels for it: most Casts are not the model's.
pub fn half() -> Report {
    let rows = [
        Row("ai.onnx:MatMul", Some(Group::Gemm), 73, 271_400.0, "float[1,128,768] float[768,3072]"),
        Row("ai.onnx:Cast", Some(Group::Memory), 61, 40_000.0, "float16[1,128,768]"),
    ];
    let mut summary = summary("bert-base", "bert-base@cpu-fp16-all-b1-s128-t1", 315_000.0, &rows);
    summary.scenario.precision = Precision::Fp16;
    let (self_us, share) = (sample(39_000.0, 0.012), sample(39_000.0 / 311_400.0, 0.007));
    summary.operators[1].inserted = Some(Inserted { nodes: 60, executions: 60, self_us, share });
    summary.warnings = vec![LaunchWarning::ConvertedTypes { casts: 60, share: 0.125 }];
    Report {
        command: "run".into(),
        scenarios: vec![measured(summary, None, Vec::new())],
        outcome: Outcome::Pass,
        ..check()
    }
}

/// `check` with one of everything: regressed, improved, no baseline, other machine, failed, hostile names.
pub fn check() -> Report {
    let report = Report {
        schema: REPORT_SCHEMA,
        tool: "0.1.0".into(),
        command: "check".into(),
        machine: machine(),
        sides: None,
        gate: None,
        self_test: None,
        suite: Suite { scenarios: Vec::new(), partition: None },
        scenarios: Vec::new(),
        outcome: Outcome::GateFailed,
    };
    over(vec![regressed(), improved(), without_baseline(), other_machine(), failed(), hostile()], report)
}

/// What pairs say of a quantity that takes `ratio` times as long, give or take `noise` a pair.
fn estimate(ratio: f64, noise: f64) -> Estimate {
    let half = noise * 0.67;
    let (p_slower, p_faster) = if ratio > 1.0 + half { (0.0039, 1.0) } else { (0.61, 0.72) };
    Estimate {
        ratio,
        low: ratio * (1.0 - half),
        high: ratio * (1.0 + half),
        noise,
        p_slower,
        p_faster,
        detectable: noise,
    }
}

fn judged(operator: Option<&OperatorSummary>, verdict: Verdict, detectable: f64) -> Judged {
    Judged {
        operator: operator.map(|operator| operator.key.clone()),
        provider: operator.map(|operator| operator.provider.clone()),
        verdict,
        detectable: Some(detectable),
    }
}

/// `compare` with a revision: one operator regressed, one is not told, a scenario is new, one failed, one is gone.
pub fn compared() -> Report {
    let summary = bert();
    let id = summary.id.0.clone();
    let mut comparison = comparison(&summary, 1.012, &[("ai.onnx:Softmax", 1.42)]);
    comparison.design = Design::Paired { pairs: 12 };
    comparison.operators.retain(|change| change.key.0 != "ai.onnx:Tanh");
    let mut verdicts = Vec::new();
    for change in &mut comparison.operators {
        let noise = if change.key.0 == "ai.onnx:Gather" { 0.31 } else { 0.012 };
        change.estimate = change.normalized_ratio.map(|ratio| estimate(ratio, noise));
        let verdict = match change.key.0.as_str() {
            "ai.onnx:Softmax" => Verdict::Regressed,
            "ai.onnx:Gather" => Verdict::Inconclusive,
            _ => Verdict::Unchanged,
        };
        let operator = summary.operators.iter().find(|operator| operator.key == change.key);
        verdicts.push(judged(operator, verdict, noise * 2.5));
    }
    comparison.latency.estimate = Some(estimate(1.024, 0.018));
    verdicts.push(judged(None, Verdict::Unchanged, 0.05));
    comparison.structure =
        vec![StructuralDifference::Appeared { key: key("ai.onnx:Tanh"), provider: CPU.into(), executions: 1 }];
    comparison.causes = vec![Cause { what: "model".into(), base: "3b1c5f0a9e77".into(), head: "9f86d081884c".into() }];
    let findings = vec![
        finding(
            FindingCode::OperatorRegressed,
            Severity::Error,
            &id,
            "ai.onnx:Softmax",
            "ai.onnx:Softmax on CPUExecutionProvider takes 9.33 ms, 6.49 ms in the base: with the machine factor of 1.01 \
             divided out, 1.42 times as long (1.41 to 1.43), p = 0.004 over 12 pairs",
            "Look at structural changes first, they are usually the cause.",
        ),
        structure(&id, "ai.onnx:Tanh", "ai.onnx:Tanh appeared: 1 executions per run on CPUExecutionProvider"),
    ];
    let red = ScenarioReport { verdicts, ..measured(summary, Some(comparison), findings) };
    let mut new = improved();
    let new_id = new.id.0.clone();
    (new.comparison, new.findings) = (
        None,
        vec![finding(
            FindingCode::NewScenario,
            Severity::Note,
            &new_id,
            "",
            "the base has no such scenario, so that there was nothing to compare it with",
            "Nothing to do where the model or the dimension is new.",
        )],
    );
    let side = |label: &str, revision: Option<&str>| SideFacts {
        label: label.into(),
        revision: revision.map(Into::into),
        onnxruntime: "1.31.1".into(),
        configuration: Some("nongemm.toml".into()),
    };
    let sides = Sides {
        arguments: ["--base", "main", "bert*"].map(str::to_owned).to_vec(),
        base: side("main (3f2a91c0d2e1)", Some("3f2a91c0d2e14b5a8c7d6e5f4a3b2c1d0e9f8a7b")),
        head: side("the working tree", None),
        new: vec![new.id.clone()],
        gone: vec![ScenarioId("gpt2@cpu-fp32-all-b1-s128-t1".into())],
    };
    let gate = Gate {
        looks: vec![8, 12, 20],
        looks_done: 2,
        alpha: 0.01,
        quantities: 10,
        confirming_pairs: 8,
        confirmed: vec![red.id.clone()],
        order_seed: 17,
        expected_s: Some(Expected { least: 64.0, most: 160.0 }),
        wall_s: 141.0,
    };
    let report = Report { command: "compare".into(), sides: Some(sides), gate: Some(gate), ..check() };
    over(vec![red, new, failed()], report)
}

/// `check` that could not measure one of two scenarios.
pub fn incomplete() -> Report {
    over(vec![improved(), failed()], Report { outcome: Outcome::Incomplete, ..check() })
}

/// `check` that failed the gate on one of two scenarios.
pub fn gate_failed() -> Report {
    over(vec![regressed(), improved()], Report { outcome: Outcome::GateFailed, ..check() })
}

/// `run` of two scenarios, nothing to remark.
pub fn run() -> Report {
    let plain = |report: ScenarioReport| ScenarioReport {
        comparison: None,
        verdicts: Vec::new(),
        findings: Vec::new(),
        ..report
    };
    over(
        vec![measured(bert(), None, Vec::new()), plain(improved())],
        Report { command: "run".into(), outcome: Outcome::Pass, ..check() },
    )
}
