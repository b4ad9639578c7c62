//! What the eBPF programs and the control plane agree on, and every pure decision.
//!
//! No I/O, no clock, no randomness, no maps: time and random numbers are arguments.
//! The modules in reading order: [`direction`] and the notations ([`rate`], [`size`],
//! [`time`]) first, then the limiter ([`limit`], [`bucket`]), what a frame costs ([`frame`]),
//! what it says ([`address`], [`headers`]), may say ([`sender`]) and where it goes ([`network`],
//! [`neighbour`], [`hops`]), what was decided ([`verdict`]) and counted ([`counters`]), and where it
//! all lies ([`layout`]).
#![cfg_attr(not(test), no_std)]

pub mod direction;
mod notation;
pub mod rate;
pub mod size;
pub mod time;

pub mod bucket;
pub mod limit;

pub mod address;
pub mod frame;
pub mod headers;
pub mod hops;
pub mod neighbour;
pub mod network;
pub mod refusal;
pub mod sender;
mod sum;

pub mod verdict;

pub mod counters;

pub mod layout;

#[cfg(test)]
mod frames;
#[cfg(feature = "user")]
mod pod;
