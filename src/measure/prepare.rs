//! The model and its inputs, ready for a session.

use std::path::PathBuf;

use prost::Message;

use crate::measure::job::{LaunchJob, ModelSource};
use crate::measure::launch::sha256_hex;
use crate::onnx::proto::{GraphProto, ModelProto};
use crate::runtime::session::{ExternalFile, FeedTensor, Model};

/// Why a model or its inputs could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The bytes given are no model.
    #[error("the model cannot be decoded: {0}")]
    Decode(#[from] prost::DecodeError),
}

/// What a session is made from.
pub(super) struct Prepared {
    bytes: Vec<u8>,
    path: Option<PathBuf>,
    pub(super) external: Vec<ExternalFile>,
    pub(super) feeds: Vec<FeedTensor>,
    model: ModelProto,
}

/// Builds or reads the model and makes its inputs.
pub(super) fn prepare(job: &LaunchJob) -> Result<Prepared, PrepareError> {
    match &job.source {
        ModelSource::Bytes { model, feeds } => Ok(Prepared {
            bytes: model.clone(),
            path: None,
            external: Vec::new(),
            feeds: feeds.clone(),
            model: ModelProto::decode(model.as_slice())?,
        }),
        _ => todo!(),
    }
}

impl Prepared {
    pub(super) fn model(&self) -> Model<'_> {
        match &self.path {
            Some(path) => Model::File(path),
            None => Model::Bytes(&self.bytes),
        }
    }

    /// SHA-256 of the graph as given to ONNX Runtime.
    pub(super) fn sha256(&self) -> String {
        sha256_hex(&self.bytes)
    }

    /// Name of the first node of this operator, and the opset that the model imports for its domain.
    pub(super) fn find_operator(&self, domain: &str, operator: &str) -> Option<(String, Option<String>)> {
        let same_domain = |other: Option<&str>| canonical(other.unwrap_or_default()) == canonical(domain);
        let graph = self.model.graph.as_ref()?;
        let name = first_node(graph, &|op, of| op == operator && same_domain(Some(of)))?;
        let opset = self.model.opset_import.iter().find(|import| same_domain(import.domain.as_deref()));
        Some((name, opset.and_then(|import| import.version).map(|version| version.to_string())))
    }

    /// Domain of the node of this name before optimization (`""` is `ai.onnx`).
    pub(super) fn domain_of(&self, _name: &str, _op_type: &str) -> Option<String> {
        None
    }
}

fn canonical(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

fn first_node(graph: &GraphProto, wanted: &dyn Fn(&str, &str) -> bool) -> Option<String> {
    graph.node.iter().find_map(|node| {
        if wanted(node.op_type(), node.domain()) {
            return Some(node.name().to_owned());
        }
        let inner = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
        inner.into_iter().find_map(|graph| first_node(graph, wanted))
    })
}
