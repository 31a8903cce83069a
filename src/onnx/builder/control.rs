//! Control flow: bodies that are graphs of their own.

use super::{GraphBuilder, Value, attribute, int, value_info};
use crate::onnx::proto::attribute_proto::AttributeType;
use crate::onnx::proto::tensor_proto::DataType;
use crate::onnx::proto::{AttributeProto, GraphProto};

impl GraphBuilder {
    /// Runs `body` as often as `count`, a scalar of 64-bit integers, says, and joins what it makes each time, of the same
    /// shape, along a new first axis, of which `expected` elements are expected. The body is given the number of its run
    /// and may use values from outside; products in it are counted once for each expected run.
    ///
    /// # Panics
    /// When the body adds parameters: those belong to the graph around it.
    pub fn for_each(&mut self, count: &Value, expected: i64, body: impl FnOnce(&mut Self, &Value) -> Value) -> Value {
        let (parameters, macs) = (self.parameters, self.macs);
        let inside = GraphProto { name: Some(self.scoped("/", "body")), ..Default::default() };
        let outside = std::mem::replace(&mut self.graph, inside);
        // Constants made inside cannot be seen outside, those from outside can be seen inside.
        let constants = self.constants.clone();
        let [run, going] = [("run", DataType::Int64), ("going", DataType::Bool)].map(|(name, dtype)| {
            let name = self.unique(&self.scoped("/", name));
            self.input(&name, dtype, &[])
        });
        let made = body(self, &run);
        let still = self.node("Identity", &[&going], DataType::Bool, vec![], vec![]);
        let outputs = [value_info(&still), value_info(&made)];
        self.graph.value_info.retain(|info| outputs.iter().all(|output| output.name != info.name));
        self.graph.output.extend(outputs);
        let inside = std::mem::replace(&mut self.graph, outside);
        self.constants = constants;
        assert_eq!(parameters, self.parameters, "the body of a loop adds parameters");
        self.macs = macs + (self.macs - macs) * expected.unsigned_abs();
        let attribute = AttributeProto { g: Some(inside), ..attribute("body", AttributeType::Graph) };
        let dims = [&[expected], made.dims()].concat();
        self.append("Loop", &[Some(count), None], vec![(made.dtype(), dims)], vec![attribute], true).swap_remove(0)
    }

    /// A vector of one element as a scalar.
    pub fn to_scalar(&mut self, x: &Value) -> Value {
        assert_eq!(x.elements(), 1, "{x:?} is no single element");
        self.squeeze(x, -int(x.dims().len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_stacks_what_its_body_makes_and_keeps_its_constants() {
        let mut b = GraphBuilder::new("test");
        let x = b.input("x", DataType::Float, &[5, 3]);
        let count = b.int64(&[], &[5]);
        let shared = b.scalar(2.0);
        let rows = b.for_each(&count, 5, |b, run| {
            let row = b.gather(&x, run, 0);
            let half = b.scalar(0.5);
            let row = b.mul(&row, &half);
            b.mul(&row, &shared)
        });
        assert_eq!((rows.dims(), rows.is_open()), (&[5, 3][..], true));
        let half = b.scalar(0.5);
        let double = b.mul(&x, &half);
        b.output("double", &double);
        let graph = b.finish().model.graph.unwrap();
        let body = graph.node[0].attribute[0].g.as_ref().unwrap();
        assert_eq!((body.input.len(), body.output.len(), body.initializer.len()), (2, 2, 1));
        assert_eq!(graph.initializer.len(), 3, "the constant made inside is made again outside");
        assert_eq!(graph.input.len(), 1);
    }
}
