//! The table, its elements, and their number. Text alone.

use std::net::Ipv4Addr;

use crate::variant::docker_shape::Published;

/// The table's name.
pub(super) const TABLE: &str = "engine";

/// Everything but the elements. `br0` has 10.79.0.0/16.
pub(super) const BASE: &str = r#"table ip engine {
    map published {
        type inet_proto . inet_service : ipv4_addr . inet_service
    }
    map permitted {
        type ipv4_addr . inet_proto . inet_service : verdict
    }
    set containers {
        type ipv4_addr
    }
    chain raw-prerouting {
        type filter hook prerouting priority raw; policy accept;
        iifname != "br0" ip daddr @containers drop
    }
    chain ports {
        iifname != "br0" dnat ip to meta l4proto . th dport map @published
    }
    chain nat-prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump ports
    }
    chain nat-output {
        type nat hook output priority -100; policy accept;
        ip daddr != 127.0.0.0/8 fib daddr type local jump ports
    }
    chain nat-postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 10.79.0.0/16 oifname != "br0" masquerade
    }
    chain filter-forward {
        type filter hook forward priority filter; policy drop;
        oifname "br0" ct state vmap { established : accept, related : accept }
        iifname "br0" oifname != "br0" accept
        iifname != "br0" oifname "br0" ip daddr . meta l4proto . th dport vmap @permitted
    }
}
"#;

/// Commands that add ports and containers.
pub(super) fn add(published: &[Published], containers: &[Ipv4Addr]) -> String {
    change("add", published, containers)
}

/// Commands that take them away.
pub(super) fn delete(published: &[Published], containers: &[Ipv4Addr]) -> String {
    change("delete", published, containers)
}

fn change(action: &str, published: &[Published], containers: &[Ipv4Addr]) -> String {
    let all = |name: &str, elements: Vec<String>| {
        format!("{action} element ip {TABLE} {name} {{ {} }}\n", elements.join(", "))
    };
    let ports = published.iter().map(|one| {
        let Published { protocol, host_port, address, port } = one;
        format!("{protocol} . {host_port} : {address} . {port}")
    });
    let permitted = published.iter().map(|one| {
        let Published { protocol, address, port, .. } = one;
        format!("{address} . {protocol} . {port} : accept")
    });
    [
        all("containers", containers.iter().map(Ipv4Addr::to_string).collect()),
        all("published", ports.collect()),
        all("permitted", permitted.collect()),
    ]
    .concat()
}

/// How many elements a listing of one map or set has.
pub(super) fn elements(listing: &str) -> usize {
    let elements = listing.split_once("elements = {").and_then(|(_, rest)| rest.split_once('}'));
    elements.map_or(0, |(elements, _)| elements.split(',').count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant::docker_shape::measured;

    #[test]
    fn elements_are_counted() {
        assert_eq!(elements("table ip x {\n map y {\n type ipv4_addr\n }\n}\n"), 0);
        assert_eq!(elements("set y {\n elements = { 10.0.0.1 : accept,\n  10.0.0.2 : accept }\n}\n"), 2);
    }

    #[test]
    fn a_port_is_an_element_of_both_maps() {
        let text = add(&measured()[..1], &[]);
        for element in ["tcp . 8080 : 10.79.0.2 . 8080", "10.79.0.2 . tcp . 8080 : accept"] {
            assert!(text.contains(element), "no {element} in {text}");
        }
    }
}
