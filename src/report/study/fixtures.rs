//! Reports of suites in fixed numbers, at any size, for the tests of the study and of its renderings.

use super::{Piece, Study};
use crate::report::{
    Clock, DeviceSummary, GpuFacts, Group, LaunchWarning, Listed, Machine, OperatorKey, OperatorSummary, Outcome,
    REPORT_SCHEMA, Report, Sample, ScenarioReport, ScenarioResult, Suite, Summary,
};
use crate::scenario::{ImageSize, ModelRef, Optimization, Precision, Provider, Scenario};

/// All models of the paper and some beside them, in the order of the registry.
pub const FULL: [&str; 22] = [
    "bert-base",
    "gpt2",
    "gpt2-decode",
    "gpt2-large",
    "gpt2-large-decode",
    "gpt2-xl",
    "gpt2-xl-decode",
    "llama-2-7b",
    "mixtral-8x7b",
    "vit-b-16",
    "vit-l-16",
    "vit-h-14",
    "swin-t",
    "swin-s",
    "swin-b",
    "fasterrcnn-resnet50-fpn",
    "maskrcnn-resnet50-fpn",
    "detr-resnet-50",
    "maskformer-swin-base",
    "segformer-b0",
    "segformer-b5",
    "resnet-50",
];

/// Typical shares of a family: GEMM first, then what else it runs.
fn profile(model: &str) -> &'static [(Option<Group>, &'static str, f64)] {
    match model.split('-').next().unwrap_or(model) {
        "bert" => &[
            (Some(Group::Gemm), "com.microsoft:FusedMatMul", 91.5),
            (Some(Group::Normalization), "com.microsoft:SkipLayerNormalization", 5.2),
            (Some(Group::Activation), "com.microsoft:Gelu", 1.5),
            (Some(Group::LogitComputation), "ai.onnx:Softmax", 1.1),
            (Some(Group::Memory), "ai.onnx:Transpose", 0.6),
            (Some(Group::Embedding), "ai.onnx:Gather", 0.1),
            (Some(Group::Recurrent), "ai.onnx:GRU", 0.001),
        ],
        "gpt2" | "llama" => &[
            (Some(Group::Gemm), "ai.onnx:MatMul", 88.2),
            (Some(Group::Normalization), "ai.onnx:LayerNormalization", 1.0),
            (Some(Group::Activation), "com.microsoft:Gelu", 1.4),
            (Some(Group::LogitComputation), "ai.onnx:Softmax", 0.9),
            (Some(Group::ElementWise), "ai.onnx:Where", 2.2),
            (Some(Group::Memory), "ai.onnx:Concat", 6.2),
            (Some(Group::Embedding), "ai.onnx:Gather", 0.1),
        ],
        "mixtral" => &[
            (Some(Group::Gemm), "ai.onnx:MatMul", 82.0),
            (Some(Group::Normalization), "com.microsoft:SimplifiedLayerNormalization", 0.8),
            (Some(Group::LogitComputation), "ai.onnx:Softmax", 0.7),
            (Some(Group::ElementWise), "ai.onnx:Mul", 3.1),
            (Some(Group::Reduction), "ai.onnx:TopK", 0.6),
            (Some(Group::Memory), "ai.onnx:ScatterND", 10.9),
            (Some(Group::Embedding), "ai.onnx:GatherND", 1.9),
        ],
        "swin" | "vit" => &[
            (Some(Group::Gemm), "ai.onnx:MatMul", 83.8),
            (Some(Group::Normalization), "ai.onnx:LayerNormalization", 2.6),
            (Some(Group::Activation), "com.microsoft:Gelu", 3.4),
            (Some(Group::LogitComputation), "ai.onnx:Softmax", 1.7),
            (Some(Group::ElementWise), "ai.onnx:Add", 2.8),
            (Some(Group::Memory), "ai.onnx:Transpose", 5.7),
        ],
        "fasterrcnn" | "maskrcnn" => &[
            (Some(Group::Gemm), "com.microsoft.nchwc:Conv", 71.4),
            (Some(Group::Activation), "ai.onnx:Relu", 1.2),
            (Some(Group::ElementWise), "ai.onnx:Add", 4.3),
            (Some(Group::Reduction), "ai.onnx:TopK", 2.6),
            (Some(Group::Memory), "ai.onnx:Concat", 6.1),
            (Some(Group::Embedding), "ai.onnx:Gather", 1.4),
            (Some(Group::Interpolation), "ai.onnx:Resize", 0.7),
            (Some(Group::Pooling), "ai.onnx:MaxPool", 0.4),
            (Some(Group::RoiSelection), "ai.onnx:NonMaxSuppression", 11.7),
            (Some(Group::ControlFlow), "ai.onnx:If", 0.2),
        ],
        "detr" | "resnet" => &[
            (Some(Group::Gemm), "com.microsoft.nchwc:Conv", 93.1),
            (Some(Group::Normalization), "ai.onnx:LayerNormalization", 0.6),
            (Some(Group::ElementWise), "ai.onnx:Add", 3.9),
            (Some(Group::Memory), "com.microsoft.nchwc:ReorderOutput", 1.5),
            (Some(Group::Pooling), "com.microsoft.nchwc:MaxPool", 0.9),
        ],
        _ => &[
            (Some(Group::Gemm), "com.microsoft.nchwc:Conv", 69.0),
            (Some(Group::Normalization), "ai.onnx:LayerNormalization", 3.4),
            (Some(Group::Activation), "com.microsoft:Gelu", 2.0),
            (Some(Group::LogitComputation), "ai.onnx:Softmax", 2.1),
            (Some(Group::ElementWise), "ai.onnx:Add", 1.2),
            (Some(Group::Memory), "ai.onnx:Transpose", 15.0),
            (Some(Group::Interpolation), "ai.onnx:Resize", 7.3),
        ],
    }
}

