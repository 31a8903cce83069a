//! The arena's bytes: equal on every machine, without a period, and no number among them denormal.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Arena, Region, Values};

/// Numbers of a piece that are drawn, in bytes; the rest are copies of stretches of them.
const DRAWN_BYTES: usize = 256 << 10;
/// Longest stretch that one thread fills at a time, in bytes.
const PIECE_BYTES: usize = 32 << 20;
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
                draw(piece.bytes, piece.values, piece.start);
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
    start: u64,
    values: Values,
}

/// Cuts the arena at the ends of its regions and every [`PIECE_BYTES`] within one.
fn pieces<'a>(regions: &[Region], mut rest: &'a mut [u8]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for region in regions {
        while start < region.end {
            let left = usize::try_from(region.end - start).unwrap_or(usize::MAX);
            let (bytes, after) = rest.split_at_mut(left.min(PIECE_BYTES));
            let size = bytes.len() as u64;
            pieces.push(Piece { bytes, start, values: region.values });
            (rest, start) = (after, start + size);
        }
    }
    pieces
}

/// Fills `part` with values that depend on nothing but their kind and `seed`.
///
/// Drawing every number would take most of a launch's start. Stretches of irregular length from irregular places repeat
/// with no period, which is what caches and the runtime's search for equal content could notice.
pub fn draw(part: &mut [u8], values: Values, seed: u64) {
    const LINE: usize = super::LINE as usize;
    if let Values::Repeated(byte) = values {
        part.fill(byte);
        return;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let (drawn, mut rest) = part.split_at_mut(part.len().min(DRAWN_BYTES));
    for bytes in drawn.chunks_mut(values.width()) {
        // Packed numbers may end within a chunk; all others fill theirs.
        bytes.copy_from_slice(&values.number(&mut random)[..bytes.len()]);
    }
    while !rest.is_empty() {
        let from = LINE * random.usize(0..drawn.len() / LINE);
        let length = (LINE * random.usize(64..1024)).min(drawn.len() - from).min(rest.len());
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
        let bytes = arena(&[((PIECE_BYTES as u64) + 4096, 0.5)]).fill();
        let (first, rest) = bytes.split_at(PIECE_BYTES);
        assert!(rest.chunks_exact(4).all(|b| f32::from_le_bytes(b.try_into().unwrap()).is_normal()));
        assert_ne!(&first[..4096], rest, "pieces differ");
    }
}
