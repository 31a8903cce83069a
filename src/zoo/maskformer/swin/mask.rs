//! The masks of shifted windows. What the exporter computes of them at export time depends on their size; what is left
//! is in the graph, and once for each block where it starts from constants.

use crate::onnx::builder::{GraphBuilder, Value};
use crate::zoo::swin::Windows;
use crate::zoo::swin::mask::bands;

use super::FOLDED_ELEMENTS;

/// What is added to the scores of two tokens that are not neighbours in the image.
const HIDDEN: f32 = -100.0;
/// The largest constant that the exporter makes itself, in elements.
const LARGEST_FOLDED: i64 = 512 * 512;

/// The masks of one stage, block by block.
pub struct Masks {
    windows: Windows,
    /// What the blocks share.
    shared: Option<Shared>,
}

/// The numbers of the regions of two tokens, one less the other, as far as they are the same node for all blocks.
enum Shared {
    /// The operands of the subtraction.
    Operands(Value, Value),
    /// Their difference.
    Differences(Value),
    /// The mask.
    Mask(Value),
}

impl Masks {
    /// The masks of a stage with these windows.
    pub fn new(windows: Windows) -> Self {
        Masks { windows, shared: None }
    }

    /// (windows, tokens, tokens) of the next shifted block: zero where both tokens belong to one region, else
    /// [`HIDDEN`].
    pub fn next(&mut self, b: &mut GraphBuilder) -> Value {
        let shared = self.shared.get_or_insert_with(|| start(b, &self.windows));
        match shared {
            Shared::Operands(across, down) => {
                let differences = b.sub(across, down);
                hide(b, &differences)
            }
            Shared::Differences(differences) => hide(b, differences),
            Shared::Mask(mask) => mask.clone(),
        }
    }
}

/// What the exporter has of the masks before the first block that needs one.
fn start(b: &mut GraphBuilder, windows: &Windows) -> Shared {
    let (count, tokens) = (windows.count(), windows.tokens());
    if count * tokens > FOLDED_ELEMENTS {
        let numbers = paint(b, windows);
        let across = b.unsqueeze(&numbers, &[1]);
        let down = b.unsqueeze(&numbers, &[2]);
        let differences = b.sub(&across, &down);
        return Shared::Mask(hide(b, &differences));
    }
    let numbers = region_numbers(windows);
    if count * tokens * tokens > LARGEST_FOLDED {
        return Shared::Operands(b.float(&[count, 1, tokens], &numbers), b.float(&[count, tokens, 1], &numbers));
    }
    let side = usize::try_from(tokens).expect("a window fits memory");
    let differences: Vec<f32> = numbers
        .chunks_exact(side)
        .flat_map(|window| window.iter().flat_map(move |down| window.iter().map(move |across| across - down)))
        .collect();
    Shared::Differences(b.float(&[count, tokens, tokens], &differences))
}

/// The number of the region of each token, (windows, tokens), painted region by region in the graph, with the exporter's
/// form of assigning to a slice.
fn paint(b: &mut GraphBuilder, windows: &Windows) -> Value {
    let ([height, width], [rows, columns], side) = (windows.padded, windows.counts(), windows.side);
    let mut canvas = match usize::try_from(height * width) {
        Ok(elements) if height * width <= LARGEST_FOLDED => b.float(&[1, height, width, 1], &vec![0.0; elements]),
        _ => b.zeros(&[1, height, width, 1]),
    };
    let mut number = 0.0;
    for down in bands(height, side, windows.shift[0]) {
        for across in bands(width, side, windows.shift[1]) {
            let band = b.slice_by(&canvas, 1, down.start, down.end, 1);
            let band = b.transpose(&band, &[2, 1, 0, 3]);
            let at = b.int64(&[across.len(), 1], &across.indices);
            let paint = vec![number; across.indices.len() * down.indices.len()];
            let paint = b.float(&[across.len(), down.len(), 1, 1], &paint);
            let band = b.scatter_nd(&band, &at, &paint);
            let band = b.transpose(&band, &[1, 2, 0, 3]);
            let rows_first = b.transpose(&canvas, &[1, 0, 2, 3]);
            let at = b.int64(&[down.len(), 1], &down.indices);
            let painted = b.scatter_nd(&rows_first, &at, &band);
            canvas = b.transpose(&painted, &[1, 0, 2, 3]);
            number += 1.0;
        }
    }
    let parts = b.view(&canvas, &[1, rows, side, columns, side, 1]);
    let parts = b.transpose(&parts, &[0, 1, 3, 2, 4, 5]);
    b.reshape(&parts, &[windows.count(), windows.tokens()])
}

/// The mask from the differences of regions' numbers.
fn hide(b: &mut GraphBuilder, differences: &Value) -> Value {
    let (zero, hidden) = (b.scalar(0.0), b.scalar(HIDDEN));
    let same = b.equal(differences, &zero);
    let other = b.not(&same);
    let mask = b.select(&other, &hidden, differences);
    b.select(&same, &zero, &mask)
}

/// The number of the region of each token, window by window.
fn region_numbers(windows: &Windows) -> Vec<f32> {
    let bands_of = |axis: usize| -> Vec<u8> {
        let bands = bands(windows.padded[axis], windows.side, windows.shift[axis]);
        (0_u8..).zip(bands).flat_map(|(band, stretch)| vec![band; stretch.indices.len()]).collect()
    };
    let (down, across) = (bands_of(0), bands_of(1));
    let side = usize::try_from(windows.side).expect("a window fits memory");
    let mut numbers = Vec::with_capacity(down.len() * across.len());
    for rows in down.chunks_exact(side) {
        for columns in across.chunks_exact(side) {
            numbers.extend(rows.iter().flat_map(|row| columns.iter().map(move |column| f32::from(row * 3 + column))));
        }
    }
    numbers
}
