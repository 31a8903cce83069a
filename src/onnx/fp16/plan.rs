//! Which precision one node takes and gives, by the tables and by what stands around it.

use crate::onnx::inspect::canonical_domain;
use crate::onnx::proto::{FunctionProto, NodeProto};

use super::kinds;
use super::rules::{self, Stays};
use super::scope::{Precision, Scope, Value};

/// How one node takes its inputs and gives its outputs.
pub struct Plan {
    /// What stays fp32, and why.
    pub stays: Option<(Stays, &'static str)>,
    /// Takes any precision.
    pub typeless: bool,
}

impl Plan {
    /// Of a node in its place; `imposed` is why it stays in fp32 whatever it is.
    pub fn of(node: &NodeProto, scope: &Scope<'_>, functions: &[FunctionProto], imposed: Option<&'static str>) -> Plan {
        let domain = canonical_domain(node.domain());
        let operator = node.op_type();
        let standard = domain.is_empty();
        let reason = if let Some(reason) = imposed {
            Some((Stays::Whole, reason))
        } else if kinds::find_function(functions, node).is_some() {
            Some((Stays::Whole, rules::FUNCTION))
        } else if let Some(row) = rules::find(domain, operator) {
            Some((row.stays, row.reason))
        } else if !standard && domain != "com.microsoft" {
            Some((Stays::Whole, rules::CUSTOM))
        } else {
            None
        };
        let typeless = standard && (rules::TYPELESS.contains(&operator) || matches!(operator, "Cast" | "CastLike"));
        if reason.is_none() && standard && rules::MOVES.contains(&operator) && follows_full(node, scope) {
            return Plan { stays: Some((Stays::Whole, "")), typeless };
        }
        Plan { stays: reason, typeless }
    }

    /// The precision in which it takes an input.
    pub fn input(&self, index: usize) -> Precision {
        match self.stays {
            Some((Stays::Whole, _)) => Precision::Full,
            Some((Stays::Inputs(inputs), _)) if inputs.contains(&index) => Precision::Full,
            _ => Precision::Half,
        }
    }

    /// The precision in which it gives an output.
    pub fn output(&self, index: usize) -> Precision {
        match self.stays {
            Some((Stays::Whole, _)) => Precision::Full,
            Some((Stays::Outputs(outputs), _)) if outputs.contains(&index) => Precision::Full,
            _ => Precision::Half,
        }
    }
}

/// Whether all that a node moves is there in fp32 alone.
fn follows_full(node: &NodeProto, scope: &Scope<'_>) -> bool {
    let homes: Vec<Precision> = node.input.iter().filter_map(|name| scope.find(name)).filter_map(Value::home).collect();
    !homes.is_empty() && homes.iter().all(|home| *home == Precision::Full)
}
