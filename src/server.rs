//! The language server: tokio and LSP types.
