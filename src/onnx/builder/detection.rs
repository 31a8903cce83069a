//! Operators of object detectors: selection by score and overlap, sampling of regions, and the arithmetic of boxes.

use super::{ConvSpec, GraphBuilder, Value, attr_float, attr_int, attr_ints, attr_string, int};
use crate::onnx::proto::tensor_proto::DataType;

/// The grid that a region of interest is sampled on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoiGrid {
    /// Rows and columns of the result.
    pub size: i64,
    /// Samples averaged in each cell of the grid, along each axis.
    pub sampling: i64,
    /// Positions of the feature map over pixels of the image that boxes are given in.
    pub scale: f32,
}

impl GraphBuilder {
    /// The `k` largest elements along the last axis, in falling order, and their positions; of equal elements those that
    /// come first.
    pub fn top_k(&mut self, x: &Value, k: i64) -> (Value, Value) {
        let mut dims = x.dims().to_vec();
        dims.pop();
        dims.push(k);
        let k = self.int64(&[1], &[k]);
        let outputs = vec![(x.dtype(), dims.clone()), (DataType::Int64, dims)];
        let attributes = vec![attr_int("axis", -1), attr_int("largest", 1), attr_int("sorted", 1)];
        let mut made = self.node_with_outputs("TopK", &[Some(x), Some(&k)], outputs, attributes);
        let indices = made.remove(1);
        (made.remove(0), indices)
    }

    /// Cuts into parts of the given sizes along an axis.
    pub fn split_sizes(&mut self, x: &Value, axis: i64, sizes: &[i64]) -> Vec<Value> {
        let at = super::axis_index(axis, x.dims().len());
        let outputs = sizes.iter().map(|&size| {
            let mut dims = x.dims().to_vec();
            dims[at] = size;
            (x.dtype(), dims)
        });
        let outputs = outputs.collect();
        let sizes = self.int64(&[int(sizes.len())], sizes);
        self.node_with_outputs("Split", &[Some(x), Some(&sizes)], outputs, vec![attr_int("axis", axis)])
    }

    /// Cuts into parts of computed sizes along the first axis; `expected` elements are expected in each.
    pub fn split_computed(&mut self, x: &Value, sizes: &Value, expected: &[i64]) -> Vec<Value> {
        let outputs = expected.iter().map(|&size| (x.dtype(), [&[size], &x.dims()[1..]].concat())).collect();
        self.append("Split", &[Some(x), Some(sizes)], outputs, vec![attr_int("axis", 0)], true)
    }

    /// Positions where a condition of rank 1 holds, as one axis of which `expected` elements are expected.
    pub fn positions(&mut self, condition: &Value, expected: i64) -> Value {
        let outputs = vec![(DataType::Int64, vec![1, expected])];
        let found = self.append("NonZero", &[Some(condition)], outputs, vec![], true).swap_remove(0);
        self.squeeze(&found, 0)
    }

    /// Positions of the boxes, (boxes, 4) of left, top, right and bottom, that are kept when each drops those after it by
    /// score that overlap it by more than `overlap` (intersection over union); the highest score first. `expected` of
    /// them are expected.
    pub fn non_max_suppression(&mut self, boxes: &Value, scores: &Value, overlap: f32, expected: i64) -> Value {
        let boxes = self.unsqueeze(boxes, &[0]);
        let scores = self.unsqueeze(scores, &[0, 1]);
        let most = self.int64(&[1], &[i64::MAX]);
        let overlap = self.float(&[1], &[overlap]);
        let inputs = [Some(&boxes), Some(&scores), Some(&most), Some(&overlap)];
        let outputs = vec![(DataType::Int64, vec![expected, 3])];
        let triples = self.append("NonMaxSuppression", &inputs, outputs, vec![], true).swap_remove(0);
        // Each row is (image, class, box), and there is one image of one class.
        self.pick(&triples, 1, 2)
    }

    /// Averages of bilinear samples in a grid over each region: (regions, channels, size, size). `images` says which image
    /// of `x` each of the boxes, (regions, 4), lies in.
    pub fn roi_align(&mut self, x: &Value, boxes: &Value, images: &Value, grid: RoiGrid) -> Value {
        let dims = vec![boxes.dim(0), x.dim(1), grid.size, grid.size];
        let attributes = vec![
            attr_string("coordinate_transformation_mode", "output_half_pixel"),
            attr_string("mode", "avg"),
            attr_int("output_height", grid.size),
            attr_int("output_width", grid.size),
            attr_int("sampling_ratio", grid.sampling),
            attr_float("spatial_scale", grid.scale),
        ];
        self.node("RoiAlign", &[x, boxes, images], x.dtype(), dims, attributes)
    }

