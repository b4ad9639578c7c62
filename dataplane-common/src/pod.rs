//! Map values as plain bytes for the user side.
#![expect(unsafe_code, reason = "Pod is an unsafe trait; this file is its address")]

use crate::layout::{Bucket, Limits, Place, Slot, SlotCounters};
use crate::network::{Endpoint, Network};

// SAFETY: `repr(C)`, integers only, no padding (the sizes are asserted in layout.rs): every bit
// pattern is a value and every byte is initialised.
unsafe impl aya::Pod for Slot {}
// SAFETY: as above.
unsafe impl aya::Pod for Limits {}
// SAFETY: as above.
unsafe impl aya::Pod for Bucket {}
// SAFETY: as above.
unsafe impl aya::Pod for SlotCounters {}
// SAFETY: as above; the size is asserted beside it.
unsafe impl aya::Pod for Place {}
// SAFETY: as above; the size is asserted in network.rs.
unsafe impl aya::Pod for Endpoint {}
// SAFETY: as above.
unsafe impl aya::Pod for Network {}
