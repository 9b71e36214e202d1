//! The writer and a store that is slow, fails, or holds on to what it is given.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::service::{Change, Instance, InstanceId, Moment, Revision, UnixMillis};
use crate::store::{Save, SaveError, Store};

/// The store's side: a test decides what becomes of a save, and when.
struct Script(mpsc::UnboundedReceiver<(Save, oneshot::Sender<Result<(), SaveError>>)>);

type Answer = oneshot::Sender<Result<(), SaveError>>;

impl Script {
    async fn save(&mut self) -> (Save, Answer) {
        let next = timeout(Duration::from_mins(1), self.0.recv()).await;
        next.expect("something is to be saved").expect("the writer runs")
    }

    /// Takes one save and grants it; the identities in it, those to be forgotten with a minus.
    async fn grant(&mut self) -> Vec<String> {
        let (save, answer) = self.save().await;
        answer.send(Ok(())).unwrap();
        names(&save)
    }

    async fn fail(&mut self) -> Vec<String> {
        let (save, answer) = self.save().await;
        answer.send(Err(SaveError::Full("test.db".into()))).unwrap();
        names(&save)
    }

    /// Grants whatever comes from now on.
    fn grant_all(mut self) {
        tokio::spawn(
            async move { while self.0.recv().await.is_some_and(|(_, answer)| answer.send(Ok(())).is_ok()) {} },
        );
    }
}

fn names(save: &Save) -> Vec<String> {
    let name =
        |(id, row): &(InstanceId, _)| format!("{}{}", if Option::is_some(row) { "" } else { "-" }, id.instance());
    save.rows.iter().map(name).collect()
}

async fn start_with(instances: Vec<Instance>) -> (Registry, Script) {
    start_as(&Config::default(), instances).await
}

/// A running registry that remembers `instances`, its first save (of revisions, before all else) granted.
async fn start_as(config: &Config, instances: Vec<Instance>) -> (Registry, Script) {
    let (script, saves) = mpsc::unbounded_channel();
    let mut opened = Opened { store: Store::Scripted(script), ..Opened::memory() };
    opened.contents.instances = instances.into();
    let (registry, writer) = open_as(config, opened);
    tokio::spawn(writer.run(CancellationToken::new()));
    let mut script = Script(saves);
    assert_eq!(script.grant().await, Vec::<String>::new());
    (registry, script)
}

/// Asks without waiting for the answer; returns once it is on its way.
async fn ask(registry: &Registry, operation: Operation) -> JoinHandle<Result<Applied, Refusal>> {
    on_its_way(registry, |registry| async move { apply(&registry, operation).await }).await
}

/// As [`ask`], in one call.
async fn ask_all(registry: &Registry, operations: Vec<Operation>) -> JoinHandle<Vec<Result<Applied, Refusal>>> {
    on_its_way(registry, |registry| async move { registry.apply(operations).await }).await
}

async fn on_its_way<F>(registry: &Registry, ask: impl FnOnce(Registry) -> F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let asked = tokio::spawn(ask(registry.clone()));
    sleep(Duration::from_millis(1)).await;
    asked
}

fn if_absent(mut operation: Operation) -> Operation {
    if let Operation::Register { condition, .. } = &mut operation {
        *condition = Condition::Absent;
    }
    operation
}

fn drain(id: &InstanceId) -> Operation {
    Operation::SetStatus { id: id.clone(), status: StatusWish::OutOfService, condition: Condition::Always }
}

fn announce(instance: &str, lease: f64) -> Operation {
    let Operation::Register { registration, condition, .. } = register(instance, lease) else { unreachable!() };
    let origin = Origin::new(Source::Mdns, "eth0");
    Operation::Register { registration, origin, condition }
}

fn leave(instance: &str) -> Operation {
    let Operation::Register { registration, origin, .. } = announce(instance, 1.0) else { unreachable!() };
    Operation::Deregister { id: registration.id, origin, condition: Condition::Always }
}

