//! Operators that compute: products, element-wise arithmetic, normalization, reductions, comparisons.

use super::{GraphBuilder, Value, attr_float, attr_int, attr_ints, attr_string, axis_index, int};
use crate::onnx::proto::tensor_proto::DataType;

/// The geometry of a two-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvSpec {
    /// Step between outputs, equal along both axes.
    pub stride: i64,
    /// Zeros added on each side.
    pub padding: i64,
    /// Groups of channels; equal to the channels in a depthwise convolution.
    pub groups: i64,
}

/// Which operands of a Gemm are read transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GemmSpec {
    /// The weight is (inputs, outputs).
    Plain,
    /// The weight is (outputs, inputs).
    TransposedWeight,
}

impl GraphBuilder {
    /// Matrix product with broadcasting of the leading axes.
    ///
    /// # Panics
    /// When the inner sizes differ or the leading axes do not broadcast.
    pub fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        let (inner, columns) = (a.dim(-1), b.dim(-1));
        assert_eq!(inner, b.dim(-2), "MatMul of {:?} and {:?}", a.dims(), b.dims());
        let rank = |value: &Value| value.dims().len() - 2;
        let mut dims = broadcast(&a.dims()[..rank(a)], &b.dims()[..rank(b)]);
        dims.extend([a.dim(-2), columns]);
        self.macs += (dims.iter().product::<i64>() * inner).unsigned_abs();
        self.node("MatMul", &[a, b], a.dtype(), dims, vec![])
    }

    /// `a` times `weight` plus `bias`, all of rank 2 (the bias of rank 1).
    ///
    /// # Panics
    /// When the inner sizes differ.
    pub fn gemm(&mut self, a: &Value, weight: &Value, bias: &Value, spec: GemmSpec) -> Value {
        let (inputs, outputs, transposed) = match spec {
            GemmSpec::Plain => (weight.dim(0), weight.dim(1), 0),
            GemmSpec::TransposedWeight => (weight.dim(1), weight.dim(0), 1),
        };
        assert_eq!(a.dim(1), inputs, "Gemm of {:?} and {:?}", a.dims(), weight.dims());
        let dims = vec![a.dim(0), outputs];
        self.macs += (a.dim(0) * inputs * outputs).unsigned_abs();
        let attributes = vec![
            attr_float("alpha", 1.0),
            attr_float("beta", 1.0),
            attr_int("transA", 0),
            attr_int("transB", transposed),
        ];
        self.node("Gemm", &[a, weight, bias], a.dtype(), dims, attributes)
    }

    /// Two-dimensional convolution of (batch, channels, height, width) by (outputs, channels / groups, rows, columns).
    ///
    /// # Panics
    /// When the channels do not fit the weight and the groups.
    pub fn conv(&mut self, x: &Value, weight: &Value, bias: Option<&Value>, spec: ConvSpec) -> Value {
        let ConvSpec { stride, padding, groups } = spec;
        assert_eq!(x.dim(1), weight.dim(1) * groups, "Conv of {:?} by {:?}", x.dims(), weight.dims());
        let extent = |axis: i64| (x.dim(axis) + 2 * padding - weight.dim(axis)) / stride + 1;
        let dims = vec![x.dim(0), weight.dim(0), extent(2), extent(3)];
        let per_output: i64 = weight.dims()[1..].iter().product();
        self.macs += (dims.iter().product::<i64>() * per_output).unsigned_abs();
        let attributes = vec![
            attr_string("auto_pad", "NOTSET"),
            attr_ints("dilations", &[1, 1]),
            attr_int("group", groups),
            attr_ints("kernel_shape", &weight.dims()[2..]),
            attr_ints("pads", &[padding; 4]),
            attr_ints("strides", &[stride; 2]),
        ];
        let mut inputs = vec![x, weight];
        inputs.extend(bias);
        self.node("Conv", &inputs, x.dtype(), dims, attributes)
    }

    /// Sum, with broadcasting.
    pub fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Add", a, b, a.dtype())
    }

    /// Difference, with broadcasting.
    pub fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Sub", a, b, a.dtype())
    }

    /// Product element by element, with broadcasting.
    pub fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Mul", a, b, a.dtype())
    }

    /// Quotient, with broadcasting.
    pub fn div(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Div", a, b, a.dtype())
    }

    /// Power, with broadcasting.
    pub fn pow(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Pow", a, b, a.dtype())
    }

    /// Logical conjunction, with broadcasting.
    pub fn and(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("And", a, b, DataType::Bool)
    }

    /// Equality element by element, with broadcasting.
    pub fn equal(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Equal", a, b, DataType::Bool)
    }

    pub(super) fn binary(&mut self, op: &str, a: &Value, b: &Value, dtype: DataType) -> Value {
        let dims = broadcast(a.dims(), b.dims());
        self.node(op, &[a, b], dtype, dims, vec![])
    }

    /// `a` where the condition holds, else `b`, with broadcasting.
    pub fn select(&mut self, condition: &Value, a: &Value, b: &Value) -> Value {
        let dims = broadcast(condition.dims(), &broadcast(a.dims(), b.dims()));
        self.node("Where", &[condition, a, b], a.dtype(), dims, vec![])
    }

    /// Hyperbolic tangent.
    pub fn tanh(&mut self, x: &Value) -> Value {
        self.node("Tanh", &[x], x.dtype(), x.dims().to_vec(), vec![])
    }

    /// Rectified linear unit.
    pub fn relu(&mut self, x: &Value) -> Value {
        self.node("Relu", &[x], x.dtype(), x.dims().to_vec(), vec![])
    }

    /// Gaussian error linear unit, by the error function.
    pub fn gelu(&mut self, x: &Value) -> Value {
        self.node("Gelu", &[x], x.dtype(), x.dims().to_vec(), vec![attr_string("approximate", "none")])
    }

    /// Softmax over the last axis.
    pub fn softmax(&mut self, x: &Value) -> Value {
        self.node("Softmax", &[x], x.dtype(), x.dims().to_vec(), vec![attr_int("axis", -1)])
    }

    /// Logical negation.
    pub fn not(&mut self, x: &Value) -> Value {
        self.node("Not", &[x], DataType::Bool, x.dims().to_vec(), vec![])
    }

    /// Truth where an element is not a number.
    pub fn is_nan(&mut self, x: &Value) -> Value {
        self.node("IsNaN", &[x], DataType::Bool, x.dims().to_vec(), vec![])
    }

    /// Conversion to another element type.
    pub fn cast(&mut self, x: &Value, to: DataType) -> Value {
        self.node("Cast", &[x], to, x.dims().to_vec(), vec![attr_int("to", i64::from(to as i32))])
    }

    /// Layer normalization over the last axis.
    pub fn layer_normalization(&mut self, x: &Value, gain: &Value, bias: &Value, epsilon: f32) -> Value {
        let attributes = vec![attr_int("axis", -1), attr_float("epsilon", epsilon), attr_int("stash_type", 1)];
        self.node("LayerNormalization", &[x, gain, bias], x.dtype(), x.dims().to_vec(), attributes)
    }

    /// Mean over the given axes, which stay with size 1.
    pub fn reduce_mean(&mut self, x: &Value, axes: &[i64]) -> Value {
        let mut dims = x.dims().to_vec();
        axes.iter().for_each(|&axis| dims[axis_index(axis, x.dims().len())] = 1);
        let axes = self.int64(&[int(axes.len())], axes);
        let attributes = vec![attr_int("keepdims", 1), attr_int("noop_with_empty_axes", 0)];
        self.node("ReduceMean", &[x, &axes], x.dtype(), dims, attributes)
    }
}

/// The shape of two operands of an element-wise operator together, by the ONNX (NumPy) rule.
///
/// # Panics
/// When they do not broadcast.
pub(super) fn broadcast(a: &[i64], b: &[i64]) -> Vec<i64> {
    let rank = a.len().max(b.len());
    let size = |dims: &[i64], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |index| dims[index]);
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (1, n) | (n, 1) => n,
            (n, m) if n == m => n,
            _ => panic!("{a:?} and {b:?} do not broadcast"),
        })
        .collect()
}
