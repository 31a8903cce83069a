//! The bytes behind made-up weights: where each lies in one arena, and the filling of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use half::{bf16, f16};

use super::recipe::Values;
use crate::onnx::proto::tensor_proto::DataType;

/// Largest arena in bytes. A model beyond it gives each shape of weight a few places, which its weights take in turn:
/// ONNX Runtime shares prepacked copies of equal content, so that memory stays near the arena.
const CAPACITY: u64 = 768 << 20;
/// A cache line: every weight begins at a multiple of it.
const LINE: u64 = 64;
/// Weights of one shape share this many bytes at least, before their places repeat.
const ROTATION_BYTES: u64 = 512 << 20;
/// Numbers of a region that are drawn, in bytes; the rest are copies of stretches of them.
const DRAWN_BYTES: usize = 256 << 10;

/// One weight to be placed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weight {
    pub bytes: u64,
    pub values: Values,
}

/// Where weights lie, and what their arena is filled with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    regions: Vec<Region>,
    shared: bool,
}

/// A stretch of the arena whose values are drawn alike.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Region {
    end: u64,
    values: Values,
}

/// Gives each weight its offset.
pub(super) fn plan(weights: &[Weight]) -> (Vec<u64>, Plan) {
    plan_within(weights, CAPACITY)
}

fn plan_within(weights: &[Weight], capacity: u64) -> (Vec<u64>, Plan) {
    let total: u64 = weights.iter().map(|weight| weight.bytes.next_multiple_of(LINE)).sum();
    if total > capacity {
        return shared(weights, capacity, total);
    }
    let mut end = 0;
    let (offsets, regions) = weights
        .iter()
        .map(|weight| {
            let offset = end;
            end += weight.bytes.next_multiple_of(LINE);
            (offset, Region { end, values: weight.values })
        })
        .unzip();
    (offsets, Plan { regions, shared: false })
}

/// A part of the arena for each kind of values, as large as its part of all weights, at least its largest weight.
fn shared(weights: &[Weight], capacity: u64, total: u64) -> (Vec<u64>, Plan) {
    let mut kinds: Vec<(Values, Vec<usize>)> = Vec::new();
    for (index, weight) in weights.iter().enumerate() {
        let values = weight.values.rounded();
        match kinds.iter_mut().find(|(known, _)| *known == values) {
            Some((_, members)) => members.push(index),
            None => kinds.push((values, vec![index])),
        }
    }
    let (mut offsets, mut regions, mut start) = (vec![0; weights.len()], Vec::new(), 0);
    for (values, members) in kinds {
        let sizes = || members.iter().map(|&index| weights[index].bytes.next_multiple_of(LINE));
        let nominal: u64 = sizes().sum();
        let part = u128::from(capacity) * u128::from(nominal) / u128::from(total.max(1));
        let room = u64::try_from(part).unwrap_or(capacity).max(sizes().max().unwrap_or(0)).next_multiple_of(LINE);
        let mut turns: BTreeMap<u64, u64> = BTreeMap::new();
        for &index in &members {
            let bytes = weights[index].bytes;
            let turn = turns.entry(bytes).or_default();
            let places = (ROTATION_BYTES / bytes.max(1)).clamp(2, 8);
            let slack = room - bytes.next_multiple_of(LINE);
            offsets[index] = start + slack / (places - 1) * (*turn % places) / LINE * LINE;
            *turn += 1;
        }
        start += room;
        regions.push(Region { end: start, values });
    }
    (offsets, Plan { regions, shared: true })
}

impl Plan {
    /// Size of the arena.
    pub fn bytes(&self) -> u64 {
        self.regions.last().map_or(0, |region| region.end)
    }

    /// True where weights overlap.
    pub fn repeats(&self) -> bool {
        self.shared
    }

