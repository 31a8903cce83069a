//! Which values to make up for a tensor whose own are absent: legal for its type and its use, and such that activations
//! neither explode nor vanish.

use super::slots::Slot;
use super::uses::{Use, Uses, is_packed};
use crate::onnx::arena::Values;
use crate::onnx::proto::TensorProto;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::tensor;

/// Half the width of the range of what is added: large enough to keep activations from vanishing where every layer
/// makes them smaller.
const SMALL: f32 = 0.05;

/// How to fill `tensor`, or why that is impossible: a clause about the tensor, such as "nobody can make up strings".
pub(super) fn recipe<'m>(tensor: &'m TensorProto, uses: &Uses<'m>) -> Result<Values, String> {
    use DataType::*;
    let data_type = tensor::data_type(tensor);
    let found = uses.by(tensor);
    let tiny = |mantissa, low, high| Ok(Values::Tiny { mantissa, low, high });
    match data_type {
        Float | Float16 | Bfloat16 | Double => {
            let (low, high) = range(tensor, uses);
            // Below 2^-14 halves are denormal; a range that reaches hardly further has no numbers left.
            let floor = if data_type == Float16 { 2.0_f32.powi(-12) } else { f32::MIN_POSITIVE };
            let most = if data_type == Float16 { 60_000.0 } else { f32::MAX };
            let high = high.clamp(floor, most);
            let low = if low < 0.0 { -high } else { low.clamp(floor, high) };
            Ok(Values::Reals { data_type, low, high })
        }
        Float8e4m3fn | Float8e4m3fnuz => tiny(3, 3, 6),
        Float8e5m2 | Float8e5m2fnuz => tiny(2, 11, 14),
        // The exponent of a scale: 2^-7 to 2^-4.
        Float8e8m0 => tiny(0, 120, 123),
        Float4e2m1 => Ok(Values::Bits),
        Uint8 | Int8 | Uint16 | Int16 | Uint4 | Int4 | Uint2 | Int2 => Ok(quantized(data_type, found)),
        Int32 | Int64 | Uint32 | Uint64 => whole(data_type, found),
        Bool => Err("whether its elements are true decides what is masked or chosen".to_owned()),
        String => Err("nobody can make up strings".to_owned()),
        _ => Err("this program knows no values for its type".to_owned()),
    }
}

/// Least and greatest value of floating-point numbers for what they are used for. A tensor of several uses is made for
/// the one that bears least.
fn range<'m>(tensor: &'m TensorProto, uses: &Uses<'m>) -> (f32, f32) {
    let found = uses.by(tensor);
    let has = |slots: &[Slot]| found.iter().any(|it| slots.contains(&it.slot));
    let around_zero = |half_width: f32| (-half_width, half_width);
    if has(&[Slot::Scale]) {
        let scale = found.iter().filter_map(|it| it.scales).map(|quantized| scale_of(quantized, uses)).reduce(f32::min);
        let scale = scale.unwrap_or(SMALL);
        (0.9 * scale, 1.1 * scale)
    } else if has(&[Slot::Positive]) {
        (0.9, 1.1)
    } else if let Some(fan_in) = largest_fan_in(found) {
        around_zero(deviation_of(fan_in) * 3.0_f32.sqrt())
    } else if has(&[Slot::Gain, Slot::Factor]) {
        (0.9, 1.1)
    } else {
        around_zero(SMALL)
    }
}

fn largest_fan_in(found: &[Use<'_>]) -> Option<u64> {
    found.iter().filter_map(|it| it.fan_in).max()
}

/// The standard deviation of weights with which a product over so many inputs keeps the variance of its operand.
#[allow(clippy::cast_precision_loss, reason = "a scale; rounding it is harmless")]
fn deviation_of(fan_in: u64) -> f32 {
    (1.0 / fan_in as f32).sqrt()
}

/// The scale that gives a quantized tensor of made-up numbers the deviation that its use wants.
fn scale_of<'m>(quantized: &'m TensorProto, uses: &Uses<'m>) -> f32 {
    let data_type = tensor::data_type(quantized);
    let found = uses.by(quantized);
    let packed = found.iter().any(is_packed);
    let deviation = match data_type {
        _ if packed => 4.6,
        DataType::Uint4 | DataType::Int4 => 4.6,
        DataType::Uint2 | DataType::Int2 => 1.1,
        DataType::Uint16 | DataType::Int16 => 4730.0,
        DataType::Int32 => 590.0,
        _ => 37.0,
    };
    largest_fan_in(found).map_or(SMALL, deviation_of) / deviation
}

