//! A gate that holds the scripted model up within a step, so that a test decides what happens meanwhile.

use std::sync::{Arc, Condvar, Mutex};

use ghostline::engine::script::Act;

#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    is_closed: bool,
    waiting: usize,
    passed: usize,
}

impl Gate {
    pub fn closed() -> Gate {
        let gate = Gate::default();
        gate.close();
        gate
    }

    /// For `Script::on_decode`.
    pub fn pass(&self) -> Act {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.waiting += 1;
        changed.notify_all();
        let mut state = changed.wait_while(state, |state| state.is_closed).unwrap();
        state.waiting -= 1;
        state.passed += 1;
        Act::Go
    }

    pub fn close(&self) {
        self.0.0.lock().unwrap().is_closed = true;
    }

    pub fn open(&self) {
        self.0.0.lock().unwrap().is_closed = false;
        self.0.1.notify_all();
    }

    /// Waits until the model stands at the gate.
    pub async fn is_reached(&self) {
        let gate = self.clone();
        let reached = tokio::task::spawn_blocking(move || {
            let (state, changed) = &*gate.0;
            drop(
                changed
                    .wait_while(state.lock().unwrap(), |state| state.waiting == 0)
                    .unwrap(),
            );
        });
        reached.await.unwrap();
    }

    /// How many steps were taken.
    pub fn passed(&self) -> usize {
        self.0.0.lock().unwrap().passed
    }
}
