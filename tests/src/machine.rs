//! Measurements share a machine: those that load it run alone.
//!
//! Rates of some megabits cost next to nothing, so tests of those run side by side; one that
//! offers gigabits takes the machine for itself. Light ones go first, so that they overlap.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

static USERS: Mutex<Users> = Mutex::new(Users { alone: false, shared: 0 });
static LEFT: Condvar = Condvar::new();

struct Users {
    alone: bool,
    shared: usize,
}

/// The right to measure, until dropped.
#[derive(Debug)]
#[must_use]
pub struct Turn {
    alone: bool,
}

/// Waits until nobody measures, and keeps others from it.
pub fn alone() -> Turn {
    wait_while(|users| users.alone || users.shared > 0).alone = true;
    Turn { alone: true }
}

/// Waits until nobody has the machine alone, and keeps others from having it so.
pub fn shared() -> Turn {
    wait_while(|users| users.alone).shared += 1;
    Turn { alone: false }
}

/// Whether everything is asked for, in its full length.
pub fn full() -> bool {
    std::env::var_os("DATAPLANE_FULL").is_some_and(|value| value == "1")
}

/// Whether this is a guest of `cargo xtask vm`: every instruction is emulated, so gigabits are out
/// of reach.
pub fn is_emulated() -> bool {
    std::env::var_os("DATAPLANE_GUEST").is_some_and(|value| value == "1")
}

fn users() -> MutexGuard<'static, Users> {
    // A test that failed holding it has left nothing half done.
    USERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_while(busy: impl Fn(&Users) -> bool) -> MutexGuard<'static, Users> {
    LEFT.wait_while(users(), |users| busy(users)).unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut users = users();
        if self.alone {
            users.alone = false;
        } else {
            users.shared -= 1;
        }
        LEFT.notify_all();
    }
}
