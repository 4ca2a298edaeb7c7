//! Models by name, without the network: downloads, the program that fetches and uses them, and models of all kinds.

mod download;
mod editor;
mod gguf;
mod hub;
mod kinds;
mod place;
mod program;
