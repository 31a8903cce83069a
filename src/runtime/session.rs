//! One ONNX Runtime session as a launch needs it: one provider, sequential, run with or without its profiler.
//!
//! Everything that [`crate::measure`] knows of `ort` passes through here. Nothing here measures or judges.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ort::memory::Allocator;
use ort::session::builder::{BuilderResult, GraphOptimizationLevel, SessionBuilder};
use ort::session::{IoBinding, RunOptions, SessionInputValue};
use ort::value::{DynTensor, DynValue, Tensor, TensorElementType, ValueType};
use serde::{Deserialize, Serialize};

mod device;
mod error;
mod heap;

pub use error::SessionError;
pub use heap::KeptHeap;

/// ONNX Runtime, loaded into this process. A process loads one library once.
#[derive(Debug, Clone)]
pub struct Engine {
    environment: ort::environment::Environment,
    version: String,
}

impl Engine {
    /// Loads the library, unless this process has loaded it before.
    ///
    /// # Errors
    /// [`SessionError::Library`] where the file is no ONNX Runtime of a supported version, or where this process has
    /// loaded another library already: `ort` keeps the first for good.
    pub fn load(library: &Path) -> Result<Engine, SessionError> {
        let fail = |reason: String| SessionError::Library { path: library.to_owned(), reason };
        super::load_path(library).map_err(|error| fail(error.to_string()))?;
        let environment = super::environment().map_err(|error| fail(error.to_string()))?.clone();
        let version = super::probe(library).map_err(|refusal| fail(refusal.to_string()))?.to_string();
        Ok(Engine { environment, version })
    }

    /// Version of the loaded library, such as `1.31.1`.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// An execution provider of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionProvider {
    /// CPUExecutionProvider.
    Cpu,
    /// CUDAExecutionProvider, with inputs and outputs in the device's memory.
    Cuda(CudaSettings),
}

/// How CUDAExecutionProvider is set up. What is not here is as ONNX Runtime has it, but for CUDA graphs: they are off, since
/// a graph is replayed as one launch that belongs to no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CudaSettings {
    /// Number of the device, as CUDA counts them.
    pub device: u32,
    /// How cuDNN's algorithm for a convolution is chosen.
    pub convolution: ConvolutionSearch,
    /// Whether products and convolutions in fp32 may be computed in TensorFloat-32.
    pub tf32: bool,
    /// Largest size of the memory arena on the device; `None` for no limit.
    pub arena_bytes: Option<u64>,
}

/// How cuDNN's algorithm for a convolution is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvolutionSearch {
    /// Each is tried in the first run.
    Exhaustive,
    /// By cuDNN's own guess.
    Heuristic,
    /// The same one always.
    Default,
}

/// How far ONNX Runtime optimizes a session's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphLevel {
    /// Not at all.
    Disable,
    /// Rewrites that need no knowledge of the provider.
    Basic,
    /// Fusions for the provider too.
    Extended,
    /// Layout too.
    All,
}

/// Whether weights are packed for the kernels that read them, once, when the session is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepacking {
    /// They are not: kernels pack them in each run. Sessions are ready sooner and take less memory.
    Off,
    /// They are, as deployments have it.
    Distinct,
    /// They are, and most packed copies equal an earlier one, which ONNX Runtime then uses in their stead.
    Repeated,
}

/// Where a session's graph is read from.
#[derive(Debug, Clone, Copy)]
pub enum Model<'a> {
    /// A serialized `ModelProto`.
    Bytes(&'a [u8]),
    /// A `.onnx` file; its external data lies beside it.
    File(&'a Path),
}

/// Bytes that stand for a file of external data, used in place.
#[derive(Debug, Clone)]
pub struct ExternalFile {
    /// The `location` that the model's initializers name.
    pub location: String,
    /// What the file would hold.
    pub bytes: Arc<[u8]>,
}

/// How to build a session.
#[derive(Debug, Clone)]
pub struct SessionSpec<'a> {
    /// The graph.
    pub model: Model<'a>,
    /// Memory that stands for files of external data; empty for models that carry their weights or have real files.
    pub external: Vec<ExternalFile>,
    /// Execution provider: it is an error where it cannot be had.
    pub provider: SessionProvider,
    /// Graph optimization level.
    pub level: GraphLevel,
    /// Intra-operator threads.
    pub threads: u32,
    /// Whether weights are packed.
    pub prepacking: Prepacking,
    /// Where to write the graph as it is after optimization; `None` for nowhere.
    pub optimized: Option<&'a Path>,
}

