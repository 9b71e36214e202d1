//! What both encoders say in the header: codes and flags, also to odd requests.

use super::*;

#[test]
fn odd_requests_get_the_code_that_says_why() {
    let server = Server::new();
    let code = |request: &[u8]| {
        let replies = [server.over_udp(request), server.by_hickory(request, Transport::Tcp)];
        let [udp, tcp] = replies.map(|reply| Message::from_vec(&reply).unwrap());
        assert_eq!(udp.metadata, tcp.metadata);
        assert_eq!((udp.metadata.message_type, udp.metadata.id), (MessageType::Response, 0x1234));
        // OPT in, OPT out (item 20), where the request could be read.
        assert_eq!(udp.edns.is_some(), tcp.edns.is_some());
        (u16::from(udp.metadata.response_code), udp.edns.is_some())
    };
    let [form_err, not_imp, refused, bad_version] = [1, 4, 5, 16];
    let plain = query("web1.registry.local", rtype::A, IN, [0, 0], NO_OPT);
    let with = |at: usize, value: u8, opt: &[u8]| {
        let mut request = query("web1.registry.local", rtype::A, IN, [0, 0], opt);
        request[at] = value;
        request
    };
    let (edns, newer) = (opt(1232, 0, 0, &[]), opt(1232, 1, 0, &[]));
    let question = &plain[12..];
    // Items 10 and 20: STATUS, NOTIFY, UPDATE, DSO and one that is not assigned.
    for opcode in [2, 4, 5, 6, 15] {
        assert_eq!(code(&with(2, opcode << 3, &edns)), (not_imp, true), "opcode {opcode}");
        assert_eq!(code(&with(2, opcode << 3, NO_OPT)), (not_imp, false), "opcode {opcode}");
    }
    // Item 11.
    assert_eq!(code(&[&with(5, 2, NO_OPT)[..], question].concat()), (form_err, false));
    assert_eq!(code(&[&[0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &edns[..]].concat()), (form_err, true));
    // Item 21.
    assert_eq!(code(&[&with(11, 2, &edns)[..], &edns].concat()).0, form_err);
    // Item 22.
    let version = code(&query("web1.registry.local", rtype::A, IN, [0, 0], &newer));
    assert_eq!(version, (bad_version, true));
    // Item 13.
    for class in [3, 4, 254, 255] {
        let answer = code(&query("web1.registry.local", rtype::A, class, [0, 0], &edns));
        assert_eq!(answer, (refused, true), "class {class}");
    }
    // A name that points into the header, and one that is cut.
    assert_eq!(code(&with(12, 0xc0, NO_OPT)).0, form_err);
    assert_eq!(code(&plain[..20]).0, form_err);
}

#[test]
fn a_request_that_finds_a_fault_is_told_so_and_nothing_else_is_lost() {
    // What no configuration allows: the full path cannot say the names of such a zone.
    let (zone, [name, ..]) = longest(12);
    let server = Server::of(zone);
    // An additional record that is no OPT takes it to the full path.
    let request = query(&name, rtype::PTR, IN, [1, 0], b"\0\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01");
    let mut buffer = [request.clone(), vec![0; 1232]].concat();
    let Reply { length, .. } = respond(&server.context(Transport::Tcp, 0), &mut buffer, request.len());
    assert_eq!(buffer[..length], *b"\x12\x34\x81\x02\0\0\0\0\0\0\0\0");
}

#[test]
fn item_12_a_response_is_never_answered() {
    let server = Server::new();
    let response = query("web1.registry.local", rtype::A, IN, [0x80, 0], NO_OPT);
    assert!(server.over_udp(&response).is_empty());
    assert!(server.by_hickory(&response, Transport::Tcp).is_empty());
    assert!(server.over_udp(&response[..11]).is_empty());
}

#[test]
fn item_8_header_bits_are_copied_or_cleared() {
    let server = Server::new();
    // RD; AD, CD and Z.
    let request = query("web1.registry.local", rtype::A, IN, [0x01, 0x70], NO_OPT);
    let reply = server.over_udp(&request);
    // QR, AA, RD; CD.
    assert_eq!(reply[2..4], [0x85, 0x10]);
    let (theirs, ours) = (server.by_hickory(&request, Transport::Tcp), &reply[2..4]);
    assert_eq!(theirs[2..4], *ours);
}
