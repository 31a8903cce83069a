//! The launch: one child process, one session, warm-up, then unprofiled and profiled runs in alternation.

mod calibrate;
mod correct;
mod device;
pub mod error;
pub mod inputs;
pub mod job;
pub mod launch;
mod prepare;
mod resources;
pub mod result;
mod runs;
pub mod supervise;
mod timeline;

pub use prepare::{PlannedWeights, Synthesized, build_model, plan_weights, synthesize};
