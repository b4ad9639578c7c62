//! Map values as plain bytes for the user side.
#![expect(unsafe_code, reason = "Pod is an unsafe trait; this file is its address")]

use crate::layout::{Bucket, Limits, Slot, SlotCounters};

// SAFETY: `repr(C)`, integers only, no padding (the sizes are asserted in layout.rs): every bit
// pattern is a value and every byte is initialised.
unsafe impl aya::Pod for Slot {}
// SAFETY: as above.
unsafe impl aya::Pod for Limits {}
// SAFETY: as above.
unsafe impl aya::Pod for Bucket {}
// SAFETY: as above.
unsafe impl aya::Pod for SlotCounters {}