    /// Transposed convolution without padding of (batch, inputs, height, width) by (inputs, outputs, rows, columns).
    ///
    /// # Panics
    /// When the channels do not fit, or the geometry has padding or groups.
    pub fn conv_transpose(&mut self, x: &Value, weight: &Value, bias: &Value, spec: ConvSpec) -> Value {
        assert_eq!(x.dim(1), weight.dim(0), "ConvTranspose of {:?} by {:?}", x.dims(), weight.dims());
        assert_eq!((spec.padding, spec.groups), (0, 1), "ConvTranspose with padding or groups");
        let extent = |axis: i64| (x.dim(axis) - 1) * spec.stride + weight.dim(axis);
        let dims = vec![x.dim(0), weight.dim(1), extent(2), extent(3)];
        self.macs += (x.elements() * weight.dims()[1..].iter().product::<i64>()).unsigned_abs();
        let attributes = vec![
            attr_string("auto_pad", "NOTSET"),
            attr_ints("dilations", &[1, 1]),
            attr_int("group", 1),
            attr_ints("kernel_shape", &weight.dims()[2..]),
            attr_ints("pads", &[0; 4]),
            attr_ints("strides", &[spec.stride; 2]),
        ];
        self.node("ConvTranspose", &[x, weight, bias], x.dtype(), dims, attributes)
    }

    /// The size of `x` along an axis as a vector of one element: what is only known when the model runs.
    pub fn size_of(&mut self, x: &Value, axis: i64) -> Value {
        let at = int(super::axis_index(axis, x.dims().len()));
        let attributes = vec![attr_int("start", at), attr_int("end", at + 1)];
        self.append("Shape", &[Some(x)], vec![(DataType::Int64, vec![1])], attributes, false).swap_remove(0)
    }

    /// Broadcasts to a shape that is computed; `dims` is what is expected of it.
    pub fn expand_to(&mut self, x: &Value, shape: &Value, dims: &[i64]) -> Value {
        let outputs = vec![(x.dtype(), dims.to_vec())];
        self.append("Expand", &[Some(x), Some(shape)], outputs, vec![], true).swap_remove(0)
    }

    /// `value` in a shape that is computed; `dims` is what is expected of it.
    pub fn filled(&mut self, shape: &Value, dims: &[i64]) -> Value {
        let outputs = vec![(DataType::Float, dims.to_vec())];
        self.append("ConstantOfShape", &[Some(shape)], outputs, vec![], true).swap_remove(0)
    }

    /// Elements from `start` to before `end`, both computed, along an axis; `expected` of them are expected.
    pub fn slice_between(&mut self, x: &Value, axis: i64, start: &Value, end: &Value, expected: i64) -> Value {
        let mut dims = x.dims().to_vec();
        dims[super::axis_index(axis, x.dims().len())] = expected;
        let axes = self.int64(&[1], &[axis]);
        let inputs = [Some(x), Some(start), Some(end), Some(&axes)];
        self.append("Slice", &inputs, vec![(x.dtype(), dims)], vec![], true).swap_remove(0)
    }

    /// Adds as many zeros on both sides of each axis.
    pub fn pad_around(&mut self, x: &Value, by: &[i64]) -> Value {
        let dims = x.dims().iter().zip(by).map(|(size, more)| size + 2 * more).collect();
        let pads = self.int64(&[2 * int(by.len())], &[by, by].concat());
        self.node("Pad", &[x, &pads], x.dtype(), dims, vec![attr_string("mode", "constant")])
    }

    /// Adds computed numbers of zeros, first those before each axis, then those behind; `dims` is what is expected.
    pub fn pad_computed(&mut self, x: &Value, pads: &Value, dims: &[i64]) -> Value {
        let outputs = vec![(x.dtype(), dims.to_vec())];
        self.append("Pad", &[Some(x), Some(pads)], outputs, vec![attr_string("mode", "constant")], true).swap_remove(0)
    }

    /// Bilinear resampling to a computed shape; `dims` is what is expected of it.
    pub fn resize_computed(&mut self, x: &Value, sizes: &Value, dims: &[i64]) -> Value {
        let attributes =
            vec![attr_string("coordinate_transformation_mode", "half_pixel"), attr_string("mode", "linear")];
        let inputs = [Some(x), None, None, Some(sizes)];
        self.append("Resize", &inputs, vec![(x.dtype(), dims.to_vec())], attributes, true).swap_remove(0)
    }

