//! The engine thread's body.
