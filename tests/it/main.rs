//! Topology tests of `dpctl`; their names are claims. See README.md for how to run them.

mod kill;
mod limited;
mod pairs;
mod ratio;
mod refusals;
mod written;

mod attach;
mod backlog;
mod bad_input;
mod bad_pins;
mod bad_state;
mod crash;
mod faults;
mod goodput;
mod gso;
mod harness;
mod identity;
mod instances;
mod limiter;
mod listings;
mod neighbours;
mod old_kernel;
mod packets;
mod path;
mod peers;
mod race;
mod reconcile;
mod remains;
mod strangers;
mod terminal;
mod upgrade;
mod verifier;
