//! Sizes and raw bytes of tensors, whichever of the schema's fields hold their values.

use bytes::Bytes;

use super::proto::TensorProto;
use super::proto::tensor_proto::{DataLocation, DataType};

/// Bits that one element takes; `None` for strings, undefined types and types this program does not know.
pub fn element_bits(data_type: i32) -> Option<u64> {
    Some(match DataType::try_from(data_type).ok()? {
        DataType::Undefined | DataType::String => return None,
        DataType::Uint2 | DataType::Int2 => 2,
        DataType::Uint4 | DataType::Int4 | DataType::Float4e2m1 => 4,
        DataType::Float6e2m3 | DataType::Float6e3m2 => 6,
        DataType::Uint8
        | DataType::Int8
        | DataType::Bool
        | DataType::Float8e4m3fn
        | DataType::Float8e4m3fnuz
        | DataType::Float8e5m2
        | DataType::Float8e5m2fnuz
        | DataType::Float8e8m0 => 8,
        DataType::Uint16 | DataType::Int16 | DataType::Float16 | DataType::Bfloat16 => 16,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 32,
        DataType::Double | DataType::Int64 | DataType::Uint64 | DataType::Complex64 => 64,
        DataType::Complex128 => 128,
    })
}

/// The element type; [`DataType::Undefined`] for types this program does not know.
pub fn data_type(tensor: &TensorProto) -> DataType {
    DataType::try_from(tensor.data_type.unwrap_or_default()).unwrap_or(DataType::Undefined)
}

/// Number of elements, 1 for a scalar; `None` when a dimension is negative or the product overflows.
pub fn elements(tensor: &TensorProto) -> Option<u64> {
    tensor.dims.iter().try_fold(1u64, |product, &dim| product.checked_mul(u64::try_from(dim).ok()?))
}

/// Bytes that the values take in raw form, packed types rounded up to a whole byte; `None` where that is not defined.
pub fn byte_len(tensor: &TensorProto) -> Option<u64> {
    let bits = elements(tensor)?.checked_mul(element_bits(tensor.data_type.unwrap_or_default())?)?;
    Some(bits.div_ceil(8))
}

/// Whether the values are kept in another file.
pub fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location() == DataLocation::External
}

/// The values as the schema's raw form has them (little-endian, row-major), from whichever field holds them.
///
/// `None` for strings, for values kept in another file and for tensors without values.
pub fn raw_bytes(tensor: &TensorProto) -> Option<Bytes> {
    if is_external(tensor) {
        return None;
    }
    if let Some(raw) = &tensor.raw_data {
        return Some(raw.clone());
    }
    let width = usize::try_from(element_bits(tensor.data_type.unwrap_or_default())?.div_ceil(8)).ok()?;
    let bytes: Vec<u8> = if !tensor.float_data.is_empty() {
        tensor.float_data.iter().flat_map(|value| value.to_le_bytes()).collect()
    } else if !tensor.double_data.is_empty() {
        tensor.double_data.iter().flat_map(|value| value.to_le_bytes()).collect()
    } else if !tensor.int64_data.is_empty() {
        tensor.int64_data.iter().flat_map(|value| value.to_le_bytes()).collect()
    } else if !tensor.uint64_data.is_empty() {
        // Also holds uint32, one an entry.
        tensor.uint64_data.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect()
    } else if !tensor.int32_data.is_empty() {
        // Narrower integers, bool, half floats and packed bytes come one an entry: the low bytes are the value.
        tensor.int32_data.iter().flat_map(|value| value.to_le_bytes().into_iter().take(width)).collect()
    } else {
        return None;
    };
    Some(Bytes::from(bytes))
}

/// Puts `raw` in place of the tensor's values, wherever they were.
pub fn set_raw(tensor: &mut TensorProto, raw: Bytes) {
    clear_values(tensor);
    tensor.raw_data = Some(raw);
}

/// Removes the values and any reference to another file; name, type and dimensions stay.
pub fn clear_values(tensor: &mut TensorProto) {
    tensor.raw_data = None;
    tensor.float_data = Vec::new();
    tensor.double_data = Vec::new();
    tensor.int32_data = Vec::new();
    tensor.int64_data = Vec::new();
    tensor.uint64_data = Vec::new();
    tensor.external_data = Vec::new();
    tensor.data_location = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(data_type: DataType, dims: &[i64]) -> TensorProto {
        TensorProto { data_type: Some(data_type.into()), dims: dims.to_vec(), ..Default::default() }
    }

    #[test]
    fn sizes_of_packed_scalar_and_impossible_tensors() {
        assert_eq!(byte_len(&tensor(DataType::Float, &[2, 3])), Some(24));
        assert_eq!(byte_len(&tensor(DataType::Float, &[])), Some(4));
        assert_eq!(byte_len(&tensor(DataType::Int4, &[3])), Some(2));
        assert_eq!(byte_len(&tensor(DataType::Uint2, &[5])), Some(2));
        assert_eq!(byte_len(&tensor(DataType::Float, &[0, 7])), Some(0));
        assert_eq!(byte_len(&tensor(DataType::String, &[2])), None);
        assert_eq!(byte_len(&tensor(DataType::Float, &[-1])), None);
        assert_eq!(byte_len(&tensor(DataType::Float, &[i64::MAX, i64::MAX])), None);
    }

    #[test]
    fn every_typed_field_becomes_the_same_raw_bytes() {
        let mut half = tensor(DataType::Float16, &[2]);
        half.int32_data = vec![0x3c00, 0xc000];
        assert_eq!(raw_bytes(&half).unwrap().as_ref(), [0x00, 0x3c, 0x00, 0xc0]);
        let mut int8 = tensor(DataType::Int8, &[2]);
        int8.int32_data = vec![-1, 5];
        assert_eq!(raw_bytes(&int8).unwrap().as_ref(), [0xff, 5]);
        let mut uint32 = tensor(DataType::Uint32, &[1]);
        uint32.uint64_data = vec![0xdead_beef];
        assert_eq!(raw_bytes(&uint32).unwrap().as_ref(), 0xdead_beef_u32.to_le_bytes());
        let mut float = tensor(DataType::Float, &[1]);
        float.float_data = vec![1.5];
        assert_eq!(raw_bytes(&float).unwrap().as_ref(), 1.5f32.to_le_bytes());
        let mut double = tensor(DataType::Double, &[1]);
        double.double_data = vec![2.5];
        assert_eq!(raw_bytes(&double).unwrap().as_ref(), 2.5f64.to_le_bytes());
        let mut int64 = tensor(DataType::Int64, &[1]);
        int64.int64_data = vec![-7];
        assert_eq!(raw_bytes(&int64).unwrap().as_ref(), (-7i64).to_le_bytes());
        assert_eq!(raw_bytes(&tensor(DataType::String, &[1])), None);
    }
}
