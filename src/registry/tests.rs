//! The registry as its edges see it, on a memory store.

mod guard;
mod moves;
mod saving;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Applied, Condition, Config, Operation, Refusal, Registry, StatusWish, Writer};
use crate::service::{Cause, Lease, Origin, Source, Status, registration};
use crate::store::Opened;
use crate::zone;

fn open(opened: Opened) -> (Registry, Writer) {
    open_as(&Config::default(), opened)
}

fn open_as(config: &Config, opened: Opened) -> (Registry, Writer) {
    let zone = zone::Snapshot::new(&zone::Config::default(), &[]);
    Registry::open(config, opened, &zone).unwrap()
}

/// A running registry without a past. It stops when the runtime of the test does.
fn start() -> Registry {
    let (registry, writer) = open(Opened::memory());
    tokio::spawn(writer.run(CancellationToken::new()));
    registry
}

fn register(instance: &str, lease: f64) -> Operation {
    let mut registration = registration("auth", instance, "web1");
    registration.lease = Lease::from_seconds(lease).unwrap();
    Operation::Register { registration, origin: Origin::api(), condition: Condition::Always }
}

async fn apply(registry: &Registry, operation: Operation) -> Result<Applied, Refusal> {
    registry.apply(vec![operation]).await.remove(0)
}

fn status(registry: &Registry, instance: &str) -> Option<Status> {
    Some(registry.state().get(&registration("auth", instance, "web1").id)?.effective().status())
}

