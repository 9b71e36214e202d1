//! Whose an instance is: what was registered with a token is changed by it and by admins, through whichever door.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Portolan;
use crate::support::tokens::{Token, Tokens};

const INSTANCE: &str = "/v1/instances/_auth._tcp/a";

fn instance(port: u16) -> Value {
    json!({"service": "auth", "instance": "a", "port": port, "host": "web1", "addresses": ["10.0.0.7"], "lease": 0})
}

/// A registry whose `auth` belongs to one of two teams.
fn start() -> (Tokens, Portolan, [Token; 3]) {
    let tokens = Tokens::new("");
    let all = [
        tokens.add("auth-team", "write = [\"*\"]"),
        tokens.add("web-team", "write = [\"*\"]"),
        tokens.add("operator", "admin = true"),
    ];
    let portolan = tokens.start();
    all[0].post(&portolan, "/v1/heartbeat", &instance(80)).expect(201);
    (tokens, portolan, all)
}

fn owner(portolan: &Portolan, path: &str) -> Value {
    portolan.get(path).expect(200).json()["owner"].clone()
}

#[test]
fn others_change_nothing_of_it_and_are_told_whose_it_is() {
    let (_tokens, portolan, [_, web, _]) = start();
    let before = portolan.get(INSTANCE).body;
    let call = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
    let status = format!("{INSTANCE}/status");
    let renew = format!("{INSTANCE}/renew");
    for token in [None, Some(&web)] {
        for (method, path, body) in [
            ("POST", "/v1/heartbeat", instance(81)),
            // Word for word the same: it would only renew the lease.
            ("POST", "/v1/heartbeat", instance(80)),
            ("PUT", INSTANCE, json!({"port": 81})),
            ("PATCH", INSTANCE, json!({"port": 81})),
            ("DELETE", INSTANCE, json!({})),
            ("POST", &renew, json!({})),
            ("PUT", &status, json!({"status": "out-of-service"})),
            ("DELETE", "/registro/1.0/apps/auth/a", json!({})),
            ("PUT", "/registro/1.0/apps/auth/a", json!({})),
        ] {
            let header = token.map(|token| format!("Bearer {}", token.text));
            let headers: Vec<_> = header.iter().map(|value| ("Authorization", value.as_str())).collect();
            let refused = portolan.request(method, path, &headers, &body.to_string()).expect(409);
            assert!(
                refused.body.contains(r#"belongs to the token \"auth-team\"; show that one"#),
                "{method}: {refused:?}"
            );
        }
        for (method, params) in [
            ("registry.register", instance(81)),
            ("registry.renew", json!(["auth", "a"])),
            ("registry.update", json!(["auth", "a", {"port": 81}])),
            ("registry.deregister", json!(["auth", "a"])),
        ] {
            let answer = Token::post_as(token, &portolan, "/rpc", &call(method, params)).expect(200).json();
            assert_eq!(answer["error"]["data"]["type"], "/problems/not-yours", "{method}: {answer}");
        }
    }
    assert_eq!(portolan.get(INSTANCE).body, before);
    assert_eq!(portolan.dig(&["+short", "SRV", "_auth._tcp.registry.local"]), "0 0 80 web1.registry.local.\n");
}

#[test]
fn its_owner_and_an_admin_change_it_and_it_stays_its_owners() {
    let (_tokens, portolan, [auth, web, operator]) = start();
    operator.request(&portolan, "PATCH", INSTANCE, r#"{"port": 81}"#).expect(200);
    operator.request(&portolan, "PUT", &format!("{INSTANCE}/status"), r#"{"status": "out-of-service"}"#).expect(200);
    operator.post(&portolan, "/v1/heartbeat", &instance(82)).expect(200);
    assert_eq!(owner(&portolan, INSTANCE), "auth-team");
    auth.post(&portolan, &format!("{INSTANCE}/renew"), &json!({})).expect(200);
    auth.request(&portolan, "DELETE", INSTANCE, "").expect(204);
    // The name is free again.
    web.post(&portolan, "/v1/heartbeat", &instance(80)).expect(201);
    assert_eq!(owner(&portolan, INSTANCE), "web-team");
}

#[test]
fn what_is_nobodys_is_taken_over_by_a_token_but_not_by_an_admin() {
    let (_tokens, portolan, [auth, _, operator]) = start();
    let path = "/v1/instances/_free._tcp/a";
    let free = json!({"service": "free", "instance": "a", "port": 80});
    portolan.heartbeat(&free);
    operator.post(&portolan, "/v1/heartbeat", &free).expect(200);
    assert_eq!(owner(&portolan, path), Value::Null, "its service goes on to renew it");
    portolan.heartbeat(&free);
    auth.post(&portolan, "/v1/heartbeat", &free).expect(200);
    assert_eq!(owner(&portolan, path), "auth-team");
    portolan.post("/v1/heartbeat", &free).expect(409);
}

#[test]
fn it_is_still_its_owners_after_a_crash() {
    let (tokens, data) = (Tokens::new(""), TempDir::new().unwrap());
    let auth = tokens.add("auth-team", "write = [\"auth\"]");
    let portolan = tokens.start_in(data.path());
    auth.post(&portolan, "/v1/heartbeat", &instance(80)).expect(201);
    portolan.kill();
    let portolan = tokens.start_in(data.path());
    assert_eq!(owner(&portolan, INSTANCE), "auth-team");
    portolan.post("/v1/heartbeat", &instance(81)).expect(409);
    auth.post(&portolan, "/v1/heartbeat", &instance(81)).expect(200);
}

#[test]
fn services_of_several_owners_live_on_one_machine_and_nobody_puts_an_address_into_anothers_host() {
    let (_tokens, portolan, [auth, web, _]) = start();
    // None of them names its host.
    let on_its_machine = |service: &str| json!({"service": service, "instance": "m", "port": 80});
    auth.post(&portolan, "/v1/heartbeat", &on_its_machine("one")).expect(201);
    web.post(&portolan, "/v1/heartbeat", &on_its_machine("two")).expect(201);
    portolan.heartbeat(&on_its_machine("three"));
    for service in ["one", "two", "three"] {
        let answer = portolan.dig(&["+short", "SRV", &format!("_{service}._tcp.registry.local")]);
        assert_eq!(answer, "0 0 80 ip-127-0-0-1.registry.local.\n");
    }
    let injecting = |host: &str| json!({"service": "evil", "port": 80, "host": host, "addresses": ["10.6.6.6"]});
    for host in ["web1", "ip-127-0-0-1"] {
        for token in [None, Some(&web)] {
            let refused = Token::post_as(token, &portolan, "/v1/heartbeat", &injecting(host)).expect(409);
            assert!(refused.body.contains("belongs to another owner; choose another `host`"), "{refused:?}");
        }
    }
    assert_eq!(portolan.dig(&["+short", "A", "ip-127-0-0-1.registry.local"]), "127.0.0.1\n");
    assert_eq!(portolan.dig(&["+short", "A", "web1.registry.local"]), "10.0.0.7\n");
}
