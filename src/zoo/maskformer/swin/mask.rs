//! The masks of shifted windows. How much of them the exporter computes at export time depends on their size; the rest
//! is in the graph, once for each block.

use crate::onnx::builder::{GraphBuilder, Value};
use crate::zoo::swin::Windows;
use crate::zoo::swin::mask::bands;

use super::FOLDED_ELEMENTS;

/// What is added to the scores of two tokens that are not neighbours in the image.
const HIDDEN: f32 = -100.0;
/// The largest constant that the exporter makes itself, in elements.
const LARGEST_FOLDED: i64 = 512 * 512;

/// The numbers of the regions that the shift makes neighbours of, as far as they are constants of the graph.
pub enum Regions {
    /// Not at all: each mask paints them.
    Painted,
    /// (windows, 1, tokens) and (windows, tokens, 1).
    Numbers(Value, Value),
    /// One less the other, (windows, tokens, tokens).
    Differences(Value),
}

impl Regions {
    /// The regions of one stage.
    pub fn new(b: &mut GraphBuilder, windows: &Windows) -> Self {
        let (count, tokens) = (windows.count(), windows.tokens());
        if count * tokens > FOLDED_ELEMENTS {
            return Regions::Painted;
        }
        let numbers = region_numbers(windows);
        if count * tokens * tokens > LARGEST_FOLDED {
            return Regions::Numbers(b.float(&[count, 1, tokens], &numbers), b.float(&[count, tokens, 1], &numbers));
        }
        let side = usize::try_from(tokens).expect("a window fits memory");
        let differences: Vec<f32> = numbers
            .chunks_exact(side)
            .flat_map(|window| window.iter().flat_map(move |down| window.iter().map(move |across| across - down)))
            .collect();
        Regions::Differences(b.float(&[count, tokens, tokens], &differences))
    }
}

/// (windows, tokens, tokens) for one shifted block: zero where both tokens belong to one region, else [`HIDDEN`].
pub fn build(b: &mut GraphBuilder, windows: &Windows, regions: &Regions) -> Value {
    let differences = match regions {
        Regions::Painted => {
            let numbers = paint(b, windows);
            let across = b.unsqueeze(&numbers, &[1]);
            let down = b.unsqueeze(&numbers, &[2]);
            b.sub(&across, &down)
        }
        Regions::Numbers(across, down) => b.sub(across, down),
        Regions::Differences(differences) => differences.clone(),
    };
    let (zero, hidden) = (b.scalar(0.0), b.scalar(HIDDEN));
    let same = b.equal(&differences, &zero);
    let other = b.not(&same);
    let mask = b.select(&other, &hidden, &differences);
    b.select(&same, &zero, &mask)
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
