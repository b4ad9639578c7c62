//! A kernel below the promised ones: refused in one line, before anything is changed.

use dataplane_tests::dpctl::Dpctl;
use dataplane_tests::hooks;
use dataplane_tests::skip;
use dataplane_tests::topology::Topology;

use crate::refusals::Refusals;

/// The oldest kernel that `dpctl` must work on.
const PROMISED: (u32, u32) = (6, 1);
/// What the exit code means: the kernel or the host lacks something.
const LACKS: i32 = 6;

#[test]
fn what_the_kernel_lacks_is_named_in_one_line_and_nothing_is_changed() {
    if hooks::release() >= PROMISED {
        skip!("this kernel is one that dpctl must work on");
    }
    let topology = Topology::new(1);
    let dpctl = Dpctl::new(&topology.host);
    for line in ["attach veth1", "attach --rate 1mbit veth1", "attach --hook clsact veth1"] {
        let refusals = Refusals::of(&topology.host, &dpctl);
        refusals.line(line, LACKS, &["netns cookies", "needs Linux 5.14", "made for Linux 6.1"]);
        refusals.changed_nothing();
    }
    dpctl.leaves_nothing();
}
