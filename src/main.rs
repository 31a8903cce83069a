//! The `cargo nongemm` binary.

fn main() {}
