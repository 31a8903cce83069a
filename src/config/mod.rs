//! `nongemm.toml` and Cargo metadata: raw as typed, and resolved.
