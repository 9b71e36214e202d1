//! Who has a token: what it lets them write, from anywhere, and what it does not.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::netns::Process;
use crate::support::tokens::{Token, Tokens, reload};
use crate::support::{Launch, Response, WebSocket, cli, replace, run, tool, wait_until};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Not loopback: whoever speaks from it is another machine, as far as the registry can tell.
const ELSEWHERE: &str = "10.9.9.1";

fn instance(service: &str, port: u16) -> Value {
    json!({"service": service, "instance": "a", "port": port})
}

/// The name of the problem, the challenge and what is said.
#[track_caller]
fn refused(response: Response, status: u16) -> (String, String, String) {
    let response = response.expect(status);
    let problem = response.json();
    let kind = problem["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned();
    let challenge = response.header("www-authenticate").unwrap_or_default().to_owned();
    (kind, challenge, problem["detail"].as_str().unwrap().to_owned())
}

#[test]
fn a_token_is_made_with_its_hash_and_writes_what_it_is_for() {
    let tokens = Tokens::new("");
    let auth = tokens.add("auth-team", "write = [\"auth*\"]");
    let operator = tokens.add("operator", "admin = true");
    let portolan = tokens.start();
    for (token, service, status) in
        [(&auth, "auth", 201), (&auth, "_auth2._udp", 201), (&operator, "anything", 201), (&operator, "auth3", 201)]
    {
        token.post(&portolan, "/v1/heartbeat", &instance(service, 80)).expect(status);
    }
    let (kind, challenge, detail) = refused(auth.post(&portolan, "/v1/heartbeat", &instance("web", 80)), 403);
    assert_eq!((kind.as_str(), challenge.contains("error=\"insufficient_scope\"")), ("out-of-scope", true));
    assert!(detail.contains("may not change _web._tcp") && detail.contains("`write`"), "{detail}");

    // Of a batch each for itself.
    let batch = json!([instance("auth", 81), instance("web", 80), instance("auth4", 80)]);
    let outcomes = auth.post(&portolan, "/v1/heartbeat", &batch).expect(200).json();
    assert_eq!(
        (&outcomes[0]["registered"]["created"], &outcomes[2]["registered"]["created"]),
        (&json!(false), &json!(true)),
        "{outcomes}"
    );
    assert_eq!(outcomes[1]["problem"]["status"], 403, "{outcomes}");
    assert_eq!(portolan.dig(&["+short", "SRV", "_web._tcp.registry.local"]), "");
}

#[test]
fn what_is_no_token_of_ours_is_refused_with_the_remedy() {
    let tokens = Tokens::new("");
    tokens.add("auth-team", "write = [\"auth*\"]");
    let portolan = tokens.start();
    let other = Token::new();
    for (headers, says) in [
        (vec![("Authorization", format!("Bearer {}", other.text))], "show one whose hash is in a [[token]]"),
        (vec![("Authorization", "Bearer".to_owned())], "send `Authorization: Bearer TOKEN`"),
        (vec![("Authorization", "Bearer a b".to_owned())], "send `Authorization: Bearer TOKEN`"),
        (vec![("Authorization", format!("Bearer {}", "x".repeat(5000)))], "send `Authorization: Bearer TOKEN`"),
        (vec![("Authorization", "Bearer a".to_owned()), ("Authorization", "Bearer b".to_owned())], "send one"),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // Whoever believes to have one is to know, also where none is needed.
        for (method, path) in [("POST", "/v1/heartbeat"), ("GET", "/v1/instances"), ("GET", "/ws")] {
            let (kind, challenge, detail) = refused(portolan.request(method, path, &headers, "{}"), 401);
            assert_eq!(kind, "invalid-token");
            assert_eq!(challenge, r#"Bearer realm="portolan", error="invalid_token""#);
            assert!(detail.contains(says), "{detail}");
        }
    }
    // What a proxy in front asked for is none of our business.
    portolan.request("GET", "/v1/instances", &[("Authorization", "Basic YTpi")], "").expect(200);
    assert!(!portolan.log().contains(&other.text));
}

#[test]
fn from_another_machine_a_write_takes_a_token_where_there_are_any() {
    let tokens = Tokens::new("");
    let token = tokens.add("auth-team", "write = [\"auth*\"]");
    let reader = tokens.add("reader", "read = [\"vault\"]");
    tool("ip");
    tool("unshare");
    let setup = format!("ip link set lo up && ip address add {ELSEWHERE}/32 dev lo && exec \"$@\"");
    let launch = Launch::new().under(["unshare", "--net", "sh", "-c", &setup, "sh"]).args(["--http", "0.0.0.0:0"]);
    let portolan = launch.args(["--config".as_ref(), tokens.file().as_os_str()]).start();
    let curl = |path: &str, arguments: &[&str]| {
        let namespace = format!("--net=/proc/{}/ns/net", portolan.pid());
        let mut command: Command = tool("nsenter");
        command.args([&namespace, "curl", "--silent", "--include", "--write-out", " %{http_code}"]).args(arguments);
        run(command.arg(format!("http://{ELSEWHERE}:{}{path}", portolan.http.port())))
    };
    let body = instance("auth", 80).to_string();
    let refused = curl("/v1/heartbeat", &["--data", &body]);
    assert!(refused.ends_with("401") && refused.contains("/problems/token-needed"), "{refused}");
    assert!(refused.contains("www-authenticate: Bearer realm=\"portolan\"\r\n"), "{refused}");
    assert!(refused.contains("send Authorization: Bearer with one that may write"), "{refused}");
    let written = curl("/v1/heartbeat", &["--data", &body, "--header", &token.header()]);
    assert!(written.ends_with("201") && written.contains("a._auth._tcp"), "{written}");
    let refused = curl("/v1/heartbeat", &["--data", &body, "--header", &reader.header()]);
    assert!(refused.ends_with("403") && refused.contains("/problems/out-of-scope"), "{refused}");
    // Through the doors as well.
    let ping = r#"{"jsonrpc":"2.0","method":"ping","params":["web","10.0.0.7",80],"id":1}"#;
    for (path, body) in [("/api", ping), ("/registro/1.0/apps", r#"{"name":"web"}"#)] {
        for (arguments, kind) in [
            (vec!["--data", body], "token-needed"),
            (vec!["--data", body, "--header", &token.header()], "out-of-scope"),
        ] {
            let refused = curl(path, &arguments);
            assert!(refused.contains(&format!("/problems/{kind}")), "{path}: {refused}");
        }
    }
    // A reload tells paths: that is for admins.
    let refused = curl("/v1/reload", &["--request", "POST", "--header", &token.header()]);
    assert!(refused.ends_with("403") && refused.contains("admin = true"), "{refused}");
}

#[test]
fn behind_a_proxy_on_the_same_machine_writes_may_take_a_token_as_well() {
    let tokens = Tokens::new("[http]\nloopback_writes = false\n");
    let portolan = tokens.start();
    let (kind, _, detail) = refused(portolan.post("/v1/heartbeat", &instance("auth", 80)), 403);
    assert!(kind == "anonymous-write" && detail.contains("`portolan token new`"), "{detail}");
    let token = tokens.add("auth-team", "write = [\"auth*\"]");
    // Nobody may ask for that but an admin, and there is none.
    portolan.signal("HUP");
    wait_until("there is a token", PATIENCE, || portolan.log().contains("other tokens are good").then_some(()));
    let (kind, ..) = refused(portolan.post("/v1/heartbeat", &instance("auth", 80)), 401);
    assert_eq!(kind, "token-needed");
    token.post(&portolan, "/v1/heartbeat", &instance("auth", 80)).expect(201);
    portolan.get("/v1/instances/_auth._tcp/a").expect(200);
    refused(portolan.post("/v1/reload", &json!({})), 401);
}

#[test]
fn tokens_come_change_and_go_without_a_restart() {
    let tokens = Tokens::new("");
    let auth = tokens.add("team", "write = [\"auth*\"]");
    let portolan = tokens.start();
    auth.post(&portolan, "/v1/heartbeat", &instance("auth", 80)).expect(201);
    auth.post(&portolan, "/v1/heartbeat", &instance("web", 80)).expect(403);
    tokens.write(&[("team", &[&auth], "write = [\"web\"]")]);
    reload(&portolan);
    auth.post(&portolan, "/v1/heartbeat", &instance("auth", 81)).expect(403);
    auth.post(&portolan, "/v1/heartbeat", &instance("web", 80)).expect(201);

    // One is replaced by another of the same name, to which belongs what the old one registered.
    let fresh = Token::new();
    tokens.write(&[("team", &[&fresh, &auth], "write = [\"web\"]")]);
    reload(&portolan);
    auth.post(&portolan, "/v1/heartbeat", &instance("web", 81)).expect(200);
    fresh.post(&portolan, "/v1/heartbeat", &instance("web", 82)).expect(200);
    tokens.write(&[("team", &[&fresh], "write = [\"web\"]")]);
    // The file is followed, also where nobody says that it has changed.
    wait_until("the old one is good no more", PATIENCE, || {
        (auth.post(&portolan, "/v1/heartbeat", &instance("web", 83)).status == 401).then_some(())
    });
    fresh.post(&portolan, "/v1/heartbeat", &instance("web", 84)).expect(200);

    // A mistake changes nothing.
    replace(&tokens.file(), "[[token]]\nname = \"team\"\nhash = \"none\"\nadmin = true\n");
    let output = portolan.cli(&["reload"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("line 3: this is no hash of a token"), "{said}");
    fresh.post(&portolan, "/v1/heartbeat", &instance("web", 85)).expect(200);
}

#[test]
fn a_token_in_the_place_of_its_hash_is_repeated_nowhere() {
    let tokens = Tokens::new("");
    let secret = Token::new().text;
    let portolan = tokens.start();
    let random = secret.strip_prefix("portolan_").unwrap();
    for (field, text) in [
        ("hash", secret.clone()),
        ("hash", format!("Bearer {secret}")),
        ("hash", format!("sha256:{random}")),
        ("write", format!("Bearer {secret}")),
        ("name", secret.clone()),
    ] {
        let name = if field == "name" { "" } else { "name = \"ci\"\n" };
        let mistake = format!("[[token]]\n{name}{field} = [\n  {text:?},\n]\n");
        for mistake in [mistake.clone(), mistake.replace(['\"', '\n'], "").replace("[[token]]", "[[token]]\n")] {
            replace(&tokens.file(), &mistake);
            let output = portolan.cli(&["reload"]).output().unwrap();
            let reloaded = String::from_utf8_lossy(&output.stderr).into_owned();
            let output = cli(&["config", "check", tokens.file().to_str().unwrap()]).output().unwrap();
            let checked = String::from_utf8_lossy(&output.stderr).into_owned();
            let ready = portolan.get("/readyz").expect(200).body;
            for said in [&reloaded, &checked, &ready] {
                assert!(said.contains("portolan.toml") && said.contains("line "), "{mistake}: {said}");
                assert!(!said.contains(random), "{mistake}: {said}");
            }
        }
    }
    let hash = format!("sha256:{}", "0".repeat(64));
    replace(&tokens.file(), format!("[[token]]\nname = {secret:?}\nhash = {hash:?}\nadmin = true\n"));
    let output = cli(&["config", "check", tokens.file().to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("line 2: this is a token, not its name") && !said.contains(random), "{said}");
    let logged = || portolan.log().matches("is not taken in").count() >= 5;
    wait_until("all is logged", PATIENCE, || logged().then_some(()));
    assert!(!portolan.log().contains(random), "{}", portolan.log());
}

#[test]
fn what_is_wrong_with_files_is_told_to_no_stranger() {
    let tokens = Tokens::new("[http]\nloopback_writes = false\n");
    let operator = tokens.add("operator", "admin = true");
    let auth = tokens.add("auth-team", "write = [\"auth\"]");
    let portolan = tokens.start();
    assert_eq!(portolan.get("/readyz").expect(200).body, "ready\n");
    let path = tokens.file();
    replace(&path, "[zone]\nttl = \"soon\"\n");
    operator.post(&portolan, "/v1/reload", &json!({})).expect(200);
    let told = format!("{}, line 2: ", path.display());
    let ready = operator.request(&portolan, "GET", "/readyz", "").expect(200).body;
    assert!(ready.starts_with("ready\n") && ready.contains(&told), "{ready}");
    for ready in [portolan.get("/readyz"), auth.request(&portolan, "GET", "/readyz", "")] {
        assert_eq!(ready.expect(200).body, "ready\nnot taken in: 1, which `portolan reload` tells\n");
    }
}

#[test]
fn a_session_has_the_token_of_the_request_that_opened_it_until_that_is_taken_back() {
    let tokens = Tokens::new("[lease]\nshortest = \"1s\"\ndefault = \"3s\"\n");
    let auth = tokens.add("auth-team", "write = [\"auth*\"]");
    let portolan = tokens.start();
    let call = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
    let mut socket = WebSocket::open_with(portolan.http, "/ws", Some(&auth.text));
    let owned = json!({"service": "auth", "instance": "a", "port": 80, "lease": "session"});
    let registered = socket.call(&call("registry.register", owned.clone()));
    assert_eq!(registered["result"]["owner"], "auth-team", "{registered}");
    let refused = socket.call(&call("registry.register", instance("web", 80)));
    assert_eq!(refused["error"]["data"]["type"], "/problems/out-of-scope", "{refused}");
    let batch = json!([call("registry.renew", json!(["auth", "a"])), call("registry.register", instance("web", 80))]);
    let answers = socket.call(&batch);
    assert!(answers[0]["result"].is_object() && answers[1]["error"].is_object(), "{answers}");

    // Whoever is refused does not take what the session owns either: it goes on to be renewed.
    let mut other = WebSocket::open(portolan.http, "/ws");
    assert_eq!(other.call(&call("registry.register", owned))["error"]["data"]["type"], "/problems/not-yours");
    portolan.post("/v1/heartbeat", &instance("auth", 80)).expect(409);
    let renewed_at = || portolan.get("/v1/instances/_auth._tcp/a").expect(200).json()["renewed_at"].clone();
    let before = renewed_at();
    wait_until("the session renews what it owns", PATIENCE, || (renewed_at() != before).then_some(()));

    // So has one at the door of a Plexus registry.
    let mut plexus = WebSocket::open_with(portolan.http, "/", Some(&auth.text));
    let backend = |name: &str| call("registry.register", json!([name, "10.0.0.7", 4444]));
    assert_eq!(plexus.call(&backend("auth-hub"))["result"]["type"], "backend_registered");
    let hub = portolan.get("/v1/instances/_auth-hub._tcp/auth-hub").expect(200).json();
    assert_eq!(hub["owner"], "auth-team", "{hub}");
    assert_eq!(plexus.call(&backend("web"))["error"]["data"]["type"], "/problems/out-of-scope");

    tokens.write(&[]);
    reload(&portolan);
    plexus.say(&call("registry.list", json!([])).to_string());
    assert!(plexus.hear_line().starts_with("closed 1008"));
    let farewell = socket.hear_line();
    assert!(farewell.starts_with("closed 1008") && farewell.contains("the token is known no more"), "{farewell}");
    wait_until("what it owned is gone", PATIENCE, || {
        (portolan.get("/v1/instances/_auth._tcp/a").status == 404).then_some(())
    });
}

#[test]
fn commands_show_the_token_that_they_are_given() {
    let tokens = Tokens::new("[http]\nloopback_writes = false\n");
    let auth = tokens.add("auth-team", "write = [\"auth*\"]");
    let portolan = tokens.start();
    auth.post(&portolan, "/v1/heartbeat", &instance("auth", 80)).expect(201);
    let deregister = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = portolan.cli(&["deregister", "auth", "a"]);
        let output = command.args(arguments).envs(variables.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = deregister(&[], &[]);
    assert!(code == Some(3) && said.contains("401 token-needed") && said.contains("--token-file"), "{said}");
    let file = tokens.file().with_file_name("token");
    fs::write(&file, format!("{}\n", auth.text)).unwrap();
    let file = file.to_str().unwrap();
    let wrong = Token::new();
    let ways = [
        (&["--token", auth.text.as_str()][..], &[("PORTOLAN_TOKEN", wrong.text.as_str())][..]),
        (&["--token-file", file], &[("PORTOLAN_TOKEN", &wrong.text)]),
        (&[], &[("PORTOLAN_TOKEN", &auth.text), ("PORTOLAN_TOKEN_FILE", "/nowhere")]),
        (&[], &[("PORTOLAN_TOKEN_FILE", file)]),
    ];
    for (arguments, variables) in ways {
        auth.post(&portolan, "/v1/heartbeat", &instance("auth", 80));
        assert_eq!(deregister(arguments, variables), (Some(0), String::new()), "{arguments:?} {variables:?}");
    }
    let (code, said) = deregister(&["--token", &wrong.text], &[]);
    assert!(code == Some(3) && said.contains("401 invalid-token") && !said.contains(&wrong.text), "{said}");
    let (code, said) = deregister(&["--token-file", "/nowhere"], &[]);
    assert!(code == Some(2) && said.contains("/nowhere"), "{said}");
    assert_eq!(deregister(&["--token", "a b"], &[]).0, Some(2));
    let made = cli(&["token", "new"]).output().unwrap();
    let made = String::from_utf8_lossy(&made.stdout).into_owned();
    let words: Vec<_> = made.split_whitespace().collect();
    assert!(
        matches!(words[..], ["token", token, "hash", hash] if token.starts_with("portolan_") && hash.len() == 71),
        "{made}"
    );
}

#[test]
fn a_watch_that_a_token_was_shown_for_ends_with_it() {
    let tokens = Tokens::new("");
    let reader = tokens.add("reader", "read = [\"vault\"]");
    let portolan = tokens.start();
    let mut command = portolan.cli(&["watch", "vault", "--json", "--token", &reader.text]);
    let watching = Process::start(&mut command);
    wait_until("it watches", PATIENCE, || {
        let watchers = portolan.get("/metrics").body;
        watchers.contains("portolan_http_watchers 1\n").then_some(())
    });
    portolan.heartbeat(&instance("vault", 80));
    watching.wait_for("\"cause\":\"registered\"");
    tokens.write(&[]);
    reload(&portolan);
    portolan.heartbeat(&instance("vault", 81));
    watching.wait_for("nobody knows this token");
    assert!(!watching.said().contains("\"port\":81"), "{}", watching.said());
}
