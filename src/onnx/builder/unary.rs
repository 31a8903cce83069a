//! Functions of one operand, element by element.

use super::{GraphBuilder, Value};

impl GraphBuilder {
    /// Negation.
    pub fn neg(&mut self, x: &Value) -> Value {
        self.unary("Neg", x)
    }

    /// Square root.
    pub fn sqrt(&mut self, x: &Value) -> Value {
        self.unary("Sqrt", x)
    }

    /// One over each element.
    pub fn reciprocal(&mut self, x: &Value) -> Value {
        self.unary("Reciprocal", x)
    }

    /// Logistic function.
    pub fn sigmoid(&mut self, x: &Value) -> Value {
        self.unary("Sigmoid", x)
    }

    /// Cosine of angles in radians.
    pub fn cos(&mut self, x: &Value) -> Value {
        self.unary("Cos", x)
    }

    /// Sine of angles in radians.
    pub fn sin(&mut self, x: &Value) -> Value {
        self.unary("Sin", x)
    }

    /// A node without attributes whose output has the type and the shape of its operand.
    pub(super) fn unary(&mut self, op: &str, x: &Value) -> Value {
        self.node(op, &[x], x.dtype(), x.dims().to_vec(), vec![])
    }
}