    /// The integers from 0 to before `count`, a scalar of 64-bit integers; `expected` of them are expected.
    pub fn count_to(&mut self, count: &Value, expected: i64) -> Value {
        let [zero, one] = [0, 1].map(|value| self.int64(&[], &[value]));
        let outputs = vec![(DataType::Int64, vec![expected])];
        self.append("Range", &[Some(&zero), Some(count), Some(&one)], outputs, vec![], true).swap_remove(0)
    }

    /// The larger of two elements, with broadcasting.
    pub fn max(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Max", a, b, a.dtype())
    }

    /// The smaller of two elements, with broadcasting.
    pub fn min(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Min", a, b, a.dtype())
    }

    /// Whether an element is larger than another, with broadcasting.
    pub fn greater(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("Greater", a, b, DataType::Bool)
    }

    /// Whether an element is at least another, with broadcasting.
    pub fn greater_or_equal(&mut self, a: &Value, b: &Value) -> Value {
        self.binary("GreaterOrEqual", a, b, DataType::Bool)
    }

    /// Elements held between bounds of 32-bit floating point; `None` is no bound.
    pub fn clip(&mut self, x: &Value, least: Option<f32>, most: Option<f32>) -> Value {
        let [least, most] = [least, most].map(|bound| bound.map(|bound| self.scalar(bound)));
        let inputs = [Some(x), least.as_ref(), most.as_ref()];
        let used = if most.is_some() { 3 } else { 2 };
        self.node_with_outputs("Clip", &inputs[..used], vec![(x.dtype(), x.dims().to_vec())], vec![]).swap_remove(0)
    }

    /// Powers of e.
    pub fn exp(&mut self, x: &Value) -> Value {
        self.unary("Exp", x)
    }

    /// Natural logarithm.
    pub fn log(&mut self, x: &Value) -> Value {
        self.unary("Log", x)
    }

    /// Square root.
    pub fn sqrt(&mut self, x: &Value) -> Value {
        self.unary("Sqrt", x)
    }

    /// The largest integer that is not above an element.
    pub fn floor(&mut self, x: &Value) -> Value {
        self.unary("Floor", x)
    }

    fn unary(&mut self, op: &str, x: &Value) -> Value {
        self.node(op, &[x], x.dtype(), x.dims().to_vec(), vec![])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_follow_the_operators_and_stay_open() {
        let mut b = GraphBuilder::new("test");
        let map = b.input("map", DataType::Float, &[2, 8, 10, 12]);
        let boxes = b.input("boxes", DataType::Float, &[50, 4]);
        let scores = b.input("scores", DataType::Float, &[50]);
        let (best, at) = b.top_k(&scores, 20);
        assert_eq!((best.dims(), at.dims(), at.dtype()), (&[20][..], &[20][..], DataType::Int64));
        let parts = b.split_sizes(&scores, 0, &[30, 20]);
        assert_eq!(parts.iter().map(|part| part.dim(0)).collect::<Vec<_>>(), [30, 20]);
        let kept = b.non_max_suppression(&boxes, &scores, 0.5, 9);
        assert_eq!((kept.dims(), kept.is_open()), (&[9][..], true));
        let chosen = b.gather(&boxes, &kept, 0);
        let images = b.int64(&[1], &[0]);
        let grid = RoiGrid { size: 7, sampling: 2, scale: 0.25 };
        let pooled = b.roi_align(&map, &chosen, &images, grid);
        assert_eq!((pooled.dims(), pooled.is_open()), (&[9, 8, 7, 7][..], true));
        let size = b.size_of(&chosen, 0);
        assert_eq!((size.dims(), size.is_open()), (&[1][..], false), "a shape has a fixed shape");
        let first = b.slice_between(&chosen, 0, &size, &size, 3);
        assert_eq!((first.dims(), first.is_open()), (&[3, 4][..], true));
        let large = b.greater(&scores, &scores);
        assert_eq!(large.dtype(), DataType::Bool);
    }

    #[test]
    fn a_transposed_convolution_counts_each_input_by_each_weight() {
        let mut b = GraphBuilder::new("test");
        let x = b.input("x", DataType::Float, &[3, 8, 14, 14]);
        let weight = b.input("weight", DataType::Float, &[8, 6, 2, 2]);
        let bias = b.input("bias", DataType::Float, &[6]);
        let y = b.conv_transpose(&x, &weight, &bias, ConvSpec { stride: 2, padding: 0, groups: 1 });
        assert_eq!(y.dims(), [3, 6, 28, 28]);
        assert_eq!(b.finish().macs, 3 * 14 * 14 * 8 * 6 * 4);
    }
}