/// The file of external data beside an optimized graph that was written.
pub const OPTIMIZED_WEIGHTS: &str = "weights.bin";

/// Initializers below this stay in the optimized graph itself, in bytes.
const OPTIMIZED_INLINE_BYTES: &str = "1024";

/// The bytes or strings of one tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TensorData {
    /// Elements in row-major order, in the machine's byte order.
    Bytes(Vec<u8>),
    /// Elements of a string tensor.
    Strings(Vec<String>),
}

/// One tensor fed to a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeedTensor {
    /// Name of the graph input.
    pub name: String,
    /// ONNX's element type, as `TensorProto.DataType` numbers it.
    pub element: i32,
    /// Extents, outermost first.
    pub shape: Vec<i64>,
    /// The elements.
    pub data: TensorData,
}

/// Name, element type and declared shape (-1 where free) of a session's input.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionInput {
    /// Name.
    pub name: String,
    /// Declared extents; `None` for what is no tensor.
    pub shape: Option<Vec<i64>>,
}

/// A session's inputs: bound once, they are the same in each run.
enum Feeds {
    /// In the session's order.
    Host(Vec<SessionInputValue<'static>>),
    /// Copied to the device before any run; outputs stay there.
    Device(Box<IoBinding>),
}

/// A session ready to run with fixed inputs.
pub struct BoundSession {
    // Declared before `_external`: fields drop in this order, and the session reads those bytes until it is gone.
    session: ort::session::Session,
    feeds: Feeds,
    _external: Vec<ExternalFile>,
}

impl BoundSession {
    /// Builds the session and binds its inputs, which may come in any order.
    ///
    /// # Errors
    /// Each reason that ONNX Runtime gives for refusing a model has its own variant of [`SessionError`].
    pub fn new(engine: &Engine, spec: &SessionSpec<'_>, feeds: &[FeedTensor]) -> Result<BoundSession, SessionError> {
        BoundSession::build(engine, spec, feeds).map_err(|error| match spec.provider {
            SessionProvider::Cpu => error,
            SessionProvider::Cuda(_) => error.on_cuda(),
        })
    }

    fn build(engine: &Engine, spec: &SessionSpec<'_>, feeds: &[FeedTensor]) -> Result<BoundSession, SessionError> {
        let mut builder = configured(engine, spec).map_err(SessionError::from_ort)?;
        builder = with_provider(builder, spec.provider)?;
        let kept_heap = (spec.prepacking == Prepacking::Repeated).then(KeptHeap::hold);
        let session = match spec.model {
            Model::Bytes(bytes) => builder.commit_from_memory(bytes),
            Model::File(path) => builder.commit_from_file(path),
        }
        .map_err(SessionError::from_ort)?;
        drop(kept_heap);
        let values = values(&session, feeds)?;
        let feeds = match spec.provider {
            SessionProvider::Cpu => Feeds::Host(values.into_iter().map(|(_, value)| value.into()).collect()),
            SessionProvider::Cuda(settings) => {
                Feeds::Device(Box::new(device::bind(&session, values, settings.device)?))
            }
        };
        Ok(BoundSession { session, feeds, _external: spec.external.clone() })
    }

    /// The session's inputs, in its order.
    pub fn inputs(&self) -> Vec<SessionInput> {
        let shape = |dtype: &ValueType| match dtype {
            ValueType::Tensor { shape, .. } => Some(shape.to_vec()),
            _ => None,
        };
        self.session
            .inputs()
            .iter()
            .map(|input| SessionInput { name: input.name().to_owned(), shape: shape(input.dtype()) })
            .collect()
    }

