//! What belongs with an answer and is given beside it, as far as there is room (RFC 6763 §12).

use std::ops::ControlFlow;

use super::answer::Records;
use super::apex::{NAME_SERVER, Zone};
use super::group::Group;
use super::host::Host;
use super::member::{Member, Target};
use super::rrset::{Data, Name, Rrset, rotated, rtype};
use super::seen::{Patience, Seen};
use super::snapshot::Snapshot;

impl<'a> Records<'a> {
    /// Hands the RRsets that belong with the answer to `visit`, each once, until that breaks: of a PTR answer
    /// SRV, TXT and addresses, of an SRV answer the addresses of every target (RFC 6763 §12), of NS its addresses.
    /// It breaks by itself as [`Rrset::records`] does.
    pub fn additionals(
        &self,
        seed: usize,
        room: usize,
        visit: impl FnMut(Rrset<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut additionals =
            Additionals { snapshot: self.snapshot, hosts: Seen::new(), patience: Patience::of(room), visit };
        match &self.answer.data {
            Data::NameServer(zone) => additionals.host(zone.child(NAME_SERVER), &self.snapshot.fixed.name_server),
            Data::Instances(group, service, zone) => group.each(seed, |m| additionals.instance(m, service, zone)),
            Data::MatchedInstances(all, zone) => {
                rotated(all, seed).try_for_each(|(m, service)| additionals.instance(m, service, zone))
            }
            Data::Targets(group, zone) => group.each(seed, |m| additionals.target(m, zone)),
            Data::MatchedTargets(all, zone) => rotated(all, seed).try_for_each(|(m, _)| additionals.target(m, zone)),
            Data::Target(member, zone) => additionals.target(member, zone),
            _ => ControlFlow::Continue(()),
        }
    }
}

struct Additionals<'a, F> {
    snapshot: &'a Snapshot,
    /// Shared hosts that were given already, by where they are in memory.
    hosts: Seen<usize>,
    patience: Patience,
    visit: F,
}

impl<'a, F: FnMut(Rrset<'a>) -> ControlFlow<()>> Additionals<'a, F> {
    fn instance(&mut self, member: &'a Member, service: &'a Group, zone: &'a Zone) -> ControlFlow<()> {
        let owner = Some(zone.instance(member, service));
        let ttl = member.ttl();
        (self.visit)(Rrset { owner, rtype: rtype::SRV, ttl, data: Data::Target(member, zone) })?;
        (self.visit)(Rrset { owner, rtype: rtype::TXT, ttl, data: Data::Txt(member) })?;
        self.target(member, zone)
    }

    fn target(&mut self, member: &'a Member, zone: &'a Zone) -> ControlFlow<()> {
        let Target::Label(label) = member.target() else { return self.patience.bear() };
        let owner = zone.child(label);
        if !member.shares_host() {
            return self.addresses(owner, member.ttl(), Data::A(member.v4()), Data::Aaaa(member.v6()));
        }
        match self.snapshot.host_of(label) {
            Some(host) if self.hosts.is_new(std::ptr::from_ref(host).addr()) => self.host(owner, host),
            _ => self.patience.bear(),
        }
    }

    fn host(&mut self, owner: Name<'a>, host: &'a Host) -> ControlFlow<()> {
        self.addresses(owner, host.ttl(self.snapshot.fixed.ttl), host.a(), host.aaaa())
    }

    fn addresses(&mut self, owner: Name<'a>, ttl: u32, a: Data<'a>, aaaa: Data<'a>) -> ControlFlow<()> {
        let mut give = |rtype, data: Data<'a>| {
            if data.is_empty() {
                return ControlFlow::Continue(());
            }
            (self.visit)(Rrset { owner: Some(owner), rtype, ttl, data })
        };
        give(rtype::A, a)?;
        give(rtype::AAAA, aaaa)
    }
}
