//! What is in one service at a time, and what a move takes along.

use super::*;
use crate::service::Registration;
use crate::tokens::{Hash, Keyring};

fn move_to(service: &str) -> Operation {
    Operation::Move(Registration { moves: true, ..registration(service, "10.0.0.1:80", "ip-10-0-0-1") })
}

#[tokio::test(start_paused = true)]
async fn who_moves_leaves_the_old_service_in_the_moment_it_is_in_the_new_one() {
    let registry = start();
    apply(&registry, move_to("old")).await.unwrap();
    let mut changes = registry.subscribe();
    let moved = apply(&registry, move_to("new")).await.unwrap();
    assert_eq!(moved.left, [registration("old", "10.0.0.1:80", "web1").id]);
    let together: Vec<_> = changes.recv().await.unwrap().iter().map(|change| change.cause).collect();
    assert_eq!(together, [Cause::Registered, Cause::Deregistered]);
    let again = apply(&registry, move_to("new")).await.unwrap();
    assert!(Arc::ptr_eq(&again.instance, &moved.instance), "it only renews");
}

#[tokio::test(start_paused = true)]
async fn of_two_who_move_at_once_one_is_the_last() {
    let registry = start();
    for _ in 0..10 {
        let (old, new) = tokio::join!(apply(&registry, move_to("old")), apply(&registry, move_to("new")));
        assert!(old.is_ok() && new.is_ok());
        assert_eq!(registry.state().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_was_moved_there_over_the_same_transport_moves_away() {
    let registry = start();
    apply(&registry, move_to("old")).await.unwrap();
    apply(&registry, move_to("_old._udp")).await.unwrap();
    let registered = |service: &str| {
        let registration = registration(service, "10.0.0.1:80", "web1");
        Operation::Register { registration, origin: Origin::api(), condition: Condition::Always }
    };
    apply(&registry, registered("web")).await.unwrap();
    let moved = apply(&registry, move_to("new")).await.unwrap();
    assert_eq!(moved.left, [registration("old", "10.0.0.1:80", "web1").id]);
    assert_eq!(registry.state().len(), 3);
    // Who registers it has the last word on what it is.
    apply(&registry, registered("new")).await.unwrap();
    assert_eq!(apply(&registry, move_to("old")).await.unwrap().left, []);
    apply(&registry, move_to("web")).await.unwrap();
    assert_eq!(registry.state().len(), 3, "new, web, and old over UDP");
}

#[tokio::test(start_paused = true)]
async fn a_move_finds_what_is_its_own_however_much_others_have_at_that_place() {
    let rule = |name: &str| format!("name = {name:?}\nhash = \"{}\"\nwrite = [\"*\"]", Hash::of(name));
    let keyring = Keyring::new(["others", "team"].map(|name| toml::from_str(&rule(name)).unwrap()).into());
    let [others, team] = ["others", "team"].map(|name| keyring.grant(name).unwrap());
    let registry = start();
    let there = |n: usize| match move_to(&format!("a{n}")) {
        Operation::Move(registration) => {
            Operation::Register { registration, origin: Origin::api(), condition: Condition::Always }
        }
        other => other,
    };
    let crowd = registry.apply_for(&others, (0..2_000).map(there).collect()).await;
    assert!(crowd.iter().all(Result::is_ok), "{:?}", crowd[0]);
    let move_own = async |service: &str| registry.apply_for(&team, vec![move_to(service)]).await.remove(0).unwrap();
    move_own("old").await;
    assert_eq!(move_own("new").await.left, [registration("old", "10.0.0.1:80", "web1").id]);
    assert_eq!(registry.state().len(), 2_001);
    let renewed = || registry.shared.counts.renewals.get();
    let before = renewed();
    move_own("new").await;
    assert_eq!(renewed(), before + 1, "without the writer");
}

#[tokio::test(start_paused = true)]
async fn a_move_needs_no_room() {
    let (registry, writer) = open_as(&Config { max_instances: 1, ..Config::default() }, Opened::memory());
    tokio::spawn(writer.run(CancellationToken::new()));
    apply(&registry, move_to("old")).await.unwrap();
    assert!(matches!(apply(&registry, register("a1", 60.0)).await, Err(Refusal::Full(1))));
    assert_eq!(apply(&registry, move_to("new")).await.unwrap().left.len(), 1);
    assert_eq!(registry.state().len(), 1);
}
