//! One arena for weights that nobody trained: where each lies in it, and what it is filled with.
//!
//! A model whose weights fit the arena gets distinct bytes for each weight. Beyond it, each weight shape has a few fixed
//! offsets that its weights take in turn: ONNX Runtime shares prepacked copies of equal content, so memory stays near the
//! arena plus one copy for each pair of shape and offset, while neighbouring layers still read other bytes.

mod fill;
mod values;

use std::collections::BTreeMap;

pub use fill::draw;
pub use values::Values;

/// Size of an arena that holds more than fits it, in bytes.
///
/// What one inference touches must stay well above the last-level cache, or products that wait for memory look too fast.
pub const CAPACITY: u64 = 768 << 20;
/// A cache line, in bytes: every weight begins at a multiple of it.
pub const LINE: u64 = 64;
/// Weights of one shape share this many bytes at least, before their offsets repeat.
const ROTATION_BYTES: u64 = 512 << 20;

/// One weight to be placed.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// Shape, in elements.
    pub dims: Vec<i64>,
    /// Size.
    pub bytes: u64,
    /// What its bytes are to hold.
    pub values: Values,
}

/// Where weights lie, and what their arena is filled with.
#[derive(Debug, Clone, PartialEq)]
pub struct Arena {
    regions: Vec<Region>,
    shared: bool,
}

/// A stretch of the arena whose values are drawn alike.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Region {
    end: u64,
    values: Values,
    /// What its values are drawn from: where it would begin if all numbers were singles, so that a model has the same
    /// weights in every precision.
    seed: u64,
}

impl Arena {
    /// Gives each weight its offset in an arena of at most `capacity` bytes (more, when one weight alone is larger).
    ///
    /// Where weights overlap, those of one kind of values do so in a part of their own. `kind` says which kind the values
    /// of a weight then become; it must suit the weight.
    pub fn plan(weights: &[Weight], capacity: u64, kind: impl Fn(Values) -> Values) -> (Vec<u64>, Arena) {
        let total: u64 = weights.iter().map(Weight::room).sum();
        if total > capacity { share(weights, capacity, total, kind) } else { place_apart(weights) }
    }

    /// Size of the arena.
    pub fn bytes(&self) -> u64 {
        self.regions.last().map_or(0, |region| region.end)
    }

    /// True where weights overlap, because they do not fit one beside the other.
    pub fn repeats(&self) -> bool {
        self.shared
    }
}

impl Weight {
    /// What it takes beside others, in bytes.
    fn room(&self) -> u64 {
        self.bytes.next_multiple_of(LINE)
    }

    fn numbers(&self) -> u64 {
        self.bytes / self.values.width() as u64
    }
}

/// One after the other, each in a region of its own values.
fn place_apart(weights: &[Weight]) -> (Vec<u64>, Arena) {
    let (mut end, mut next_seed) = (0, 0);
    let (offsets, regions) = weights
        .iter()
        .map(|weight| {
            let (offset, seed) = (end, next_seed);
            end += weight.room();
            next_seed += (weight.numbers() * 4).next_multiple_of(LINE);
            (offset, Region { end, values: weight.values, seed })
        })
        .unzip();
    (offsets, Arena { regions, shared: false })
}

/// A part of the arena for each kind of values, as large as its part of all weights, at least its largest weight.
fn share(weights: &[Weight], capacity: u64, total: u64, kind: impl Fn(Values) -> Values) -> (Vec<u64>, Arena) {
    let mut kinds: Vec<(Values, Vec<usize>)> = Vec::new();
    for (index, weight) in weights.iter().enumerate() {
        let values = kind(weight.values);
        match kinds.iter_mut().find(|(known, _)| *known == values) {
            Some((_, members)) => members.push(index),
            None => kinds.push((values, vec![index])),
        }
    }
    let (mut offsets, mut regions, mut start) = (vec![0; weights.len()], Vec::new(), 0);
    for (values, members) in kinds {
        let rooms = || members.iter().map(|&index| weights[index].room());
        let nominal: u64 = rooms().sum();
        let part = u128::from(capacity) * u128::from(nominal) / u128::from(total.max(1));
        let size = u64::try_from(part).unwrap_or(capacity).max(rooms().max().unwrap_or(0)).next_multiple_of(LINE);
        let mut turns: BTreeMap<&[i64], u64> = BTreeMap::new();
        for &index in &members {
            let weight = &weights[index];
            let turn = turns.entry(&weight.dims).or_default();
            offsets[index] = start + rotated(*turn, weight, size);
            *turn += 1;
        }
        regions.push(Region { end: start + size, values, seed: start });
        start += size;
    }
    (offsets, Arena { regions, shared: true })
}

/// The rule of few offsets: where in a part of `size` bytes the weight lies that is the `turn`-th of its shape.
fn rotated(turn: u64, weight: &Weight, size: u64) -> u64 {
    let places = (ROTATION_BYTES / weight.bytes.max(1)).clamp(2, 8);
    let slack = size - weight.room();
    slack / (places - 1) * (turn % places) / LINE * LINE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::tensor_proto::DataType;

    const REAL: Values = Values::Reals { data_type: DataType::Float, low: -0.5, high: 0.5 };

    fn weight(bytes: u64, values: Values) -> Weight {
        Weight { dims: vec![i64::try_from(bytes).unwrap() / 4], bytes, values }
    }

    #[test]
    fn weights_that_fit_have_bytes_of_their_own() {
        let weights = [400, 64, 4000].map(|bytes| weight(bytes, REAL));
        let (offsets, arena) = Arena::plan(&weights, CAPACITY, |values| values);
        assert_eq!(offsets, [0, 448, 512]);
        assert_eq!((arena.bytes(), arena.repeats()), (512 + 4032, false));
    }

    #[test]
    fn beyond_the_capacity_each_kind_keeps_to_its_part_and_to_a_few_places() {
        let mut weights = vec![weight(1 << 18, REAL); 40];
        weights.extend(vec![weight(1 << 17, Values::Bits); 40]);
        let capacity = 1 << 20;
        let (offsets, arena) = Arena::plan(&weights, capacity, |values| values);
        assert!(arena.bytes() <= capacity + 2 * LINE, "{}", arena.bytes());
        assert!(arena.repeats());
        let border = arena.regions[0].end;
        assert!(offsets[..40].iter().all(|offset| offset % LINE == 0 && offset + (1 << 18) <= border));
        assert!(offsets[40..].iter().all(|offset| *offset >= border && offset + (1 << 17) <= arena.bytes()));
        let mut distinct = offsets[..40].to_vec();
        assert_ne!(distinct[0], distinct[1], "neighbours read other bytes");
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 8);
    }

    #[test]
    fn shapes_of_one_size_take_turns_of_their_own() {
        let shapes: [&[i64]; 2] = [&[256, 512], &[512, 256]];
        let weights: Vec<Weight> =
            (0..40).map(|index| Weight { dims: shapes[index % 2].to_vec(), bytes: 1 << 19, values: REAL }).collect();
        let (offsets, _) = Arena::plan(&weights, 1 << 20, |values| values);
        assert!(offsets.chunks(2).all(|pair| pair[0] == pair[1]), "{offsets:?}");
    }

    #[test]
    fn a_weight_larger_than_the_arena_makes_it_larger() {
        let weights = [1 << 18, 1 << 21].map(|bytes| weight(bytes, REAL));
        let (offsets, arena) = Arena::plan(&weights, 1 << 20, |values| values);
        assert_eq!((offsets, arena.bytes()), (vec![0, 0], 1 << 21));
    }
}
