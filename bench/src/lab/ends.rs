//! The two ends of a veth: where, what called, with which addresses.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use toml::Spanned;

use super::check::Text;
use super::shape;
use crate::bed::INSIDE;

/// A veth to be made.
#[derive(Debug)]
pub(super) struct Link {
    /// Where it stands in the file.
    pub(super) place: String,
    pub(super) ends: [End; 2],
}

/// One end of it.
#[derive(Debug)]
pub(super) struct End {
    /// The number of its namespace.
    pub(super) namespace: usize,
    pub(super) name: String,
    pub(super) addresses: Vec<(Ipv4Addr, u8)>,
    pub(super) mtu: Option<u32>,
}

/// Judges a link; `taken` are the names that interfaces have so far, with their namespaces.
pub(super) fn judge(
    text: &Text<'_>,
    link: &shape::Link,
    namespaces: &[String],
    taken: &mut BTreeSet<(usize, String)>,
) -> Result<Link> {
    let at = link.ends.span();
    let mut ends = Vec::new();
    for end in link.ends.get_ref() {
        ends.push(judge_end(text, end, namespaces, taken)?);
    }
    let ends = <[End; 2]>::try_from(ends);
    let ends =
        ends.map_err(|ends| text.refuse(at.clone(), &format!("a veth has 2 ends, not {}", ends.len())))?;
    Ok(Link { place: text.place(at.start), ends })
}

/// The number of the namespace of this name.
pub(super) fn namespace(text: &Text<'_>, name: &Spanned<String>, all: &[String]) -> Result<usize> {
    let number = all.iter().position(|other| other == name.get_ref());
    number.ok_or_else(|| {
        let what =
            format!("no namespace `{}`: this variant has {}", name.get_ref().escape_debug(), all.join(", "));
        text.refuse(name.span(), &what)
    })
}

fn judge_end(
    text: &Text<'_>,
    end: &shape::End,
    namespaces: &[String],
    taken: &mut BTreeSet<(usize, String)>,
) -> Result<End> {
    let namespace = namespace(text, &end.namespace, namespaces)?;
    let name = end.name.get_ref().clone();
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.chars().all(letters);
    // IFNAMSIZ, less its zero.
    if !is_name || name.len() > 15 || name == "lo" {
        let rule = "a name of an interface has letters, digits, _ . and -, at most 15, and is not lo";
        return Err(text.refuse(end.name.span(), &format!("`{}`: {rule}", name.escape_debug())));
    }
    if !taken.insert((namespace, name.clone())) {
        let what = format!("there is a `{name}` in {} already", namespaces[namespace]);
        return Err(text.refuse(end.name.span(), &what));
    }
    let mut addresses = Vec::new();
    for address in &end.addresses {
        addresses.push(self::address(text, address)?);
    }
    let mtu = end.mtu.as_ref().map(|mtu| text.number(mtu, "an MTU", 68..=65_535)).transpose()?;
    Ok(End { namespace, name, addresses, mtu })
}

/// `10.1.0.2/24`.
fn address(text: &Text<'_>, address: &Spanned<String>) -> Result<(Ipv4Addr, u8)> {
    let parsed = address.get_ref().split_once('/').and_then(|(address, prefix)| {
        let prefix: u8 = prefix.parse().ok().filter(|prefix| (1..=32).contains(prefix))?;
        let address: Ipv4Addr = address.parse().ok()?;
        let usable = !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast();
        usable.then_some((address, prefix))
    });
    parsed.ok_or_else(|| {
        let what = format!(
            "`{}`: an address is IPv4 with its prefix, as 10.1.0.2/24",
            address.get_ref().escape_debug()
        );
        text.refuse(address.span(), &what)
    })
}

/// Client and server need the interface that loads look at.
pub(super) fn have_inside(links: &[Link], namespaces: &[String]) -> Result<()> {
    for (number, name) in namespaces.iter().enumerate().take(2) {
        let mut ends = links.iter().flat_map(|link| &link.ends);
        let has = ends.any(|end| end.namespace == number && end.name == INSIDE);
        ensure!(has, "`{name}` has no end of a link called {INSIDE}");
    }
    Ok(())
}