/// Every model at batch 1 and 8; the largest could not be measured at batch 8.
pub fn report(models: &[&str]) -> Report {
    let each = models.iter().enumerate().flat_map(|(place, model)| [(place, model, 1), (place, model, 8)]);
    let scenarios: Vec<ScenarioReport> = each.map(|(place, model, batch)| scenario(place, model, batch)).collect();
    Report {
        schema: REPORT_SCHEMA,
        tool: "0.1.0".into(),
        command: "study suite".into(),
        machine: Machine {
            fingerprint: "linux-x86_64-avx512vnni-cpu".into(),
            os: "linux".into(),
            arch: "x86_64".into(),
            instruction_set: "avx512vnni".into(),
            cpu: "AMD EPYC (family 25, model 17)".into(),
            cores: 2,
            onnxruntime: "1.31.1".into(),
        },
        sides: None,
        gate: None,
        self_test: None,
        suite: Suite { scenarios: scenarios.iter().map(listed).collect(), partition: None },
        scenarios,
        outcome: Outcome::Incomplete,
    }
}

fn listed(one: &ScenarioReport) -> Listed {
    Listed { id: one.id.clone(), scenario: one.scenario.clone() }
}

/// The study of one report.
pub fn study(report: &Report) -> Study {
    Study::of_suite(&[Piece { name: "report.json", report }], &FULL).unwrap()
}

/// The same measurements as if they had been taken on CUDA, by CUPTI's clock.
pub fn on_cuda(report: &mut Report) {
    for one in &mut report.scenarios {
        one.scenario.provider = Provider::Cuda;
        one.id = one.scenario.id();
        if let ScenarioResult::Measured { summary } = &mut one.result {
            summary.scenario = one.scenario.clone();
            summary.id = one.id.clone();
            summary.clock = Clock::DeviceCupti;
            summary.gpu = Some(GpuFacts { name: Some("NVIDIA L4".into()), ..GpuFacts::default() });
            let part = |part: f64| Sample(summary.latency_us.0.iter().map(|us| us * part).collect());
            summary.device = Some(DeviceSummary {
                busy_us: part(0.72),
                idle_us: part(0.25),
                exposed_us: part(0.03),
                overlapping_us: part(0.0),
                launch_us: part(0.4),
                stray_us: part(0.0),
                strays: Vec::new(),
                received_bytes: 0,
                sent_bytes: 0,
                contained: 0.99,
            });
        }
    }
}

