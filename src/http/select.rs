//! Which instances a filter means.

use std::sync::Arc;

use crate::api::{Cursor, Filter, Problem, invalid_parameter};
use crate::registry::{Slot, State};
use crate::service::{Glob, Instance, InstanceId, ServiceType, Source, Status, Tag, Transport};

/// A filter, compiled.
pub(super) struct Selection {
    types: Types,
    instance: Option<Glob>,
    status: Vec<Status>,
    source: Vec<Source>,
    tags: Vec<Tag>,
    txt: Vec<(String, String)>,
}

enum Types {
    All,
    /// In their order.
    These(Vec<ServiceType>),
    Matching {
        service: Glob,
        transport: Glob,
    },
}

impl Selection {
    pub(super) fn new(filter: &Filter) -> Result<Self, Problem> {
        let types = match filter.service.as_deref() {
            None => Types::All,
            Some(text) => Types::read(text).map_err(|why| invalid_parameter("service", &why))?,
        };
        let tag = |text: &String| Tag::new(text).map_err(|error| invalid_parameter("tag", &error.to_string()));
        Ok(Self {
            types,
            instance: filter.instance.as_deref().map(Glob::new),
            status: filter.status.clone(),
            source: filter.source.clone(),
            tags: filter.tags.iter().map(tag).collect::<Result<_, _>>()?,
            txt: filter.txt.clone(),
        })
    }

    /// Every identity from `cursor` on (exclusive) that could match by its type, in order.
    pub(super) fn candidates<'a>(
        &'a self,
        state: &'a Arc<State>,
        cursor: Option<&'a Cursor>,
    ) -> Box<dyn Iterator<Item = (&'a InstanceId, &'a Slot)> + 'a> {
        let after = cursor.map(|cursor| &cursor.0);
        match &self.types {
            Types::All => Box::new(state.after(after)),
            Types::Matching { service, transport } => Box::new(state.after(after).filter(|(id, _)| {
                let found = id.service_type();
                service.matches(found.service()) && transport.matches(found.transport().label())
            })),
            Types::These(types) => Box::new(types.iter().flat_map(move |wanted| {
                let reached = after.filter(|after| after.service_type() >= wanted);
                let rest: Box<dyn Iterator<Item = _>> = match reached {
                    None => Box::new(state.of_type(wanted)),
                    Some(after) => {
                        Box::new(state.after(Some(after)).take_while(move |(id, _)| id.service_type() == wanted))
                    }
                };
                rest
            })),
        }
    }

    /// Whether all but the type holds of `instance`.
    pub(super) fn matches(&self, instance: &Instance) -> bool {
        let any = |empty: bool, found: bool| empty || found;
        any(self.status.is_empty(), self.status.contains(&instance.status()))
            && any(self.source.is_empty(), self.source.contains(&instance.origin.source))
            && self.instance.as_ref().is_none_or(|glob| glob.matches(instance.id().instance().as_str()))
            && self.tags.iter().all(|tag| instance.registration.tags.contains(tag))
            && (self.txt.is_empty() || self.has_attributes(instance))
    }

    fn has_attributes(&self, instance: &Instance) -> bool {
        instance.registration.served_txt().is_ok_and(|txt| {
            self.txt
                .iter()
                .all(|(key, wanted)| txt.get(key).is_some_and(|value| value.unwrap_or_default() == wanted.as_bytes()))
        })
    }
}

impl Types {
    fn read(text: &str) -> Result<Self, String> {
        if Glob::is_pattern(text) {
            let text = text.strip_suffix('.').unwrap_or(text);
            let (service, transport) = text.split_once('.').unwrap_or((text, "*"));
            let service = service.strip_prefix('_').unwrap_or(service);
            return Ok(Self::Matching { service: Glob::new(service), transport: Glob::new(transport) });
        }
        let read = |transport| ServiceType::new(text, transport).map_err(|error| error.to_string());
        let named = read(None)?;
        // `auth` alone is any transport; they are in the order of the list.
        if text.contains('.') {
            Ok(Self::These(vec![named]))
        } else {
            Ok(Self::These(vec![named, read(Some(Transport::Udp))?]))
        }
    }
}
