//! ONNX models: the protobuf types, files with external data, and a builder of graphs. Imports no other module of ours.
//!
//! [`mod@file`] reads and writes any model, [`offload`] writes those whose weights do not fit into one protobuf message,
//! [`external`] finds and checks weights kept in other files, [`visit`] walks every graph, node and tensor at every
//! level, [`inspect`] answers what the rest of the program asks about a model, [`fp16`] converts one to 16-bit floating
//! point, [`weightless`] does without its weights, [`arena`] stands in for weights that nobody trained.

pub mod arena;
pub mod builder;
pub mod embedding;
pub mod error;
pub mod external;
pub mod file;
pub mod fp16;
pub mod inspect;
pub mod looks;
pub mod offload;
pub mod order;
#[allow(missing_docs, clippy::all)]
pub mod proto;
pub mod repeat;
pub mod tensor;
pub mod visit;
pub mod weightless;

pub use error::OnnxError;
