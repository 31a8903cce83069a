//! What several test programs share.

#![allow(dead_code)] // Each program uses a part.

pub mod models;
pub mod project;
pub mod wheels;
