//! Veths that nobody sends through, for commands on many.

use dataplane_tests::netns::Namespace;

/// Adds `count` of them to `host`, and tells their names: `many0`, `many1`...
pub(crate) fn add_pairs(host: &Namespace, count: usize) -> Vec<String> {
    let pairs: Vec<String> =
        (0..count).map(|n| format!("link add many{n} type veth peer name peer{n}")).collect();
    host.ip_batch(&pairs.join("\n"));
    (0..count).map(|n| format!("many{n}")).collect()
}
