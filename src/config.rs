//! The configuration: typed, with defaults; read from values, never from files.
