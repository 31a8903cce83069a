//! The verbs: where stages meet.

pub mod doctor;
