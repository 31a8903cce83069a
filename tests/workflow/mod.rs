//! GitHub's side of the action: its expressions, its runner, its files and events.

#![allow(dead_code, clippy::unwrap_used)] // Each program uses a part; a test that cannot be set up has failed.

pub mod expression;
pub mod files;
pub mod runner;
