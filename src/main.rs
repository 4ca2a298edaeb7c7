//! The `ghostline` program; everything is in the library.

fn main() {}
