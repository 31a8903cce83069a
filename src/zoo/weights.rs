//! The bytes behind a zoo model's weights: one arena, laid out after the graph is built and filled at each launch.
//!
//! A model whose weights fit [`CAPACITY`] gets distinct bytes for each weight. Beyond it, each weight shape has a few
//! fixed offsets that its weights take in turn: ONNX Runtime shares prepacked copies of equal content, so memory stays
//! near the arena plus one copy for each pair of shape and offset, while neighbouring layers still read other bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use half::f16;

use crate::onnx::builder::{BuiltGraph, ExternalWeight};
use crate::onnx::proto::StringStringEntryProto;
use crate::onnx::proto::tensor_proto::DataType;

/// The file name that external initializers point at; no such file exists, the runtime is handed the arena under it.
pub const FILE_NAME: &str = "weights.arena";
/// Largest arena, in bytes.
pub const CAPACITY: u64 = 768 << 20;
/// A cache line, in bytes.
const LINE: usize = 64;
/// Every weight's offset is a multiple of this, in bytes.
const ALIGNMENT: u64 = LINE as u64;
/// Weights of one shape share this many bytes at least, before their offsets repeat.
const ROTATION_BYTES: u64 = 512 << 20;

/// Where each weight of a model lies in the arena.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightsPlan {
    /// The name that the model's external initializers give as their location.
    pub file_name: &'static str,
    /// Size of the arena.
    pub arena_bytes: u64,
    /// Size the weights would have without sharing.
    pub nominal_bytes: u64,
    regions: Vec<Region>,
}

/// A stretch of the arena whose values are drawn from one distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Region {
    end: u64,
    dtype: DataType,
    half_width: f32,
}

/// Gives each external weight of the graph its place and writes that into the model.
pub fn plan(graph: &mut BuiltGraph) -> WeightsPlan {
    plan_within(graph, CAPACITY)
}

fn plan_within(graph: &mut BuiltGraph, capacity: u64) -> WeightsPlan {
    let aligned: u64 = graph.external.iter().map(|weight| weight.bytes().next_multiple_of(ALIGNMENT)).sum();
    let (offsets, regions) =
        if aligned <= capacity { place_apart(&graph.external) } else { place_shared(&graph.external, capacity) };
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
        arena_bytes: regions.last().map_or(0, |region| region.end),
        nominal_bytes: graph.external.iter().map(ExternalWeight::bytes).sum(),
        regions,
    }
}

/// One after the other, each in a region of its own scale.
fn place_apart(weights: &[ExternalWeight]) -> (Vec<u64>, Vec<Region>) {
    let mut end = 0;
    weights
        .iter()
        .map(|weight| {
            let offset = end;
            end += weight.bytes().next_multiple_of(ALIGNMENT);
            (offset, Region { end, dtype: weight.dtype, half_width: weight.half_width })
        })
        .unzip()
}

/// A few offsets for each shape, spread over an arena of `capacity` bytes (more, when one weight alone is larger).
/// Weights overlap, so one scale serves all: the smallest, with which no product grows.
fn place_shared(weights: &[ExternalWeight], capacity: u64) -> (Vec<u64>, Vec<Region>) {
    let largest = weights.iter().map(ExternalWeight::bytes).max().unwrap_or(0).next_multiple_of(ALIGNMENT);
    let end = capacity.max(largest);
    let mut used: BTreeMap<&[i64], u64> = BTreeMap::new();
    let offsets = weights
        .iter()
        .map(|weight| {
            let turn = used.entry(&weight.dims).or_default();
            let places = (ROTATION_BYTES / weight.bytes().max(1)).clamp(2, 8);
            let slot = *turn % places;
            *turn += 1;
            let room = end - weight.bytes().next_multiple_of(ALIGNMENT);
            (room / (places - 1) * slot) / ALIGNMENT * ALIGNMENT
        })
        .collect();
    let half_width = weights.iter().map(|weight| weight.half_width).fold(f32::INFINITY, f32::min);
    // A graph has its large weights in one precision: those that stay in another are few and fit.
    let dtype = weights.first().map_or(DataType::Float, |weight| weight.dtype);
    (offsets, vec![Region { end, dtype, half_width }])
}

/// The arena's bytes: equal on every machine, without a period, neither denormal nor zero.
pub fn fill(plan: &WeightsPlan) -> Arc<[u8]> {
    let length = usize::try_from(plan.arena_bytes).expect("an arena of at most 768 MiB, or one weight, fits memory");
    // SAFETY: the slice is allocated zeroed, and zero is a valid `u8`.
    let mut arena = unsafe { Arc::<[u8]>::new_zeroed_slice(length).assume_init() };
    let mut rest = Arc::get_mut(&mut arena).expect("the arena was made here and has no other owner");
    ask_for_huge_pages(rest);
    let mut start = 0;
    for region in &plan.regions {
        let size = usize::try_from(region.end - start).expect("a region lies in the arena");
        let (part, after) = rest.split_at_mut(size);
        fill_region(part, start, region);
        (rest, start) = (after, region.end);
    }
    arena
}

/// Numbers of a region that are drawn, in bytes; the rest are copies of stretches of them.
const DRAWN_BYTES: usize = 256 << 10;

