//! Parameters and constants: what a graph computes with besides its inputs.

use prost::bytes::Bytes;

use super::value::int;
use super::{GraphBuilder, Value};
use crate::onnx::proto::TensorProto;
use crate::onnx::proto::tensor_proto::{DataLocation, DataType};
use crate::onnx::tensor::element_bits;

/// Parameters of more elements than this are kept outside the model; the rest carry their values inline.
const INLINE_ELEMENTS: i64 = 4096;

/// How the values of a parameter are drawn; what they are does not change the timing, but they must neither explode nor
/// vanish on the way through a deep graph.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Uniform with variance 1 / `fan_in`: a product over that many inputs keeps the variance of its operand.
    FanIn(i64),
    /// Uniform around `centre`, up to `half_width` either side.
    Around {
        /// The mean.
        centre: f32,
        /// Largest distance from the mean.
        half_width: f32,
    },
}

impl Init {
    /// Half the width of the uniform distribution and its centre.
    fn range(self) -> (f32, f32) {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "a scale; rounding it is harmless")]
            Init::FanIn(fan_in) => ((3.0 / fan_in as f32).sqrt(), 0.0),
            Init::Around { centre, half_width } => (half_width, centre),
        }
    }
}

/// Consecutive elements of a parameter, in row-major order, that all have one value instead of a drawn one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Index of the first element.
    pub start: i64,
    /// Number of elements.
    pub count: i64,
    /// What they are.
    pub value: f32,
}

/// A parameter whose bytes stand outside the model; where is decided after the graph is complete.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalWeight {
    /// Index in the graph's list of initializers.
    pub initializer: usize,
    /// Shape, in elements of `dtype`.
    pub dims: Vec<i64>,
    /// Element type: 32-bit floating point as built.
    pub dtype: DataType,
    /// Half the width of the uniform distribution of its values, around zero.
    pub half_width: f32,
    /// Values that are not drawn; where runs overlap, the later one holds.
    pub arranged: Vec<Run>,
}

impl ExternalWeight {
    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        let width = element_bits(self.dtype as i32).unwrap_or_default() / 8;
        self.dims.iter().product::<i64>().unsigned_abs() * width
    }
}

impl GraphBuilder {
    /// Adds a trained parameter in 32-bit floating point, counted in the total.
    pub fn parameter(&mut self, name: &str, dims: &[i64], init: Init) -> Value {
        self.parameters += dims.iter().product::<i64>().unsigned_abs();
        self.derived_parameter(name, dims, init)
    }

    /// Adds what the exporter computed from a trained parameter (a broadcast, a gathered table): stored like a parameter,
    /// not counted; see [`GraphBuilder::count_parameters`].
    pub fn derived_parameter(&mut self, name: &str, dims: &[i64], init: Init) -> Value {
        self.initializer(name, dims, init, INLINE_ELEMENTS)
    }

    /// Like [`GraphBuilder::parameter`], with values that stand in the model however many they are: for parameters whose
    /// values decide what is computed, so that they cannot share bytes with others.
    pub fn inline_parameter(&mut self, name: &str, dims: &[i64], init: Init) -> Value {
        self.count_parameters(dims.iter().product());
        self.initializer(name, dims, init, i64::MAX)
    }

    /// An initializer that is kept outside the model where it has more elements than `most_inline`.
    fn initializer(&mut self, name: &str, dims: &[i64], init: Init, most_inline: i64) -> Value {
        let name = self.unique(&self.scoped(".", name));
        let elements: i64 = dims.iter().product();
        let (half_width, centre) = init.range();
        let mut tensor = TensorProto {
            name: Some(name.clone()),
            dims: dims.to_vec(),
            data_type: Some(DataType::Float as i32),
            ..Default::default()
        };
        if elements > most_inline && centre == 0.0 {
            tensor.data_location = Some(DataLocation::External as i32);
            let initializer = self.graph.initializer.len();
            let (dims, dtype, arranged) = (dims.to_vec(), DataType::Float, Vec::new());
            self.external.push(ExternalWeight { initializer, dims, dtype, half_width, arranged });
        } else {
            let values = inline_values(self.graph.initializer.len(), elements, half_width, centre);
            tensor.raw_data = Some(Bytes::from(values));
        }
        self.graph.initializer.push(tensor);
        Value::fixed(name, DataType::Float, dims)
    }

