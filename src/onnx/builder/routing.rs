//! Operators that send rows of a tensor to where they are worked on, and bring the results back.

use super::{GraphBuilder, Value, attr_int, attr_string, axis_index, int};
use crate::onnx::proto::tensor_proto::DataType;

impl GraphBuilder {
    /// Where `x` is not zero: a row of indices for each of its axes, a column for each place. How many there are depends
    /// on data; `expected` is what they are counted as.
    pub fn non_zero(&mut self, x: &Value, expected: i64) -> Value {
        let dims = vec![int(x.dims().len()), expected];
        self.append("NonZero", &[Some(x)], vec![(DataType::Int64, dims)], vec![], true).swap_remove(0)
    }

    /// Sum over the given axes, which stay with size 1.
    pub fn reduce_sum(&mut self, x: &Value, axes: &[i64]) -> Value {
        let mut dims = x.dims().to_vec();
        axes.iter().for_each(|&axis| dims[axis_index(axis, x.dims().len())] = 1);
        let axes = self.int64(&[int(axes.len())], axes);
        let attributes = vec![attr_int("keepdims", 1), attr_int("noop_with_empty_axes", 0)];
        self.node("ReduceSum", &[x, &axes], x.dtype(), dims, attributes)
    }

    /// `x` with `updates` added to the parts at `indices`; of the size of `x`, however many updates there are.
    pub fn scatter_nd_add(&mut self, x: &Value, indices: &Value, updates: &Value) -> Value {
        let inputs = [Some(x), Some(indices), Some(updates)];
        let outputs = vec![(x.dtype(), x.dims().to_vec())];
        let attributes = vec![attr_string("reduction", "add")];
        self.append("ScatterND", &inputs, outputs, attributes, x.is_open()).swap_remove(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_brought_back_have_the_fixed_size_again() {
        let mut b = GraphBuilder::new("test");
        let x = b.input("x", DataType::Float, &[6, 4]);
        let (largest, places) = b.top_k(&x, 2);
        assert_eq!((largest.dims(), places.dims()), (&[6, 2][..], &[6, 2][..]));
        assert_eq!((largest.dtype(), places.dtype()), (DataType::Float, DataType::Int64));
        assert_eq!(b.reduce_sum(&largest, &[-1]).dims(), [6, 1]);
        let found = b.non_zero(&places, 3);
        assert!(found.is_open() && found.dims() == [2, 3]);
        let rows = b.pick(&found, 0, 0);
        let some = b.gather(&x, &rows, 0);
        assert!(some.is_open() && some.dims() == [3, 4]);
        let rows = b.unsqueeze(&rows, &[-1]);
        let sum = b.scatter_nd_add(&x, &rows, &some);
        assert!(!sum.is_open() && sum.dims() == [6, 4]);
    }
}
