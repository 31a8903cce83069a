//! Operators of convolutional networks: pooling, resampling by repetition, normalization by channel, and what
//! positions on an image grid are encoded with.

use std::collections::BTreeMap;

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

    /// Normalization of each channel of each (batch, channels, ...) by its own mean and variance, without gain and bias.
    pub fn instance_normalization(&mut self, x: &Value, epsilon: f32) -> Value {
        let channels = x.dim(1);
        let [ones, zeros] = [1.0, 0.0].map(|value| {
            let values: Vec<f32> = (0..channels).map(|_| value).collect();
            self.float(&[channels], &values)
        });
        let attributes = vec![attr_float("epsilon", epsilon)];
        self.node("InstanceNormalization", &[x, &ones, &zeros], x.dtype(), x.dims().to_vec(), attributes)
    }

    /// Sum of products of two operands by Einstein's convention, as in `bqc, bchw -> bqhw`: one letter an axis.
    ///
    /// # Panics
    /// When the equation does not name each axis, or one letter stands for two sizes.
    pub fn einsum(&mut self, equation: &str, a: &Value, b: &Value) -> Value {
        let (inputs, output) = equation.split_once("->").expect("an equation has an output");
        let mut sizes: BTreeMap<char, i64> = BTreeMap::new();
        for (letters, operand) in inputs.split(',').zip([a, b]) {
            assert_eq!(letters.trim().len(), operand.dims().len(), "Einsum {equation} of {:?}", operand.dims());
            for (letter, &size) in letters.trim().chars().zip(operand.dims()) {
                assert_eq!(*sizes.entry(letter).or_insert(size), size, "Einsum {equation}: size of {letter}");
            }
        }
        let dims = output.trim().chars().map(|letter| sizes[&letter]).collect();
        self.macs += sizes.values().product::<i64>().unsigned_abs();
        self.node("Einsum", &[a, b], a.dtype(), dims, vec![attr_string("equation", equation)])
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
            (b.instance_normalization(&x, 1e-5), vec![2, 4, 9, 7]),
        ];
        for (value, dims) in cases {
            assert_eq!(value.dims(), dims, "{value:?}");
        }
    }

    #[test]
    fn a_sum_of_products_counts_every_product() {
        let mut b = GraphBuilder::new("test");
        let queries = b.input("q", DataType::Float, &[2, 5, 3]);
        let image = b.input("x", DataType::Float, &[2, 3, 9, 7]);
        assert_eq!(b.einsum("bqc, bchw -> bqhw", &queries, &image).dims(), [2, 5, 9, 7]);
        assert_eq!(b.finish().macs, 2 * 5 * 3 * 9 * 7);
    }

    #[test]
    #[should_panic(expected = "size of c")]
    fn a_letter_stands_for_one_size() {
        let mut b = GraphBuilder::new("test");
        let queries = b.input("q", DataType::Float, &[2, 5, 4]);
        let image = b.input("x", DataType::Float, &[2, 3, 9, 7]);
        b.einsum("bqc, bchw -> bqhw", &queries, &image);
    }
}
