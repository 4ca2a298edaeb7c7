//! The whole server over an in-memory pipe, mostly with the scripted model: what a client may rely on.

#[path = "../support/mod.rs"]
mod support;

mod ahead;
mod beginning;
mod copilot;
mod eagerness;
mod early;
mod exact;
mod exclusion;
mod fate;
mod ghost;
mod law;
mod life;
mod menu;
mod models;
mod notices;
mod replay;
mod rules;
mod settings;
mod sync;
mod traces;
mod typing;
mod typist;
mod wire;
mod word;
