//! The model and its inputs, ready for a session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};

use crate::measure::inputs::{self, InputData, InputError, InputRequest, InputTensor};
use crate::measure::job::{LaunchJob, ModelSource};
use crate::onnx::fp16::weights::{self as half_weights, HalfFileError};
use crate::onnx::fp16::{HalfReport, Io};
use crate::onnx::inspect::NodeIndex;
use crate::onnx::proto::{GraphProto, ModelProto};
use crate::onnx::weightless::{self, StripOptions, Synthetic, WeightlessError};
use crate::onnx::{OnnxError, external, file};
use crate::runtime::session::{ExternalFile, FeedTensor, Model, TensorData};
use crate::scenario::{Precision, Scenario, Weights};
use crate::zoo::{self, BuildShape, BuiltModel, ZooError, weights};

/// Why a model or its inputs could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The bytes given are no model.
    #[error("the model cannot be decoded: {0}")]
    Decode(#[from] prost::DecodeError),
    /// The file, or the files of weights beside it, cannot be used.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// The file has no weights, and what was asked for needs them.
    #[error(transparent)]
    Weightless(#[from] WeightlessError),
    /// The built-in model cannot be built for these sizes.
    #[error(transparent)]
    Zoo(#[from] ZooError),
    /// The model cannot be converted to fp16.
    #[error(transparent)]
    Half(#[from] HalfFileError),
    /// The inputs cannot be made.
    #[error(transparent)]
    Inputs(#[from] InputError),
    /// The file disappeared between two looks.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What a session is made from.
pub(super) struct Prepared {
    bytes: Vec<u8>,
    path: Option<PathBuf>,
    sha256: String,
    nodes: NodeIndex,
    pub(super) external: Vec<ExternalFile>,
    /// True where weights share bytes of `external`.
    pub(super) repeats: bool,
    pub(super) feeds: Vec<FeedTensor>,
    pub(super) synthetic_weights: bool,
    model: ModelProto,
}

/// A built-in model in the scenario's shape and precision, with its weights in an arena of `capacity` bytes, and what the
/// conversion to fp16 changed.
///
/// # Errors
/// When there is no such model, or it cannot have that shape or precision.
pub fn build_model(
    name: &str,
    scenario: &Scenario,
    capacity: u64,
) -> Result<(BuiltModel, Option<HalfReport>), ZooError> {
    let shape = BuildShape {
        batch: scenario.batch.unwrap_or(1),
        sequence: scenario.sequence,
        image: scenario.image.map(|image| (image.height, image.width)),
    };
    match scenario.precision {
        Precision::Fp32 => zoo::build_within(name, &shape, capacity).map(|built| (built, None)),
        Precision::Fp16 => zoo::build_fp16_within(name, &shape, capacity).map(|(built, report)| (built, Some(report))),
    }
}

/// Builds or reads the model and makes its inputs.
pub(super) fn prepare(job: &LaunchJob) -> Result<Prepared, PrepareError> {
    match &job.source {
        ModelSource::Bytes { model, feeds } => Ok(Prepared {
            bytes: model.clone(),
            path: None,
            sha256: sha256_hex(model),
            nodes: NodeIndex::default(),
            external: Vec::new(),
            repeats: false,
            feeds: feeds.clone(),
            synthetic_weights: false,
            model: ModelProto::decode(model.as_slice())?,
        }),
        ModelSource::Zoo { name } => build(job, name),
        ModelSource::File { path, weights } => read(job, path, *weights),
    }
}

fn build(job: &LaunchJob, name: &str) -> Result<Prepared, PrepareError> {
    let capacity = if job.memory.distinct { u64::MAX } else { weights::CAPACITY };
    let (built, _) = build_model(name, &job.scenario, capacity)?;
    let feeds = feeds(job, &built.model, name)?;
    let bytes = built.model.encode_to_vec();
    let arena = ExternalFile { location: built.weights.file_name.to_owned(), bytes: weights::fill(&built.weights) };
    Ok(Prepared {
        path: None,
        sha256: sha256_hex(&bytes),
        nodes: NodeIndex::of(&built.model),
        external: vec![arena],
        repeats: built.weights.repeats(),
        feeds,
        synthetic_weights: true,
        bytes,
        model: built.model,
    })
}

/// A model file whose weights are made up, ready for a session.
#[derive(Debug)]
pub struct Synthesized {
    /// The graph; its large weights are external.
    pub model: ModelProto,
    /// The bytes of these.
    pub arena: ExternalFile,
    /// Size of the weights as deployed, without sharing, in bytes.
    pub nominal_bytes: u64,
    /// What the conversion to fp16 changed, where there was one.
    pub converted: Option<HalfReport>,
    /// True where weights share bytes of the arena.
    repeats: bool,
    /// SHA-256 of the graph before its weights got their places.
    sha256: String,
}

/// A model file whose weights are to be made up: the graph with a place for each, and what fills the places.
#[derive(Debug)]
pub struct PlannedWeights {
    /// The graph; its large weights are external.
    pub model: ModelProto,
    /// What stands at the places.
    pub synthetic: Synthetic,
    /// SHA-256 of the graph before its weights got their places.
    sha256: String,
}

/// Gives places to the weights of a model that was read from `path`, where they are to be made up: on demand, and where
/// `strip` left them out. `None` for a model that is to run with its own.
///
/// # Errors
/// When stored weights are asked for and absent, or others cannot be made up.
pub fn plan_weights(
    model: &ModelProto,
    path: &Path,
    weights: Option<Weights>,
) -> Result<Option<PlannedWeights>, PrepareError> {
    let stripped = weightless::is_stripped(model);
    match weights {
        Some(Weights::Stored) if stripped => {
            return Err(WeightlessError::NotStored { path: path.to_owned() }.into());
        }
        Some(Weights::Synthetic) => {}
        _ if stripped => {}
        _ => return Ok(None),
    }
    // Large values are shared, not copied.
    let mut model = model.clone();
    if !stripped {
        weightless::strip(&mut model, path, StripOptions::default())?;
    }
    let sha256 = sha256_hex(&model.encode_to_vec());
    let synthetic = weightless::synthesize(&mut model, path)?;
    Ok(Some(PlannedWeights { model, synthetic, sha256 }))
}

/// Makes up the weights where [`plan_weights`] gives them places.
///
/// # Errors
/// Those of [`plan_weights`], and why the model cannot be converted to the precision.
pub fn synthesize(
    model: &ModelProto,
    path: &Path,
    weights: Option<Weights>,
    precision: Precision,
) -> Result<Option<Synthesized>, PrepareError> {
    let Some(PlannedWeights { model, synthetic, sha256 }) = plan_weights(model, path, weights)? else {
        return Ok(None);
    };
    let (nominal_bytes, repeats) = (synthetic.nominal_bytes, synthetic.repeats());
    let arena = ExternalFile { location: weightless::FILE_NAME.to_owned(), bytes: synthetic.arena() };
    let made = Synthesized { model, arena, nominal_bytes, converted: None, repeats, sha256 };
    Ok(Some(match precision {
        Precision::Fp32 => made,
        Precision::Fp16 => made.into_fp16(path)?,
    }))
}

impl Synthesized {
    /// The same in 16-bit floating point: made-up weights have their scale before they are rounded.
    fn into_fp16(mut self, path: &Path) -> Result<Synthesized, PrepareError> {
        let places = BTreeMap::from([(self.arena.location.clone(), &self.arena.bytes[..])]);
        let (report, buffer) = half_weights::memory_to_fp16(&mut self.model, path, &places, Io::Keep)?;
        let bytes = buffer.unwrap_or_default();
        let sha256 = sha256_hex(&self.model.encode_to_vec());
        Ok(Synthesized {
            model: self.model,
            nominal_bytes: bytes.len() as u64,
            arena: ExternalFile { location: half_weights::FILE_NAME.to_owned(), bytes },
            converted: Some(report),
            repeats: false,
            sha256,
        })
    }
}

fn read(job: &LaunchJob, path: &Path, weights: Option<Weights>) -> Result<Prepared, PrepareError> {
    let mut model = file::read(path)?;
    if let Some(made) = synthesize(&model, path, weights, job.scenario.precision)? {
        let Synthesized { model, arena, repeats, sha256, .. } = made;
        return Ok(Prepared {
            bytes: model.encode_to_vec(),
            path: None,
            sha256,
            nodes: NodeIndex::of(&model),
            external: vec![arena],
            repeats,
            feeds: feeds(job, &model, &path.display().to_string())?,
            synthetic_weights: true,
            model,
        });
    }
    if job.scenario.precision == Precision::Fp16 {
        let (_, buffer) = half_weights::file_to_fp16(&mut model, path, Io::Keep)?;
        return converted(job, model, path, buffer);
    }
    external::check(&model, path)?;
    let feeds = feeds(job, &model, &path.display().to_string())?;
    let bytes = std::fs::read(path).map_err(|source| PrepareError::Read { path: path.to_owned(), source })?;
    Ok(Prepared {
        bytes: Vec::new(),
        path: Some(path.to_owned()),
        sha256: sha256_hex(&bytes),
        nodes: NodeIndex::of(&model),
        external: Vec::new(),
        repeats: false,
        feeds,
        synthetic_weights: false,
        model,
    })
}

/// A user's model that is no longer what the file holds: it is given to ONNX Runtime in memory.
fn converted(
    job: &LaunchJob,
    model: ModelProto,
    path: &Path,
    buffer: Option<Arc<[u8]>>,
) -> Result<Prepared, PrepareError> {
    let feeds = feeds(job, &model, &path.display().to_string())?;
    let size = u64::try_from(model.encoded_len()).unwrap_or(u64::MAX);
    if size > file::MAX_MESSAGE_BYTES {
        return Err(OnnxError::TooLarge { path: path.to_owned(), bytes: size }.into());
    }
    let bytes = model.encode_to_vec();
    let external = buffer.map(|bytes| ExternalFile { location: half_weights::FILE_NAME.to_owned(), bytes });
    Ok(Prepared {
        path: None,
        sha256: sha256_hex(&bytes),
        nodes: NodeIndex::of(&model),
        external: external.into_iter().collect(),
        repeats: false,
        feeds,
        synthetic_weights: false,
        bytes,
        model,
    })
}

fn feeds(job: &LaunchJob, model: &ModelProto, label: &str) -> Result<Vec<FeedTensor>, PrepareError> {
    let request = InputRequest {
        dimensions: job.dimensions.clone(),
        batch: job.scenario.batch,
        sequence: job.scenario.sequence,
        image: job.scenario.image,
        files: job.input_files.clone(),
        seed: job.plan.seed,
    };
    Ok(inputs::plan(model, label, &request)?.into_iter().map(feed).collect())
}

fn feed(tensor: InputTensor) -> FeedTensor {
    FeedTensor {
        name: tensor.name,
        element: tensor.element.onnx(),
        // A dimension beyond i64 would be an input of exabytes, which planning the inputs has refused.
        shape: tensor.shape.into_iter().map(|dim| i64::try_from(dim).unwrap_or(i64::MAX)).collect(),
        data: match tensor.data {
            InputData::String(strings) => TensorData::Strings(strings),
            InputData::Float32(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Float64(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Float16(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Bfloat16(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Int8(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Int16(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Int32(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Int64(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Uint8(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Uint16(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Uint32(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Uint64(values) => bytes(&values, |v| v.to_ne_bytes()),
            InputData::Bool(values) => bytes(&values, |v| [u8::from(v)]),
        },
    }
}

/// Elements in the machine's byte order, as ONNX Runtime reads them.
fn bytes<T: Copy, const SIZE: usize>(values: &[T], native: impl Fn(T) -> [u8; SIZE]) -> TensorData {
    TensorData::Bytes(values.iter().flat_map(|value| native(*value)).collect())
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
        self.sha256.clone()
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
    pub(super) fn domain_of(&self, name: &str, op_type: &str) -> Option<String> {
        self.nodes.domain_of(name, op_type).map(str::to_owned)
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

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
