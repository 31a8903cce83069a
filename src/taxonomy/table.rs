//! The table of operators: `operators.toml`, parsed once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::Group;

/// One operator of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// Domain in full: `ai.onnx`, never the empty string.
    pub domain: String,
    /// Operator type, such as `MatMul`.
    pub name: String,
    /// What kind of work it does.
    pub group: Group,
    /// True where it contains a matrix product together with other work.
    pub fused: bool,
    /// One line: what it computes, hence why it is in its group.
    pub reason: String,
}

impl Operator {
    /// Canonical `domain:OpType`, the unit of comparison.
    pub fn key(&self) -> String {
        format!("{}:{}", self.domain, self.name)
    }
}

/// Every operator that ONNX Runtime registers, sorted by domain and name.
#[derive(Debug)]
pub struct Taxonomy {
    operators: Vec<Operator>,
    by_name: BTreeMap<String, Vec<usize>>,
}

/// A row as it stands in the file, under its domain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    group: Group,
    #[serde(default)]
    fused: bool,
    reason: String,
}

static TAXONOMY: LazyLock<Taxonomy> = LazyLock::new(|| {
    Taxonomy::parse(include_str!("operators.toml")).expect("the table of operators is part of the program and tested")
});

/// The table of this program, parsed on first use.
pub fn taxonomy() -> &'static Taxonomy {
    &TAXONOMY
}

/// The operator of this domain (`""` is `ai.onnx`) and type, if the table has it.
pub fn get(domain: &str, name: &str) -> Option<&'static Operator> {
    taxonomy().get(domain, name)
}

impl Taxonomy {
    fn parse(text: &str) -> Result<Taxonomy, toml::de::Error> {
        let domains: BTreeMap<String, BTreeMap<String, Row>> = toml::from_str(text)?;
        let operators: Vec<Operator> = domains
            .into_iter()
            .flat_map(|(domain, rows)| rows.into_iter().map(move |(name, row)| (domain.clone(), name, row)))
            .map(|(domain, name, row)| {
                let Row { group, fused, reason } = row;
                Operator { domain, name, group, fused, reason }
            })
            .collect();
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, operator) in operators.iter().enumerate() {
            by_name.entry(operator.name.clone()).or_default().push(index);
        }
        Ok(Taxonomy { operators, by_name })
    }

    /// Every operator, sorted by domain and name.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// Operators of this type in any domain, sorted by domain (hence `ai.onnx` first, then `com.microsoft`).
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Operator> {
        self.by_name.get(name).into_iter().flatten().map(|&index| &self.operators[index])
    }

    /// The operator of this domain (`""` is `ai.onnx`) and type.
    pub fn get(&self, domain: &str, name: &str) -> Option<&Operator> {
        let domain = canonical_domain(domain);
        self.named(name).find(|operator| operator.domain == domain)
    }

    /// True where at least one operator of this domain is in the table.
    pub fn knows_domain(&self, domain: &str) -> bool {
        let domain = canonical_domain(domain);
        self.operators.iter().any(|operator| operator.domain == domain)
    }

    /// Every operator type, sorted, without repeats.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

