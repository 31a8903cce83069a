//! ONNX Runtime JSON profile -> typed events, nesting and self time, overhead correction.
