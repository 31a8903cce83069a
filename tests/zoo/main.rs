//! The built-in models against what exporters make of the originals, and on the real ONNX Runtime.
//!
//! `../data/zoo-reference.json` holds the facts: inputs, outputs, parameters, multiply-accumulates, and the operators
//! before and after ONNX Runtime's optimizer. `../data/zoo-exports.json` holds the same of our own exports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod committed;
mod detections;
mod detectors;
mod fidelity;
mod fp16;
mod macs;
mod mixtral;
mod outputs;
mod reference;
mod runtime;
