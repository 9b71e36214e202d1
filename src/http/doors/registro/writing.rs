//! Apps with all their instances, in pieces: Registro has no pages, and its clients know of none, so an answer is as long
//! as there are instances.

use std::sync::Arc;

use crate::http::pieces::{EXAMINED_AT_ONCE, PIECE, Written, put};
use crate::registry::{Slot, State};
use crate::service::{Instance, InstanceId, ServiceType};
use crate::tokens::Grant;

use super::wire::shown;

/// Apps that are being written.
pub(super) struct Writing {
    state: Arc<State>,
    /// Whose they are to see.
    grant: Grant,
    /// The one that is wanted, `None` for all.
    service: Option<ServiceType>,
    /// The last identity that was looked at.
    after: Option<InstanceId>,
    /// The app that is open.
    open: Option<Open>,
}

struct Open {
    service: ServiceType,
    has_instances: bool,
}

impl Writing {
    /// All of which `grant` may see something.
    pub(super) fn all(state: Arc<State>, grant: Grant) -> Self {
        Self { state, grant, service: None, after: None, open: None }
    }

    /// The app of a service, of which `grant` may see something.
    pub(super) fn one(state: Arc<State>, service: ServiceType, grant: Grant) -> Self {
        Self { state, grant, service: Some(service), after: None, open: None }
    }
}

impl Written for Writing {
    fn go_on(&mut self, octets: &mut Vec<u8>) -> bool {
        let after = self.after.take();
        let [begin, end]: [&[u8]; 2] = match self.service {
            None => [br#"{"applications":["#, b"]}\n"],
            Some(_) => [b"", b"\n"],
        };
        if after.is_none() {
            octets.extend_from_slice(begin);
        }
        let mut rest: Box<dyn Iterator<Item = (&InstanceId, &Slot)>> = match &self.service {
            None => Box::new(self.state.with_declarations(after.as_ref())),
            Some(service) => Box::new(self.state.of_service_with_declarations(service, &self.grant, after.as_ref())),
        };
        for _ in 0..EXAMINED_AT_ONCE {
            let Some((id, slot)) = rest.next() else {
                Open::close(self.open.take(), octets);
                octets.extend_from_slice(end);
                return true;
            };
            self.after = Some(id.clone());
            if !self.grant.may_read(id.service_type()) {
                continue;
            }
            let open = match self.open.take() {
                Some(open) if open.is_of(id.service_type()) => open,
                before => Open::begin(before, &self.state, slot.effective(), octets),
            };
            self.open = Some(open.with(slot.effective(), octets));
            if octets.len() >= PIECE {
                break;
            }
        }
        false
    }
}

impl Open {
    fn begin(before: Option<Self>, state: &State, first: &Instance, octets: &mut Vec<u8>) -> Self {
        if Self::close(before, octets) {
            octets.push(b',');
        }
        let service = first.id().service_type();
        // Who declared it knows its name; others may have registered by its label.
        let declared = service.over_any_transport().find_map(|service| state.declaration(&service));
        let named = declared.map_or(first, |declared| declared);
        octets.extend_from_slice(br#"{"name":"#);
        put(octets, &named.registration.service_name());
        Self { service: service.clone(), has_instances: false }
    }

    fn is_of(&self, service_type: &ServiceType) -> bool {
        self.service.service().eq_ignore_ascii_case(service_type.service())
    }

    /// What declares it is no instance.
    fn with(self, instance: &Instance, octets: &mut Vec<u8>) -> Self {
        if instance.id().is_declaration() {
            return self;
        }
        octets.extend_from_slice(if self.has_instances { b"," } else { br#","instances":["# });
        put(octets, &shown(instance));
        Self { has_instances: true, ..self }
    }

    /// Whether there was one.
    fn close(open: Option<Self>, octets: &mut Vec<u8>) -> bool {
        let Some(open) = open else { return false };
        octets.extend_from_slice(if open.has_instances { b"]}" } else { b"}" });
        true
    }
}
