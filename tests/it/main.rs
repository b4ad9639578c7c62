//! Topology tests of `dpctl`; their names are claims. See README.md for how to run them.

mod race;
mod ratio;

mod gso;
mod harness;
mod limiter;
mod packets;
mod peers;
mod verifier;
