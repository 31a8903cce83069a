//! Operators that move, select or reshape without arithmetic, and resampling.

use super::{GraphBuilder, Value, attr_float, attr_int, attr_ints, attr_string, axis_index, int};
use crate::onnx::proto::AttributeProto;
use crate::onnx::proto::tensor_proto::DataType;

impl GraphBuilder {
    /// The same elements in another shape; one size may be -1, which is then computed.
    ///
    /// # Panics
    /// When the number of elements differs.
    pub fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        self.reshaped(x, shape, vec![])
    }

    /// Like [`GraphBuilder::reshape`], marked `allowzero` as PyTorch's exporter marks its views; some of ONNX Runtime's
    /// rewrites leave reshapes with that mark alone, so the difference shows in what is executed.
    ///
    /// # Panics
    /// When the number of elements differs.
    pub fn view(&mut self, x: &Value, shape: &[i64]) -> Value {
        self.reshaped(x, shape, vec![attr_int("allowzero", 1)])
    }

    fn reshaped(&mut self, x: &Value, shape: &[i64], attributes: Vec<AttributeProto>) -> Value {
        let known: i64 = shape.iter().filter(|&&size| size >= 0).product();
        let dims: Vec<i64> = shape.iter().map(|&size| if size < 0 { x.elements() / known } else { size }).collect();
        assert_eq!(dims.iter().product::<i64>(), x.elements(), "Reshape of {:?} to {shape:?}", x.dims());
        let shape = self.int64(&[int(shape.len())], shape);
        self.node("Reshape", &[x, &shape], x.dtype(), dims, attributes)
    }

    /// Axes in another order.
    ///
    /// # Panics
    /// When the order is not a permutation of the axes.
    pub fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..int(x.dims().len())), "Transpose of {:?} by {order:?}", x.dims());
        let dims = order.iter().map(|&axis| x.dim(axis)).collect();
        self.node("Transpose", &[x], x.dtype(), dims, vec![attr_ints("perm", order)])
    }

    /// Inserts axes of size 1 at the given positions of the result.
    pub fn unsqueeze(&mut self, x: &Value, axes: &[i64]) -> Value {
        let rank = x.dims().len() + axes.len();
        let mut inserted: Vec<usize> = axes.iter().map(|&axis| axis_index(axis, rank)).collect();
        inserted.sort_unstable();
        let mut dims = x.dims().to_vec();
        inserted.iter().for_each(|&axis| dims.insert(axis, 1));
        let axes = self.int64(&[int(axes.len())], axes);
        self.node("Unsqueeze", &[x, &axes], x.dtype(), dims, vec![])
    }

    /// Removes one axis of size 1.
    ///
    /// # Panics
    /// When the axis is not of size 1.
    pub fn squeeze(&mut self, x: &Value, axis: i64) -> Value {
        let mut dims = x.dims().to_vec();
        assert_eq!(dims.remove(axis_index(axis, x.dims().len())), 1, "Squeeze of {:?} at {axis}", x.dims());
        let axes = self.int64(&[1], &[axis]);
        self.node("Squeeze", &[x, &axes], x.dtype(), dims, vec![])
    }

    /// Broadcasts to a shape.
    pub fn expand(&mut self, x: &Value, dims: &[i64]) -> Value {
        let shape = self.int64(&[int(dims.len())], dims);
        self.node("Expand", &[x, &shape], x.dtype(), dims.to_vec(), vec![])
    }

    /// Joins along an axis.
    ///
    /// # Panics
    /// When there is nothing to join.
    pub fn concat(&mut self, parts: &[&Value], axis: i64) -> Value {
        let at = axis_index(axis, parts[0].dims().len());
        let mut dims = parts[0].dims().to_vec();
        dims[at] = parts.iter().map(|part| part.dims()[at]).sum();
        self.node("Concat", parts, parts[0].dtype(), dims, vec![attr_int("axis", axis)])
    }

    /// Cuts into equal parts along an axis.
    pub fn split(&mut self, x: &Value, axis: i64, parts: i64) -> Vec<Value> {
        let mut dims = x.dims().to_vec();
        dims[axis_index(axis, x.dims().len())] /= parts;
        let outputs = (0..parts).map(|_| (x.dtype(), dims.clone())).collect();
        let attributes = vec![attr_int("axis", axis), attr_int("num_outputs", parts)];
        self.node_with_outputs("Split", &[Some(x)], outputs, attributes)
    }

    /// Elements from `start` to before `end` along an axis; negative bounds count from the end.
    pub fn slice(&mut self, x: &Value, axis: i64, start: i64, end: i64) -> Value {
        let [starts, ends, axes] = [start, end, axis].map(|value| self.int64(&[1], &[value]));
        let dims = sliced(x, axis, start, end, 1);
        self.node("Slice", &[x, &starts, &ends, &axes], x.dtype(), dims, vec![])
    }

    /// Every `step`-th element from `start` to before `end` along an axis; negative bounds count from the end.
    pub fn slice_by(&mut self, x: &Value, axis: i64, start: i64, end: i64, step: i64) -> Value {
        let [starts, ends, axes, steps] = [start, end, axis, step].map(|value| self.int64(&[1], &[value]));
        let dims = sliced(x, axis, start, end, step);
        self.node("Slice", &[x, &starts, &ends, &axes, &steps], x.dtype(), dims, vec![])
    }

    /// Adds `after` zeros behind the last element of each axis.
    pub fn pad_end(&mut self, x: &Value, after: &[i64]) -> Value {
        let dims = x.dims().iter().zip(after).map(|(size, more)| size + more).collect();
        let pads: Vec<i64> = std::iter::repeat_n(0, after.len()).chain(after.iter().copied()).collect();
        let pads = self.int64(&[int(pads.len())], &pads);
        self.node("Pad", &[x, &pads], x.dtype(), dims, vec![attr_string("mode", "constant")])
    }

    /// Rows of `table` along `axis` chosen by `indices`.
    pub fn gather(&mut self, table: &Value, indices: &Value, axis: i64) -> Value {
        let at = axis_index(axis, table.dims().len());
        let mut dims = table.dims()[..at].to_vec();
        dims.extend_from_slice(indices.dims());
        dims.extend_from_slice(&table.dims()[at + 1..]);
        self.node("Gather", &[table, indices], table.dtype(), dims, vec![attr_int("axis", axis)])
    }

    /// One position along an axis, which disappears.
    pub fn pick(&mut self, x: &Value, axis: i64, index: i64) -> Value {
        let index = self.int64(&[], &[index]);
        self.gather(x, &index, axis)
    }

    /// Elements at full index tuples: the last axis of `indices` holds one index for each of the first axes of `x`.
    pub fn gather_nd(&mut self, x: &Value, indices: &Value) -> Value {
        let depth = axis_index(indices.dim(-1) - 1, x.dims().len()) + 1;
        let mut dims = indices.dims()[..indices.dims().len() - 1].to_vec();
        dims.extend_from_slice(&x.dims()[depth..]);
        self.node("GatherND", &[x, indices], x.dtype(), dims, vec![attr_int("batch_dims", 0)])
    }

    /// `x` with the parts at `indices` replaced by `updates`.
    pub fn scatter_nd(&mut self, x: &Value, indices: &Value, updates: &Value) -> Value {
        let attributes = vec![attr_string("reduction", "none")];
        self.node("ScatterND", &[x, indices, updates], x.dtype(), x.dims().to_vec(), attributes)
    }

    /// Zeros in 32-bit floating point.
    pub fn zeros(&mut self, dims: &[i64]) -> Value {
        let shape = self.int64(&[int(dims.len())], dims);
        self.node("ConstantOfShape", &[&shape], DataType::Float, dims.to_vec(), vec![])
    }

    /// Bilinear resampling of (batch, channels, height, width) to the given height and width.
    pub fn resize_bilinear(&mut self, x: &Value, height: i64, width: i64) -> Value {
        let dims = vec![x.dim(0), x.dim(1), height, width];
        let sizes = self.int64(&[4], &dims);
        let attributes = vec![
            attr_int("antialias", 0),
            attr_string("coordinate_transformation_mode", "half_pixel"),
            attr_float("cubic_coeff_a", -0.75),
            attr_int("exclude_outside", 0),
            attr_float("extrapolation_value", 0.0),
            attr_string("keep_aspect_ratio_policy", "stretch"),
            attr_string("mode", "linear"),
            attr_string("nearest_mode", "floor"),
        ];
        let inputs = [Some(x), None, None, Some(&sizes)];
        self.node_with_outputs("Resize", &inputs, vec![(x.dtype(), dims)], attributes).swap_remove(0)
    }
}

/// The shape of a slice of `x`.
fn sliced(x: &Value, axis: i64, start: i64, end: i64, step: i64) -> Vec<i64> {
    let size = x.dim(axis);
    let bound = |at: i64| if at < 0 { (at + size).max(0) } else { at.min(size) };
    let mut dims = x.dims().to_vec();
    dims[axis_index(axis, x.dims().len())] = (bound(end) - bound(start) + step - 1).div_euclid(step).max(0);
    dims
}
