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

/// Something that belongs with an answer.
#[derive(Debug)]
pub enum Additional<'a> {
    /// Records that are given together or not at all.
    Rrset(Rrset<'a>),
    /// Two RRsets, which are most of what is given: so who is in a hurry need not have them made.
    Host(SoleHost<'a>),
}

/// A host with one instance, for its addresses: an RRset of A records and one of AAAA, as far as there are.
#[derive(Debug, Clone, Copy)]
pub struct SoleHost<'a> {
    label: &'a [u8],
    member: &'a Member,
    zone: &'a Zone,
}

impl<'a> Records<'a> {
    /// Hands the RRsets that belong with the answer to `visit`, each once, until that breaks: of a PTR answer
    /// SRV, TXT and addresses, of an SRV answer the addresses of every target (RFC 6763 §12), of NS its addresses.
    /// It breaks by itself as [`Rrset::records`] does.
    pub fn additionals(
        &self,
        seed: usize,
        room: usize,
        mut visit: impl FnMut(Rrset<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.belonging(seed, room, |additional| match additional {
            Additional::Rrset(rrset) => visit(rrset),
            Additional::Host(host) => host.rrsets().try_for_each(&mut visit),
        })
    }

    /// As [`Records::additionals`], with the RRsets of most hosts in one.
    #[inline]
    pub fn belonging(
        &self,
        seed: usize,
        room: usize,
        visit: impl FnMut(Additional<'a>) -> ControlFlow<()>,
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

impl<'a> SoleHost<'a> {
    /// Its RRsets.
    pub fn rrsets(self) -> impl Iterator<Item = Rrset<'a>> {
        let (owner, ttl) = (Some(self.owner()), self.ttl());
        let all = [(rtype::A, Data::A(self.v4())), (rtype::AAAA, Data::Aaaa(self.v6()))].into_iter();
        all.filter(|(_, data)| !data.is_empty()).map(move |(rtype, data)| Rrset { owner, rtype, ttl, data })
    }

    /// Whose records they are.
    #[inline]
    pub fn owner(&self) -> Name<'a> {
        self.zone.child(self.label)
    }

    /// Seconds.
    #[inline]
    pub fn ttl(&self) -> u32 {
        self.member.ttl()
    }

    /// Of A records.
    #[inline]
    pub fn v4(&self) -> &'a [[u8; 4]] {
        self.member.v4()
    }

    /// Of AAAA records.
    #[inline]
    pub fn v6(&self) -> &'a [[u8; 16]] {
        self.member.v6()
    }
}

struct Additionals<'a, F> {
    snapshot: &'a Snapshot,
    /// Shared hosts that were given already, by where they are in memory.
    hosts: Seen<usize>,
    patience: Patience,
    visit: F,
}

impl<'a, F: FnMut(Additional<'a>) -> ControlFlow<()>> Additionals<'a, F> {
    fn instance(&mut self, member: &'a Member, service: &'a Group, zone: &'a Zone) -> ControlFlow<()> {
        let owner = Some(zone.instance(member, service));
        let ttl = member.ttl();
        self.rrset(Rrset { owner, rtype: rtype::SRV, ttl, data: Data::Target(member, zone) })?;
        self.rrset(Rrset { owner, rtype: rtype::TXT, ttl, data: Data::Txt(member) })?;
        self.target(member, zone)
    }

    fn target(&mut self, member: &'a Member, zone: &'a Zone) -> ControlFlow<()> {
        let Target::Label(label) = member.target() else { return self.patience.bear() };
        if !member.shares_host() {
            return (self.visit)(Additional::Host(SoleHost { label, member, zone }));
        }
        match self.snapshot.host_of(label) {
            Some(host) if self.hosts.is_new(std::ptr::from_ref(host).addr()) => self.host(zone.child(label), host),
            _ => self.patience.bear(),
        }
    }

    fn host(&mut self, owner: Name<'a>, host: &'a Host) -> ControlFlow<()> {
        let ttl = host.ttl(self.snapshot.fixed.ttl);
        for (rtype, data) in [(rtype::A, host.a()), (rtype::AAAA, host.aaaa())] {
            if !data.is_empty() {
                self.rrset(Rrset { owner: Some(owner), rtype, ttl, data })?;
            }
        }
        ControlFlow::Continue(())
    }

    fn rrset(&mut self, rrset: Rrset<'a>) -> ControlFlow<()> {
        (self.visit)(Additional::Rrset(rrset))
    }
}
