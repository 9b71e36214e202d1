//! The mass-expiry guard: what it keeps, for how long, and what it lets go.

use tokio::time::{Instant, sleep};

use super::super::guard;
use super::*;
use crate::service::{Change, Instance};

const LEASE: Duration = Duration::from_secs(30);

fn guarding(share: u8) -> Config {
    let guard = guard::Config { services: vec!["au*".into()], share, ..guard::Config::default() };
    Config { guard, ..Config::default() }
}

fn run(config: &Config) -> Registry {
    let (registry, writer) = open_as(config, Opened::memory());
    tokio::spawn(writer.run(CancellationToken::new()));
    registry
}

async fn register_all(registry: &Registry, names: &[&str]) {
    for name in names {
        apply(registry, register(name, LEASE.as_secs_f64())).await.unwrap();
    }
}

fn instance(registry: &Registry, name: &str) -> Arc<Instance> {
    Arc::clone(registry.state().get(&registration("auth", name, "web1").id).unwrap().effective())
}

/// Those that are served, each with its priority.
fn served(registry: &Registry) -> Vec<(String, u16)> {
    let state = registry.state();
    let instances = state.after(None).map(|(_, slot)| slot.effective()).filter(|instance| instance.is_served());
    instances.map(|instance| (instance.id().instance().to_string(), instance.priority())).collect()
}