    /// The arena, equal on every machine.
    pub fn fill(&self) -> Arc<[u8]> {
        let length = usize::try_from(self.bytes()).expect("an arena of at most 768 MiB, or a few weights, fits memory");
        // SAFETY: the slice is allocated zeroed, and zero is a valid `u8`.
        let mut arena = unsafe { Arc::<[u8]>::new_zeroed_slice(length).assume_init() };
        let mut rest = Arc::get_mut(&mut arena).expect("the arena was made here and has no other owner");
        let mut start = 0;
        for region in &self.regions {
            let size = usize::try_from(region.end - start).expect("a region lies in the arena");
            let (part, after) = rest.split_at_mut(size);
            draw(part, region.values, start);
            (rest, start) = (after, region.end);
        }
        arena
    }
}

/// Fills `part` with values that depend on nothing but their kind and `seed`.
///
/// Drawing every number would take most of a launch's start. Stretches of irregular length from irregular places repeat
/// with no period, which is what caches and the runtime's search for equal content could notice.
pub(super) fn draw(part: &mut [u8], values: Values, seed: u64) {
    if let Values::Repeated(byte) = values {
        part.fill(byte);
        return;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let (drawn, mut rest) = part.split_at_mut(part.len().min(DRAWN_BYTES));
    for bytes in drawn.chunks_mut(values.width()) {
        // Packed numbers may end within a chunk; all others fill theirs.
        bytes.copy_from_slice(&number(values, &mut random)[..bytes.len()]);
    }
    let line = 64;
    while !rest.is_empty() {
        let from = line * random.usize(0..drawn.len() / line);
        let length = (line * random.usize(64..1024)).min(drawn.len() - from).min(rest.len());
        let (now, later) = rest.split_at_mut(length);
        now.copy_from_slice(&drawn[from..from + length]);
        rest = later;
    }
}

/// One number in its first [`Values::width`] bytes, little-endian.
fn number(values: Values, random: &mut fastrand::Rng) -> [u8; 8] {
    let mut bytes = [0; 8];
    let mut put = |number: &[u8]| bytes[..number.len()].copy_from_slice(number);
    match values {
        Values::Reals { data_type, low, high } => {
            // Under the exponent of 1.0, mantissa bits give [1, 2); an odd mantissa is never 1.5, the middle.
            let unit = f32::from_bits(0x3f80_0001 | (random.u32(..) >> 9)) - 1.5;
            let real = low / 2.0 + high / 2.0 + unit * (high - low);
            match data_type {
                DataType::Float16 => put(&normal_half(real).to_le_bytes()),
                DataType::Bfloat16 => put(&bf16::from_f32(real).to_le_bytes()),
                DataType::Double => put(&f64::from(real).to_le_bytes()),
                _ => put(&real.to_le_bytes()),
            }
        }
        // The low bytes of a number in its range are the narrower number.
        Values::Integers { low, high, .. } => put(&random.i32(low..=high).to_le_bytes()),
        Values::Tiny { mantissa, low, high } => {
            let (sign, exponent) = (random.u8(0..2), random.u8(low..=high));
            let fraction = random.u8(..) & ((1 << mantissa) - 1);
            // Without a mantissa there is no sign either: the byte is the exponent.
            put(&[if mantissa == 0 { exponent } else { sign << 7 | exponent << mantissa | fraction }]);
        }
        Values::Bits => put(&random.u32(..).to_le_bytes()),
        Values::Repeated(byte) => put(&[byte]),
    }
    bytes
}

/// The half nearest `real`, or the smallest normal one of its sign.
fn normal_half(real: f32) -> f16 {
    let half = f16::from_f32(real);
    if half.is_normal() { half } else { f16::MIN_POSITIVE.copysign(half) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: Values = Values::Reals { data_type: DataType::Float, low: -0.5, high: 0.5 };

    fn reals(data_type: DataType, low: f32, high: f32) -> Values {
        Values::Reals { data_type, low, high }
    }

    fn drawn(values: Values, bytes: usize) -> Vec<u8> {
        let mut part = vec![0; bytes];
        draw(&mut part, values, 7);
        part
    }

    fn floats(bytes: &[u8]) -> Vec<f32> {
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    #[test]
    fn weights_that_fit_have_bytes_of_their_own() {
        let weights: Vec<Weight> = [400, 64, 4000].map(|bytes| Weight { bytes, values: REAL }).into();
        let (offsets, plan) = plan(&weights);
        assert_eq!(offsets, [0, 448, 512]);
        assert_eq!((plan.bytes(), plan.repeats()), (512 + 4032, false));
        assert_eq!(plan.fill(), plan.fill());
    }

    #[test]
    fn beyond_the_capacity_each_kind_keeps_to_its_part_and_to_a_few_places() {
        let mut weights = vec![Weight { bytes: 1 << 18, values: REAL }; 40];
        weights.extend(vec![Weight { bytes: 1 << 17, values: Values::Bits }; 40]);
        let capacity = 1 << 20;
        let (offsets, plan) = plan_within(&weights, capacity);
        assert!(plan.bytes() <= capacity + 2 * LINE, "{}", plan.bytes());
        assert!(plan.repeats());
        let border = plan.regions[0].end;
        assert!(offsets[..40].iter().all(|offset| offset % LINE == 0 && offset + (1 << 18) <= border));
        assert!(offsets[40..].iter().all(|offset| *offset >= border && offset + (1 << 17) <= plan.bytes()));
        let mut distinct = offsets[..40].to_vec();
        assert_ne!(distinct[0], distinct[1], "neighbours read other bytes");
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 8);
        let floats = floats(&plan.fill()[..usize::try_from(border).unwrap()]);
        assert!(floats.iter().all(|value| value.is_normal() && value.abs() <= 0.5));
    }

    #[test]
    fn reals_keep_to_their_range_and_are_normal_in_every_type() {
        let values = floats(&drawn(REAL, 1 << 20));
        assert!(values.iter().all(|value| value.is_normal() && value.abs() <= 0.5));
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.01, "{mean}");
        let positive = floats(&drawn(reals(DataType::Float, 0.9, 1.1), 4000));
        assert!(positive.iter().all(|value| (0.9..=1.1).contains(value)));

        let halves = drawn(reals(DataType::Float16, -0.001, 0.001), 1 << 18);
        let halves: Vec<f16> = halves.chunks_exact(2).map(|b| f16::from_le_bytes(b.try_into().unwrap())).collect();
        assert!(halves.iter().all(|value| value.is_normal() && value.to_f32().abs() <= 0.00101));
        assert!(halves.iter().any(|value| value.is_sign_negative()) && halves.iter().any(|v| v.is_sign_positive()));
        let brain = drawn(reals(DataType::Bfloat16, -2.0, 2.0), 4000);
        assert!(brain.chunks_exact(2).all(|b| bf16::from_le_bytes(b.try_into().unwrap()).is_normal()));
        let doubles = drawn(reals(DataType::Double, -2.0, 2.0), 8000);
        assert!(doubles.chunks_exact(8).all(|b| f64::from_le_bytes(b.try_into().unwrap()).abs() <= 2.0));
    }

    #[test]
    fn integers_and_small_floats_keep_to_what_is_legal() {
        let bytes = drawn(Values::Integers { bits: 8, low: -64, high: 64 }, 10_000);
        let signed: Vec<i8> = bytes.iter().map(|&byte| i8::from_le_bytes([byte])).collect();
        assert_eq!((signed.iter().min(), signed.iter().max()), (Some(&-64), Some(&64)));
        let words = drawn(Values::Integers { bits: 32, low: -1023, high: 1023 }, 10_000);
        assert!(words.chunks_exact(4).all(|b| i32::from_le_bytes(b.try_into().unwrap()).abs() <= 1023));
        // Not-a-number has all exponent bits set in E4M3 (0x7f, 0xff), and is 0x80 in the variants without negative zero.
        let tiny = drawn(Values::Tiny { mantissa: 3, low: 3, high: 6 }, 10_000);
        assert!(tiny.iter().all(|byte| (3..=6).contains(&(byte >> 3 & 15))));
        assert!(drawn(Values::Tiny { mantissa: 0, low: 120, high: 123 }, 100).iter().all(|b| (120..=123).contains(b)));
        assert_eq!(drawn(Values::Bits, 7).len(), 7);
        assert_eq!(drawn(Values::Repeated(0x88), 3), [0x88; 3]);
    }
}
