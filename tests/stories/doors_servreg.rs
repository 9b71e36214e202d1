//! Who comes from servreg with its clients as they are: `POST /api`, both `result` and `error` in every reply.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::netns::Net;
use crate::support::{Launch, Portolan, python};

/// What a client of servreg makes of these calls.
#[track_caller]
fn client(portolan: &Portolan, calls: &[Value]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/servreg_client.py");
    let mut command = python("requests");
    command.args([script, &format!("http://{}/api", portolan.http)]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = calls.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_ping_registers_and_the_name_is_found_at_every_door() {
    let portolan = Portolan::start(&[]);
    let heard = client(
        &portolan,
        &[
            json!(["ping", ["auth", "10.0.0.7", 8080]]),
            json!(["ping", {"name": "auth", "host": "10.0.0.8", "port": 8080}]),
            json!(["ping", ["auth", "10.0.0.7", 8080]]),
            json!(["locate_service", ["auth"]]),
            json!(["locate_service", {"name": "AUTH"}]),
            json!(["locate_service", ["ghost"]]),
        ],
    );
    let found = json!([{"host": "10.0.0.7", "port": 8080}, {"host": "10.0.0.8", "port": 8080}]);
    assert_eq!(heard, [json!(true), json!(true), json!(true), found.clone(), found, json!([])]);
    assert_eq!(
        portolan.dig(&["+short", "SRV", "10\\.0\\.0\\.7:8080._auth._tcp.registry.local"]),
        "0 0 8080 ip-10-0-0-7.registry.local.\n"
    );
    let shown = portolan.get("/v1/instances/auth/10.0.0.7:8080").expect(200).json();
    assert_eq!((&shown["lease"], &shown["status"]), (&json!(60), &json!("up")));
    // What others register is found as well.
    portolan.heartbeat(&json!({"service": "web", "instance": "w1", "port": 80, "host": "www.example.org"}));
    portolan
        .heartbeat(&json!({"service": "web", "instance": "w2", "port": 81, "host": "web2", "addresses": ["10.0.0.9"]}));
    portolan.heartbeat(&json!({"service": "web", "instance": "w3", "port": 82, "status": "starting"}));
    let heard = client(&portolan, &[json!(["locate_service", ["web"]])]);
    assert_eq!(heard[0], json!([{"host": "www.example.org", "port": 80}, {"host": "10.0.0.9", "port": 81}]));
}

#[test]
fn of_more_than_are_told_the_best_are() {
    let portolan = Portolan::start(&[]);
    let item = |name: String, port: u16, priority: u16| json!({"service": "auth", "instance": name, "port": port, "priority": priority, "host": "10.0.0.7"});
    let crowd: Vec<_> = (0..1000).map(|n| item(format!("a{n}"), 80, 10)).collect();
    portolan.post("/v1/heartbeat", &json!(crowd)).expect(200);
    // Behind all others by its name.
    portolan.heartbeat(&item("z".to_owned(), 8080, 0));
    for name in ["auth", "au*"] {
        let heard = client(&portolan, &[json!(["locate_service", [name]])]);
        assert_eq!(heard[0].as_array().unwrap().len(), 1000, "{name}");
        assert_eq!(heard[0][0], json!({"host": "10.0.0.7", "port": 8080}), "{name}");
    }
}

#[test]
fn any_name_is_kept_and_has_a_label_in_dns() {
    let portolan = Portolan::start(&[]);
    let long = format!("somata:{}", "x".repeat(100));
    for name in ["service.1", "service_1", "@scope/name", "somata:registry", "Küche", &long] {
        let calls = [json!(["ping", [name, "10.0.0.7", 80]]), json!(["locate_service", [name]])];
        assert_eq!(client(&portolan, &calls), [json!(true), json!([{"host": "10.0.0.7", "port": 80}])], "{name}");
        // The same place under another name has moved: it is the only one.
        let listed = portolan.get("/v1/instances").json();
        let instances = listed["instances"].as_array().unwrap();
        assert_eq!(instances.len(), 1, "{listed}");
        assert_eq!(instances[0]["txt"]["name"], name);
        let service = format!("_{}._tcp.registry.local", instances[0]["service"].as_str().unwrap());
        assert_eq!(portolan.dig(&["+short", "SRV", &service]), "0 0 80 ip-10-0-0-7.registry.local.\n", "{name}");
    }
}

#[test]
fn globs_are_over_the_whole_name_and_other_characters_are_themselves() {
    let portolan = Portolan::start(&[]);
    let ping = |name: &str, port: u16| json!(["ping", [name, "10.0.0.7", port]]);
    let locate = |name: &str| json!(["locate_service", [name]]);
    let heard = client(
        &portolan,
        &[
            ping("service.1", 1),
            ping("service_2", 2),
            ping("Service%3", 3),
            locate("service?*"),
            locate("SERVICE.?"),
            locate("service_*"),
            locate("*%*"),
            locate("service"),
            locate("*"),
        ],
    );
    let ports = |heard: &Value| -> Vec<u64> {
        let mut ports: Vec<_> = heard.as_array().unwrap().iter().map(|at| at["port"].as_u64().unwrap()).collect();
        ports.sort_unstable();
        ports
    };
    let found: Vec<_> = heard[3..].iter().map(ports).collect();
    assert_eq!(found, [vec![1, 2, 3], vec![1], vec![2], vec![3], vec![], vec![1, 2, 3]]);
}

#[test]
fn a_place_under_a_new_name_moves_there_and_back() {
    let portolan = Portolan::start(&[]);
    let (locate_old, locate_new) = (json!(["locate_service", ["old"]]), json!(["locate_service", ["new"]]));
    let at = json!([{"host": "10.0.0.7", "port": 80}]);
    let heard = client(
        &portolan,
        &[
            json!(["ping", ["old", "10.0.0.7", 80]]),
            json!(["ping", ["other", "10.0.0.7", 81]]),
            json!(["ping", ["new", "10.0.0.7", 80]]),
            locate_old.clone(),
            locate_new.clone(),
            json!(["ping", ["old", "10.0.0.7", 80]]),
            locate_old,
            locate_new,
            json!(["locate_service", ["other"]]),
        ],
    );
    assert_eq!((&heard[3], &heard[4]), (&json!([]), &at));
    assert_eq!((&heard[6], &heard[7]), (&at, &json!([])));
    assert_eq!(heard[8], json!([{"host": "10.0.0.7", "port": 81}]), "another port is another place");
}

#[test]
fn a_ping_takes_away_nothing_that_others_registered_by_the_name_of_its_place() {
    let folder = TempDir::new().unwrap();
    let portolan = Portolan::start_in(folder.path(), &[]);
    let (place, port) = ("10.0.0.7:8080", 8080);
    let app = "/registro/1.0/apps";
    portolan.post(app, &json!({"name": "chat"})).expect(201);
    portolan.post(&format!("{app}/chat"), &json!({"id": place, "ip": "10.0.0.7", "port": port})).expect(201);
    for (service, transport) in [("web", "tcp"), ("dns", "udp")] {
        portolan.heartbeat(&json!({
            "service": service, "transport": transport, "instance": place, "port": port, "host": "10.0.0.7", "lease": 0,
        }));
    }
    let listed = |portolan: &Portolan| -> Vec<String> {
        let listed = portolan.get(&format!("/v1/instances?instance={place}")).expect(200).json();
        let services = listed["instances"].as_array().unwrap().iter();
        services.map(|shown| shown["service"].as_str().unwrap().to_owned()).collect()
    };
    let ping = |name: &str| json!(["ping", [name, "10.0.0.7", port]]);
    client(&portolan, &[ping("old"), ping("dns"), ping("new"), ping("new")]);
    assert_eq!(listed(&portolan), ["chat", "dns", "new", "web"]);
    portolan.request("PUT", &format!("{app}/chat/{place}"), &[], "").expect(204);
    // What was pinged is known as such after a restart.
    assert!(portolan.terminate().success());
    let portolan = Portolan::start_in(folder.path(), &[]);
    client(&portolan, &[ping("newer")]);
    assert_eq!(listed(&portolan), ["chat", "dns", "newer", "web"]);
}

#[test]
fn a_move_is_one_step_and_waits_for_nobody_who_looks_at_all() {
    let portolan = Portolan::start(&[]);
    for from in (0..20_000).step_by(1000) {
        let item = |n: u16| json!({"service": "crowd", "instance": format!("c{n}"), "port": 80, "host": "10.0.0.1"});
        portolan.post("/v1/heartbeat", &json!((from..from + 1000).map(item).collect::<Vec<_>>())).expect(200);
    }
    let call = |method: &str, params: Value| {
        let begun = Instant::now();
        let call = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
        let reply = portolan.post("/api", &call).expect(200).json();
        assert!(reply["error"].is_null(), "{reply}");
        begun.elapsed()
    };
    let place = "/v1/instances?instance=10.0.0.7:8080";
    call("ping", json!(["a0", "10.0.0.7", 8080]));
    let over = AtomicBool::new(false);
    let is_over = || over.load(Ordering::Relaxed);
    let (pings, looks) = thread::scope(|scope| {
        let look = || {
            let mut looks = Vec::new();
            while !is_over() {
                looks.push(call("locate_service", json!(["*"])));
            }
            looks
        };
        let lookers = [(); 8].map(|()| scope.spawn(look));
        let watcher = scope.spawn(|| {
            while !is_over() {
                let listed = portolan.get(place).expect(200).json();
                assert_eq!(listed["instances"].as_array().unwrap().len(), 1, "{listed}");
            }
        });
        // Also where a test fails, they end.
        let pinged = catch_unwind(AssertUnwindSafe(|| {
            (1..=20).map(|n| call("ping", json!([format!("a{n}"), "10.0.0.7", 8080]))).collect::<Vec<_>>()
        }));
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
        (pinged.unwrap(), lookers.into_iter().flat_map(|looker| looker.join().unwrap()).collect::<Vec<_>>())
    });
    let usual = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    };
    let (ping, look) = (usual(pings), usual(looks));
    assert!(ping < look, "a ping took {ping:?}, as who looked did: {look:?}");
}

#[test]
fn the_pings_of_a_batch_are_done_in_order_and_none_holds_up_another() {
    let portolan = Portolan::start(&[]);
    let at = json!([{"host": "10.0.0.7", "port": 80}]);
    let heard = client(
        &portolan,
        &[json!([
            ["ping", ["old", "10.0.0.7", 80]],
            ["ping", ["old", "10.0.0.7", 0]],
            ["ping", ["new", "10.0.0.7", 80]],
            ["locate_service", ["old"]],
            ["locate_service", ["new"]],
            ["ping", ["old", "10.0.0.7", 80]],
            ["locate_service", ["new"]]
        ])],
    );
    let (yes, wrong) = (json!(true), json!({"error": -32602}));
    assert_eq!(heard[0], json!([yes, wrong, yes, [], at, yes, []]));
}

#[test]
fn a_host_that_no_label_has_room_for_moves_as_well() {
    let portolan = Portolan::start(&[]);
    let host = format!("{}.example.org", "x".repeat(60));
    let heard = client(
        &portolan,
        &[json!(["ping", ["old", host, 80]]), json!(["ping", ["new", host, 80]]), json!(["locate_service", ["*"]])],
    );
    assert_eq!(heard[2], json!([{"host": host, "port": 80}]));
}

#[test]
fn a_service_may_be_at_a_url() {
    let portolan = Portolan::start(&[]);
    let url = "https://api.example.org/auth?version=2";
    let heard = client(
        &portolan,
        &[
            json!(["ping", ["api", url]]),
            json!(["ping", {"name": "api", "url": "http://10.0.0.7:8080/"}]),
            json!(["locate_service", ["api"]]),
            json!(["ping", ["api", "nowhere"]]),
        ],
    );
    assert_eq!(heard[..2], [json!(true), json!(true)]);
    assert_eq!(heard[2], json!(["http://10.0.0.7:8080/", url]));
    assert_eq!(heard[3], json!({"error": -32602}));
    assert!(portolan.dig(&["+short", "SRV", "_api._tcp.registry.local"]).contains("0 0 443 api.example.org."));
}

#[test]
fn who_listens_everywhere_is_where_it_calls_from() {
    let portolan = Portolan::start(&[]);
    let calls = [json!(["ping", ["auth", "0.0.0.0", 80]]), json!(["locate_service", ["auth"]])];
    assert_eq!(client(&portolan, &calls), [json!(true), json!([{"host": "127.0.0.1", "port": 80}])]);
}

#[test]
fn batches_notifications_and_mistakes_are_answered_as_clients_expect() {
    let portolan = Portolan::start(&[]);
    let heard = client(
        &portolan,
        &[
            json!(["ping", ["auth", "10.0.0.7", 80], "notify"]),
            json!([
                ["locate_service", ["auth"]],
                ["ping", ["b", "10.0.0.7", 81], "notify"],
                ["nothing", []],
                ["ping", ["c"]]
            ]),
            json!(["ping", ["auth", "10.0.0.7", 0]]),
            json!(["ping", ["auth", "10.0.0.7", "80"]]),
            json!(["ping", ["", "10.0.0.7", 80]]),
            json!(["locate_service", [7]]),
        ],
    );
    let (found, no_method, wrong) =
        (json!([{"host": "10.0.0.7", "port": 80}]), json!({"error": -32601}), json!({"error": -32602}));
    assert_eq!(heard[0], Value::Null, "a notification has no body back");
    assert_eq!(heard[1], json!([found, no_method, wrong]));
    assert_eq!(heard[2..], [wrong.clone(), wrong.clone(), wrong.clone(), wrong]);
    let raw = |body: &str| portolan.request("POST", "/api", &[], body).expect(200).json();
    for (body, code) in [("{", -32700), ("[]", -32600), ("1", -32600), (r#"{"method": "ping", "id": 1}"#, -32600)] {
        let reply = raw(body);
        assert_eq!((&reply["result"], &reply["error"]["code"]), (&Value::Null, &json!(code)), "{body}");
        assert!(reply.as_object().unwrap().contains_key("result"), "{reply}");
    }
    assert_eq!(raw(&"x".repeat(2_000_000))["error"]["code"], -32013);
    for method in ["GET", "PUT", "DELETE"] {
        portolan.request(method, "/api", &[], "").expect(405);
    }
}

#[test]
fn its_pages_show_what_there_is_and_when_it_came_and_went() {
    let portolan = Portolan::start(&[]);
    let browse = |path: &str| portolan.request("GET", path, &[("Accept", "text/html,*/*;q=0.8")], "").expect(200);
    // Whoever may register may not write into the page.
    let name = "<b>&'\"";
    client(&portolan, &[json!(["ping", ["auth", "10.0.0.7", 8080]])]);
    portolan.heartbeat(&json!({"service": "web", "instance": name, "port": 80}));
    portolan
        .request("PUT", "/v1/instances/web/%3Cb%3E%26'%22/status", &[], r#"{"status": "out-of-service"}"#)
        .expect(200);

    let services = browse("/services");
    assert_eq!(services.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(services.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(services.body.contains("_auth._tcp</a><td>1<td>1"), "{}", services.body);
    assert!(services.body.contains("_web._tcp</a><td>1<td>0"), "{}", services.body);
    let first = browse("/services?limit=1").body;
    let next = first.split("href=\"").find_map(|rest| rest.strip_prefix("/services?cursor=")).unwrap();
    let next = browse(&format!("/services?cursor={}", next.split('"').next().unwrap())).body;
    assert!(next.contains("_web._tcp") && !next.contains("_auth._tcp"), "{next}");

    let page = browse("/status").body;
    for part in ["CPU time", "memory", "instances out-of-service<td>1", "&lt;b&gt;&amp;&#39;&quot; of _web._tcp"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<b>"), "{page}");
    let status = portolan.get("/status").expect(200).json();
    assert!(
        status["process"]["cpu"].as_f64().is_some() && status["process"]["memory"].as_u64() > Some(1 << 20),
        "{status}"
    );
    let last = &status["last_flips"][0];
    assert_eq!((&last["instance"], &last["status"]), (&json!(name), &json!("out-of-service")));
    assert!(last["time"].as_str().unwrap().ends_with('Z'), "{last}");
}

#[test]
fn its_profile_has_its_port_and_takes_what_its_clients_send_from_anywhere() {
    let net = Net::enter();
    let _link = net.host();
    let mut portolan = Launch::new().profile("servreg").start();
    // As another machine would: not over loopback.
    portolan.http = "10.9.1.1:5000".parse().unwrap();
    let heard = client(&portolan, &[json!(["ping", ["auth", "0.0.0.0", 8080]]), json!(["locate_service", ["auth"]])]);
    assert_eq!(heard, [json!(true), json!([{"host": "10.9.1.1", "port": 8080}])]);
    let shown = portolan.get("/v1/instances/auth/10.9.1.1:8080").expect(200).json();
    assert_eq!(shown["lease"], 60);
}
