//! The mask of shifted windows, built inside the graph as torchvision does: paint each region with its number, then
//! compare the numbers within a window.

use crate::onnx::builder::{GraphBuilder, Value};

use super::Windows;

/// What is added to the scores of two tokens that are not neighbours in the image.
const HIDDEN: f32 = -100.0;

/// (1, windows, 1, tokens, tokens): zero where both tokens belong to one region, else [`HIDDEN`].
pub fn build(b: &mut GraphBuilder, windows: &Windows) -> Value {
    let regions = paint(b, windows);
    let ([rows, columns], side, tokens) = (windows.counts(), windows.side, windows.tokens());
    let regions = b.view(&regions, &[rows, side, columns, side]);
    let regions = b.transpose(&regions, &[0, 2, 1, 3]);
    let regions = b.view(&regions, &[windows.count(), tokens]);
    let across = b.unsqueeze(&regions, &[1]);
    let down = b.unsqueeze(&regions, &[2]);
    let difference = b.sub(&across, &down);
    let (zero, hidden) = (b.scalar(0.0), b.scalar(HIDDEN));
    let same = b.equal(&difference, &zero);
    let other = b.not(&same);
    let mask = b.select(&other, &hidden, &difference);
    let mask = b.select(&same, &zero, &mask);
    b.unsqueeze(&mask, &[0, 2])
}

/// The number of the region at each position, painted region by region with the exporter's form of assigning to a slice.
fn paint(b: &mut GraphBuilder, windows: &Windows) -> Value {
    let [height, width] = windows.padded;
    let mut canvas = b.zeros(&[height, width]);
    let mut number = 0.0;
    for rows in bands(height, windows.side, windows.shift[0]) {
        for columns in bands(width, windows.side, windows.shift[1]) {
            let band = b.slice_by(&canvas, 0, rows.start, rows.end, 1);
            let band = b.transpose(&band, &[1, 0]);
            let dims = [columns.len(), rows.len()];
            let paint = b.float(&dims, &vec![number; columns.indices.len() * rows.indices.len()]);
            let at = b.int64(&[dims[0], 1], &columns.indices);
            let band = b.scatter_nd(&band, &at, &paint);
            let band = b.transpose(&band, &[1, 0]);
            let at = b.int64(&[dims[1], 1], &rows.indices);
            canvas = b.scatter_nd(&canvas, &at, &band);
            number += 1.0;
        }
    }
    canvas
}

/// A stretch along one axis: its bounds as a Python slice, and the positions it covers.
pub struct Band {
    /// The first position, from the end where it is negative.
    pub start: i64,
    /// Behind the last position, from the end where it is negative.
    pub end: i64,
    /// The positions.
    pub indices: Vec<i64>,
}

impl Band {
    /// Number of positions.
    pub fn len(&self) -> i64 {
        i64::try_from(self.indices.len()).expect("a side of an image fits 63 bits")
    }
}

/// The parts that the shift brings together: up to the last window, the part of it that stays, the part that wrapped.
pub fn bands(length: i64, side: i64, shift: i64) -> Vec<Band> {
    if shift == 0 {
        return vec![Band { start: 0, end: i64::MAX, indices: (0..length).collect() }];
    }
    let (last, wrapped) = (length - side, length - shift);
    vec![
        Band { start: 0, end: -side, indices: (0..last).collect() },
        Band { start: -side, end: -shift, indices: (last..wrapped).collect() },
        Band { start: -shift, end: i64::MAX, indices: (wrapped..length).collect() },
    ]
}
