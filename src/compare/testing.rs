//! Synthetic sides measured in turns, for the tests of the comparison and of the verdict.

use crate::summary::testing::{Noise, Op};
use crate::summary::{Field, OperatorKey, Sample, Side, SideOperator};

/// What a machine does to times. All figures are relative.
#[derive(Clone, Copy)]
pub(crate) struct Disturbance {
    /// Standard deviation of each operator in each launch.
    pub own: f64,
    /// Standard deviation of what all operators of a launch have in common.
    pub common: f64,
    /// How likely an operator is interrupted in a launch, which makes it up to several times as long.
    pub spikes: f64,
}

/// Each operator and launch as it comes.
pub(crate) const fn own(own: f64) -> Disturbance {
    Disturbance { own, common: 0.01, spikes: 0.0 }
}

/// One side of `launches` launches of these operators.
pub(crate) fn drawn(ops: &[Op], launches: usize, disturbance: Disturbance, noise: &mut Noise) -> Side {
    let Disturbance { own, common, spikes } = disturbance;
    let common: Vec<f64> = (0..launches).map(|_| (common * noise.normal()).exp()).collect();
    let mut time = |us: f64, launch: usize| {
        let spike = if noise.uniform() < spikes { 1.0 + noise.normal().abs() } else { 1.0 };
        us * common[launch] * spike * (own * noise.normal()).exp()
    };
    let times: Vec<Vec<f64>> = ops.iter().map(|op| (0..launches).map(|l| time(op.self_us, l)).collect()).collect();
    let latency_us = (0..launches).map(|launch| times.iter().map(|times| times[launch]).sum::<f64>() * 1.01).collect();
    side(ops.iter().zip(times), latency_us)
}

/// One side from each operator's time in each launch.
pub(crate) fn side<'a>(ops: impl Iterator<Item = (&'a Op, Vec<f64>)>, latency_us: Vec<f64>) -> Side {
    let operator = |(op, self_us): (&Op, Vec<f64>)| SideOperator {
        key: OperatorKey(format!("ai.onnx:{}", op.op_type)),
        provider: op.provider.into(),
        group: None,
        executions: op.executions,
        inserted: Some(0),
        shapes: Vec::new(),
        unsteady: false,
        self_us: Sample(self_us),
        share: 0.0,
    };
    let mut operators: Vec<SideOperator> = ops.map(operator).collect();
    let total: f64 = operators.iter().map(|operator| operator.self_us.median()).sum();
    for operator in &mut operators {
        operator.share = operator.self_us.median() / total;
    }
    Side {
        machine: vec![Field::new("os", "linux")],
        facts: vec![Field::new("onnxruntime", "1.31.1")],
        clock: crate::summary::Clock::Host,
        protocol: crate::summary::PROTOCOL,
        centred: false,
        past: None,
        latency_us: Sample(latency_us),
        operators,
    }
}

/// The first launches of a side.
pub(crate) fn first(side: &Side, launches: usize) -> Side {
    part(side, 0..launches)
}

/// Some launches of a side.
pub(crate) fn part(side: &Side, launches: std::ops::Range<usize>) -> Side {
    each_sample(side, |values| values[launches.clone()].to_vec())
}

/// The side with each of its samples changed.
pub(crate) fn each_sample(side: &Side, change: impl Fn(&[f64]) -> Vec<f64>) -> Side {
    let operator = |o: &SideOperator| SideOperator { self_us: Sample(change(&o.self_us.0)), ..o.clone() };
    Side {
        latency_us: Sample(change(&side.latency_us.0)),
        operators: side.operators.iter().map(operator).collect(),
        ..side.clone()
    }
}
