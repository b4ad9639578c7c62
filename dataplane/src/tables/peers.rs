//! Who is who: networks, endpoints, their addresses, and the devices that are there.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;

use aya::maps::{Array, HashMap, MapData, MapError, MapType};

use dataplane_common::address::Ip;
use dataplane_common::layout::{
    ADDRESS_CAPACITY, ADDRESSES, CAPACITY, DEVICES, ENDPOINTS, NETWORK_CAPACITY, NETWORKS, Place, Slot,
};
use dataplane_common::network::{Endpoint, Network};

use super::{open_data, open_map};
use crate::error::{Attempt, Result};
use crate::sys::DeviceMap;

/// The kernel's `struct bpf_devmap_val`: a device and a program.
const DEVICE_SIZE: usize = 8;

/// The maps of one instance that say who is who.
pub struct Peers {
    endpoints: Array<MapData, Endpoint>,
    networks: Array<MapData, Network>,
    addresses: HashMap<MapData, Place, Slot>,
    devices: DeviceMap,
}

impl Peers {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let endpoints = open_map(dir, ENDPOINTS, MapType::Array, (4, size_of::<Endpoint>()), CAPACITY)?;
        let networks = open_map(dir, NETWORKS, MapType::Array, (4, size_of::<Network>()), NETWORK_CAPACITY)?;
        let place = u32::try_from(size_of::<Place>()).unwrap_or(u32::MAX);
        let addresses =
            open_map(dir, ADDRESSES, MapType::Hash, (place, size_of::<Slot>()), ADDRESS_CAPACITY)?;
        let devices = open_data(dir, DEVICES, MapType::DevMapHash, (4, DEVICE_SIZE), CAPACITY)?;
        let devices =
            devices.fd().as_fd().try_clone_to_owned().attempt(|| "open the map of devices".to_owned())?;
        let call = || format!("open the maps in {}", dir.display());
        Ok(Self {
            endpoints: Array::try_from(endpoints).attempt(call)?,
            networks: Array::try_from(networks).attempt(call)?,
            addresses: HashMap::try_from(addresses).attempt(call)?,
            devices: DeviceMap::new(devices),
        })
    }

    /// The endpoint of a slot; unset where it is none.
    pub fn endpoint(&self, slot: u32) -> Result<Endpoint> {
        self.endpoints.get(&slot, 0).attempt(|| format!("read the endpoint of slot {slot}"))
    }

    /// Sets the endpoint of a slot.
    pub fn set_endpoint(&mut self, slot: u32, endpoint: Endpoint) -> Result<()> {
        self.endpoints.set(slot, endpoint, 0).attempt(|| format!("set the endpoint of slot {slot}"))
    }

    /// A network; unset where there is none of that number.
    pub fn network(&self, id: u32) -> Result<Network> {
        self.networks.get(&id, 0).attempt(|| format!("read network {id}"))
    }

    /// Sets a network.
    pub fn set_network(&mut self, id: u32, network: Network) -> Result<()> {
        self.networks.set(id, network, 0).attempt(|| format!("set network {id}"))
    }

    /// The slot of who has an address in a network.
    pub fn owner(&self, network: u32, address: IpAddr) -> Result<Option<u32>> {
        match self.addresses.get(&place(network, address), 0) {
            Ok(slot) => Ok(Some(slot.index)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error).attempt(|| format!("look up {address}")),
        }
    }

    /// Says who has an address in a network.
    pub fn set_owner(&mut self, network: u32, address: IpAddr, slot: u32) -> Result<()> {
        let call = || format!("enter {address}");
        self.addresses.insert(place(network, address), Slot { index: slot }, 0).attempt(call)
    }

    /// Forgets who has an address, if it is this slot. None there is fine.
    pub fn forget_owner(&mut self, network: u32, address: IpAddr, slot: u32) -> Result<()> {
        if self.owner(network, address)? != Some(slot) {
            return Ok(());
        }
        none_is_fine(self.addresses.remove(&place(network, address)), || format!("forget {address}"))
    }

    /// All addresses that somebody has: network, address, slot.
    pub fn owners(&self) -> Result<Vec<(u32, IpAddr, u32)>> {
        let entry = |(place, slot): (Place, Slot)| (place.network, place.address.into(), slot.index);
        let entries = self.addresses.iter().map(|found| found.map(entry));
        entries.collect::<std::result::Result<_, _>>().attempt(|| "list the addresses".to_owned())
    }

    /// Whether a device is entered, and is there still.
    pub fn is_entered(&self, ifindex: u32) -> Result<bool> {
        self.devices.has(ifindex).attempt(|| format!("look up device {ifindex}"))
    }

    /// Enters a device; the kernel takes it out when the device goes.
    pub fn enter_device(&mut self, ifindex: u32) -> Result<()> {
        self.devices.enter(ifindex).attempt(|| format!("enter device {ifindex}"))
    }

    /// Takes a device out. None there is fine.
    pub fn remove_device(&mut self, ifindex: u32) -> Result<()> {
        self.devices.remove(ifindex).attempt(|| format!("take out device {ifindex}"))
    }
}

fn place(network: u32, address: IpAddr) -> Place {
    Place::new(network, Ip::from(address))
}

fn none_is_fine(removed: std::result::Result<(), MapError>, call: impl FnOnce() -> String) -> Result<()> {
    match removed {
        Err(MapError::SyscallError(error)) if error.io_error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(MapError::KeyNotFound) => Ok(()),
        other => other.attempt(call),
    }
}
