//! The control plane of dataplane: what `dpctl` does, as a library.
//!
//! To follow one command, `dpctl attach --rate 128kbit veth123`, read in this order:
//! [`cli`] (what was typed), [`select`] (which interfaces), [`open`] and [`session`] (lock,
//! database, pins; [`settle`] clears up what a killed command left), [`attach`] (plan, then act), [`object`]
//! (programs loaded and pinned), [`tables`] (limits written to the maps), [`hook`] (programs
//! attached).
//!
//! There is no daemon. What must outlive a command is pinned in a bpffs ([`bpffs`]) or stands
//! in a database ([`store`]).

pub mod cli;

pub mod attach;
pub mod connect;
pub mod detach;
pub mod disconnect;
pub mod doctor;
pub mod exec;
pub mod holding;
pub mod limits;
pub mod networks;
pub mod reconcile;
pub mod remains;
pub mod reset;
pub mod sandboxes;
pub mod settle;
pub mod upgrade;

pub mod open;
pub mod select;
pub mod session;
pub mod unmake;

pub mod expedite;
pub mod features;
pub mod hook;
pub mod object;
pub mod store;
pub mod surroundings;
pub mod tables;

pub mod endpoint;
pub mod item;
pub mod kernel;
pub mod name;
pub mod network;
pub mod pool;
pub mod sandbox;
pub mod subnet;
pub mod uplink;

pub mod attachment;
pub mod bpffs;
pub mod descriptors;
pub mod files;
pub mod inside;
pub mod instance;
pub mod netlink;
pub mod netns;
pub mod pin;
pub mod private_dir;

pub mod error;
pub mod lockfile;
pub mod refused;
pub mod sys;
