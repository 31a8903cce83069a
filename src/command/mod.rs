//! The verbs: where stages meet.
