//! The launch: one child process, one session, warm-up, then unprofiled and profiled runs in alternation.

pub mod result;
pub mod supervise;
