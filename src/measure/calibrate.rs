//! What the profiler costs, measured in this very launch on two chains of nodes that do next to nothing.
//!
//! The cost of an event has a part inside the node's reported duration (the tensors' types and shapes are spelled out
//! and the arguments gathered before the end is taken) and a part after it (the event is stored). Only their sum can be
//! measured: durations are truncated to microseconds, so that a node of 1.2 us always reads 1, while the time from one
//! node's start to the next one's has no such bias, since its starts are truncated too. That sum minus the unprofiled
//! time of a node is the cost of an event. `docs/profiler-overhead.md` has the measurements behind this.

use std::path::Path;

use prost::Message;

use crate::measure::error::LaunchError;
use crate::measure::job::Plan;
use crate::measure::result::OverheadEstimate;
use crate::measure::runs::{Runs, RunsError};
use crate::onnx::proto::tensor_shape_proto::{Dimension, dimension};
use crate::onnx::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use crate::profile::NameEncoding;
use crate::runtime::session::{
    BoundSession, Engine, FeedTensor, GraphLevel, Model, Prepacking, SessionProvider, SessionSpec, TensorData,
};

/// Nodes of a chain: enough to make what a run costs as a whole small beside what its nodes cost.
const NODES: u16 = 128;

/// Pairs of runs on each chain. All nodes of a chain are alike, so that this many runs give ten times as many samples.
const PAIRS: u32 = 16;

/// Inputs of a node in the second chain.
const MANY_INPUTS: u8 = 8;

/// Shape of every tensor: rank and digits as models have them, since what is spelled out costs by its length.
const SHAPE: [i64; 3] = [1, 16, 16];

/// Measures the cost of an event by the number of its tensors. Takes some 50 ms.
///
/// # Errors
/// [`LaunchError::Calibration`] where ONNX Runtime cannot run the chains, [`LaunchError::CalibrationProfile`] where
/// their profiles cannot be read.
pub(super) fn calibrate(engine: &Engine, threads: u32, scratch: &Path) -> Result<OverheadEstimate, LaunchError> {
    let single = chain_cost(engine, threads, scratch, "Relu", 1)?;
    let many = chain_cost(engine, threads, scratch, "Max", MANY_INPUTS)?;
    let per_tensor = ((many - single) / f64::from(MANY_INPUTS - 1)).max(0.0);
    Ok(OverheadEstimate {
        base_us: (single - 2.0 * per_tensor).max(0.0),
        per_input_us: per_tensor,
        // An output is spelled out by the same code as an input.
        per_output_us: per_tensor,
        scale: 1.0,
    })
}

/// Cost of one event in microseconds of wall time on a chain of this operator.
fn chain_cost(engine: &Engine, threads: u32, scratch: &Path, operator: &str, inputs: u8) -> Result<f64, LaunchError> {
    let model = chain(operator, inputs);
    let spec = SessionSpec {
        model: Model::Bytes(&model),
        external: Vec::new(),
        // The profiler's code is the host's whatever the provider.
        provider: SessionProvider::Cpu,
        level: GraphLevel::Disable,
        threads,
        prepacking: Prepacking::Distinct,
        optimized: None,
    };
    let session = BoundSession::new(engine, &spec, &[feed()]).map_err(LaunchError::Calibration)?;
    let encoding = NameEncoding::of_version(engine.version());
    run_chain(session, &scratch.join(format!("calibrate-{operator}")), encoding)
}

fn run_chain(mut session: BoundSession, stem: &Path, encoding: NameEncoding) -> Result<f64, LaunchError> {
    let plan = Plan { warmup_runs: 4, min_iterations: PAIRS, max_iterations: PAIRS, ..Plan::default() };
    let calm = Runs::make(&mut session, &plan, stem, encoding, None)
        .map_err(|error| match error {
            RunsError::Session(error) => LaunchError::Calibration(error),
            RunsError::Profile(error) => LaunchError::CalibrationProfile(error),
            RunsError::Device(source) => LaunchError::Device { source },
        })?
        .calm();
    let periods: Vec<f64> = calm
        .tallies
        .into_nodes()
        .iter()
        .filter(|node| node.gap_us.count() > 0)
        .map(|node| node.self_us.typical() + node.gap_us.typical())
        .collect();
    let nodes = f64::from(NODES);
    let period_us = periods.iter().sum::<f64>() / f64::from(u32::try_from(periods.len()).unwrap_or(u32::MAX)).max(1.0);
    Ok(period_us - calm.unprofiled.mean_us / nodes)
}

/// A chain of equal nodes that each take the same tensor as every one of their inputs.
fn chain(operator: &str, inputs: u8) -> Vec<u8> {
    let value = |number: u16| format!("value_{number}");
    let node = |number: u16| NodeProto {
        name: Some(format!("/model/layer.{}/{operator}_{number}", number / 10)),
        op_type: Some(operator.to_owned()),
        input: vec![value(number); usize::from(inputs)],
        output: vec![value(number + 1)],
        ..NodeProto::default()
    };
    let graph = GraphProto {
        name: Some("calibration".to_owned()),
        node: (0..NODES).map(node).collect(),
        input: vec![declared(value(0))],
        output: vec![declared(value(NODES))],
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(17) }],
        graph: Some(graph),
        ..ModelProto::default()
    }
    .encode_to_vec()
}

fn declared(name: String) -> ValueInfoProto {
    let dimension =
        |extent: &i64| Dimension { value: Some(dimension::Value::DimValue(*extent)), ..Dimension::default() };
    let tensor = type_proto::Tensor {
        elem_type: Some(1),
        shape: Some(TensorShapeProto { dim: SHAPE.iter().map(dimension).collect() }),
    };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto { name: Some(name), r#type: Some(TypeProto { value, ..TypeProto::default() }), ..Default::default() }
}

fn feed() -> FeedTensor {
    let count = SHAPE.iter().product::<i64>();
    FeedTensor {
        name: "value_0".to_owned(),
        element: 1,
        shape: SHAPE.to_vec(),
        data: TensorData::Bytes((0..count).flat_map(|_| 0.5f32.to_ne_bytes()).collect()),
    }
}
