//! The bytes behind a zoo model's weights: one arena, laid out after the graph is built and filled at each launch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use half::f16;

use crate::onnx::arena::{Arena, Values, Weight};
use crate::onnx::builder::{BuiltGraph, ExternalWeight};
use crate::onnx::proto::StringStringEntryProto;
use crate::onnx::proto::tensor_proto::DataType;

pub use crate::onnx::arena::CAPACITY;

/// The file name that external initializers point at; no such file exists, the runtime is handed the arena under it.
pub const FILE_NAME: &str = "weights.arena";

/// Where each weight of a model lies in the arena.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightsPlan {
    /// The name that the model's external initializers give as their location.
    pub file_name: &'static str,
    /// Size of the arena.
    pub arena_bytes: u64,
    /// Size the weights would have without sharing.
    pub nominal_bytes: u64,
    /// One copy of each distinct pair of shape and offset that a product or a convolution reads.
    packed_bytes: u64,
    arena: Arena,
    /// Values that are not drawn, at bytes of the arena; later ones hold.
    arranged: Vec<ArrangedRun>,
}

/// Consecutive numbers of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ArrangedRun {
    start: u64,
    bytes: u64,
    value: f32,
    dtype: DataType,
}

impl WeightsPlan {
    /// True where weights share bytes, because they do not fit the arena one beside the other.
    pub fn repeats(&self) -> bool {
        self.arena.repeats()
    }

    /// Memory that the weights of a session on this plan take: the arena, and where ONNX Runtime prepacks them, one copy
    /// for each distinct pair of shape and offset; tables that are only looked up have none. Activations, and what the
    /// optimizer copies (weights that it transposes or puts into a blocked layout), come on top.
    pub fn resident_bytes(&self, prepacked: bool) -> u64 {
        self.arena_bytes + if prepacked { self.packed_bytes } else { 0 }
    }
}

/// Gives each external weight of the graph its place in an arena of `capacity` bytes (more, when one weight alone is
/// larger) and writes that into the model.
pub fn plan(graph: &mut BuiltGraph, capacity: u64) -> WeightsPlan {
    let (offsets, arena) = Arena::plan(&weights(&graph.external), capacity, one_kind(&graph.external));
    assert!(
        !arena.repeats() || graph.external.iter().all(|weight| weight.arranged.is_empty()),
        "arranged weights share no bytes"
    );
    let packed_bytes = packed_bytes(graph, &offsets);
    let arranged = arranged(&graph.external, &offsets);
    if let Some(model_graph) = &mut graph.model.graph {
        for (weight, offset) in graph.external.iter().zip(offsets) {
            let entry = |key: &str, value: String| StringStringEntryProto { key: Some(key.into()), value: Some(value) };
            model_graph.initializer[weight.initializer].external_data = vec![
                entry("location", FILE_NAME.to_owned()),
                entry("offset", offset.to_string()),
                entry("length", weight.bytes().to_string()),
            ];
        }
    }
    WeightsPlan {
        file_name: FILE_NAME,
        arena_bytes: arena.bytes(),
        nominal_bytes: graph.external.iter().map(ExternalWeight::bytes).sum(),
        packed_bytes,
        arena,
        arranged,
    }
}

fn weights(external: &[ExternalWeight]) -> Vec<Weight> {
    let weight = |weight: &ExternalWeight| Weight {
        dims: weight.dims.clone(),
        bytes: weight.bytes(),
        values: Values::around_zero(weight.dtype, weight.half_width),
    };
    external.iter().map(weight).collect()
}

/// Where weights overlap, one scale serves all: the smallest, with which no product grows.
fn one_kind(external: &[ExternalWeight]) -> impl Fn(Values) -> Values {
    let half_width = external.iter().map(|weight| weight.half_width).fold(f32::INFINITY, f32::min);
    // A graph has its large weights in one precision: those that stay in another are few and fit.
    let dtype = external.first().map_or(DataType::Float, |weight| weight.dtype);
    move |_| Values::around_zero(dtype, half_width)
}

/// Size of the distinct weights that any node but a Gather reads.
fn packed_bytes(graph: &BuiltGraph, offsets: &[u64]) -> u64 {
    let Some(model_graph) = &graph.model.graph else { return 0 };
    let computing = model_graph.node.iter().filter(|node| node.op_type() != "Gather");
    let read: HashSet<&str> = computing.flat_map(|node| node.input.iter().map(String::as_str)).collect();
    let placed = graph.external.iter().zip(offsets);
    let packed = placed.filter(|(weight, _)| read.contains(model_graph.initializer[weight.initializer].name()));
    let distinct: HashMap<(&[i64], u64), u64> =
        packed.map(|(weight, offset)| ((&weight.dims[..], *offset), weight.bytes())).collect();
    distinct.into_values().sum()
}

/// The arranged values of weights that lie at `offsets`.
fn arranged(weights: &[ExternalWeight], offsets: &[u64]) -> Vec<ArrangedRun> {
    let all = weights.iter().zip(offsets).flat_map(|(weight, offset)| {
        let size = weight.bytes() / weight.dims.iter().product::<i64>().unsigned_abs().max(1);
        weight.arranged.iter().map(move |run| ArrangedRun {
            start: offset + run.start.unsigned_abs() * size,
            bytes: run.count.unsigned_abs() * size,
            value: run.value,
            dtype: weight.dtype,
        })
    });
    all.collect()
}

/// The arena's bytes: equal on every machine, without a period, neither denormal nor zero but where that is arranged.
pub fn fill(plan: &WeightsPlan) -> Arc<[u8]> {
    let mut arena = plan.arena.fill();
    arrange(Arc::get_mut(&mut arena).expect("the arena was made here and has no other owner"), &plan.arranged);
    arena
}

