//! Synthetic launches for the tests of the stages that follow: seeded, so that each run sees the same noise.

pub use crate::measure::result::LaunchResult;
use crate::measure::result::{Clock, LAUNCH_SCHEMA, NodeRecord, OverheadEstimate};
use crate::scenario::{ModelRef, Optimization, Precision, Provider, Scenario, ScenarioId};
use crate::taxonomy::Group;

use super::{OperatorKey, Summary, summarize};

/// Normally distributed noise from a seed.
pub struct Noise(fastrand::Rng);

impl Noise {
    pub fn seeded(seed: u64) -> Self {
        Noise(fastrand::Rng::with_seed(seed))
    }

    /// One value from 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        self.0.f64()
    }

    /// One value of mean 0 and variance 1 (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.0.f64()).cos()
    }
}

/// One operator of a synthetic model.
#[derive(Clone)]
pub struct Op {
    pub op_type: &'static str,
    pub executions: u32,
    pub self_us: f64,
    pub provider: &'static str,
}

pub const fn op(op_type: &'static str, executions: u32, self_us: f64) -> Op {
    Op { op_type, executions, self_us, provider: "CPUExecutionProvider" }
}

/// A model of the proportions of BERT base at batch 1.
pub fn bert() -> Vec<Op> {
    vec![
        op("MatMul", 96, 41_000.0),
        op("Add", 25, 1_900.0),
        op("SkipLayerNormalization", 24, 1_200.0),
        op("BiasGelu", 12, 2_600.0),
        op("Softmax", 12, 800.0),
        op("Transpose", 48, 1_500.0),
        op("Reshape", 48, 40.0),
        op("Gather", 3, 70.0),
        op("Div", 12, 300.0),
        op("Tanh", 1, 6.0),
    ]
}

/// One launch of `ops`, one node per operator.
pub fn launch(ops: &[Op]) -> LaunchResult {
    let node = |op: &Op| NodeRecord {
        name: format!("/{}", op.op_type),
        op_type: op.op_type.into(),
        domain: None,
        inserted: false,
        provider: op.provider.into(),
        depth: 0,
        inputs: "float[1,128,768]".into(),
        outputs: "float[1,128,768]".into(),
        executions: op.executions,
        raw_us: op.self_us + 2.0,
        self_us: op.self_us,
        device: None,
    };
    let latency_us = ops.iter().map(|op| op.self_us).sum::<f64>() * 1.01;
    LaunchResult {
        schema: LAUNCH_SCHEMA,
        onnxruntime: "1.31.1".into(),
        model_sha256: "ab".repeat(32),
        synthetic_weights: true,
        ready_us: 90_000.0,
        warmup_runs: 3,
        unprofiled_us: vec![latency_us; 10],
        profiled_us: vec![latency_us; 10],
        latency_us,
        clock: Clock::Host,
        gpu: None,
        device: None,
        overhead: OverheadEstimate { base_us: 1.9, per_input_us: 0.0, per_output_us: 0.0, scale: 1.0 },
        nodes: ops.iter().map(node).collect(),
        peak_rss_bytes: Some(500_000_000),
        page_faults: 0.0,
        warnings: Vec::new(),
        timeline: Vec::new(),
        runs: Vec::new(),
    }
}

/// `count` launches of `ops` whose operators each vary independently with standard deviation `own`, and all together
/// with `common`, both relative.
pub fn launches(ops: &[Op], count: u32, own: f64, common: f64, noise: &mut Noise) -> Vec<LaunchResult> {
    (0..count)
        .map(|_| {
            let all = (common * noise.normal()).exp();
            let vary = |op: &Op| Op { self_us: op.self_us * all * (own * noise.normal()).exp(), ..op.clone() };
            launch(&ops.iter().map(vary).collect::<Vec<_>>())
        })
        .collect()
}

pub fn scenario() -> Scenario {
    Scenario {
        model: ModelRef::Zoo { name: "bert-base".into() },
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

pub fn id() -> ScenarioId {
    ScenarioId("bert-base@cpu-fp32-all-b1-s128-t1".into())
}

/// A taxonomy of three words.
pub fn resolve(node: &NodeRecord) -> (OperatorKey, Option<Group>, bool) {
    let group = match node.op_type.as_str() {
        "MatMul" => Some(Group::Gemm),
        "Softmax" => Some(Group::LogitComputation),
        "Mystery" => None,
        _ => Some(Group::ElementWise),
    };
    (OperatorKey(format!("ai.onnx:{}", node.op_type)), group, false)
}

pub fn summary_of(launches: &[LaunchResult]) -> Summary {
    summarize(scenario(), id(), launches, &resolve).unwrap()
}
