//! Element types of inputs, and vectors of them.

use std::fmt;

use half::{bf16, f16};

use crate::onnx::proto::tensor_proto::DataType;

/// Element type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// IEEE single precision.
    Float32,
    /// IEEE double precision.
    Float64,
    /// IEEE half precision.
    Float16,
    /// The upper half of a single.
    Bfloat16,
    /// Signed 8 bits.
    Int8,
    /// Signed 16 bits.
    Int16,
    /// Signed 32 bits.
    Int32,
    /// Signed 64 bits.
    Int64,
    /// Unsigned 8 bits.
    Uint8,
    /// Unsigned 16 bits.
    Uint16,
    /// Unsigned 32 bits.
    Uint32,
    /// Unsigned 64 bits.
    Uint64,
    /// True or false.
    Bool,
    /// Text.
    String,
}

impl ElementType {
    /// From ONNX's number; `None` for types that are not handled (complex, 8-bit and smaller floats, packed integers).
    pub fn from_onnx(data_type: i32) -> Option<ElementType> {
        Some(match DataType::try_from(data_type).ok()? {
            DataType::Float => ElementType::Float32,
            DataType::Double => ElementType::Float64,
            DataType::Float16 => ElementType::Float16,
            DataType::Bfloat16 => ElementType::Bfloat16,
            DataType::Int8 => ElementType::Int8,
            DataType::Int16 => ElementType::Int16,
            DataType::Int32 => ElementType::Int32,
            DataType::Int64 => ElementType::Int64,
            DataType::Uint8 => ElementType::Uint8,
            DataType::Uint16 => ElementType::Uint16,
            DataType::Uint32 => ElementType::Uint32,
            DataType::Uint64 => ElementType::Uint64,
            DataType::Bool => ElementType::Bool,
            DataType::String => ElementType::String,
            _ => return None,
        })
    }

    /// ONNX's number for it.
    pub fn onnx(self) -> i32 {
        let data_type = match self {
            ElementType::Float32 => DataType::Float,
            ElementType::Float64 => DataType::Double,
            ElementType::Float16 => DataType::Float16,
            ElementType::Bfloat16 => DataType::Bfloat16,
            ElementType::Int8 => DataType::Int8,
            ElementType::Int16 => DataType::Int16,
            ElementType::Int32 => DataType::Int32,
            ElementType::Int64 => DataType::Int64,
            ElementType::Uint8 => DataType::Uint8,
            ElementType::Uint16 => DataType::Uint16,
            ElementType::Uint32 => DataType::Uint32,
            ElementType::Uint64 => DataType::Uint64,
            ElementType::Bool => DataType::Bool,
            ElementType::String => DataType::String,
        };
        data_type as i32
    }

    /// Bytes an element takes; `None` for text.
    pub fn bytes(self) -> Option<u64> {
        match self {
            ElementType::Int8 | ElementType::Uint8 | ElementType::Bool => Some(1),
            ElementType::Float16 | ElementType::Bfloat16 | ElementType::Int16 | ElementType::Uint16 => Some(2),
            ElementType::Float32 | ElementType::Int32 | ElementType::Uint32 => Some(4),
            ElementType::Float64 | ElementType::Int64 | ElementType::Uint64 => Some(8),
            ElementType::String => None,
        }
    }

    /// Whether it is a floating-point type.
    pub fn is_float(self) -> bool {
        matches!(self, ElementType::Float32 | ElementType::Float64 | ElementType::Float16 | ElementType::Bfloat16)
    }

    /// Whether it is an integer type (bool is none).
    pub fn is_integer(self) -> bool {
        !self.is_float() && !matches!(self, ElementType::Bool | ElementType::String)
    }

