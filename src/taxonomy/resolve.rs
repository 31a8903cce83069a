//! From a profile event to a row of the table. Events carry an operator type without its domain, and 32 types stand in
//! more than one domain, so the domain is inferred.

use super::table::{canonical_domain, taxonomy};
use super::{Group, Operator};

/// Names that ONNX Runtime's NCHWc transformer gives to the nodes it makes end so (the output's name, then this);
/// seen in profiles of 1.31.1.
const NCHWC_SUFFIX: &str = "_nchwc";
const NCHWC_DOMAIN: &str = "com.microsoft.nchwc";

/// What an operator type of a profile event stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Canonical `domain:OpType`; the domain is `?` where nothing tells it.
    pub key: String,
    /// The row of the table; `None` for an operator that it does not know.
    pub operator: Option<&'static Operator>,
    /// By which rule.
    pub how: Resolution,
}

/// The rule that settled a domain, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The node of that name in the model has this domain, and the table has the operator in it.
    Model,
    /// The node's name is one that the NCHWc transformer gives.
    LayoutTransformer,
    /// One domain alone has the operator.
    Unique,
    /// Several domains have it: the first in the order `ai.onnx`, `com.microsoft`, the others by name. They agree on
    /// the group.
    Ambiguous,
    /// The table has no such operator, or the model says that it is of a domain that the table does not know.
    Unknown,
}

impl Resolved {
    /// The group; `None` for an unknown operator.
    pub fn group(&self) -> Option<Group> {
        self.operator.map(|operator| operator.group)
    }

    /// True for a fused operator that contains a matrix product.
    pub fn fused(&self) -> bool {
        self.operator.is_some_and(|operator| operator.fused)
    }

    fn known(operator: &'static Operator, how: Resolution) -> Resolved {
        Resolved { key: operator.key(), operator: Some(operator), how }
    }
}

/// Finds the operator that a profile event means. `op_type` is the event's, `model_domain` is the domain of the node of
/// the same name in the model before optimization (`""` is `ai.onnx`; `None` where no such node is there, as for nodes
/// that the optimizer made), `node_name` is the name after optimization. [`Resolution`] lists the rules.
pub fn resolve(op_type: &str, model_domain: Option<&str>, node_name: &str) -> Resolved {
    let table = taxonomy();
    if let Some(domain) = model_domain.map(canonical_domain) {
        if let Some(operator) = table.get(domain, op_type) {
            return Resolved::known(operator, Resolution::Model);
        }
        // A custom operator may share its type with one of ours. Of a domain that the table does know, the optimizer
        // may have replaced the node by one of another domain and kept the name.
        if !table.knows_domain(domain) {
            return Resolved { key: format!("{domain}:{op_type}"), operator: None, how: Resolution::Unknown };
        }
    }
    if node_name.ends_with(NCHWC_SUFFIX)
        && let Some(operator) = table.get(NCHWC_DOMAIN, op_type)
    {
        return Resolved::known(operator, Resolution::LayoutTransformer);
    }
    let mut candidates = table.named(op_type);
    match (candidates.next(), candidates.next()) {
        (Some(operator), None) => Resolved::known(operator, Resolution::Unique),
        // Sorted by domain, which happens to be the order of preference; a test holds it.
        (Some(operator), Some(_)) => Resolved::known(operator, Resolution::Ambiguous),
        (None, _) => {
            let domain = model_domain.map_or("?", canonical_domain);
            Resolved { key: format!("{domain}:{op_type}"), operator: None, how: Resolution::Unknown }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_a_line() {
        use Resolution::*;
        let cases = [
            // op type, domain in the model, node name, key, rule
            ("MatMul", Some(""), "mm", "ai.onnx:MatMul", Model),
            ("Gelu", Some("com.microsoft"), "g", "com.microsoft:Gelu", Model),
            ("Gelu", Some("ai.onnx"), "g", "ai.onnx:Gelu", Model),
            // A node that was called so before the transformer came.
            ("Conv", Some(""), "x_nchwc", "ai.onnx:Conv", Model),
            ("Conv", None, "relu_out_nchwc", "com.microsoft.nchwc:Conv", LayoutTransformer),
            ("MaxPool", None, "m1_nchwc", "com.microsoft.nchwc:MaxPool", LayoutTransformer),
            ("ReorderOutput", None, "ReorderOutput", "com.microsoft.nchwc:ReorderOutput", Unique),
            ("FusedMatMul", Some(""), "mm", "com.microsoft:FusedMatMul", Unique),
            ("QuickGelu", None, "mul/QuickGeluFusion/", "com.microsoft:QuickGelu", Unique),
            // The suffix alone makes no operator of that domain.
            ("Relu", None, "r_nchwc", "ai.onnx:Relu", Unique),
            ("Gelu", None, "Gelu", "ai.onnx:Gelu", Ambiguous),
            ("Conv", None, "Conv_token_3", "ai.onnx:Conv", Ambiguous),
            ("QLinearAveragePool", None, "p", "com.microsoft:QLinearAveragePool", Ambiguous),
            ("Conv", Some("my.domain"), "c", "my.domain:Conv", Unknown),
            ("Frobnicate", Some("my.domain"), "f", "my.domain:Frobnicate", Unknown),
            ("Frobnicate", Some(""), "f", "ai.onnx:Frobnicate", Unknown),
            ("Frobnicate", None, "f", "?:Frobnicate", Unknown),
        ];
        let wrong: Vec<String> = cases
            .into_iter()
            .filter_map(|(op, domain, node, key, how)| {
                let found = resolve(op, domain, node);
                let ok = found.key == key && found.how == how && found.operator.is_none() == (how == Unknown);
                (!ok).then(|| format!("{op} {domain:?} {node}: expected {key} by {how:?}, found {found:?}"))
            })
            .collect();
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn an_unknown_operator_has_no_group_and_a_fused_one_says_so() {
        assert_eq!(resolve("Frobnicate", None, "f").group(), None);
        assert!(resolve("FusedConv", None, "f").fused());
        assert!(!resolve("MatMul", None, "f").fused());
    }

    #[test]
    fn ambiguity_prefers_onnx_then_microsoft() {
        let rank = |domain: &str| match domain {
            "ai.onnx" => 0,
            "com.microsoft" => 1,
            _ => 2,
        };
        for name in taxonomy().names() {
            assert!(taxonomy().named(name).map(|op| rank(&op.domain)).is_sorted(), "{name}");
        }
    }
}
