//! What a GPU did, and for which node: CUPTI's activity records decoded, clocks aligned, device work attributed.
//!
//! ONNX Runtime's profiler sees a GPU from the host alone: a node's `dur` on CUDA is the time that launching its work took.
//! CUPTI (NVIDIA's profiling library) records what the device ran and when, and which call of the host asked for it. Both
//! together say what each node cost the device. Everything here is pure: bytes and plain values in, plain values out. The
//! library itself is called in [`crate::runtime`].

mod activity;
mod clock;
mod join;
mod kernel;
mod layout;
mod span;

pub use activity::{Api, Call, DecodeError, Record, What, Work, decode};
pub use clock::{Alignment, Pair, Range, align, offset};
pub use join::{HostNode, Joined, NodeUse, Orphan, Why, join};
pub use kernel::{is_product, readable};
pub use layout::{ApiVersion, OLDEST};
pub use span::Busy;
