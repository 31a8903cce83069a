//! Renderings of a [`Report`](crate::report::Report); each imports the report alone and writes into a given writer.

pub mod annotations;
pub mod bar;
pub mod comment;
pub mod device;
mod fit;
pub mod gate_study;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod number;
pub mod sarif;
mod sign_off;
pub mod study;
mod svg;
pub mod table;
pub mod terminal;
#[cfg(test)]
pub(super) mod testing;
pub mod text;
pub mod trace;
mod xml;
