//! Renderings of a [`Report`](crate::report::Report); each imports the report alone and writes into a given writer.

pub mod bar;
pub mod device;
pub mod gate_study;
pub mod json;
pub mod markdown;
pub mod number;
pub mod study;
pub mod table;
pub mod terminal;
#[cfg(test)]
mod testing;
pub mod text;
pub mod trace;
