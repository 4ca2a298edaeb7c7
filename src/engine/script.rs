//! A deterministic model for tests and benches.