    /// Runs once without the profiler and returns the wall time.
    ///
    /// # Errors
    /// What ONNX Runtime answers, as [`SessionError::Run`] or [`SessionError::OutOfMemory`].
    pub fn run(&mut self) -> Result<Duration, SessionError> {
        let start = Instant::now();
        let outputs = match &self.feeds {
            Feeds::Host(values) => self.session.run::<0>(values.as_slice()),
            Feeds::Device(binding) => self.session.run_binding(binding),
        }
        .map_err(SessionError::from_run)?;
        let elapsed = start.elapsed();
        drop(outputs);
        Ok(elapsed)
    }

    /// Runs once with ONNX Runtime's profiler and returns the wall time and the profile's path, which the caller
    /// deletes. `stem` must be an absolute path in a directory of the caller's own, and new with each call: ONNX Runtime
    /// adds a time stamp of millisecond resolution and would overwrite.
    ///
    /// # Errors
    /// [`SessionError::NoProfile`] where ONNX Runtime, which reports no failure of its own here, wrote no file.
    pub fn run_profiled(&mut self, stem: &Path) -> Result<(Duration, PathBuf), SessionError> {
        let mut options = RunOptions::new().map_err(SessionError::from_run)?;
        options.enable_profiling(stem).map_err(SessionError::from_run)?;
        let start = Instant::now();
        let outputs = match &self.feeds {
            Feeds::Host(values) => self.session.run_with_options::<_, 0>(values.as_slice(), &options),
            Feeds::Device(binding) => self.session.run_binding_with_options(binding, &options),
        }
        .map_err(SessionError::from_run)?;
        let elapsed = start.elapsed();
        drop(outputs);
        let profile = find_by_stem(stem).ok_or_else(|| SessionError::NoProfile { stem: stem.to_owned() })?;
        Ok((elapsed, profile))
    }
}

fn configured(engine: &Engine, spec: &SessionSpec<'_>) -> ort::Result<SessionBuilder> {
    let level = match spec.level {
        GraphLevel::Disable => GraphOptimizationLevel::Disable,
        GraphLevel::Basic => GraphOptimizationLevel::Level1,
        GraphLevel::Extended => GraphOptimizationLevel::Level2,
        GraphLevel::All => GraphOptimizationLevel::All,
    };
    let threads = usize::try_from(spec.threads).unwrap_or(usize::MAX);
    let forget = |result: BuilderResult| result.map_err(ort::Error::<()>::from);
    let mut builder = ort::session::Session::builder(&engine.environment)?;
    builder = forget(builder.with_optimization_level(level))?;
    // Node times add up to wall time only where nodes run one after another.
    builder = forget(builder.with_parallel_execution(false))?;
    builder = forget(builder.with_intra_threads(threads))?;
    builder = forget(builder.with_prepacking(spec.prepacking != Prepacking::Off))?;
    // Without prepacking, a memory pattern reserves one block of the size of all weights and does not use it.
    builder = forget(builder.with_memory_pattern(spec.prepacking != Prepacking::Off))?;
    // On the session's own threads; with one thread it changes nothing.
    builder = forget(builder.with_config_entry("session.prepack.enable_parallel", "1"))?;
    builder = forget(builder.with_log_level(ort::logging::LogLevel::Error))?;
    if !spec.external.is_empty() {
        // Without this entry every initializer is copied out of the buffer.
        builder = forget(builder.with_config_entry("session.use_external_initializer_file_buffers_directly", "1"))?;
    }
    if let Some(path) = spec.optimized {
        builder = forget(builder.with_optimized_model_path(path))?;
        let key = "session.optimized_model_external_initializers_file_name";
        builder = forget(builder.with_config_entry(key, OPTIMIZED_WEIGHTS))?;
        let key = "session.optimized_model_external_initializers_min_size_in_bytes";
        builder = forget(builder.with_config_entry(key, OPTIMIZED_INLINE_BYTES))?;
    }
    for file in &spec.external {
        builder = forget(builder.with_external_initializer_file_in_memory(&file.location, file.bytes.clone()))?;
    }
    Ok(builder)
}

fn with_provider(builder: SessionBuilder, provider: SessionProvider) -> Result<SessionBuilder, SessionError> {
    let (name, dispatch) = match provider {
        SessionProvider::Cpu => ("CPUExecutionProvider", ort::ep::CPU::default().with_arena_allocator(true).build()),
        SessionProvider::Cuda(settings) => ("CUDAExecutionProvider", device::provider(settings)),
    };
    let dispatch = dispatch.error_on_failure();
    builder.with_execution_providers([dispatch]).map_err(|error| SessionError::Provider {
        provider: name.to_owned(),
        reason: ort::Error::<()>::from(error).to_string(),
    })
}

/// The feeds by name in the session's order, in host memory.
fn values(session: &ort::session::Session, feeds: &[FeedTensor]) -> Result<Vec<(String, DynValue)>, SessionError> {
    let declared: Vec<&str> = session.inputs().iter().map(|input| input.name()).collect();
    if let Some(stray) = feeds.iter().find(|feed| !declared.contains(&feed.name.as_str())) {
        return Err(SessionError::UnknownInput { name: stray.name.clone(), declared: declared.join(", ") });
    }
    declared
        .iter()
        .map(|name| {
            let feed = feeds
                .iter()
                .find(|feed| feed.name == *name)
                .ok_or_else(|| SessionError::MissingInput { name: (*name).to_owned() })?;
            Ok(((*name).to_owned(), value_of(feed)?))
        })
        .collect()
}

fn value_of(feed: &FeedTensor) -> Result<DynValue, SessionError> {
    let refuse = |reason: String| SessionError::Input { name: feed.name.clone(), reason };
    let from_ort = |error: ort::Error| refuse(error.to_string());
    let bytes = match &feed.data {
        TensorData::Strings(strings) => {
            let tensor = Tensor::from_string_array((feed.shape.clone(), strings.as_slice())).map_err(from_ort)?;
            return Ok(tensor.into_dyn());
        }
        TensorData::Bytes(bytes) => bytes,
    };
    let (element, size) = element_type(feed.element)
        .ok_or_else(|| refuse(format!("ONNX element type {} cannot be fed", feed.element)))?;
    let count = feed.shape.iter().try_fold(1usize, |product, extent| {
        usize::try_from(*extent).ok().and_then(|extent| product.checked_mul(extent))
    });
    let wanted = count.and_then(|count| count.checked_mul(size));
    if wanted != Some(bytes.len()) {
        return Err(refuse(format!("shape {:?} does not agree with {} bytes", feed.shape, bytes.len())));
    }
    let mut tensor = DynTensor::new(&Allocator::default(), element, feed.shape.clone()).map_err(from_ort)?;
    if !bytes.is_empty() {
        // SAFETY: the tensor was allocated in host memory for exactly `wanted` bytes, checked to be `bytes.len()`.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), tensor.data_ptr_mut().cast::<u8>(), bytes.len());
        }
    }
    Ok(tensor.into_dyn())
}

