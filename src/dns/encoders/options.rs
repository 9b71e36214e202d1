//! What both encoders say in the OPT record: cookies and errors.

use super::*;

/// The COOKIE option of a reply, and its code.
fn cookie_in(reply: &[u8]) -> (ResponseCode, Option<Vec<u8>>) {
    let message = Message::from_vec(reply).unwrap();
    let cookie = message.edns.as_ref().and_then(|edns| edns.option(EdnsCode::Cookie)).map(|option| match option {
        EdnsOption::Unknown(_, octets) => octets.clone(),
        other => panic!("{other:?}"),
    });
    (message.metadata.response_code, cookie)
}

fn with_cookie(cookie: &[u8], more: &[u8]) -> Vec<u8> {
    let length = u8::try_from(cookie.len()).unwrap();
    let opt = opt(1232, 0, 0, &[&[0, 10, 0, length], cookie, more].concat());
    query("web1.registry.local", rtype::A, IN, [0, 0], &opt)
}

#[test]
fn item_29_cookies_are_given_taken_and_held_to_their_length() {
    let server = Server::new();
    let both = |request: &[u8]| {
        let (ours, theirs) = (server.over_udp(request), server.by_hickory(request, Transport::Udp));
        assert_eq!(content(&ours), content(&theirs));
        cookie_in(&ours)
    };
    let (code, given) = both(&with_cookie(CLIENT_COOKIE, &[]));
    let given = given.expect("a client cookie alone gets ours");
    assert_eq!((code, given.len(), &given[..8]), (ResponseCode::NoError, 24, CLIENT_COOKIE));
    assert_eq!(both(&with_cookie(&given, &[])), (ResponseCode::NoError, Some(given.clone())), "a good one is kept");
    let mut wrong = given.clone();
    wrong[23] ^= 1;
    assert_eq!(both(&with_cookie(&wrong, &[])), (ResponseCode::NoError, Some(given.clone())), "a bad one is replaced");
    // Only the first counts (RFC 7873 §5.2).
    assert_eq!(both(&with_cookie(CLIENT_COOKIE, &[0, 10, 0, 0])), (ResponseCode::NoError, Some(given)));
    for length in 0..=50 {
        let (code, cookie) = both(&with_cookie(&vec![7; length], &[]));
        let is_good = length == 8 || (16..=40).contains(&length);
        let expected = if is_good { ResponseCode::NoError } else { ResponseCode::FormErr };
        assert_eq!((code, cookie.is_some()), (expected, is_good), "{length} octets");
    }
    let off = Config { cookies: false, ..Config::default() };
    let server = Server { cookies: Cookies::new(&off), ..server };
    for length in [7, 8, 24] {
        assert_eq!(cookie_in(&server.over_udp(&with_cookie(&vec![7; length], &[]))), (ResponseCode::NoError, None));
    }
}

#[test]
fn item_11_no_question_with_a_cookie_asks_for_one() {
    let server = Server::new();
    let ask = |cookie: &[u8]| {
        let question = with_cookie(cookie, &[]);
        let opt = &question[question.len() - 15 - cookie.len()..];
        let reply = server.over_udp(&[&[0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], opt].concat());
        assert_eq!(reply[4..12], [0, 0, 0, 0, 0, 0, 0, 1], "neither question nor answer");
        cookie_in(&reply)
    };
    let (code, given) = ask(CLIENT_COOKIE);
    let given = given.unwrap();
    assert_eq!((code, given.len()), (ResponseCode::NoError, 24));
    assert_eq!(ask(&given), (ResponseCode::NoError, Some(given.clone())));
    let mut wrong = given.clone();
    wrong[23] ^= 1;
    assert_eq!(ask(&wrong), (ResponseCode::BADCOOKIE, Some(given)));
    assert_eq!(ask(&[7; 9]), (ResponseCode::FormErr, None));
}

#[test]
fn an_extended_error_says_why() {
    let mut server = Server::of(serving([registration("auth", "a", "h")]));
    server.access = Access::new(&Config { glob_from: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() });
    let ask = |name: &str, rtype: u16, class: u16, size: u16| {
        let request = query(name, rtype, class, [0, 0], &opt(size, 0, 0, &[]));
        let (ours, theirs) = (server.over_udp(&request), server.by_hickory(&request, Transport::Udp));
        assert_eq!(content(&ours), content(&theirs), "{name}");
        Message::from_vec(&ours).unwrap().edns.unwrap().options().clone()
    };
    let text = |options: OPT| match options.get(EdnsCode::from(15)) {
        Some(EdnsOption::Unknown(_, octets)) => {
            (u16::from_be_bytes([octets[0], octets[1]]), str::from_utf8(&octets[2..]).unwrap().to_owned())
        }
        other => panic!("{other:?}"),
    };
    let error = |name: &str, rtype: u16, class: u16| text(ask(name, rtype, class, 1232));
    let is = |code: u16, text: &str| (code, text.to_owned());
    assert_eq!(error("example.org", rtype::A, IN), is(20, ""));
    assert_eq!(error("registry.local", rtype::AXFR, IN), is(21, "no zone transfers"));
    assert_eq!(error("registry.local", rtype::SOA, 3), is(21, "class IN only"));
    assert_eq!(error("*._tcp.registry.local", rtype::PTR, IN), is(18, "dns.glob_from has not your network"));
    for (name, rtype) in
        [("h.registry.local", rtype::A), ("x.registry.local", rtype::A), ("h.registry.local", rtype::TXT)]
    {
        assert_eq!(ask(name, rtype, IN, 1232), OPT::default(), "{name}: there is nothing to say");
    }
}