/// ONNX writes its own domain as the empty string; we always write it out.
pub(super) fn canonical_domain(domain: &str) -> &str {
    if domain.is_empty() { "ai.onnx" } else { domain }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// All operators that ONNX Runtime 1.32 registers, taken from the library itself.
    const REGISTERED: &str = include_str!("../../tests/data/onnxruntime-operators.tsv");

    fn registered() -> BTreeSet<(&'static str, &'static str)> {
        REGISTERED
            .lines()
            .skip(1)
            .map(|line| {
                let mut columns = line.split('\t');
                (columns.next().unwrap(), columns.next().unwrap())
            })
            .collect()
    }

    #[test]
    fn the_table_has_each_registered_operator_once_and_no_other() {
        let registered = registered();
        assert_eq!(registered.len(), 415);
        let table: Vec<(&str, &str)> =
            taxonomy().operators().iter().map(|op| (op.domain.as_str(), op.name.as_str())).collect();
        let set: BTreeSet<(&str, &str)> = table.iter().copied().collect();
        assert_eq!(set.len(), table.len());
        assert_eq!(registered.difference(&set).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "not in the table");
        assert_eq!(set.difference(&registered).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "not registered");
    }

    #[test]
    fn every_reason_says_something_and_only_gemm_is_fused() {
        for operator in taxonomy().operators() {
            assert!(operator.reason.split_whitespace().count() >= 3, "{}: `{}`", operator.key(), operator.reason);
            assert!(!operator.fused || operator.group.is_gemm(), "{} is fused but not gemm", operator.key());
        }
    }

    #[test]
    fn the_file_has_one_operator_a_line_in_order() {
        let mut domain = String::new();
        let mut lines = Vec::new();
        for line in include_str!("operators.toml").lines() {
            if let Some(header) = line.strip_prefix("[\"") {
                domain = header.trim_end_matches("\"]").to_owned();
            } else if !line.is_empty() && !line.starts_with('#') {
                lines.push((domain.clone(), line.split(" = ").next().unwrap().to_owned()));
            }
        }
        assert!(lines.is_sorted(), "sort operators.toml by domain and name");
        assert_eq!(lines.len(), taxonomy().operators().len());
    }

    /// The same type in two domains must not change sides, or an ambiguous event would move a share.
    #[test]
    fn operators_of_one_name_agree_on_their_group() {
        for name in taxonomy().names() {
            let groups: BTreeSet<Group> = taxonomy().named(name).map(|op| op.group).collect();
            assert_eq!(groups.len(), 1, "{name}: {groups:?}");
        }
    }

    #[test]
    fn well_known_operators_are_where_a_reader_expects_them() {
        let cases = [
            ("", "MatMul", Group::Gemm, false),
            ("", "Gemm", Group::Gemm, false),
            ("", "Conv", Group::Gemm, false),
            ("", "ConvTranspose", Group::Gemm, false),
            ("", "MatMulInteger", Group::Gemm, false),
            ("", "QLinearMatMul", Group::Gemm, true),
            ("", "QLinearConv", Group::Gemm, true),
            ("", "Attention", Group::Gemm, true),
            ("", "Einsum", Group::Gemm, true),
            ("com.microsoft", "Attention", Group::Gemm, true),
            ("com.microsoft", "FusedConv", Group::Gemm, true),
            ("com.microsoft", "FusedMatMul", Group::Gemm, true),
            ("com.microsoft", "MatMulNBits", Group::Gemm, true),
            ("com.microsoft", "GroupQueryAttention", Group::Gemm, true),
            ("com.microsoft", "QMoE", Group::Gemm, true),
            ("com.microsoft.nchwc", "Conv", Group::Gemm, true),
            ("", "Softmax", Group::LogitComputation, false),
            ("", "LogSoftmax", Group::LogitComputation, false),
            ("", "Gelu", Group::Activation, false),
            ("com.microsoft", "FastGelu", Group::Activation, false),
            ("com.microsoft", "QuickGelu", Group::Activation, false),
            ("", "LayerNormalization", Group::Normalization, false),
            ("com.microsoft", "SkipLayerNormalization", Group::Normalization, false),
            ("", "BatchNormalization", Group::Normalization, false),
            ("", "Add", Group::ElementWise, false),
            ("", "Erf", Group::ElementWise, false),
            ("", "Where", Group::ElementWise, false),
            ("", "ReduceMean", Group::Reduction, false),
            ("", "TopK", Group::Reduction, false),
            ("", "Transpose", Group::Memory, false),
            ("", "Reshape", Group::Memory, false),
            ("", "Concat", Group::Memory, false),
            ("", "Cast", Group::Memory, false),
            ("com.microsoft.nchwc", "ReorderInput", Group::Memory, false),
            ("", "Gather", Group::Embedding, false),
            ("com.microsoft", "EmbedLayerNormalization", Group::Embedding, false),
            ("", "Resize", Group::Interpolation, false),
            ("", "GridSample", Group::Interpolation, false),
            ("", "MaxPool", Group::Pooling, false),
            ("", "GlobalAveragePool", Group::Pooling, false),
            ("", "NonMaxSuppression", Group::RoiSelection, false),
            ("", "RoiAlign", Group::RoiSelection, false),
            ("", "QuantizeLinear", Group::Quantization, false),
            ("", "DynamicQuantizeLinear", Group::Quantization, false),
            ("", "MemcpyToHost", Group::DataTransfer, false),
            ("", "MemcpyFromHost", Group::DataTransfer, false),
            ("", "If", Group::ControlFlow, false),
            ("", "Loop", Group::ControlFlow, false),
            ("", "Scan", Group::ControlFlow, false),
            ("com.microsoft", "BeamSearch", Group::ControlFlow, false),
            ("", "LSTM", Group::Recurrent, false),
            ("com.microsoft", "DynamicQuantizeLSTM", Group::Recurrent, false),
            ("ai.onnx.ml", "TreeEnsembleClassifier", Group::Other, false),
        ];
        let wrong: Vec<String> = cases
            .into_iter()
            .filter_map(|(domain, name, group, fused)| match get(domain, name) {
                Some(op) if op.group == group && op.fused == fused => None,
                found => Some(format!("{domain}:{name}: expected {group:?}, fused {fused}; found {found:?}")),
            })
            .collect();
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn an_unknown_key_in_the_table_is_refused() {
        let error = Taxonomy::parse("[\"ai.onnx\"]\nAdd = { gruop = \"gemm\", reason = \"x\" }").unwrap_err();
        assert!(error.message().contains("gruop"), "{error}");
    }
}
