//! ONNX models: the protobuf types, files with external data, and a builder of graphs. Imports no other module of ours.

pub mod builder;
#[allow(missing_docs, clippy::all)]
pub mod proto;
