//! Kinds of made-up values, and one number of each.

use half::{bf16, f16};

use crate::onnx::proto::tensor_proto::DataType;

/// How values are drawn: uniformly, independent of one another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values {
    /// Floating point of a type from `low` to `high`, never zero, denormal or beyond the type.
    Reals {
        /// [`DataType::Float`], `Float16`, `Bfloat16` or `Double`.
        data_type: DataType,
        /// Least value.
        low: f32,
        /// Greatest value.
        high: f32,
    },
    /// Whole numbers of `bits` bits from `low` to `high`.
    Integers {
        /// 8, 16 or 32; signed numbers in two's complement.
        bits: u32,
        /// Least value.
        low: i32,
        /// Greatest value.
        high: i32,
    },
    /// Floating point of 8 bits: any sign and mantissa, these exponents.
    Tiny {
        /// Bits of the mantissa.
        mantissa: u32,
        /// Least biased exponent.
        low: u8,
        /// Greatest biased exponent.
        high: u8,
    },
    /// Any bits: packed numbers of which every pattern is legal.
    Bits,
    /// One byte, repeated.
    Repeated(u8),
}

impl Values {
    /// Floating point around zero, up to `half_width` either side.
    pub fn around_zero(data_type: DataType, half_width: f32) -> Values {
        Values::Reals { data_type, low: -half_width, high: half_width }
    }

    /// Bytes of one drawn number; tensors are filled with whole ones.
    pub fn width(self) -> usize {
        match self {
            Values::Reals { data_type: DataType::Double, .. } => 8,
            Values::Reals { data_type: DataType::Float16 | DataType::Bfloat16, .. } => 2,
            Values::Reals { .. } | Values::Bits => 4,
            Values::Integers { bits, .. } => usize::try_from(bits / 8).unwrap_or(4),
            Values::Tiny { .. } | Values::Repeated(_) => 1,
        }
    }

    /// Values that serve wherever `self` does and that many tensors have alike, for memory that these share: ranges
    /// around zero shrink to a power of two.
    pub fn rounded(self) -> Values {
        match self {
            Values::Reals { data_type, low, high } if low == -high && high > 0.0 => {
                Values::around_zero(data_type, power_of_two(high))
            }
            Values::Reals { data_type, low, high } if low > 0.0 => {
                let scale = power_of_two(low);
                Values::Reals { data_type, low: scale, high: scale * (high / low) }
            }
            other => other,
        }
    }

    /// One number in its first [`Values::width`] bytes, little-endian.
    pub(super) fn number(self, random: &mut fastrand::Rng) -> [u8; 8] {
        let mut bytes = [0; 8];
        let mut put = |number: &[u8]| bytes[..number.len()].copy_from_slice(number);
        match self {
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
}

/// The greatest power of two that is not above a positive normal number: its exponent without its mantissa.
fn power_of_two(number: f32) -> f32 {
    f32::from_bits(number.to_bits() & 0x7f80_0000)
}

/// The half nearest `real`, or the smallest normal one of its sign.
fn normal_half(real: f32) -> f16 {
    let half = f16::from_f32(real);
    if half.is_normal() { half } else { f16::MIN_POSITIVE.copysign(half) }
}

#[cfg(test)]
mod tests {
    use super::super::draw;
    use super::*;

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
    fn shared_ranges_shrink_to_powers_of_two_and_positive_ones_keep_their_width() {
        let reals = |low, high| reals(DataType::Float, low, high);
        assert_eq!(reals(-0.3, 0.3).rounded(), reals(-0.25, 0.25));
        assert_eq!(reals(-0.25, 0.25).rounded(), reals(-0.25, 0.25));
        assert_eq!(reals(1.0, 1.25).rounded(), reals(1.0, 1.25));
        assert_eq!(reals(3.0, 6.0).rounded(), reals(2.0, 4.0));
        assert_eq!(Values::Bits.rounded(), Values::Bits);
    }

    #[test]
    fn reals_keep_to_their_range_and_are_normal_in_every_type() {
        let values = floats(&drawn(reals(DataType::Float, -0.5, 0.5), 1 << 20));
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
