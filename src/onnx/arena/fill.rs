//! The arena's bytes: equal on every machine, without a period, and no number among them denormal.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Arena, Region, Values};

/// So many numbers of a piece are drawn; the rest are copies of stretches of them.
const DRAWN: usize = 64 << 10;
/// Stretches begin and end at multiples of so many numbers: a cache line of singles.
const STEP: usize = 16;
/// Numbers that one thread fills at a time, at most.
const PIECE: usize = 8 << 20;
/// More threads than this wait for memory instead of filling it.
const FILLING_THREADS: usize = 4;

impl Arena {
    /// The arena, equal on every machine. Uses all cores for as long as it takes: most of that is the system handing out
    /// memory, which one core asks for no faster than it can clear it.
    pub fn fill(&self) -> Arc<[u8]> {
        let length = usize::try_from(self.bytes()).expect("an arena fits the memory that it was planned for");
        // SAFETY: the slice is allocated zeroed, and zero is a valid `u8`.
        let mut arena = unsafe { Arc::<[u8]>::new_zeroed_slice(length).assume_init() };
        let bytes = Arc::get_mut(&mut arena).expect("the arena was made here and has no other owner");
        ask_for_huge_pages(bytes);
        let pieces = Mutex::new(pieces(&self.regions, bytes).into_iter());
        let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(piece) = next() {
                draw(piece.bytes, piece.values, piece.seed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..std::thread::available_parallelism().map_or(1, usize::from).min(FILLING_THREADS) {
                scope.spawn(work);
            }
            work();
        });
        arena
    }
}

/// A part of one region.
struct Piece<'a> {
    bytes: &'a mut [u8],
    values: Values,
    seed: u64,
}

/// Cuts the arena at the ends of its regions and every [`PIECE`] numbers within one.
fn pieces<'a>(regions: &[Region], mut rest: &'a mut [u8]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for &Region { end, values, mut seed } in regions {
        while start < end {
            let left = usize::try_from(end - start).unwrap_or(usize::MAX);
            let (bytes, after) = rest.split_at_mut(left.min(PIECE * values.width()));
            let size = bytes.len() as u64;
            pieces.push(Piece { bytes, values, seed });
            (rest, start, seed) = (after, start + size, seed + 4 * PIECE as u64);
        }
    }
    pieces
}

/// Fills `part` with values that depend on nothing but their kind and `seed`. Kinds that differ in their type alone give
/// the same numbers, rounded.
///
/// Drawing every number would take most of a launch's start. Stretches of irregular length from irregular places repeat
/// with no period, which is what caches and the runtime's search for equal content could notice.
pub fn draw(part: &mut [u8], values: Values, seed: u64) {
    if let Values::Repeated(byte) = values {
        part.fill(byte);
        return;
    }
    let width = values.width();
    let mut random = fastrand::Rng::with_seed(seed);
    let (drawn, mut rest) = part.split_at_mut(part.len().min(DRAWN * width));
    for bytes in drawn.chunks_mut(width) {
        // Packed numbers may end within a chunk; all others fill theirs.
        bytes.copy_from_slice(&values.number(&mut random)[..bytes.len()]);
    }
    let step = STEP * width;
    while !rest.is_empty() {
        let from = step * random.usize(0..drawn.len() / step);
        let length = (step * random.usize(64..1024)).min(drawn.len() - from).min(rest.len());
        let (now, later) = rest.split_at_mut(length);
        now.copy_from_slice(&drawn[from..from + length]);
        rest = later;
    }
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
    use half::f16;

    use super::super::Weight;
    use super::*;
    use crate::onnx::proto::tensor_proto::DataType;

    fn arena(weights: &[(u64, f32)]) -> Arena {
        let weight = |&(bytes, half_width): &(u64, f32)| Weight {
            dims: vec![i64::try_from(bytes).unwrap() / 4],
            bytes,
            values: Values::around_zero(DataType::Float, half_width),
        };
        let weights: Vec<Weight> = weights.iter().map(weight).collect();
        Arena::plan(&weights, u64::MAX, |values| values).1
    }

    #[test]
    fn the_filling_is_reproducible_normal_and_aperiodic() {
        let arena = arena(&[(300_000 * 4, 0.1), (1_000_000 * 4, 0.03)]);
        let bytes = arena.fill();
        assert_eq!(bytes, arena.fill());
        let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert!(values.iter().all(|value| value.is_normal()));
        let widest = |part: &[f32]| part.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!((0.099..=0.1).contains(&widest(&values[..300_000])));
        assert!((0.0297..=0.03).contains(&widest(&values[300_000..])));
        let mean = values[..300_000].iter().sum::<f32>() / 300_000.0;
        assert!(mean.abs() < 0.001, "{mean}");
        let mut bits: Vec<u32> = values[..65_536].iter().map(|value| value.to_bits()).collect();
        bits.sort_unstable();
        bits.dedup();
        assert!(bits.len() > 64_500, "values repeat: {} of 65536 distinct", bits.len());
        let line = usize::try_from(super::super::LINE).unwrap();
        let lines: Vec<&[u8]> = bytes[..300_000 * 4].chunks_exact(line).collect();
        let most_alike = (1..lines.len() / 2)
            .map(|shift| lines.iter().zip(&lines[shift..]).filter(|(line, later)| line == later).count())
            .max();
        assert!(most_alike < Some(lines.len() / 8), "{most_alike:?} of {} lines repeat at one distance", lines.len());
    }

    #[test]
    fn regions_longer_than_a_piece_are_filled_to_their_end() {
        let bytes = arena(&[(4 * PIECE as u64 + 4096, 0.5)]).fill();
        let (first, rest) = bytes.split_at(4 * PIECE);
        assert!(rest.chunks_exact(4).all(|b| f32::from_le_bytes(b.try_into().unwrap()).is_normal()));
        assert_ne!(&first[..4096], rest, "pieces differ");
    }

    #[test]
    fn halves_are_the_singles_rounded() {
        let filled = |data_type, width: u64| {
            let weight = |numbers: u64, half_width| Weight {
                dims: vec![i64::try_from(numbers).unwrap()],
                bytes: numbers * width,
                values: Values::around_zero(data_type, half_width),
            };
            let weights = [weight(1000, 0.5), weight(PIECE as u64 + 200_001, 0.03), weight(3000, 0.1)];
            let (offsets, arena) = Arena::plan(&weights, u64::MAX, |values| values);
            let bytes = arena.fill();
            let part = |index: usize| {
                let start = usize::try_from(offsets[index]).unwrap();
                bytes[start..start + usize::try_from(weights[index].bytes).unwrap()].to_vec()
            };
            [0, 1, 2].map(part)
        };
        let (singles, halves) = (filled(DataType::Float, 4), filled(DataType::Float16, 2));
        for (singles, halves) in singles.iter().zip(&halves) {
            let single = singles.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            let half = halves.chunks_exact(2).map(|b| f16::from_le_bytes(b.try_into().unwrap()));
            assert!(
                single
                    .zip(half)
                    .all(|(single, half)| (half.to_f32() - single).abs() <= 0.0005 * single.abs().max(0.125))
            );
        }
    }
}
