//! Renderings of a [`Report`](crate::report::Report); each imports the report alone and writes into a given writer.
