//! Which hooks this kernel has, asked of it. One that should have tcx and has none is a failure.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{Mutex, OnceLock, PoisonError};

use aya::programs::{SchedClassifier, TcAttachType};

use crate::skip;

/// The release that brought tcx.
const TCX_SINCE: (u32, u32) = (6, 6);

/// Whether the kernel has tcx; fails where it should and has not.
#[track_caller]
pub fn has_tcx() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = *FOUND.get_or_init(|| SchedClassifier::query_tcx("lo", TcAttachType::Ingress).is_ok());
    let release = release();
    assert!(found || release < TCX_SINCE, "Linux {}.{} has no tcx, and should", release.0, release.1);
    found
}

/// Whether the kernel has `hook`, named as `--hook` takes it. A place that has to do without is
/// told once: the rest of its test runs, so no `skip!` tells it.
#[track_caller]
pub fn has(hook: &str) -> bool {
    static TOLD: Mutex<BTreeSet<&'static Location<'static>>> = Mutex::new(BTreeSet::new());
    let has = hook != "tcx" || has_tcx();
    let place = Location::caller();
    if !has && TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
        skip::say(&format!("tcx left out: {place}: this kernel has none (Linux 6.6)"));
    }
    has
}

/// The names of all hooks.
#[track_caller]
pub fn all() -> impl Iterator<Item = &'static str> {
    let without_tcx = usize::from(!has("tcx"));
    ["tcx", "clsact"].into_iter().skip(without_tcx)
}

/// The one that `dpctl` takes by itself.
#[track_caller]
pub fn usual() -> &'static str {
    if has_tcx() { "tcx" } else { "clsact" }
}

/// Ends the test as skipped where the kernel has no tcx and need not have it.
#[macro_export]
macro_rules! need_tcx {
    () => {
        if !$crate::hooks::has_tcx() {
            $crate::skip!("this kernel has no tcx (Linux 6.6)");
        }
    };
}

/// The first two numbers of the running kernel's release.
pub fn release() -> (u32, u32) {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