/// Quantized numbers: around their zero point, over half of what the type holds.
fn quantized(data_type: DataType, found: &[Use<'_>]) -> Values {
    let packed = found.iter().any(is_packed);
    let zero_points = found.iter().all(|it| it.slot == Slot::ZeroPoint) && !found.is_empty();
    match data_type {
        // The middle of the range, in both halves of the byte where two numbers are in it.
        DataType::Uint4 if zero_points => Values::Repeated(0x88),
        DataType::Uint8 if zero_points => Values::Repeated(if packed { 0x88 } else { 0x80 }),
        _ if zero_points => Values::Repeated(0),
        DataType::Uint8 if packed => Values::Bits,
        DataType::Uint4 | DataType::Int4 | DataType::Uint2 | DataType::Int2 => Values::Bits,
        DataType::Uint8 | DataType::Uint16 => {
            let unit = if data_type == DataType::Uint8 { 1 } else { 256 };
            let zero = zero_point(found).unwrap_or(64 * unit);
            Values::Integers {
                bits: if unit == 1 { 8 } else { 16 },
                low: (zero - 64 * unit).max(0),
                high: (zero + 64 * unit).min(256 * unit - 1),
            }
        }
        DataType::Int8 => {
            let zero = zero_point(found).unwrap_or(0);
            Values::Integers { bits: 8, low: (zero - 64).max(-127), high: (zero + 64).min(127) }
        }
        _ => Values::Integers { bits: 16, low: -8192, high: 8192 },
    }
}

/// The zero point that quantized numbers lie around, where its value is in the model.
fn zero_point(found: &[Use<'_>]) -> Option<i32> {
    let tensor = found.iter().find_map(|it| it.zero_point)?;
    let bytes = tensor::raw_bytes(tensor)?;
    Some(match (tensor::data_type(tensor), bytes.as_ref()) {
        (DataType::Uint8, [first, ..]) => i32::from(*first),
        (DataType::Int8, [first, ..]) => i32::from(i8::from_le_bytes([*first])),
        (DataType::Uint16, [low, high, ..]) => i32::from(u16::from_le_bytes([*low, *high])),
        _ => return None,
    })
}

/// Wide integers: biases of quantized products, or numbers of elements, of which 0 is always one.
fn whole(data_type: DataType, found: &[Use<'_>]) -> Result<Values, String> {
    let quantized = found.iter().any(|it| matches!(it.slot, Slot::Offset | Slot::Quantized));
    let passes = |it: &&Use<'_>| it.slot != Slot::Data || it.input > 0 || !moves(it.node.op_type());
    let real: Vec<Use<'_>> = found.iter().filter(passes).copied().collect();
    if data_type == DataType::Int32 && quantized {
        return Ok(Values::Integers { bits: 32, low: -1023, high: 1023 });
    }
    if !real.is_empty() && real.iter().all(|it| it.slot == Slot::Index) {
        return Ok(Values::Repeated(0));
    }
    match real.first() {
        Some(user) => Err(format!("node `{}` ({}) computes with its values", user.node.name(), user.node.op_type())),
        None => Err("no node says what its values are for".to_owned()),
    }
}

/// Operators that hand their first input's numbers on, to those that decide what they are for.
fn moves(op_type: &str) -> bool {
    matches!(op_type, "Cast" | "Identity" | "Reshape" | "Squeeze" | "Transpose" | "Unsqueeze")
}