#[tokio::test(start_paused = true)]
async fn who_is_answered_finds_its_change_published() {
    let registry = start();
    let applied = apply(&registry, register("a1", 60.0)).await.unwrap();
    assert!(applied.created);
    let state = registry.state();
    assert!(Arc::ptr_eq(state.get(applied.instance.id()).unwrap().effective(), &applied.instance));
    assert_eq!(state.revision, applied.instance.revision);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_any_more_is_taken_down_by_the_writer_and_by_no_reader() {
    let registry = start();
    let mut reader = registry.reader();
    let first = Arc::downgrade(reader.state());
    apply(&registry, register("a1", 60.0)).await.unwrap();
    assert_eq!(reader.state().len(), 1, "the reader has moved on");
    assert!(first.upgrade().is_some(), "it was the last holder");
    apply(&registry, register("a2", 60.0)).await.unwrap();
    assert!(first.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_lease_leaves_within_50_ms_and_is_listed_until_it_is_reaped() {
    let registry = start();
    let mut changes = registry.subscribe();
    apply(&registry, register("a1", 10.0)).await.unwrap();
    assert_eq!(changes.recv().await.unwrap()[0].cause, Cause::Registered);
    let registered = tokio::time::Instant::now();
    assert_eq!(changes.recv().await.unwrap()[0].cause, Cause::Lapsed);
    let error = registered.elapsed().abs_diff(Duration::from_secs(10));
    assert!(error < Duration::from_millis(50), "{error:?}");
    assert_eq!(status(&registry, "a1"), Some(Status::Down));
    assert_eq!(changes.recv().await.unwrap()[0].cause, Cause::Reaped);
    let error = registered.elapsed().abs_diff(Duration::from_secs(610));
    assert!(error < Duration::from_millis(50), "{error:?}");
    assert_eq!(status(&registry, "a1"), None);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_moves_the_lease_and_is_no_change() {
    let registry = start();
    let first = apply(&registry, register("a1", 10.0)).await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(9)).await;
        let renewed = apply(&registry, register("a1", 10.0)).await.unwrap();
        assert!(Arc::ptr_eq(&renewed.instance, &first.instance));
    }
    assert_eq!(registry.state().revision, first.instance.revision);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(status(&registry, "a1"), Some(Status::Down));
    let revived = apply(&registry, Operation::Renew(first.instance.id().clone())).await.unwrap();
    assert_eq!(revived.instance.status(), Status::Up);
    assert_eq!(revived.instance.registered_at, first.instance.registered_at);
}

#[tokio::test(start_paused = true)]
async fn a_drain_outlives_heartbeats_and_lapses() {
    let registry = start();
    let id = apply(&registry, register("a1", 10.0)).await.unwrap().instance.id().clone();
    let set = |status| Operation::SetStatus { id: id.clone(), status, condition: Condition::Always };
    apply(&registry, set(StatusWish::OutOfService)).await.unwrap();
    apply(&registry, register("a1", 10.0)).await.unwrap();
    assert_eq!(status(&registry, "a1"), Some(Status::OutOfService));
    tokio::time::sleep(Duration::from_secs(11)).await;
    apply(&registry, register("a1", 20.0)).await.unwrap();
    assert_eq!(status(&registry, "a1"), Some(Status::OutOfService));
    apply(&registry, set(StatusWish::Up)).await.unwrap();
    assert_eq!(status(&registry, "a1"), Some(Status::Up));
}

#[tokio::test(start_paused = true)]
async fn conditions_hold_or_nothing_happens() {
    let registry = start();
    let with = |condition| match register("a1", 10.0) {
        Operation::Register { registration, origin, .. } => Operation::Register { registration, origin, condition },
        other => other,
    };
    assert!(matches!(apply(&registry, with(Condition::Present)).await, Err(Refusal::Unknown(_))));
    let first = apply(&registry, with(Condition::Absent)).await.unwrap().instance;
    assert!(matches!(apply(&registry, with(Condition::Absent)).await, Err(Refusal::Exists(_))));
    let remove = |condition| Operation::Deregister { id: first.id().clone(), origin: Origin::api(), condition };
    let stale = crate::service::Revision(first.revision.0 - 1);
    assert!(matches!(apply(&registry, remove(Condition::Revision(stale))).await, Err(Refusal::Stale(_))));
    apply(&registry, remove(Condition::Revision(first.revision))).await.unwrap();
    assert!(matches!(apply(&registry, remove(Condition::Always)).await, Err(Refusal::Unknown(_))));
}

#[tokio::test(start_paused = true)]
async fn only_the_api_declares_a_service() {
    let registry = start();
    let declare = |origin| {
        let registration = registration("auth", "(declared)", "web1");
        Operation::Register { registration, origin, condition: Condition::Always }
    };
    for source in [Source::Own, Source::Mdns, Source::File] {
        let refused = apply(&registry, declare(Origin::new(source, "eth0"))).await;
        assert!(matches!(refused, Err(Refusal::Unknown(_))), "{source}: {refused:?}");
    }
    let service = "auth".parse().unwrap();
    assert!(!registry.state().knows(&service));
    apply(&registry, declare(Origin::api())).await.unwrap();
    assert!(registry.state().knows(&service));
}

#[tokio::test(start_paused = true)]
async fn a_lower_source_surfaces_when_the_one_above_lapses() {
    let registry = start();
    let link = Origin::new(Source::Mdns, "eth0");
    let Operation::Register { registration, condition, .. } = register("a1", 120.0) else { unreachable!() };
    let announced = Operation::Register { registration, origin: link.clone(), condition };
    apply(&registry, announced).await.unwrap();
    let id = apply(&registry, register("a1", 10.0)).await.unwrap().instance.id().clone();
    let origins = |registry: &Registry| -> Vec<Origin> {
        registry.state().get(&id).unwrap().instances().map(|i| i.origin.clone()).collect()
    };
    assert_eq!(origins(&registry), [Origin::api(), link.clone()]);
    let mut changes = registry.subscribe();
    assert_eq!(changes.recv().await.unwrap()[0].cause, Cause::Followed);
    assert_eq!(origins(&registry), [link, Origin::api()]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_writer_answers_what_is_queued_and_then_refuses() {
    let (registry, writer) = open(Opened::memory());
    let stop = CancellationToken::new();
    let queued = tokio::spawn({
        let registry = registry.clone();
        async move { apply(&registry, register("a1", 60.0)).await }
    });
    tokio::task::yield_now().await;
    stop.cancel();
    writer.run(stop).await;
    assert!(queued.await.unwrap().is_ok());
    assert!(matches!(apply(&registry, register("a2", 60.0)).await, Err(Refusal::Stopped)));
}
