//! The tables of the rules; extend them as files appear.

/// READING ORDER of each crate, from the entry down to the foundations: a file imports only what
/// stands after it, so that a reader never walks back. A module and its children may share.
pub(super) const CRATES: &[(&str, &str)] = &[
    (
        "dataplane-common/src",
        "pod layout counters verdict neighbour hops network sender headers sum refusal frames address frame bucket limit rate size time notation direction",
    ),
    ("dataplane-ebpf/src", "endpoint copies part sender answer fib rewrite limiter packet maps clock"),
    (
        "dataplane/src",
        "cli cli::attach cli::detach cli::limit cli::connect cli::sandbox cli::network cli::config cli::show cli::stats cli::ls \
         cli::doctor cli::reconcile cli::upgrade cli::reset cli::completions cli::man cli::networks cli::limit_options cli::output \
         cli::table cli::progress \
         doctor surroundings select attach detach limits reset reconcile exec open remains settle upgrade holding connect connect::plan \
         sandboxes networks disconnect inside session unmake hook object tables tables::peers pin store store::attachments \
         store::endpoints store::networks store::leases store::sandboxes store::columns \
         kernel uplink item endpoint files sandbox pool attachment instance bpffs expedite private_dir lockfile features \
         netlink netlink::routes netlink::neighbours netlink::addresses netlink::devices netlink::links netlink::clsact netns \
         descriptors sys error refused network subnet name",
    ),
    (
        "tests/src",
        "sandbox peers peers::docker peers::podman peers::ground peers::image path burst state strace dpctl iperf3 tcp topology \
         udp meter run packet machine hooks skip leftovers netns command eventually",
    ),
    (
        "bench/src",
        "run list lab lab::scenarios lab::topology lab::ends lab::check lab::shape effort folder \
         compare compare::text compare::pairs compare::change \
         report report::summary report::page report::page::browser report::page::table report::figures report::figures::distribution report::figures::over \
         report::figures::bars report::plot report::plot::bars report::plot::lines report::plot::spread report::plot::ink report::plot::axis \
         report::specimen report::remarks report::wording report::markup \
         attach attach::packet attach::mass attach::veths attach::single attach::udp attach::goodput \
         attach::limiter attach::pins attach::switch attach::table attach::progress machine \
         scenario scenario::own scenario::replay scenario::path scenario::limit scenario::limit::tcp scenario::limit::udp scenario::limit::intact scenario::limit::plan \
         scenario::program scenario::setup scenario::memory scenario::memory::meminfo scenario::chores scenario::unfair rounds view view::forecast \
         variant variant::veth variant::bridge variant::routing variant::iptables \
         variant::iptables::chore variant::iptables::rules variant::nft variant::nft::chore variant::nft::ruleset \
         variant::docker_proxy variant::proxies variant::docker_shape variant::tbf variant::htb \
         variant::cni_bandwidth variant::dpctl variant::queues variant::proof variant::tool load load::replay load::replay::capture load::replay::silence load::latency load::crr load::timed load::tcp \
         load::per_packet load::raw load::udp load::stream load::wire load::frame load::datagram load::batch load::metric load::cpu \
         rivals test_runs skb programs flows offers measure crowd crowd::inside bed instance lookup strays stats stolen \
         read results names panics usage stdout input interrupt sys",
    ),
    (
        "xtask/src",
        "demo demo::traffic demo::lab demo::report bench test vm vm::page vm::table vm::guest vm::initrd vm::cpio vm::modules \
         vm::fetch vm::kernels tally lint build tidy tidy::imports tidy::order tidy::source licences ebpf setup apt \
         apt::suite sources packages toolchain commit command interrupt workspace",
    ),
];

/// The only files with `unsafe`: bytes of packets, maps, system calls, plain-data marks.
pub(super) const UNSAFE_FILES: &[&str] = &[
    "bench/src/sys.rs",
    "dataplane-common/src/pod.rs",
    "dataplane-ebpf/src/clock.rs",
    "dataplane-ebpf/src/copies.rs",
    "dataplane-ebpf/src/fib.rs",
    "dataplane-ebpf/src/maps.rs",
    "dataplane-ebpf/src/packet.rs",
    "dataplane-ebpf/src/part.rs",
    "dataplane-ebpf/src/rewrite.rs",
    "dataplane/src/sys.rs",
];

/// Which of our crates each of them may depend on.
pub(super) const DEPENDENCIES: &[(&str, &[&str])] = &[
    ("dataplane-common", &[]),
    ("dataplane-ebpf", &["dataplane-common"]),
    ("dataplane", &["dataplane-common"]),
    ("dataplane-tests", &["dataplane-common"]),
    ("dataplane-bench", &["dataplane", "dataplane-common", "dataplane-tests"]),
    ("xtask", &[]),
];
