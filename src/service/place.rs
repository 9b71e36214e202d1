//! Instances that are named after where they are: `10.0.0.7:8080`, or a URL.
//!
//! To the clients of some registries that is all the name there is.

use super::name::InstanceName;
use super::registration::Registration;

/// The attribute that has the URL of an instance that is at one.
pub const URL: &str = "url";

impl Registration {
    /// The URL that it is at, where it says so.
    pub fn url(&self) -> Option<&str> {
        std::str::from_utf8(self.txt.get(URL)??).ok()
    }

    /// Whether its name is where it is: it ends in the port, or is that of the URL.
    pub fn is_named_after_its_place(&self) -> bool {
        let port = self.instance_name().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port == Some(self.port.get())
            || self.url().is_some_and(|url| InstanceName::of_name(url).is_ok_and(|name| name == *self.id.instance()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ID, Txt, registration};
    use super::*;

    #[test]
    fn a_name_is_a_place_where_it_ends_in_the_port_or_is_the_url() {
        let named = |name: &str, txt: &[(&str, &str)]| {
            let mut said = registration("auth", "a1", "web1");
            said.id = super::super::InstanceId::new("auth".parse().unwrap(), InstanceName::of_name(name).unwrap());
            said.txt = Txt::new(txt.iter().map(|(key, value)| (*key, Some(value.as_bytes())))).unwrap();
            said.is_named_after_its_place()
        };
        assert!(named("10.0.0.1:80", &[]) && named("[2001:db8::1]:80", &[]));
        let long = format!("{}.example.org:80", "x".repeat(60));
        assert!(named(&long, &[(ID, &long)]), "what a name stands in for counts");
        let url = "https://example.org/auth?version=2";
        assert!(named(url, &[(URL, url)]));
        assert!(!named("a1", &[]) && !named("10.0.0.1:81", &[]) && !named("a1", &[(URL, url)]));
    }
}