#[tokio::test(start_paused = true)]
async fn callers_share_a_transaction_while_another_is_under_way() {
    let (registry, mut script) = start_with(Vec::new()).await;
    let first = ask(&registry, register("a0", 60.0)).await;
    let (_, done) = script.save().await;
    let mut others = Vec::new();
    for n in 1..=5 {
        others.push(ask(&registry, register(&format!("a{n}"), 60.0)).await);
    }
    done.send(Ok(())).unwrap();
    assert!(first.await.unwrap().is_ok());
    assert_eq!(script.grant().await, ["a1", "a2", "a3", "a4", "a5"]);
    for other in others {
        assert!(other.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_visible_or_announced_before_it_is_saved() {
    let (registry, mut script) = start_with(Vec::new()).await;
    let mut changes = registry.subscribe();
    let asked = ask(&registry, register("a1", 60.0)).await;
    let (_, done) = script.save().await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!((status(&registry, "a1"), changes.len(), asked.is_finished()), (None, 0, false));
    done.send(Ok(())).unwrap();
    assert!(asked.await.unwrap().is_ok());
    assert_eq!((status(&registry, "a1"), changes.recv().await.unwrap().len()), (Some(Status::Up), 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_save_changes_nothing_and_heals_by_itself() {
    let (registry, mut script) = start_with(Vec::new()).await;
    let asked = ask(&registry, register("kept", 60.0)).await;
    script.grant().await;
    asked.await.unwrap().unwrap();
    let before = registry.state();

    let remove = Operation::Deregister {
        id: registration("auth", "kept", "web1").id,
        origin: Origin::api(),
        condition: Condition::Always,
    };
    let asked = ask(&registry, remove).await;
    assert_eq!(script.fail().await, ["-kept"]);
    let refusal = asked.await.unwrap().unwrap_err();
    assert!(matches!(&refusal, Refusal::Store(why) if why.contains("no space is left")), "{refusal}");
    assert!(Arc::ptr_eq(&before, &registry.state()));
    assert!(registry.store_error().is_some());
    assert_eq!(registry.shared.counts.failures.get(), 1);

    // Nobody calls; the writer tries again by itself until the store takes it.
    script.fail().await;
    script.grant().await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(registry.store_error(), None);
    assert_eq!(registry.shared.counts.failures.get(), 2);
    assert_eq!(status(&registry, "kept"), Some(Status::Up));
}

#[tokio::test(start_paused = true)]
async fn the_dead_leave_and_the_link_is_heard_while_the_store_is_stuck() {
    let (registry, mut script) = start_with(Vec::new()).await;
    let dead = ask(&registry, register("dead", 10.0)).await;
    script.grant().await;
    dead.await.unwrap().unwrap();
    let registered = Instant::now();
    let stuck = ask(&registry, register("stuck", 60.0)).await;
    let (_, done) = script.save().await;

    let mut changes = registry.subscribe();
    apply(&registry, announce("printer", 60.0)).await.unwrap();
    assert_eq!(changes.recv().await.unwrap()[0].cause, Cause::Registered);
    assert_eq!(changes.recv().await.unwrap()[0].cause, Cause::Lapsed);
    let error = registered.elapsed().abs_diff(Duration::from_secs(10));
    assert!(error < Duration::from_millis(50), "{error:?}");

    // The store comes round: what it took is applied to the table as it is by now, and it hears what it missed.
    done.send(Ok(())).unwrap();
    assert!(stuck.await.unwrap().is_ok());
    assert_eq!(script.grant().await, ["dead", "stuck"]);
    let listed = |name| status(&registry, name);
    assert_eq!((listed("dead"), listed("stuck")), (Some(Status::Down), Some(Status::Up)));
    assert_eq!(listed("printer"), Some(Status::Up));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_reported_until_it_answers() {
    let (registry, mut script) = start_with(Vec::new()).await;
    let asked = ask(&registry, register("a1", 60.0)).await;
    let (_, done) = script.save().await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(registry.store_error(), None);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(registry.store_error().as_deref(), Some("the store has not answered for 5s"));
    done.send(Ok(())).unwrap();
    assert!(asked.await.unwrap().is_ok());
    assert_eq!(registry.store_error(), None);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_never_waits_behind_a_save() {
    let (registry, mut script) = start_with(Vec::new()).await;
    let alive = ask(&registry, register("alive", 10.0)).await;
    script.grant().await;
    alive.await.unwrap().unwrap();
    let _stuck = ask(&registry, register("stuck", 60.0)).await;
    let (_, _done) = script.save().await;
    for _ in 0..4 {
        sleep(Duration::from_secs(8)).await;
        apply(&registry, register("alive", 10.0)).await.unwrap();
    }
    // One that changes something has to wait, but it is a sign of life as well.
    let _changed = ask(&registry, register("alive", 11.0)).await;
    sleep(Duration::from_secs(9)).await;
    assert_eq!(status(&registry, "alive"), Some(Status::Up));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_was_told_and_what_became_of_it_agree_in_the_end() {
    let (registry, mut script) = start_with(Vec::new()).await;
    let asked = ask(&registry, register("a1", 10.0)).await;
    script.grant().await;
    let first = asked.await.unwrap().unwrap().instance;
    // A drain is being saved when the lease lapses; its condition names a revision that is then no more.
    let drain = Operation::SetStatus {
        id: first.id().clone(),
        status: StatusWish::OutOfService,
        condition: Condition::Revision(first.revision),
    };
    let asked = ask(&registry, drain).await;
    let (save, done) = script.save().await;
    assert!(save.rows[0].1.as_ref().unwrap().instance.facts.drained);
    sleep(Duration::from_secs(11)).await;
    done.send(Ok(())).unwrap();
    let (save, done) = script.save().await;
    let saved = &save.rows[0].1.as_ref().unwrap().instance;
    assert!(!saved.facts.drained && saved.facts.lapsed.is_some(), "the store is put right");
    assert!(!asked.is_finished(), "and only then is the drain refused");
    done.send(Ok(())).unwrap();
    assert!(matches!(asked.await.unwrap(), Err(Refusal::Stale(_))));
    assert_eq!(status(&registry, "a1"), Some(Status::Down));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_stands_although_its_reason_goes_while_others_are_saved() {
    let (registry, mut script) = start_with(Vec::new()).await;
    let asked = ask(&registry, register("x", 10.0)).await;
    script.grant().await;
    asked.await.unwrap().unwrap();
    sleep(Duration::from_millis(9_900)).await;
    let asked = ask_all(&registry, vec![register("y", 60.0), if_absent(register("x", 10.0))]).await;
    let (save, done) = script.save().await;
    assert_eq!(names(&save), ["y"]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(status(&registry, "x"), Some(Status::Down));
    done.send(Ok(())).unwrap();
    let answers = asked.await.unwrap();
    assert!(matches!(&answers[..], [Ok(_), Err(Refusal::Exists(_))]), "{answers:?}");
    assert_eq!((status(&registry, "y"), status(&registry, "x")), (Some(Status::Up), Some(Status::Down)));
}

#[tokio::test(start_paused = true)]
async fn who_found_no_room_is_refused_although_room_is_made_meanwhile() {
    let config = Config { max_instances: 2, ..Config::default() };
    let (registry, mut script) = start_as(&config, Vec::new()).await;
    apply(&registry, announce("printer", 60.0)).await.unwrap();
    let asked = ask_all(&registry, vec![register("x", 60.0), register("y", 60.0)]).await;
    let (save, done) = script.save().await;
    assert_eq!(names(&save), ["x"]);
    apply(&registry, leave("printer")).await.unwrap();
    done.send(Ok(())).unwrap();
    let answers = asked.await.unwrap();
    assert!(matches!(&answers[..], [Ok(_), Err(Refusal::Full(2))]), "{answers:?}");
    assert_eq!((status(&registry, "x"), status(&registry, "y")), (Some(Status::Up), None));
}

#[tokio::test(start_paused = true)]
async fn who_loses_its_room_while_it_is_saved_is_refused_once_the_store_has_forgotten_it() {
    let config = Config { max_instances: 1, ..Config::default() };
    let (registry, mut script) = start_as(&config, Vec::new()).await;
    let asked = ask(&registry, register("x", 60.0)).await;
    let (_, done) = script.save().await;
    apply(&registry, announce("printer", 60.0)).await.unwrap();
    done.send(Ok(())).unwrap();
    let (save, done) = script.save().await;
    assert_eq!(names(&save), ["-x"]);
    assert!(!asked.is_finished());
    // The room comes back too late.
    apply(&registry, leave("printer")).await.unwrap();
    done.send(Ok(())).unwrap();
    assert!(matches!(asked.await.unwrap(), Err(Refusal::Full(1))));
    assert_eq!(status(&registry, "x"), None);
}

#[tokio::test(start_paused = true)]
async fn what_becomes_another_instance_while_it_is_saved_is_saved_again_before_the_answer() {
    let config = Config { reap: Duration::from_secs(1), ..Config::default() };
    let (registry, mut script) = start_as(&config, Vec::new()).await;
    let asked = ask(&registry, register("x", 10.0)).await;
    script.grant().await;
    let id = asked.await.unwrap().unwrap().instance.id().clone();
    let asked = ask(&registry, drain(&id)).await;
    script.grant().await;
    asked.await.unwrap().unwrap();
    sleep(Duration::from_millis(9_900)).await;

    // A drain stays, unless it lapses and is reaped: then this is a new instance, which nobody has drained.
    let asked = ask(&registry, register("x", 60.0)).await;
    let (save, done) = script.save().await;
    assert!(save.rows[0].1.as_ref().unwrap().instance.facts.drained);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(status(&registry, "x"), None);
    done.send(Ok(())).unwrap();
    let (save, done) = script.save().await;
    assert!(!asked.is_finished() && status(&registry, "x").is_none(), "not before it is saved");
    let saved = Arc::clone(&save.rows[0].1.as_ref().unwrap().instance);
    done.send(Ok(())).unwrap();
    let applied = asked.await.unwrap().unwrap();
    assert!(applied.created && Arc::ptr_eq(&applied.instance, &saved));
    assert_eq!(applied.instance.status(), Status::Up);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_overtaken_save_is_told_what_was_saved() {
    let (registry, mut script) = start_with(Vec::new()).await;
    let asked = ask(&registry, register("x", 60.0)).await;
    let (save, done) = script.save().await;
    apply(&registry, announce("printer", 60.0)).await.unwrap();
    // Registration times are of the wall clock, which is not paused.
    std::thread::sleep(Duration::from_millis(5));
    done.send(Ok(())).unwrap();
    let told = asked.await.unwrap().unwrap().instance;
    let saved = &save.rows[0].1.as_ref().unwrap().instance;
    assert_eq!((told.registered_at, &told.facts), (saved.registered_at, &saved.facts));
    assert_eq!(told.registration, saved.registration);
    // Its revision is another one by now, which the store hears of without anybody waiting.
    assert_eq!(script.grant().await, ["x"]);
}

/// As a store gives it back: ten seconds are left when the run begins.
fn remembered(name: &str) -> Instance {
    let Operation::Register { registration, origin, .. } = register(name, 10.0) else { unreachable!() };
    Instance::new(registration, origin, UnixMillis(0), Moment(0), Revision(1)).restored(UnixMillis(0), Moment(10_000))
}

#[tokio::test(start_paused = true)]
async fn the_first_renewal_of_a_run_is_saved_and_later_ones_are_not() {
    let (registry, mut script) = start_with(vec![remembered("a1")]).await;
    assert_eq!(status(&registry, "a1"), Some(Status::Up));
    let renewed = ask(&registry, register("a1", 10.0)).await;
    let (save, done) = script.save().await;
    assert!(save.rows[0].1.as_ref().unwrap().renewed);
    assert!(!renewed.is_finished());
    done.send(Ok(())).unwrap();
    renewed.await.unwrap().unwrap();
    for _ in 0..5 {
        sleep(Duration::from_secs(9)).await;
        apply(&registry, register("a1", 10.0)).await.unwrap();
    }
    assert!(script.0.try_recv().is_err(), "nothing more was saved");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_takes_nobody_out_who_is_alive() {
    let (registry, mut script) = start_with(vec![remembered("a1")]).await;
    for _ in 0..4 {
        sleep(Duration::from_secs(7)).await;
        let renewed = ask(&registry, register("a1", 10.0)).await;
        // The writer's own attempts to heal fail as well.
        while script.fail().await.is_empty() {}
        assert!(matches!(renewed.await.unwrap(), Err(Refusal::Store(_))));
    }
    assert_eq!(status(&registry, "a1"), Some(Status::Up));
}

#[tokio::test(start_paused = true)]
async fn what_changes_but_was_not_heard_of_in_this_run_keeps_its_old_run() {
    let (registry, mut script) = start_with(vec![remembered("a1")]).await;
    let id = registration("auth", "a1", "web1").id;
    let _asked = ask(&registry, drain(&id)).await;
    let (save, done) = script.save().await;
    assert!(!save.rows[0].1.as_ref().unwrap().renewed, "an operator's word is no sign of life");
    done.send(Ok(())).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_was_stopped_extends_every_lease_by_as_much() {
    let (registry, script) = start_with(Vec::new()).await;
    script.grant_all();
    apply(&registry, register("a1", 10.0)).await.unwrap();
    let registered = Instant::now();
    let mut changes = registry.subscribe();
    sleep(Duration::from_secs(3)).await;
    // As SIGSTOP does: the clock jumps and no timer was heard meanwhile.
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(changes.recv().await.unwrap()[0].cause, Cause::Lapsed);
    let expected = Duration::from_hours(1) + Duration::from_secs(10);
    // A stop is noticed at the next tick, so that much of it may have passed as running time.
    let error = registered.elapsed().abs_diff(expected);
    assert!(error <= Duration::from_millis(150), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn subscribers_see_every_change_once_and_in_order() {
    let (registry, script) = start_with(Vec::new()).await;
    script.grant_all();
    let mut changes = registry.subscribe();
    let callers: Vec<_> = (0..8_u32)
        .map(|caller| {
            let registry = registry.clone();
            tokio::spawn(async move {
                for n in 0..20_u32 {
                    let name = format!("a{}", (caller * 7 + n) % 11);
                    let operation = if n % 3 == 0 { announce(&name, 5.0) } else { register(&name, f64::from(5 + n)) };
                    apply(&registry, operation).await.unwrap();
                    sleep(Duration::from_millis(300 * u64::from(n))).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    sleep(Duration::from_secs(700)).await;
    let mut last = Revision(0);
    let mut known = std::collections::HashMap::new();
    while let Ok(batch) = changes.try_recv() {
        for Change { revision, id, before, after, .. } in batch.iter() {
            assert!(*revision > last);
            last = *revision;
            assert_eq!(before.as_ref().map(Arc::as_ptr), known.get(id).map(Arc::as_ptr), "{id}");
            match after {
                Some(after) => drop(known.insert(id.clone(), Arc::clone(after))),
                None => drop(known.remove(id)),
            }
        }
    }
    assert!(known.is_empty() && registry.state().is_empty(), "all are reaped");
    assert_eq!(last, registry.state().revision);
}
