//! What holds of the text form of every name: a property for the fuzzer (`fuzz/`), and for the inputs that it has
//! found worth keeping, which the tests go through.

use super::{DomainName, Glob, Host, InstanceName, ServiceType, Subtype, Version, escape_label, strings};

/// Takes octets as a text, and as labels, and has what can be read of them survive its own text form.
///
/// # Panics
///
/// Where that does not hold.
pub fn name(octets: &[u8]) {
    if let Ok(text) = std::str::from_utf8(octets) {
        from_text(text);
    }
    // As on the wire: a length, then so many octets.
    if let Ok(name) = DomainName::from_labels(strings(octets)) {
        survives(&name);
    }
}

fn from_text(text: &str) {
    if let Ok(name) = text.parse() {
        survives(&name);
    }
    if let Ok(instance) = InstanceName::new(text) {
        let again = InstanceName::new(instance.as_str()).expect("what was normalized is a name");
        assert_eq!(instance.as_str(), again.as_str(), "normalizing twice changes nothing");
        let label = instance.as_str().as_bytes();
        survives(&DomainName::from_labels([label, b"_x", b"_tcp"]).expect("a name of three labels"));
        let _ = Glob::new(text).matches(instance.as_str());
    }
    if let Ok(service_type) = text.parse::<ServiceType>() {
        assert_eq!(service_type.to_string().parse(), Ok(service_type));
    }
    if let Ok(subtype) = Subtype::new(text) {
        assert_eq!(Subtype::new(subtype.as_str()), Ok(subtype));
    }
    if let Ok(host @ Host::Foreign(_)) = Host::new(text, &[]) {
        assert_eq!(Host::new(&host.to_string(), &[]), Ok(host));
    }
    if let Ok(version) = Version::new(text) {
        assert_eq!(Version::new(&version.to_string()), Ok(version));
    }
}

/// The text of a name is that name's, octet by octet, and harms no terminal.
fn survives(name: &DomainName) {
    let text = name.to_string();
    assert!(!text.contains(|c: char| c.is_control() || c.is_whitespace()), "{text:?}");
    let read: DomainName = text.parse().expect("the text of a name is a name");
    assert_eq!(read.as_wire(), name.as_wire(), "{text:?}");
    for label in name.labels() {
        assert!(text.contains(&escape_label(label)));
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_inputs_that_were_kept_do_no_harm() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/name");
        let inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(inputs.len() > 10, "{} inputs", inputs.len());
        for input in inputs {
            super::name(&std::fs::read(input).unwrap());
        }
    }
}
