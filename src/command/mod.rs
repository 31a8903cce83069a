//! The verbs: where stages meet.

pub mod doctor;
pub mod explain;
pub mod init;
pub mod list;
