//! On whose word something is changed.
//!
//! What was registered with a token belongs to it: only it and admins change that. What was registered without one is
//! anybody's, and whoever registers it with a token takes it over. An admin changes without taking.

use std::iter;
use std::sync::Arc;

use super::operation::Refusal;
use crate::service::{Instance, InstanceId};
use crate::tokens::Grant;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) enum By {
    /// The program itself: a room that is held to nothing, or who embeds the server.
    Program,
    /// Whoever has this grant.
    Somebody(Grant),
}

impl By {
    /// Whether the service of `id` is in their scope.
    pub(super) fn check_scope(&self, id: &InstanceId) -> Result<(), Refusal> {
        match self {
            Self::Somebody(grant) if !grant.may_write(id.service_type()) => Err(Refusal::OutOfScope(id.clone())),
            _ => Ok(()),
        }
    }

    /// Whether they may change `existing`.
    pub(super) fn check_owner(&self, existing: &Arc<Instance>) -> Result<(), Refusal> {
        match self {
            Self::Somebody(grant) if !grant.may_change(existing.owner.as_ref()) => {
                Err(Refusal::NotYours(Arc::clone(existing)))
            }
            _ => Ok(()),
        }
    }

    /// Those whose instances they may change; `None` where that is everybody.
    pub(super) fn owners(&self) -> Option<Vec<Option<Arc<str>>>> {
        match self {
            Self::Somebody(grant) if !grant.is_admin() => {
                Some(iter::once(None).chain(grant.name().map(|own| Some(Arc::clone(own)))).collect())
            }
            _ => None,
        }
    }

    /// Whose it is once they have registered it.
    pub(super) fn owner_after(&self, existing: Option<&Instance>) -> Option<Arc<str>> {
        let Self::Somebody(grant) = self else { return existing.and_then(|existing| existing.owner.clone()) };
        match existing {
            Some(existing) if existing.owner.is_some() || grant.is_admin() => existing.owner.clone(),
            _ => grant.name().cloned(),
        }
    }
}
