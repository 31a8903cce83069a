//! Rotary position embeddings (Su et al., 2021), as transformers writes them: pairs of elements half a head apart are
//! rotated by an angle that grows with the position.

use crate::onnx::builder::{GraphBuilder, Value};
use crate::onnx::proto::tensor_proto::DataType;

/// How fast each pair of elements turns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frequencies {
    /// The slowest pair turns about this many times slower than the first.
    pub base: f64,
    /// How slow pairs are slowed further for contexts beyond the trained one.
    pub stretch: Option<Stretch>,
}

/// Llama 3.1's rule: pairs that turn often within the trained context stay, those that turn less than `low` times are
/// slowed by `factor`, and between the two the slowing grows smoothly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// How many times slower the slowest pairs turn.
    pub factor: f64,
    /// Turns within the trained context up to which a pair is slowed in full.
    pub low: f64,
    /// Turns within the trained context from which on a pair is not slowed.
    pub high: f64,
    /// The trained context, in tokens.
    pub trained: f64,
}

impl Frequencies {
    /// Radians per position of each pair in a head of `width` elements.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "angles, rounded as PyTorch does")]
    fn per_position(&self, width: i64) -> Vec<f32> {
        let plain = (0..width / 2).map(|pair| self.base.powf(-2.0 * pair as f64 / width as f64));
        plain.map(|frequency| self.stretch.map_or(frequency, |stretch| stretch.apply(frequency)) as f32).collect()
    }
}

impl Stretch {
    fn apply(&self, frequency: f64) -> f64 {
        let turns = self.trained * frequency / std::f64::consts::TAU;
        let kept = ((turns - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        frequency * (kept + (1.0 - kept) / self.factor)
    }
}

/// Cosines and sines of the angles of every token, (batch, tokens, width).
#[derive(Debug)]
pub struct Rotation {
    cos: Value,
    sin: Value,
}

/// Computes the angles from the position ids, which are (batch, tokens).
pub fn rotation(b: &mut GraphBuilder, frequencies: &Frequencies, positions: &Value, width: i64) -> Rotation {
    let batch = positions.dim(0);
    let positions = b.unsqueeze(positions, &[1]);
    let positions = b.cast(&positions, DataType::Float);
    let row = frequencies.per_position(width);
    let rows: Vec<f32> = (0..batch).flat_map(|_| row.iter().copied()).collect();
    let rows = b.float(&[batch, width / 2, 1], &rows);
    let angles = b.matmul(&rows, &positions);
    let angles = b.transpose(&angles, &[0, 2, 1]);
    let angles = b.concat(&[&angles, &angles], -1);
    let [cos, sin] = [b.cos(&angles), b.sin(&angles)].map(|value| b.unsqueeze(&value, &[1]));
    Rotation { cos, sin }
}

impl Rotation {
    /// Rotates queries and keys, (batch, heads, tokens, width) each.
    pub fn apply(&self, b: &mut GraphBuilder, heads: [&Value; 2]) -> [Value; 2] {
        heads.map(|x| {
            let half = x.dim(-1) / 2;
            let along = b.mul(x, &self.cos);
            let [first, second] = [(0, half), (half, i64::MAX)].map(|(start, end)| b.slice_by(x, 3, start, end, 1));
            let second = b.neg(&second);
            let turned = b.concat(&[&second, &first], -1);
            let across = b.mul(&turned, &self.sin);
            b.add(&along, &across)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f32], expected: &[f32]) {
        let apart = found.iter().zip(expected).any(|(a, b)| (a - b).abs() > 1e-6 * b.abs());
        assert!(found.len() == expected.len() && !apart, "{found:?} against {expected:?}");
    }

    #[test]
    fn plain_frequencies_fall_geometrically_from_one() {
        close(&Frequencies { base: 10_000.0, stretch: None }.per_position(8), &[1.0, 0.1, 0.01, 0.001]);
    }

    /// The expected values are the constant in an export of a Llama 3.1 with heads of 32 elements (transformers 4.57).
    #[test]
    fn stretched_frequencies_are_the_exporters() {
        let stretch = Stretch { factor: 8.0, low: 1.0, high: 4.0, trained: 8192.0 };
        let expected = [
            1.0,
            4.403_666_3e-1,
            1.939_227_6e-1,
            8.539_71e-2,
            3.760_603e-2,
            1.656_044e-2,
            7.292_665e-3,
            3.211_446e-3,
            5.248_46e-4,
            7.784_655_5e-5,
            3.428_102_4e-5,
            1.509_621_8e-5,
            6.647_869_7e-6,
            2.927_499_7e-6,
            1.289_173_2e-6,
            5.677_088e-7,
        ];
        close(&Frequencies { base: 500_000.0, stretch: Some(stretch) }.per_position(32), &expected);
    }
}