    /// NumPy's name.
    pub fn name(self) -> &'static str {
        match self {
            ElementType::Float32 => "float32",
            ElementType::Float64 => "float64",
            ElementType::Float16 => "float16",
            ElementType::Bfloat16 => "bfloat16",
            ElementType::Int8 => "int8",
            ElementType::Int16 => "int16",
            ElementType::Int32 => "int32",
            ElementType::Int64 => "int64",
            ElementType::Uint8 => "uint8",
            ElementType::Uint16 => "uint16",
            ElementType::Uint32 => "uint32",
            ElementType::Uint64 => "uint64",
            ElementType::Bool => "bool",
            ElementType::String => "str",
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// ONNX's own name of a type, for messages.
pub(super) fn onnx_name(data_type: i32) -> String {
    DataType::try_from(data_type).map_or_else(|_| data_type.to_string(), |it| it.as_str_name().to_owned())
}

/// The elements of an input, in row-major order.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // Each variant is the vector for the element type of its name.
pub enum InputData {
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Float16(Vec<f16>),
    Bfloat16(Vec<bf16>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Bool(Vec<bool>),
    String(Vec<String>),
}

/// Integers that take the nearest value they can hold.
macro_rules! saturating {
    ($values:expr, $kind:ty) => {
        $values
            .map(|value| <$kind>::try_from(value).unwrap_or(if value < 0 { <$kind>::MIN } else { <$kind>::MAX }))
            .collect()
    };
}

impl InputData {
    /// Integers as elements of any numeric type; those beyond an integer type's range become its nearest value.
    pub(super) fn from_integers(element: ElementType, values: impl Iterator<Item = i64>) -> InputData {
        match element {
            ElementType::Int8 => InputData::Int8(saturating!(values, i8)),
            ElementType::Int16 => InputData::Int16(saturating!(values, i16)),
            ElementType::Int32 => InputData::Int32(saturating!(values, i32)),
            ElementType::Int64 => InputData::Int64(values.collect()),
            ElementType::Uint8 => InputData::Uint8(saturating!(values, u8)),
            ElementType::Uint16 => InputData::Uint16(saturating!(values, u16)),
            ElementType::Uint32 => InputData::Uint32(saturating!(values, u32)),
            ElementType::Uint64 => InputData::Uint64(saturating!(values, u64)),
            ElementType::Bool => InputData::Bool(values.map(|value| value != 0).collect()),
            ElementType::String => InputData::String(values.map(|value| value.to_string()).collect()),
            // Lengths and sizes: far below the 2^24 where singles stop being exact.
            ElementType::Float32 => InputData::Float32(values.map(|value| value as f32).collect()),
            ElementType::Float64 => InputData::Float64(values.map(|value| value as f64).collect()),
            ElementType::Float16 => InputData::Float16(values.map(|value| f16::from_f64(value as f64)).collect()),
            ElementType::Bfloat16 => InputData::Bfloat16(values.map(|value| bf16::from_f64(value as f64)).collect()),
        }
    }

    /// Real numbers as elements of a floating-point type; of another type, their whole part.
    pub(super) fn from_doubles(element: ElementType, values: impl Iterator<Item = f64>) -> InputData {
        match element {
            ElementType::Float32 => InputData::Float32(values.map(|value| value as f32).collect()),
            ElementType::Float64 => InputData::Float64(values.collect()),
            ElementType::Float16 => InputData::Float16(values.map(f16::from_f64).collect()),
            ElementType::Bfloat16 => InputData::Bfloat16(values.map(bf16::from_f64).collect()),
            _ => InputData::from_integers(element, values.map(|value| value as i64)),
        }
    }

    /// From little-endian bytes; a last incomplete element is left out. `None` for text.
    pub(super) fn from_le_bytes(element: ElementType, bytes: &[u8]) -> Option<InputData> {
        fn all<const N: usize, T>(bytes: &[u8], one: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks::<N>().0.iter().map(|&chunk| one(chunk)).collect()
        }
        Some(match element {
            ElementType::Float32 => InputData::Float32(all(bytes, f32::from_le_bytes)),
            ElementType::Float64 => InputData::Float64(all(bytes, f64::from_le_bytes)),
            ElementType::Float16 => InputData::Float16(all(bytes, f16::from_le_bytes)),
            ElementType::Bfloat16 => InputData::Bfloat16(all(bytes, bf16::from_le_bytes)),
            ElementType::Int8 => InputData::Int8(all(bytes, i8::from_le_bytes)),
            ElementType::Int16 => InputData::Int16(all(bytes, i16::from_le_bytes)),
            ElementType::Int32 => InputData::Int32(all(bytes, i32::from_le_bytes)),
            ElementType::Int64 => InputData::Int64(all(bytes, i64::from_le_bytes)),
            ElementType::Uint8 => InputData::Uint8(bytes.to_vec()),
            ElementType::Uint16 => InputData::Uint16(all(bytes, u16::from_le_bytes)),
            ElementType::Uint32 => InputData::Uint32(all(bytes, u32::from_le_bytes)),
            ElementType::Uint64 => InputData::Uint64(all(bytes, u64::from_le_bytes)),
            ElementType::Bool => InputData::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
            ElementType::String => return None,
        })
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            InputData::Float32(values) => values.len(),
            InputData::Float64(values) => values.len(),
            InputData::Float16(values) => values.len(),
            InputData::Bfloat16(values) => values.len(),
            InputData::Int8(values) => values.len(),
            InputData::Int16(values) => values.len(),
            InputData::Int32(values) => values.len(),
            InputData::Int64(values) => values.len(),
            InputData::Uint8(values) => values.len(),
            InputData::Uint16(values) => values.len(),
            InputData::Uint32(values) => values.len(),
            InputData::Uint64(values) => values.len(),
            InputData::Bool(values) => values.len(),
            InputData::String(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
