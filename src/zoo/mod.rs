//! The built-in models: a registry and one file per family.
