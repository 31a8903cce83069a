//! The bytes behind a zoo model's weights: one arena, laid out after the graph is built and filled at each launch.
//!
//! A model whose weights fit [`CAPACITY`] gets distinct bytes for each weight. Beyond it, each weight shape has a few
//! fixed offsets that its weights take in turn: ONNX Runtime shares prepacked copies of equal content, so memory stays
//! near the arena plus one copy for each pair of shape and offset, while neighbouring layers still read other bytes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// One copy of each distinct pair of shape and offset that a product or a convolution reads.
    packed_bytes: u64,
    regions: Vec<Region>,
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
        self.nominal_bytes > self.arena_bytes
    }

    /// Memory that the weights of a session on this plan take: the arena, and where ONNX Runtime prepacks them, one copy
    /// for each distinct pair of shape and offset; tables that are only looked up have none. Activations, and what the
    /// optimizer copies (weights that it transposes or puts into a blocked layout), come on top.
    pub fn resident_bytes(&self, prepacked: bool) -> u64 {
        self.arena_bytes + if prepacked { self.packed_bytes } else { 0 }
    }
}

/// A stretch of the arena whose values are drawn from one distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Region {
    end: u64,
    dtype: DataType,
    half_width: f32,
}

/// Gives each external weight of the graph its place in an arena of `capacity` bytes (more, when one weight alone is
/// larger) and writes that into the model.
pub fn plan(graph: &mut BuiltGraph, capacity: u64) -> WeightsPlan {
    let aligned: u64 = graph.external.iter().map(|weight| weight.bytes().next_multiple_of(ALIGNMENT)).sum();
    let (offsets, regions) =
        if aligned <= capacity { place_apart(&graph.external) } else { place_shared(&graph.external, capacity) };
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
        arena_bytes: regions.last().map_or(0, |region| region.end),
        nominal_bytes: graph.external.iter().map(ExternalWeight::bytes).sum(),
        packed_bytes,
        regions,
        arranged,
    }
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
    assert!(weights.iter().all(|weight| weight.arranged.is_empty()), "arranged weights share no bytes");
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

/// The arena's bytes: equal on every machine, without a period, neither denormal nor zero. Uses all cores for as long
/// as it takes: most of that is the system handing out memory, which one core asks for no faster than it can clear it.
pub fn fill(plan: &WeightsPlan) -> Arc<[u8]> {
    let length = usize::try_from(plan.arena_bytes).expect("an arena fits the memory that it was planned for");
    // SAFETY: the slice is allocated zeroed, and zero is a valid `u8`.
    let mut arena = unsafe { Arc::<[u8]>::new_zeroed_slice(length).assume_init() };
    let bytes = Arc::get_mut(&mut arena).expect("the arena was made here and has no other owner");
    ask_for_huge_pages(bytes);
    let pieces = Mutex::new(pieces(plan, bytes).into_iter());
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(piece) = next() {
            piece.fill();
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..std::thread::available_parallelism().map_or(1, usize::from).min(FILLING_THREADS) {
            scope.spawn(work);
        }
        work();
    });
    arrange(Arc::get_mut(&mut arena).expect("the arena still has no other owner"), &plan.arranged);
    arena
}

/// More threads than this wait for memory instead of filling it.
const FILLING_THREADS: usize = 4;
/// Longest stretch that one thread fills at a time, in bytes.
const PIECE_BYTES: usize = 32 << 20;

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

/// Numbers of a piece that are drawn, in bytes; the rest are copies of stretches of them.
const DRAWN_BYTES: usize = 256 << 10;

/// A part of one region.
struct Piece<'a> {
    bytes: &'a mut [u8],
    start: u64,
    region: Region,
}

/// Cuts the arena at the ends of its regions and every [`PIECE_BYTES`] within one.
fn pieces<'a>(plan: &WeightsPlan, mut rest: &'a mut [u8]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for region in &plan.regions {
        while start < region.end {
            let left = usize::try_from(region.end - start).unwrap_or(usize::MAX);
            let (bytes, after) = rest.split_at_mut(left.min(PIECE_BYTES));
            let size = bytes.len() as u64;
            pieces.push(Piece { bytes, start, region: *region });
            (rest, start) = (after, start + size);
        }
    }
    pieces
}

impl Piece<'_> {
    /// Writes numbers of the region's type, uniform in plus or minus its half width, that depend on the place in the arena alone.
    ///
    /// Drawing every number would take most of a launch's start. Stretches of irregular length from irregular places
    /// repeat with no period, which is what caches and the runtime's search for equal content could notice.
    fn fill(self) {
        let Piece { bytes, start, region } = self;
        let mut random = fastrand::Rng::with_seed(start);
        let (drawn, mut rest) = bytes.split_at_mut(bytes.len().min(DRAWN_BYTES));
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
        let plan = plan(&mut graph, capacity);
        let mut offsets = places(&graph);
        assert!(offsets.iter().all(|(offset, length)| offset + length <= capacity && offset % ALIGNMENT == 0));
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

    #[test]
    fn the_filling_is_reproducible_normal_and_aperiodic() {
        let mut graph = graph(&[&[300, 1000], &[2000, 500]]);
        let plan = plan(&mut graph, CAPACITY);
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
