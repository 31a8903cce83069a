//! The sign flips that a permutation test goes through: one sign a pair, shared by everything that was measured in it.

use sha2::{Digest, Sha256};

/// Up to this many pairs all flips are gone through: 4096 of them.
const EXACT_UP_TO: usize = 12;

/// Flips drawn beyond that, the identity not counted.
const DRAWN: usize = 20_000;

/// A row of bits for each flip, eight pairs a byte, lowest bit first; a set bit exchanges the sides of its pair. The
/// first row exchanges nothing.
pub(super) struct Flips {
    bytes: Vec<u8>,
    width: usize,
}

impl Flips {
    /// All flips of up to twelve pairs; of more, a sample that depends on `seed` alone.
    pub(super) fn of(pairs: usize, seed: [u8; 32]) -> Flips {
        if pairs <= EXACT_UP_TO { Flips::all(pairs) } else { Flips::drawn(pairs, seed) }
    }

    /// Every flip of up to 31 pairs.
    pub(super) fn all(pairs: usize) -> Flips {
        let width = width(pairs);
        let rows = 0..1_u32 << pairs;
        Flips { bytes: rows.flat_map(|row| row.to_le_bytes().into_iter().take(width)).collect(), width }
    }

    fn drawn(pairs: usize, seed: [u8; 32]) -> Flips {
        let width = width(pairs);
        let mut bytes = vec![0; width];
        bytes.extend(Stream { seed, block: 0 }.flatten().take(width * DRAWN));
        Flips { bytes, width }
    }

    /// How many there are, the identity included.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.width
    }

    /// Bytes of one flip.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// One after the other, the identity first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.width)
    }
}

/// Bytes of a flip.
fn width(pairs: usize) -> usize {
    pairs.div_ceil(8).max(1)
}

/// Random bytes: SHA-256 of the seed and a counter, so that no library's version is part of a result.
struct Stream {
    seed: [u8; 32],
    block: u64,
}

impl Iterator for Stream {
    type Item = [u8; 32];

    fn next(&mut self) -> Option<[u8; 32]> {
        let block = Sha256::new().chain_update(self.seed).chain_update(self.block.to_le_bytes()).finalize();
        self.block += 1;
        Some(block.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pairs_have_every_flip_once() {
        for pairs in [0, 1, 3, 8, 9, 12] {
            let flips = Flips::of(pairs, [0; 32]);
            let mut rows: Vec<&[u8]> = flips.iter().collect();
            assert_eq!((rows.len(), flips.len()), (1 << pairs, 1 << pairs));
            assert!(rows[0].iter().all(|byte| *byte == 0));
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), 1 << pairs);
        }
    }

    #[test]
    fn many_pairs_have_a_sample_that_the_seed_decides() {
        let rows = |seed| Flips::of(20, seed).bytes;
        assert_eq!(Flips::of(20, [1; 32]).len(), DRAWN + 1);
        assert_eq!(rows([1; 32]), rows([1; 32]));
        assert_ne!(rows([1; 32]), rows([2; 32]));
        assert_eq!(rows([1; 32])[..3], [0, 0, 0]);
        let ones: u32 = rows([1; 32]).iter().map(|byte| byte.count_ones()).sum();
        assert!((239_000..241_000).contains(&ones), "{ones} of 480 000 bits");
    }
}
