//! Where models come from: the built-in one, and files.
