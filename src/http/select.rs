//! Which instances a filter means.

use crate::api::{Cursor, Filter, Problem, invalid_parameter};
use crate::registry::{Slot, State};
use crate::service::{Glob, Instance, InstanceId, ServicePattern, Source, Status, Tag, VersionRange};
use crate::tokens::Grant;

use super::principal::Principal;

/// A filter, compiled.
pub(super) struct Selection {
    /// `None` is all.
    types: Option<ServicePattern>,
    /// Of whom not all is shown to.
    grant: Option<Grant>,
    instance: Option<Glob>,
    version: Option<VersionRange>,
    status: Vec<Status>,
    served: Option<bool>,
    source: Vec<Source>,
    tags: Vec<Tag>,
    txt: Vec<(String, String)>,
}

impl Selection {
    /// Of what is shown to `principal`; refused where that is nothing of the services that are asked for by name.
    pub(super) fn new(filter: &Filter, principal: &Principal) -> Result<Self, Problem> {
        let types =
            |text: &String| ServicePattern::new(text).map_err(|error| invalid_parameter("service", &error.to_string()));
        let range =
            |text: &String| VersionRange::new(text).map_err(|error| invalid_parameter("version", &error.to_string()));
        let tag = |text: &String| Tag::new(text).map_err(|error| invalid_parameter("tag", &error.to_string()));
        let types = filter.service.as_ref().map(types).transpose()?;
        if let Some(ServicePattern::These(types)) = &types {
            principal.check_read_any(types)?;
        }
        Ok(Self {
            types,
            grant: narrowed(principal),
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

    /// Tokens have changed; false where everything is shown as before.
    pub(super) fn follow(&mut self, principal: &Principal) -> bool {
        let grant = narrowed(principal);
        let is_other = grant.is_some() || self.grant.is_some();
        self.grant = grant;
        is_other
    }

    /// Every identity from `cursor` on (exclusive) that could match, in order. Who looks at them counts, so a glob
    /// over the types is left to [`Selection::matches`].
    pub(super) fn candidates<'a>(
        &'a self,
        state: &'a State,
        cursor: Option<&'a Cursor>,
    ) -> Box<dyn Iterator<Item = (&'a InstanceId, &'a Slot)> + 'a> {
        let after = cursor.map(|cursor| &cursor.0);
        let Some(ServicePattern::These(types)) = &self.types else { return Box::new(state.after(after)) };
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
        self.types.as_ref().is_none_or(|types| types.means(&instance.registration))
            && self.grant.as_ref().is_none_or(|grant| grant.may_read(instance.id().service_type()))
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

/// By what it is asked whether somebody is shown an instance, where that may not be.
fn narrowed(principal: &Principal) -> Option<Grant> {
    Some(&principal.grant).filter(|grant| !grant.may_read_all()).cloned()
}
