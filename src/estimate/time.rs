//! How long it takes: multiply-accumulates at a fixed rate, everything else by the bytes that it moves.

use std::collections::HashMap;

use crate::machine::InstructionSet;
use crate::onnx::proto::{GraphProto, ModelProto, TensorProto};
use crate::onnx::tensor;

use super::extent::Extents;
use super::memory::{constants, is_folded, is_view};
use super::products::{self, is_product};

/// A launch that has nothing to load or to pack: the process, ONNX Runtime, and the calibration of its profiler.
const LAUNCH_S: f64 = 0.3;

/// Bytes of weights that are filled, read and packed in a second.
const LOADED_BYTES_PER_S: f64 = 1.2e9;

/// Bytes of weights that a second of one thread reads while it multiplies.
const STREAMED_BYTES_PER_S: f64 = 20e9;

/// Bytes that operators other than products read and write in a second of one thread.
const MOVED_BYTES_PER_S: f64 = 16e9;

/// What one inference does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Work {
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of weights that products read.
    pub weights_bytes: u64,
    /// Bytes that the other operators read and write.
    pub moved_bytes: u64,
}

impl Work {
    /// Counts a model's work; `macs` where they are known exactly.
    pub fn of(model: &ModelProto, extents: &Extents<'_>, macs: Option<u64>) -> Work {
        let mut work = Work { macs: 0, weights_bytes: 0, moved_bytes: 0 };
        let Some(graph) = &model.graph else { return work };
        let mut weights: HashMap<&str, &TensorProto> = HashMap::new();
        work.add(graph, extents, &mut weights);
        let read: u64 = weights.values().filter_map(|tensor| tensor::byte_len(tensor)).sum();
        let elements: u64 = weights.values().filter_map(|tensor| tensor::elements(tensor)).sum();
        // A weight that is read is used: this much is done where shapes tell nothing, and where it is known that less is
        // done (experts that no token goes to), less is read.
        work.macs = macs.unwrap_or(work.macs.max(elements));
        work.weights_bytes = match elements {
            0 => 0,
            _ => read.min(work.macs.saturating_mul(read.div_ceil(elements))),
        };
        work
    }

    fn add<'m>(
        &mut self,
        graph: &'m GraphProto,
        extents: &Extents<'_>,
        weights: &mut HashMap<&'m str, &'m TensorProto>,
    ) {
        let initializers: HashMap<&str, &TensorProto> =
            graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
        let constants = constants(graph);
        for node in &graph.node {
            for body in node.attribute.iter().filter_map(|attribute| attribute.g.as_ref()) {
                self.add(body, extents, weights);
            }
            if is_product(node.op_type()) {
                let macs = products::of(node, extents).map_or(0, |product| product.macs);
                self.macs = self.macs.saturating_add(macs);
            }
            // A Transpose of a weight is fused into the product that reads it; a table is not read as a whole.
            if is_product(node.op_type()) || node.op_type() == "Transpose" {
                let read = node.input.iter().filter_map(|name| initializers.get_key_value(name.as_str()));
                weights.extend(read.map(|(name, tensor)| (*name, *tensor)));
            }
            if !is_product(node.op_type()) && !is_view(node.op_type()) && !is_folded(node, &constants) {
                let values = node.input.iter().filter(|name| !constants.contains(name.as_str()));
                let sizes = values.chain(&node.output).filter_map(|name| extents.get(name)).map(|it| it.bytes());
                self.moved_bytes = sizes.fold(self.moved_bytes, u64::saturating_add);
            }
        }
    }
}

/// How fast a machine is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    macs_per_s: f64,
    threads: f64,
}

impl Rates {
    /// Equal on every machine, so that all machines divide a suite alike.
    pub fn fixed(threads: u32) -> Rates {
        Rates::of(InstructionSet::Avx512, threads)
    }

    /// Those of a thread with these instructions, times the threads: 32-bit floating point, as measured for AVX-512 and
    /// by the width of the vectors for the others.
    pub fn of(level: InstructionSet, threads: u32) -> Rates {
        let giga_macs = match level {
            InstructionSet::Avx512 | InstructionSet::Avx512Vnni | InstructionSet::Amx => 54.0,
            InstructionSet::Avx2 | InstructionSet::AvxVnni => 35.0,
            InstructionSet::Avx => 16.0,
            InstructionSet::Neon | InstructionSet::DotProd | InstructionSet::I8mm | InstructionSet::Sve => 20.0,
            InstructionSet::Sse2 | InstructionSet::Generic => 8.0,
        };
        Rates { macs_per_s: giga_macs * 1e9, threads: f64::from(threads.max(1)) }
    }

    /// From the start of the process to the first inference, in seconds.
    pub(super) fn start_s(&self, weights_bytes: u64) -> f64 {
        LAUNCH_S + float(weights_bytes) / LOADED_BYTES_PER_S
    }

    /// One inference, in seconds. Threads share the memory, so only what is computed gains by all of them.
    pub(super) fn inference_s(&self, work: &Work) -> f64 {
        let memory_gain = self.threads.min(2.0);
        float(work.macs) / (self.macs_per_s * self.threads)
            + float(work.weights_bytes) / (STREAMED_BYTES_PER_S * memory_gain)
            + float(work.moved_bytes) / (MOVED_BYTES_PER_S * self.threads)
    }
}

/// How thoroughly a scenario is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Fresh processes.
    pub launches: u32,
    /// Runs of each that are discarded.
    pub warmup: u32,
    /// Fewest pairs of an unprofiled and a profiled run in a launch.
    pub min_iterations: u32,
    /// Most of them.
    pub max_iterations: u32,
    /// Seconds for the pairs beyond the fewest.
    pub time_budget_s: f64,
}

impl Effort {
    /// Inferences in one launch when one takes so long.
    pub fn runs(&self, inference_s: f64) -> u32 {
        let pairs = (self.time_budget_s / (2.0 * inference_s.max(1e-9))).ceil();
        let (least, most) = (f64::from(self.min_iterations), f64::from(self.max_iterations.max(self.min_iterations)));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two 32-bit numbers")]
        let pairs = pairs.clamp(least, most) as u32;
        self.warmup.saturating_add(pairs.saturating_mul(2))
    }
}

#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn float(count: u64) -> f64 {
    count as f64
}