/// Writes numbers of the region's type, uniform in plus or minus its half width, that depend on its start alone.
///
/// Drawing every number would take most of a launch's start. Stretches of irregular length from irregular places repeat
/// with no period, which is what caches and the runtime's search for equal content could notice.
fn fill_region(part: &mut [u8], start: u64, region: &Region) {
    let mut random = fastrand::Rng::with_seed(start);
    let (drawn, mut rest) = part.split_at_mut(part.len().min(DRAWN_BYTES));
    let mut draw = || {
        // Under the exponent of 1.0, mantissa bits give [1, 2); an odd mantissa is never 1.5, so no value is zero.
        let unit = f32::from_bits(0x3f80_0001 | (random.u32(..) >> 9));
        (unit - 1.5) * (2.0 * region.half_width)
    };
    if region.dtype == DataType::Float16 {
        drawn.chunks_exact_mut(2).for_each(|bytes| bytes.copy_from_slice(&normal_half(draw()).to_le_bytes()));
    } else {
        drawn.chunks_exact_mut(4).for_each(|bytes| bytes.copy_from_slice(&draw().to_le_bytes()));
    }
    while !rest.is_empty() {
        let line = LINE * random.usize(0..drawn.len() / LINE);
        let length = (LINE * random.usize(64..1024)).min(drawn.len() - line).min(rest.len());
        let (now, later) = rest.split_at_mut(length);
        now.copy_from_slice(&drawn[line..line + length]);
        rest = later;
    }
}

/// The nearest number of 16 bits that is neither zero nor denormal.
fn normal_half(value: f32) -> f16 {
    let least = f16::MIN_POSITIVE.to_f32();
    f16::from_f32(if value.abs() < least { least.copysign(value) } else { value })
}

/// Touching fresh memory in pages of 4 KiB takes several times as long as writing it; a refusal costs only that time.
#[cfg(target_os = "linux")]
fn ask_for_huge_pages(bytes: &mut [u8]) {
    const PAGE: usize = 4096;
    let skip = bytes.as_ptr().align_offset(PAGE);
    if let Some(pages) = bytes.get_mut(skip..).filter(|pages| !pages.is_empty()) {
        // SAFETY: the range is owned memory that starts at a page, and this advice does not change its contents.
        unsafe { libc::madvise(pages.as_mut_ptr().cast(), pages.len(), libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_: &mut [u8]) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::builder::{GraphBuilder, Init};

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
        let plan = plan(&mut graph);
        let places = places(&graph);
        assert!(places.iter().all(|(offset, _)| offset % ALIGNMENT == 0));
        assert!(places.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        assert_eq!(plan.nominal_bytes, (9900 + 9900 + 8192) * 4);
        assert!(plan.arena_bytes >= plan.nominal_bytes);
    }

    #[test]
    fn beyond_the_capacity_each_shape_keeps_to_a_few_offsets_inside_the_arena() {
        let capacity = 1 << 20;
        let shapes = vec![&[256_i64, 512][..]; 40];
        let mut graph = graph(&shapes);
        let plan = plan_within(&mut graph, capacity);
        let mut offsets = places(&graph);
        assert!(offsets.iter().all(|(offset, length)| offset + length <= capacity && offset % ALIGNMENT == 0));
        assert_ne!(offsets[0], offsets[1], "neighbours read other bytes");
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(offsets.len(), 8);
        assert_eq!((plan.arena_bytes, plan.nominal_bytes), (capacity, 40 * 256 * 512 * 4));
    }

    #[test]
    fn halves_take_half_the_room_and_are_normal() {
        let mut graph = graph(&[&[3000, 1000], &[64, 100]]);
        graph.external.iter_mut().for_each(|weight| weight.dtype = DataType::Float16);
        let plan = plan(&mut graph);
        assert_eq!(plan.nominal_bytes, (3_000_000 + 6400) * 2);
        assert_eq!(places(&graph)[1], (6_000_000, 12_800));
        let bytes = fill(&plan);
        assert_eq!(bytes.len(), 6_012_800);
        let values: Vec<f16> = bytes.chunks_exact(2).map(|b| f16::from_le_bytes(b.try_into().unwrap())).collect();
        assert!(values.iter().all(|value| value.is_normal()));
        let widest = values[..3_000_000].iter().fold(0.0_f32, |most, value| most.max(value.to_f32().abs()));
        assert!((0.0313..0.0317).contains(&widest), "{widest}");
    }

    #[test]
    fn the_filling_is_reproducible_normal_and_aperiodic() {
        let mut graph = graph(&[&[300, 1000], &[2000, 500]]);
        let plan = plan(&mut graph);
        let bytes = fill(&plan);
        assert_eq!(bytes, fill(&plan));
        let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert!(values.iter().all(|value| value.is_normal()));
        let (small, large) = ((3.0_f32 / 2000.0).sqrt(), (3.0_f32 / 300.0).sqrt());
        let widest = |part: &[f32]| part.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!(widest(&values[..300_000]) <= large && widest(&values[..300_000]) > 0.99 * large);
        assert!(widest(&values[300_000..]) <= small && widest(&values[300_000..]) > 0.99 * small);
        let mean = values[..300_000].iter().sum::<f32>() / 300_000.0;
        assert!(mean.abs() < 0.01 * large, "{mean}");
        let mut bits: Vec<u32> = values[..65_536].iter().map(|value| value.to_bits()).collect();
        bits.sort_unstable();
        bits.dedup();
        assert!(bits.len() > 64_500, "values repeat: {} of 65536 distinct", bits.len());
        let lines: Vec<&[u8]> = bytes[..300_000 * 4].chunks_exact(LINE).collect();
        let most_alike = (1..lines.len() / 2)
            .map(|shift| lines.iter().zip(&lines[shift..]).filter(|(line, later)| line == later).count())
            .max();
        assert!(most_alike < Some(lines.len() / 8), "{most_alike:?} of {} lines repeat at one distance", lines.len());
    }
}
