//! Numbers: fp32 bytes to fp16 bytes.

use half::f16;

/// What became of numbers that fp16 cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Finite numbers beyond plus or minus 65504, which became that.
    pub clamped: u64,
    /// Numbers nearer zero than half the smallest that fp16 has (6e-8), which became zero.
    pub flushed: u64,
}

impl Losses {
    /// Adds another count to this one.
    pub fn add(&mut self, other: Losses) {
        self.clamped += other.clamped;
        self.flushed += other.flushed;
    }
}

/// The nearest fp16. What is finite stays finite, infinities and NaN stay what they are.
///
/// Numbers below 2^-14 become the nearest subnormal: those keep their meaning to one part in two at worst, GPUs compute
/// with them at full speed, and on CPUs they are converted to fp32, where they are normal.
pub fn to_half(value: f32, losses: &mut Losses) -> f16 {
    if value.is_finite() && value.abs() > f16::MAX.to_f32() {
        losses.clamped += 1;
        return if value > 0.0 { f16::MAX } else { f16::MIN };
    }
    let nearest = f16::from_f32(value);
    if value != 0.0 && nearest == f16::ZERO {
        losses.flushed += 1;
    }
    nearest
}

/// Converts little-endian fp32 to little-endian fp16; a length that is no multiple of 4 loses its rest.
pub fn convert(bytes: &[u8], into: &mut impl Extend<u8>, losses: &mut Losses) {
    let (numbers, _) = bytes.as_chunks::<4>();
    into.extend(numbers.iter().flat_map(|&bytes| to_half(f32::from_le_bytes(bytes), losses).to_le_bytes()));
}

/// True for a number that fp16 has as a normal one, or as zero: no less, no more, no NaN.
pub fn is_held(value: f32) -> bool {
    value == 0.0 || (f16::MIN_POSITIVE.to_f32()..=f16::MAX.to_f32()).contains(&value.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_finite_stays_finite_and_losses_are_counted() {
        // value, fp16, clamped, flushed
        let cases = [
            (0.0, 0.0, 0, 0),
            (1.5, 1.5, 0, 0),
            (-2.0, -2.0, 0, 0),
            (65504.0, 65504.0, 0, 0),
            (65505.0, 65504.0, 1, 0),
            (f32::MAX, 65504.0, 1, 0),
            (f32::MIN, -65504.0, 1, 0),
            (-1e9, -65504.0, 1, 0),
            (f32::INFINITY, f32::INFINITY, 0, 0),
            (f32::NEG_INFINITY, f32::NEG_INFINITY, 0, 0),
            (1e-12, 0.0, 0, 1),
            (-1e-12, 0.0, 0, 1),
            (5.960_464_5e-8, 5.960_464_5e-8, 0, 0),
            (6.103_515_6e-5, 6.103_515_6e-5, 0, 0),
            (3.051_757_8e-5, 3.051_757_8e-5, 0, 0),
        ];
        for (value, expected, clamped, flushed) in cases {
            let mut losses = Losses::default();
            assert_eq!(to_half(value, &mut losses).to_f32(), expected, "{value}");
            assert_eq!(losses, Losses { clamped, flushed }, "{value}");
        }
        assert!(to_half(f32::NAN, &mut Losses::default()).is_nan());
    }

    #[test]
    fn scalars_that_are_not_held() {
        for (value, held) in
            [(0.0, true), (1e-5, false), (1e-12, false), (7e-5, true), (-1.0, true), (7e4, false), (f32::NAN, false)]
        {
            assert_eq!(is_held(value), held, "{value}");
        }
    }
}
