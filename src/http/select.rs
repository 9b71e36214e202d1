//! Which instances a filter means.

use crate::api::{Cursor, Filter, Problem, invalid_parameter};
use crate::registry::{Slot, State};
use crate::service::{
    Glob, Instance, InstanceId, ServiceType, ServiceTypeError, Source, Status, Tag, Transport, VersionRange,
};

/// A filter, compiled.
pub(super) struct Selection {
    types: Types,
    instance: Option<Glob>,
    version: Option<VersionRange>,
    status: Vec<Status>,
    served: Option<bool>,
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
            Some(text) => Types::read(text).map_err(|error| invalid_parameter("service", &error.to_string()))?,
        };
        let range =
            |text: &String| VersionRange::new(text).map_err(|error| invalid_parameter("version", &error.to_string()));
        let tag = |text: &String| Tag::new(text).map_err(|error| invalid_parameter("tag", &error.to_string()));
        Ok(Self {
            types,
            instance: filter.instance.as_deref().map(Glob::new),
            version: filter.version.as_ref().map(range).transpose()?,
            status: filter.status.clone(),
            // Who picks one wants to reach it.
            served: filter.served.or_else(|| filter.pick.is_some().then_some(true)),
            source: filter.source.clone(),
            tags: filter.tags.iter().map(tag).collect::<Result<_, _>>()?,
            txt: filter.txt.clone(),
        })
    }

    /// Every identity from `cursor` on (exclusive) that could match, in order. Who looks at them counts, so a glob
    /// over the types is left to [`Selection::matches`].
    pub(super) fn candidates<'a>(
        &'a self,
        state: &'a State,
        cursor: Option<&'a Cursor>,
    ) -> Box<dyn Iterator<Item = (&'a InstanceId, &'a Slot)> + 'a> {
        let after = cursor.map(|cursor| &cursor.0);
        let Types::These(types) = &self.types else { return Box::new(state.after(after)) };
        Box::new(types.iter().flat_map(move |wanted| {
            let rest: Box<dyn Iterator<Item = _>> = match after.filter(|after| after.service_type() >= wanted) {
                None => Box::new(state.of_type(wanted)),
                reached => Box::new(state.after(reached).take_while(move |(id, _)| id.service_type() == wanted)),
            };
            rest
        }))
    }

    /// Whether it is meant.
    pub(super) fn matches(&self, instance: &Instance) -> bool {
        let details = &instance.registration.details;
        self.types.matches(instance.id().service_type())
            && (self.status.is_empty() || self.status.contains(&instance.status()))
            && self.served.is_none_or(|served| instance.is_served() == served)
            && (self.source.is_empty() || self.source.contains(&instance.origin.source()))
            && self.instance.as_ref().is_none_or(|glob| glob.matches(instance.id().instance().as_str()))
            && self.version.as_ref().is_none_or(|range| details.version.as_ref().is_some_and(|v| range.contains(v)))
            && self.tags.iter().all(|tag| details.tags.contains(tag))
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
    fn read(text: &str) -> Result<Self, ServiceTypeError> {
        if Glob::is_pattern(text) {
            let text = text.strip_suffix('.').unwrap_or(text);
            let (service, transport) = text.split_once('.').unwrap_or((text, "*"));
            let service = service.strip_prefix('_').unwrap_or(service);
            return Ok(Self::Matching { service: Glob::new(service), transport: Glob::new(transport) });
        }
        let named = ServiceType::new(text, None)?;
        if text.contains('.') {
            return Ok(Self::These(vec![named]));
        }
        // `auth` alone is any transport; the two are in the order of the list.
        Ok(Self::These(vec![named, ServiceType::new(text, Some(Transport::Udp))?]))
    }

    fn matches(&self, service_type: &ServiceType) -> bool {
        match self {
            Self::All => true,
            Self::These(types) => types.contains(service_type),
            Self::Matching { service, transport } => {
                service.matches(service_type.service()) && transport.matches(service_type.transport().label())
            }
        }
    }
}