/// `TensorProto.DataType` -> ort's type and the size of an element in bytes, for the types that can be fed as bytes.
fn element_type(onnx: i32) -> Option<(TensorElementType, usize)> {
    Some(match onnx {
        1 => (TensorElementType::Float32, 4),
        2 => (TensorElementType::Uint8, 1),
        3 => (TensorElementType::Int8, 1),
        4 => (TensorElementType::Uint16, 2),
        5 => (TensorElementType::Int16, 2),
        6 => (TensorElementType::Int32, 4),
        7 => (TensorElementType::Int64, 8),
        9 => (TensorElementType::Bool, 1),
        10 => (TensorElementType::Float16, 2),
        11 => (TensorElementType::Float64, 8),
        12 => (TensorElementType::Uint32, 4),
        13 => (TensorElementType::Uint64, 8),
        16 => (TensorElementType::Bfloat16, 2),
        _ => return None,
    })
}

/// The file whose name begins with the stem's: ONNX Runtime appends `_<date>_<time>.json` and tells nobody.
fn find_by_stem(stem: &Path) -> Option<PathBuf> {
    let mut prefix = OsString::from(stem.file_name()?);
    prefix.push("_");
    let prefix = prefix.to_string_lossy().into_owned();
    let entries = std::fs::read_dir(stem.parent()?).ok()?;
    entries
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
}