/// Writes the values that are not drawn.
fn arrange(arena: &mut [u8], runs: &[ArrangedRun]) {
    let place = |byte: u64| usize::try_from(byte).expect("a weight lies in the arena");
    for run in runs {
        let part = &mut arena[place(run.start)..place(run.start + run.bytes)];
        if run.dtype == DataType::Float16 {
            let value = f16::from_f32(run.value).to_le_bytes();
            part.chunks_exact_mut(2).for_each(|bytes| bytes.copy_from_slice(&value));
        } else {
            part.chunks_exact_mut(4).for_each(|bytes| bytes.copy_from_slice(&run.value.to_le_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::arena::LINE;
    use crate::onnx::builder::{GraphBuilder, Init, Run};
    use crate::onnx::proto::tensor_proto::DataType;

    fn graph(shapes: &[&[i64]]) -> BuiltGraph {
        let mut b = GraphBuilder::new("test");
        shapes.iter().for_each(|dims| {
            b.parameter("w", dims, Init::FanIn(dims[0]));
        });
        b.finish()
    }

    fn places(graph: &BuiltGraph) -> Vec<(u64, u64)> {
        let tensors = &graph.model.graph.as_ref().unwrap().initializer;
        let number = |tensor: &crate::onnx::proto::TensorProto, i: usize| {
            tensor.external_data[i].value.as_ref().unwrap().parse().unwrap()
        };
        tensors.iter().map(|tensor| (number(tensor, 1), number(tensor, 2))).collect()
    }

    #[test]
    fn weights_that_fit_are_disjoint_and_aligned() {
        let mut graph = graph(&[&[100, 99], &[100, 99], &[64, 128]]);
        let plan = plan(&mut graph, CAPACITY);
        let places = places(&graph);
        assert!(places.iter().all(|(offset, _)| offset % LINE == 0));
        assert!(places.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        assert_eq!(plan.nominal_bytes, (9900 + 9900 + 8192) * 4);
        assert!(plan.arena_bytes >= plan.nominal_bytes);
    }

    #[test]
    fn beyond_the_capacity_each_shape_keeps_to_a_few_offsets_inside_the_arena() {
        let capacity = 1 << 20;
        let shapes = vec![&[256_i64, 512][..]; 40];
        let mut graph = graph(&shapes);
        let plan = plan(&mut graph, capacity);
        let mut offsets = places(&graph);
        assert!(offsets.iter().all(|(offset, length)| offset + length <= capacity && offset % LINE == 0));
        assert_ne!(offsets[0], offsets[1], "neighbours read other bytes");
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(offsets.len(), 8);
        assert_eq!((plan.arena_bytes, plan.nominal_bytes), (capacity, 40 * 256 * 512 * 4));
    }

    #[test]
    fn a_session_takes_the_arena_and_a_copy_of_what_products_read() {
        let product = 100 * 100 * 4;
        let mut b = GraphBuilder::new("test");
        let ids = b.input("ids", DataType::Int64, &[7]);
        let table = b.parameter("table", &[1000, 100], Init::FanIn(100));
        let mut x = b.gather(&table, &ids, 0);
        for _ in 0..40 {
            let weight = b.parameter("w", &[100, 100], Init::FanIn(100));
            x = b.matmul(&x, &weight);
        }
        let mut graph = b.finish();
        let apart = plan(&mut graph, CAPACITY);
        assert_eq!(apart.resident_bytes(false), apart.arena_bytes);
        assert_eq!(apart.resident_bytes(true), apart.arena_bytes + 40 * product);
        let shared = plan(&mut graph, 1 << 20);
        assert_eq!(shared.resident_bytes(true), (1 << 20) + 8 * product);
    }

    #[test]
    fn arranged_values_stand_among_drawn_ones() {
        let mut b = GraphBuilder::new("test");
        b.parameter("before", &[100, 99], Init::FanIn(99));
        let runs = vec![Run { start: 100, count: 50, value: 0.0 }, Run { start: 110, count: 1, value: 7.5 }];
        b.arranged_parameter("w", &[64, 128], Init::FanIn(128), runs);
        let mut graph = b.finish();
        let plan = plan(&mut graph, CAPACITY);
        let (offset, length) = places(&graph)[1];
        let bytes = &fill(&plan)[usize::try_from(offset).unwrap()..][..usize::try_from(length).unwrap()];
        let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert!(values[100..110].iter().chain(&values[111..150]).all(|value| *value == 0.0));
        assert_eq!(values[110].to_bits(), 7.5_f32.to_bits());
        assert!(values[..100].iter().chain(&values[150..]).all(|value| value.is_normal()));
    }

    #[test]
    fn halves_take_half_the_room_and_are_normal() {
        let mut graph = graph(&[&[3000, 1000], &[64, 100]]);
        graph.external.iter_mut().for_each(|weight| weight.dtype = DataType::Float16);
        let plan = plan(&mut graph, CAPACITY);
        assert_eq!(plan.nominal_bytes, (3_000_000 + 6400) * 2);
        assert_eq!(places(&graph)[1], (6_000_000, 12_800));
        let bytes = fill(&plan);
        assert_eq!(bytes.len(), 6_012_800);
        let values: Vec<f16> = bytes.chunks_exact(2).map(|b| f16::from_le_bytes(b.try_into().unwrap())).collect();
        assert!(values.iter().all(|value| value.is_normal()));
        let widest = values[..3_000_000].iter().fold(0.0_f32, |most, value| most.max(value.to_f32().abs()));
        assert!((0.0313..0.0317).contains(&widest), "{widest}");
    }
}