fn named(names: &[&str], priority: u16) -> Vec<(String, u16)> {
    names.iter().map(|name| ((*name).to_owned(), priority)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_goes_silent_at_once_is_kept_for_one_more_lease_behind_all_else() {
    let registry = run(&guarding(100));
    let mut changes = registry.subscribe();
    for name in ["a1", "a2", "a3"] {
        register_all(&registry, &[name]).await;
        sleep(Duration::from_secs(5)).await;
    }
    let began = Instant::now() - Duration::from_secs(15);
    let seconds = |registry: &Registry| (began.elapsed().as_secs_f64().round(), served(registry));
    for _ in 0..3 {
        changes.recv().await.unwrap();
    }
    changes.recv().await.unwrap();
    assert_eq!(seconds(&registry), (30.0, named(&["a2", "a3"], 0)), "one alone is dead");
    changes.recv().await.unwrap();
    let batch = changes.recv().await.unwrap();
    let causes: Vec<_> = batch.iter().map(|change| change.cause).collect();
    assert_eq!(causes, [Cause::Lapsed, Cause::Guarded, Cause::Guarded, Cause::Guarded], "the last is never gone");
    assert_eq!(seconds(&registry), (40.0, named(&["a1", "a2", "a3"], 32_768)));
    let kept = instance(&registry, "a2");
    assert_eq!(kept.facts.kept.as_deref(), Some("3 of 3 instances lapsed within one lease"));
    assert_eq!((kept.status(), registry.state().census.kept), (Status::Down, 3));

    for (second, left) in [(60.0, &["a2", "a3"][..]), (65.0, &["a3"]), (70.0, &[])] {
        assert_eq!(changes.recv().await.unwrap()[0].cause, Cause::Unguarded);
        assert_eq!(seconds(&registry), (second, named(left, 32_768)));
    }
    assert_eq!(registry.state().census.kept, 0);
    let reaped = changes.recv().await.unwrap();
    assert_eq!((reaped[0].cause, began.elapsed().as_secs()), (Cause::Reaped, 630), "of the lapse, not of its end");
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_is_as_it_was_and_the_others_are_kept_until_their_time() {
    let registry = run(&guarding(100));
    register_all(&registry, &["a1", "a2", "a3"]).await;
    sleep(LEASE + Duration::from_secs(1)).await;
    assert_eq!(served(&registry), named(&["a1", "a2", "a3"], 32_768));
    let revived = apply(&registry, register("a1", LEASE.as_secs_f64())).await.unwrap().instance;
    assert_eq!((revived.status(), revived.priority(), revived.facts.kept.clone()), (Status::Up, 0, None));
    let id = instance(&registry, "a2").id().clone();
    assert_eq!(apply(&registry, Operation::Renew(id)).await.unwrap().instance.status(), Status::Up);
    assert_eq!(served(&registry), [named(&["a1", "a2"], 0), named(&["a3"], 32_768)].concat());
    sleep(Duration::from_secs(28)).await;
    register_all(&registry, &["a1", "a2"]).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(served(&registry), named(&["a1", "a2"], 0), "its second lease has passed");

    sleep(LEASE).await;
    assert_eq!(served(&registry), [], "two of a service of two: a3 lapsed a lease ago");
    register_all(&registry, &["a1", "a2", "a3"]).await;
    sleep(LEASE + Duration::from_secs(1)).await;
    assert_eq!(served(&registry), named(&["a1", "a2", "a3"], 32_768), "it is for every time");
}

#[tokio::test(start_paused = true)]
async fn fewer_than_the_share_or_of_a_small_service_or_one_that_is_not_guarded_are_gone() {
    let registry = run(&guarding(67));
    register_all(&registry, &["a1", "a2", "a3"]).await;
    let mut other = register("a1", LEASE.as_secs_f64());
    for service in ["auction", "web"] {
        for name in ["b1", "b2", "b3"].iter().take(if service == "web" { 3 } else { 2 }) {
            let Operation::Register { registration: told, .. } = &mut other else { unreachable!() };
            told.id = registration(service, name, "web1").id;
            apply(&registry, other.clone()).await.unwrap();
        }
    }
    sleep(Duration::from_secs(25)).await;
    register_all(&registry, &["a2", "a3"]).await;
    sleep(Duration::from_secs(6)).await;
    assert_eq!(served(&registry), named(&["a2", "a3"], 0));
    let registry = run(&Config::default());
    register_all(&registry, &["a1", "a2", "a3"]).await;
    sleep(LEASE + Duration::from_secs(1)).await;
    assert_eq!(served(&registry), [], "unless it is asked for");
}

#[tokio::test(start_paused = true)]
async fn what_lapses_alone_is_kept_with_those_that_follow_within_its_lease() {
    let registry = run(&guarding(60));
    register_all(&registry, &["a1", "a2", "a3", "a4", "a5"]).await;
    for beat in 0..2 {
        sleep(LEASE / 2).await;
        register_all(&registry, if beat == 0 { &["a3", "a4", "a5"] } else { &["a4", "a5"] }).await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(served(&registry), named(&["a3", "a4", "a5"], 0), "two of five");
    sleep(LEASE / 2).await;
    register_all(&registry, &["a4", "a5"]).await;
    let expected = [named(&["a1", "a2", "a3"], 32_768), named(&["a4", "a5"], 0)].concat();
    assert_eq!(served(&registry), expected, "three of five within a lease");
}

#[tokio::test(start_paused = true)]
async fn only_what_lapsed_and_nothing_else_is_kept() {
    let registry = run(&guarding(50));
    let names = ["a1", "a2", "a3", "drained", "starting", "failing"];
    register_all(&registry, &names).await;
    let set = |name: &str, status| {
        let (id, condition) = (registration("auth", name, "web1").id, Condition::Always);
        apply(&registry, Operation::SetStatus { id, status, condition })
    };
    set("drained", StatusWish::OutOfService).await.unwrap();
    set("starting", StatusWish::Starting).await.unwrap();
    set("failing", StatusWish::Down("no answer".into())).await.unwrap();
    sleep(LEASE + Duration::from_secs(1)).await;
    assert_eq!(served(&registry), named(&["a1", "a2", "a3"], 32_768));

    set("a1", StatusWish::OutOfService).await.unwrap();
    set("a1", StatusWish::Up).await.unwrap();
    set("a2", StatusWish::Down("no answer".into())).await.unwrap();
    let id = registration("auth", "a3", "web1").id;
    let gone = Operation::Deregister { id, origin: Origin::api(), condition: Condition::Always };
    apply(&registry, gone).await.unwrap();
    assert_eq!(
        served(&registry),
        [],
        "an operator's word and a goodbye count at once, and the guard is not asked again"
    );
    assert_eq!(registry.state().census.kept, 0);
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_what_was_kept_unless_the_guard_was_taken_away() {
    let registry = run(&guarding(100));
    register_all(&registry, &["a1", "a2", "a3"]).await;
    sleep(LEASE + Duration::from_secs(10)).await;
    let (clock, expires) = (registry.shared.clock.now().clock, instance(&registry, "a1").expires_at().unwrap());
    let saved = ["a1", "a2", "a3"].map(|name| {
        let kept = Instance::clone(&instance(&registry, name));
        let renewed_at = kept.renewed_at();
        kept.restored(renewed_at, expires)
    });
    let reopen = |config: &Config| {
        let mut opened = Opened::memory();
        opened.contents.clock = clock;
        opened.contents.instances = saved.to_vec().into();
        let (registry, writer) = open_as(config, opened);
        assert_eq!(registry.state().zone.sizes().served, registry.state().census.kept.min(1));
        tokio::spawn(writer.run(CancellationToken::new()));
        registry
    };
    assert_eq!(served(&reopen(&Config::default())), []);
    let registry = reopen(&guarding(100));
    // The clock stood still while it was down.
    sleep(Duration::from_secs(19)).await;
    assert_eq!(served(&registry), named(&["a1", "a2", "a3"], 32_768));
    sleep(Duration::from_secs(2)).await;
    assert_eq!((served(&registry), registry.state().census.kept), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_of_thousands_is_kept_piece_by_piece_and_whole() {
    // More than are worked on at once.
    const COUNT: usize = 9_000;
    let registry = run(&guarding(100));
    let names: Vec<_> = (0..COUNT).map(|n| register(&format!("a{n}"), LEASE.as_secs_f64())).collect();
    for part in names.chunks(1000) {
        assert!(registry.apply(part.to_vec()).await.iter().all(Result::is_ok));
    }
    let of = |wanted: Cause| {
        let mut changes = registry.subscribe();
        async move {
            let mut count = 0;
            while count < COUNT {
                let batch: Arc<[Change]> = changes.recv().await.unwrap();
                count += batch.iter().filter(|change| change.cause == wanted).count();
            }
        }
    };
    of(Cause::Guarded).await;
    assert_eq!((registry.state().census.kept, served(&registry).len()), (COUNT, COUNT));
    of(Cause::Unguarded).await;
    assert_eq!((registry.state().census.kept, served(&registry).len()), (0, 0));
}
