//! `cargo nongemm`: where the latency of ML models goes on ONNX Runtime, and whether it regressed.
//!
//! Data flows one way: config -> scenarios -> model -> launches -> samples -> summary -> comparison -> verdict ->
//! report. No stage imports a later one.

pub mod atomic_file;
pub mod baseline;
pub mod cli;
pub mod command;
pub mod compare;
pub mod config;
pub mod device;
pub mod estimate;
pub mod git;
pub mod github;
pub mod machine;
pub mod measure;
pub mod onnx;
pub mod profile;
pub mod report;
pub mod runtime;
pub mod scenario;
pub mod summary;
pub mod taxonomy;
pub mod verdict;
pub mod zoo;
