//! What somebody may do.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::service::ServiceType;

use super::{Config, Hash, Tokens};

/// The tokens that are known at the moment. Clones are of the same.
#[derive(Clone, Default)]
pub struct Keyring(Arc<ArcSwap<Tokens>>);

/// What somebody may do: by a token, or without one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Grant {
    tokens: Arc<Tokens>,
    by: Option<By>,
}

#[derive(Debug, Clone)]
struct By {
    token: Arc<Config>,
    shown: Hash,
}

impl Keyring {
    /// These tokens and no others, which [`super::check`] has found to make sense.
    pub fn new(tokens: Vec<Config>) -> Self {
        let keyring = Self::default();
        keyring.replace(tokens);
        keyring
    }

    /// From now on these; false where they are those that were known.
    pub fn replace(&self, tokens: Vec<Config>) -> bool {
        let tokens = Tokens(tokens.into_iter().map(Arc::new).collect());
        let is_other = *self.0.load_full() != tokens;
        if is_other {
            self.0.store(Arc::new(tokens));
        }
        is_other
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.0.load().0.is_empty()
    }

    /// What who shows none may do.
    pub fn anonymous(&self) -> Grant {
        Grant { tokens: self.0.load_full(), by: None }
    }

    /// What who shows `token` may do; `None` where nobody knows it.
    pub fn grant(&self, token: &str) -> Option<Grant> {
        self.known(Hash::of(token))
    }

    /// What `grant` has become: tokens may be others by now. `None` where its token is one no more.
    pub fn renewed(&self, grant: &Grant) -> Option<Grant> {
        match &grant.by {
            _ if self.is_current(grant) => Some(grant.clone()),
            Some(by) => self.known(by.shown),
            None => Some(self.anonymous()),
        }
    }

    /// Whether no tokens were replaced since `grant` was given.
    pub fn is_current(&self, grant: &Grant) -> bool {
        Arc::ptr_eq(&self.0.load(), &grant.tokens)
    }

    fn known(&self, shown: Hash) -> Option<Grant> {
        let tokens = self.0.load_full();
        // Not `find`, which is quicker for the first than for the last.
        let found = tokens.0.iter().fold(
            None,
            |found, token| {
                if bool::from(token.hash.has(&shown)) { Some(token) } else { found }
            },
        );
        let token = Arc::clone(found?);
        Some(Grant { tokens, by: Some(By { token, shown }) })
    }
}

impl Grant {
    /// The name of the token.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.token().map(|token| token.name.as_owner())
    }

    /// Whether it may change everything.
    pub fn is_admin(&self) -> bool {
        self.token().is_some_and(|token| token.admin)
    }

    /// Whether it may change instances of a service. Without a token that is no matter of the service.
    pub fn may_write(&self, service_type: &ServiceType) -> bool {
        self.token().is_none_or(|token| token.admin || token.write.has(service_type))
    }

    /// Whether it may change what belongs to `owner`.
    pub fn may_change(&self, owner: Option<&Arc<str>>) -> bool {
        owner.is_none_or(|owner| self.is_admin() || self.name() == Some(owner))
    }

    /// Whether instances of a service are shown to it.
    pub fn may_read(&self, service_type: &ServiceType) -> bool {
        let own = |token: &Config| token.admin || token.read.has(service_type) || token.write.has(service_type);
        self.token().is_some_and(own) || !self.tokens.0.iter().any(|token| token.read.has(service_type))
    }

    /// Whether instances of every service are shown to it.
    pub fn may_read_all(&self) -> bool {
        self.is_admin() || self.tokens.0.iter().all(|token| token.read.is_empty())
    }

    /// The services that it may change, as the settings have them.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.token().into_iter().flat_map(|token| token.write.texts())
    }

    fn token(&self) -> Option<&Config> {
        self.by.as_ref().map(|by| &*by.token)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.0.load().0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::tokens;
    use super::*;

    fn keyring() -> Keyring {
        let token =
            |name: &str, rules: &str| format!("[[token]]\nname = {name:?}\nhash = \"{}\"\n{rules}\n", Hash::of(name));
        let text = token("billing", "write = [\"billing\"]\nread = [\"ledger\"]")
            + &token("auth", "write = [\"auth*\", \"ledger\"]")
            + &token("operator", "admin = true")
            + &token("auditor", "read = [\"ledger\", \"vault*\"]");
        Keyring::new(tokens(&text))
    }

    #[test]
    fn a_token_writes_its_services_and_an_admin_all() {
        let keyring = keyring();
        let writes = |token: &str, service: &str| keyring.grant(token).unwrap().may_write(&service.parse().unwrap());
        assert!(writes("auth", "_auth2._tcp") && !writes("auth", "_billing._tcp"));
        assert!(writes("operator", "_billing._tcp"));
        assert!(!writes("auditor", "_ledger._tcp"), "to read is not to write");
        assert!(keyring.grant("nobody").is_none() && keyring.grant("").is_none());
    }

    #[test]
    fn what_stands_in_a_read_is_shown_to_such_tokens_and_to_those_who_may_write_it() {
        let keyring = keyring();
        let shown = |grant: &Grant| {
            let services = ["ledger", "vault1", "billing", "web"];
            services.map(|service| grant.may_read(&format!("_{service}._tcp").parse().unwrap()))
        };
        assert_eq!(shown(&keyring.anonymous()), [false, false, true, true]);
        assert_eq!(shown(&keyring.grant("billing").unwrap()), [true, false, true, true]);
        assert_eq!(shown(&keyring.grant("auth").unwrap()), [true, false, true, true]);
        assert_eq!(shown(&keyring.grant("auditor").unwrap()), [true; 4]);
        assert_eq!(shown(&keyring.grant("operator").unwrap()), [true; 4]);
        let all = |name: &str| keyring.grant(name).unwrap().may_read_all();
        assert!(all("operator") && !all("auditor") && !keyring.anonymous().may_read_all());
        assert!(Keyring::default().anonymous().may_read_all());
    }

    #[test]
    fn what_belongs_to_a_token_is_changed_by_it_and_by_admins() {
        let keyring = keyring();
        let owner: Arc<str> = "auth".into();
        let changes = |grant: Grant| grant.may_change(Some(&owner));
        assert!(changes(keyring.grant("auth").unwrap()) && changes(keyring.grant("operator").unwrap()));
        assert!(!changes(keyring.grant("billing").unwrap()) && !changes(keyring.anonymous()));
        assert!(keyring.anonymous().may_change(None));
    }

    #[test]
    fn a_grant_follows_its_token() {
        let keyring = keyring();
        let (auth, anonymous) = (keyring.grant("auth").unwrap(), keyring.anonymous());
        assert!(keyring.renewed(&auth).is_some_and(|same| keyring.is_current(&same)));
        let text = format!("[[token]]\nname = \"auth\"\nhash = \"{}\"\nread = [\"web\"]\n", Hash::of("auth"));
        keyring.replace(tokens(&text));
        let renewed = keyring.renewed(&auth).unwrap();
        assert!(!renewed.may_write(&"_auth._tcp".parse().unwrap()), "its rules are others");
        keyring.replace(Vec::new());
        assert!(keyring.renewed(&auth).is_none() && keyring.renewed(&anonymous).is_some());
        assert!(keyring.is_empty());
    }
}
