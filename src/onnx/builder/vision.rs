//! Operators of convolutional networks: pooling, resampling by repetition, normalization by channel, and what
//! positions on an image grid are encoded with.

use super::math::broadcast;
use super::{GraphBuilder, Value, attr_float, attr_int, attr_ints, attr_string, int};

impl GraphBuilder {
    /// Largest element of each square window of (batch, channels, height, width); what is added around the image is
    /// never the largest.
    pub fn max_pool(&mut self, x: &Value, kernel: i64, stride: i64, padding: i64) -> Value {
        let extent = |axis: i64| (x.dim(axis) + 2 * padding - kernel) / stride + 1;
        let dims = vec![x.dim(0), x.dim(1), extent(2), extent(3)];
        let attributes = vec![
            attr_string("auto_pad", "NOTSET"),
            attr_int("ceil_mode", 0),
            attr_ints("dilations", &[1, 1]),
            attr_ints("kernel_shape", &[kernel; 2]),
            attr_ints("pads", &[padding; 4]),
            attr_int("storage_order", 0),
            attr_ints("strides", &[stride; 2]),
        ];
        self.node("MaxPool", &[x], x.dtype(), dims, attributes)
    }

    /// Resampling of (batch, channels, height, width) to the given height and width, each element copied from the one
    /// that its position falls on.
    pub fn resize_nearest(&mut self, x: &Value, height: i64, width: i64) -> Value {
        let dims = vec![x.dim(0), x.dim(1), height, width];
        let sizes = self.int64(&[4], &dims);
        let attributes = vec![
            attr_int("antialias", 0),
            attr_string("coordinate_transformation_mode", "asymmetric"),
            attr_float("cubic_coeff_a", -0.75),
            attr_int("exclude_outside", 0),
            attr_float("extrapolation_value", 0.0),
            attr_string("keep_aspect_ratio_policy", "stretch"),
            attr_string("mode", "nearest"),
            attr_string("nearest_mode", "floor"),
        ];
        let inputs = [Some(x), None, None, Some(&sizes)];
        self.node_with_outputs("Resize", &inputs, vec![(x.dtype(), dims)], attributes).swap_remove(0)
    }

    /// Broadcasts together with a shape, of which some sizes may be smaller.
    pub fn expand_by(&mut self, x: &Value, shape: &[i64]) -> Value {
        let dims = broadcast(x.dims(), shape);
        let shape = self.int64(&[int(shape.len())], shape);
        self.node("Expand", &[x, &shape], x.dtype(), dims, vec![])
    }

    /// Repeats along each axis.
    pub fn tile(&mut self, x: &Value, repeats: &[i64]) -> Value {
        let dims = x.dims().iter().zip(repeats).map(|(size, times)| size * times).collect();
        let repeats = self.int64(&[int(repeats.len())], repeats);
        self.node("Tile", &[x, &repeats], x.dtype(), dims, vec![])
    }

    /// Running sums along an axis, each element included.
    pub fn cum_sum(&mut self, x: &Value, axis: i64) -> Value {
        let axis = self.int64(&[], &[axis]);
        let attributes = vec![attr_int("exclusive", 0), attr_int("reverse", 0)];
        self.node("CumSum", &[x, &axis], x.dtype(), x.dims().to_vec(), attributes)
    }

    /// Sine.
    pub fn sin(&mut self, x: &Value) -> Value {
        self.node("Sin", &[x], x.dtype(), x.dims().to_vec(), vec![])
    }

    /// Cosine.
    pub fn cos(&mut self, x: &Value) -> Value {
        self.node("Cos", &[x], x.dtype(), x.dims().to_vec(), vec![])
    }

    /// Logistic function.
    pub fn sigmoid(&mut self, x: &Value) -> Value {
        self.node("Sigmoid", &[x], x.dtype(), x.dims().to_vec(), vec![])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::tensor_proto::DataType;

    #[test]
    fn shapes_follow_the_operators() {
        let mut b = GraphBuilder::new("test");
        let x = b.input("x", DataType::Float, &[2, 4, 9, 7]);
        let cases = [
            (b.max_pool(&x, 3, 2, 1), vec![2, 4, 5, 4]),
            (b.max_pool(&x, 1, 2, 0), vec![2, 4, 5, 4]),
            (b.resize_nearest(&x, 18, 14), vec![2, 4, 18, 14]),
            (b.sigmoid(&x), vec![2, 4, 9, 7]),
            (b.expand_by(&x, &[1, 1, 1, 1, 1]), vec![1, 2, 4, 9, 7]),
            (b.tile(&x, &[1, 2, 1, 3]), vec![2, 8, 9, 21]),
            (b.cum_sum(&x, 2), vec![2, 4, 9, 7]),
            (b.sin(&x), vec![2, 4, 9, 7]),
            (b.cos(&x), vec![2, 4, 9, 7]),
        ];
        for (value, dims) in cases {
            assert_eq!(value.dims(), dims, "{value:?}");
        }
    }
}
