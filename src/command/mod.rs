//! The verbs: where stages meet.

pub mod explain;
pub mod init;
pub mod list;