    /// Adds a trained parameter like [`GraphBuilder::parameter`], some of whose values are arranged so that what the model
    /// does with data is realistic.
    ///
    /// # Panics
    /// When the parameter is so small that it stands in the model: [`GraphBuilder::given_parameter`] is for those.
    pub fn arranged_parameter(&mut self, name: &str, dims: &[i64], init: Init, runs: Vec<Run>) -> Value {
        let value = self.parameter(name, dims, init);
        let weight = self.external.last_mut().filter(|weight| weight.initializer + 1 == self.graph.initializer.len());
        weight.unwrap_or_else(|| panic!("`{}` is not outside the model", value.name)).arranged = runs;
        value
    }

    /// Adds a trained parameter all of whose values are given; they stand in the model.
    ///
    /// # Panics
    /// When the number of values is not that of the shape.
    pub fn given_parameter(&mut self, name: &str, dims: &[i64], values: &[f32]) -> Value {
        assert_eq!(dims.iter().product::<i64>(), int(values.len()), "parameter `{name}` of {dims:?}");
        self.parameters += values.len() as u64;
        let name = self.unique(&self.scoped(".", name));
        self.graph.initializer.push(TensorProto {
            name: Some(name.clone()),
            dims: dims.to_vec(),
            data_type: Some(DataType::Float as i32),
            raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()),
            ..Default::default()
        });
        Value::fixed(name, DataType::Float, dims)
    }

    /// Adds to the count of trained parameters those that reach the graph only in derived form.
    pub fn count_parameters(&mut self, count: i64) {
        self.parameters += count.unsigned_abs();
    }

    /// A constant of 64-bit integers; equal constants share one initializer.
    pub fn int64(&mut self, dims: &[i64], values: &[i64]) -> Value {
        self.constant(DataType::Int64, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A constant of 32-bit floating point; equal constants share one initializer.
    pub fn float(&mut self, dims: &[i64], values: &[f32]) -> Value {
        self.constant(DataType::Float, dims, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A scalar of 32-bit floating point.
    pub fn scalar(&mut self, value: f32) -> Value {
        self.float(&[], &[value])
    }

    /// A constant of truth values; equal constants share one initializer.
    pub fn bool(&mut self, dims: &[i64], values: &[bool]) -> Value {
        self.constant(DataType::Bool, dims, values.iter().map(|&value| u8::from(value)).collect())
    }

    fn constant(&mut self, dtype: DataType, dims: &[i64], bytes: Vec<u8>) -> Value {
        let key = (dtype as i32, dims.to_vec(), bytes);
        if let Some(known) = self.constants.get(&key) {
            return known.clone();
        }
        let name = self.unique(&format!("constant_{}", self.constants.len()));
        self.graph.initializer.push(TensorProto {
            name: Some(name.clone()),
            dims: dims.to_vec(),
            data_type: Some(dtype as i32),
            raw_data: Some(Bytes::from(key.2.clone())),
            ..Default::default()
        });
        let value = Value::fixed(name, dtype, dims);
        self.constants.insert(key, value.clone());
        value
    }
}

/// Little-endian values for a small parameter: uniform, different for each initializer, equal on every machine.
fn inline_values(initializer: usize, elements: i64, half_width: f32, centre: f32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(0x6e6f_6e67_656d_6d00 ^ initializer as u64);
    (0..elements).flat_map(|_| (centre + (random.f32() * 2.0 - 1.0) * half_width).to_le_bytes()).collect()
}
