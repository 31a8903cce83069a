//! What several test programs share.

#![allow(dead_code, clippy::unwrap_used)] // Each program uses a part; a test that cannot be set up has failed.

pub mod models;
pub mod project;
pub mod wheels;
