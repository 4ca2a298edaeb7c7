//! The whole server over an in-memory pipe, with the scripted model: what a client may rely on.

#[path = "../support/mod.rs"]
mod support;

mod ahead;
mod early;
mod ghost;
mod law;
mod life;
mod menu;
mod replay;
mod rules;
mod settings;
mod sync;
mod traces;
mod typing;
mod typist;
mod wire;