fn scenario(place: usize, model: &str, batch: u32) -> ScenarioReport {
    let summary = summary(place, model, batch);
    let (id, scenario) = (summary.id.clone(), summary.scenario.clone());
    let result = if model == "mixtral-8x7b" && batch == 8 {
        let reason = "needs 31.4 GiB of memory, and 21.9 GiB are free: measure a smaller batch or a shorter sequence";
        ScenarioResult::Failed { reason: reason.into(), log: Vec::new() }
    } else {
        ScenarioResult::Measured { summary: Box::new(summary) }
    };
    ScenarioReport { id, scenario, result, comparison: None, verdicts: Vec::new(), findings: Vec::new() }
}

fn summary(place: usize, model: &str, batch: u32) -> Summary {
    let text = matches!(model.split('-').next(), Some("bert" | "gpt2" | "llama" | "mixtral"));
    let large = model.contains("rcnn") || model.contains("detr") || model.contains("maskformer");
    let image = ImageSize { height: if large { 800 } else { 224 }, width: if large { 1066 } else { 224 } };
    let scenario = Scenario {
        model: ModelRef::Zoo { name: model.into() },
        provider: Provider::Cpu,
        precision: Precision::Fp32,
        optimization: Optimization::All,
        batch: Some(batch),
        sequence: text.then_some(if model == "bert-base" { 128 } else { 256 }),
        image: (!text).then_some(image),
        threads: 1,
        cuda: None,
    };
    // A little of its own for each row, so that no two bars are alike: decode steps and larger batches move more.
    let step = f64::from(u32::try_from(place).unwrap());
    let lean =
        1.0 + 0.06 * step + if batch == 8 { 0.35 } else { 0.0 } + if model.ends_with("decode") { 1.6 } else { 0.0 };
    let weight = |group: Option<Group>, part: f64| if group == Some(Group::Gemm) { part } else { part * lean };
    let total: f64 = profile(model).iter().map(|&(group, _, part)| weight(group, part)).sum();
    let latency_us = 26_300.0 * 1.31_f64.powf(step) * f64::from(batch);
    let mut operators: Vec<OperatorSummary> = profile(model)
        .iter()
        .map(|&(group, key, part)| OperatorSummary {
            key: OperatorKey(key.into()),
            group,
            fused: key.contains("Fused"),
            provider: "CPUExecutionProvider".into(),
            nodes: 12,
            executions: 12,
            self_us: launches(latency_us * weight(group, part) / total),
            share: launches(weight(group, part) / total),
            shapes: Vec::new(),
            inserted: None,
            device: None,
        })
        .collect();
    operators.sort_by(|a, b| b.share.median().total_cmp(&a.share.median()));
    Summary {
        id: scenario.id(),
        scenario,
        protocol: 1,
        onnxruntime: "1.31.1".into(),
        model_sha256: "ab".repeat(32),
        clock: Default::default(),
        gpu: None,
        device: None,
        latency_us: launches(latency_us),
        remainder_us: launches(0.0),
        reconciliation: launches(1.0),
        raw_reconciliation: launches(1.01),
        iterations: 60,
        running_us: launches(2e6),
        peak_rss_bytes: Some(520 << 20),
        operators,
        warnings: if model == "segformer-b5" { vec![LaunchWarning::Contended { ratio: 1.62 }] } else { Vec::new() },
        unsteady: Vec::new(),
        synthetic_weights: true,
    }
}

/// Three launches around a value.
fn launches(value: f64) -> Sample {
    Sample(vec![value * 0.991, value, value * 1.012])
}
