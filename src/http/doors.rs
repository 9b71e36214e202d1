//! Doors for the clients of earlier registries, each in its own wire format.
//!
//! They translate, and keep nothing: all are views of the one table, so what comes in by one door is seen through
//! every other, and in DNS. A name that DNS has no label for has a stand-in there (see `service`), and is itself again
//! at every door.

pub(super) mod plexus;
pub(super) mod registro;
pub(super) mod servreg;

use std::net::IpAddr;

use crate::http::Edge;
use crate::http::principal::Principal;
use crate::registry::{Applied, Condition, Operation, Refusal};
use crate::service::{Host, Instance, InstanceId, Origin, Registration};

impl Edge {
    /// Registers for who has no session.
    async fn registered(
        &self,
        principal: &Principal,
        registration: Registration,
        condition: Condition,
    ) -> Result<Applied, Refusal> {
        self.apply(principal, Operation::Register { registration, origin: Origin::api(), condition }).await
    }
}

/// Where something is: who says that it listens everywhere is where it calls from.
fn located(host: String, sender: IpAddr) -> String {
    let everywhere = host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
    if everywhere { sender.to_canonical().to_string() } else { host }
}

/// An instance by its name over TCP, which a door's own are, and over UDP.
fn of_any_transport(id: &InstanceId) -> impl Iterator<Item = InstanceId> + use<> {
    let instance = id.instance().clone();
    id.service_type().over_any_transport().map(move |of| InstanceId::new(of, instance.clone()))
}

/// An address, which needs no DNS, where there is one, else the name of the host.
fn reached_at(instance: &Instance) -> String {
    let address = instance.registration.addresses.first().map(ToString::to_string);
    address.unwrap_or_else(|| match instance.host() {
        Host::Label(label) => label.as_str().to_owned(),
        Host::Foreign(name) => name.to_string().trim_end_matches('.').to_owned(),
    })
}
