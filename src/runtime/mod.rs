//! ONNX Runtime: found or installed, loaded, sessions. The only place that imports `ort`.

pub mod session;
