//! Committed baselines: the document, the fingerprint, the store. Stores, never judges.
