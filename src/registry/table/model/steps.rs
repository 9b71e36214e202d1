//! What becomes of a table: operations out of few words, so that they meet, whoever asks for them, checks and time.

use std::sync::Arc;

use proptest::prelude::*;

use super::MAX;
use crate::registry::authority::By;
use crate::registry::operation::{Condition, Operation, StatusWish};
use crate::registry::slot::Slot;
use crate::registry::table::Table;
use crate::service::{
    Address, Check, Host, HostLabel, Inquiry, Lease, Origin, Probe, Registration, Reported, Source, registration,
};
use crate::tokens::{Hash, Keyring};

/// The name of an instance in several services.
const PLACE: &str = "10.0.0.1:80";

#[derive(Debug, Clone)]
pub(super) enum Step {
    Do(Box<Operation>, Who),
    /// Of one of those that are there, by its place, and whether something else was registered since.
    Check(usize, bool, Check),
    Wait(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Program,
    Anonymous,
    Team,
    Others,
    Admin,
}

impl Who {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Program | Self::Anonymous => "",
            Self::Team => "team",
            Self::Others => "others",
            Self::Admin => "admin",
        }
    }

    pub(super) fn by(self, keyring: &Keyring) -> By {
        match self {
            Self::Program => By::Program,
            Self::Anonymous => By::Somebody(keyring.anonymous()),
            named => By::Somebody(keyring.grant(named.name()).unwrap()),
        }
    }
}

/// Tokens that are their own names.
pub(super) fn keyring() -> Keyring {
    let rules = [("team", "write = [\"*\"]"), ("others", "write = [\"*\"]"), ("admin", "admin = true")];
    let token = |(name, rule): (&str, &str)| {
        toml::from_str(&format!("name = {name:?}\nhash = \"{}\"\n{rule}", Hash::of(name))).unwrap()
    };
    Keyring::new(rules.map(token).into())
}

fn operation() -> impl Strategy<Value = Operation> {
    let id = prop_oneof![
        4 => (0..4_u8).prop_map(|n| registration("auth", &format!("a{n}"), "h").id),
        1 => Just(registration("auth", PLACE, "h").id),
        1 => Just(registration("web", PLACE, "h").id),
        1 => Just(registration("_auth._udp", PLACE, "h").id),
    ];
    let origin = prop_oneof![
        4 => Just(Origin::api()),
        2 => Just(Origin::new(Source::Mdns, "eth0")),
        1 => Just(Origin::new(Source::Mdns, "eth1")),
        1 => Just(Origin::new(Source::File, "services.toml")),
    ];
    let lease = prop_oneof![4 => 1..30_u64, 1 => Just(0)];
    let host =
        prop_oneof![3 => Just("h"), 1 => Just("h-2"), 2 => Just("other"), 1 => Just("H"), 4 => Just("ip-10-0-0-1")];
    let addresses = prop_oneof![2 => Just(vec![1]), 1 => Just(vec![1, 2]), 1 => Just(vec![2])];
    let reported = prop_oneof![4 => Just(Reported::Up), 1 => Just(Reported::Starting)];
    let condition =
        prop_oneof![6 => Just(Condition::Always), 1 => Just(Condition::Absent), 1 => Just(Condition::Present)];
    let probe = prop_oneof![3 => Just(None), 1 => Just(Some(80)), 1 => Just(Some(81))];
    let register = (id.clone(), origin.clone(), host, addresses, lease, reported, condition, probe).prop_map(
        |(id, origin, host, addresses, lease, reported, condition, probe)| {
            let mut registration = registration("auth", "x", "h");
            registration.id = id;
            registration.host = Host::Label(HostLabel::new(host).unwrap());
            registration.lease = Lease::from_millis(lease * 1000);
            registration.reported = reported;
            if let Some(port) = probe {
                registration.port = port.try_into().unwrap();
                registration.details.probe = Some(Box::new(Probe::new(Inquiry::Tcp, None, None, None).unwrap()));
            }
            let address = |last: u8| Address::new([10, 0, 0, last].into()).unwrap();
            registration.addresses = addresses.into_iter().map(address).collect();
            Operation::Register { registration, origin, condition }
        },
    );
    let condition = Condition::Always;
    let wish = prop_oneof![
        Just(StatusWish::Starting),
        Just(StatusWish::Up),
        Just(StatusWish::Down("why".into())),
        Just(StatusWish::OutOfService)
    ];
    let moved = register.clone().prop_map(|operation| match operation {
        Operation::Register { registration, .. } => Operation::Move(Registration { moves: true, ..registration }),
        other => other,
    });
    prop_oneof![
        6 => register,
        2 => moved,
        1 => id.clone().prop_map(Operation::Renew),
        1 => (id.clone(), origin).prop_map(move |(id, origin)| Operation::Deregister { id, origin, condition }),
        2 => (id, wish).prop_map(move |(id, status)| Operation::SetStatus { id, status, condition }),
    ]
}

/// What a check says of what has this place, or had before something else was registered.
pub(super) fn checked(table: &Table, place: usize, stale: bool, check: Check) -> Option<Operation> {
    let there: Vec<_> = table.slots().iter().flat_map(Slot::instances).collect();
    let mut instance = Arc::clone(there.get(place % there.len().max(1))?);
    if stale {
        Arc::make_mut(&mut instance).registration.port = 79.try_into().unwrap();
    }
    Some(Operation::Checked { instance, check })
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let check =
        prop_oneof![Just(Check::Passing), Just(Check::Failing("why".into())), Just(Check::Failing("no".into()))];
    let who = prop_oneof![
        1 => Just(Who::Program),
        3 => Just(Who::Anonymous),
        3 => Just(Who::Team),
        2 => Just(Who::Others),
        1 => Just(Who::Admin)
    ];
    let done = (operation(), who).prop_map(|(operation, who)| {
        // Only the doors know tokens.
        let is_told = |origin: &Origin| origin.source() != Source::Api;
        let by_program = match &operation {
            Operation::Register { origin, .. } | Operation::Deregister { origin, .. } => is_told(origin),
            Operation::Move(_) | Operation::Renew(_) | Operation::SetStatus { .. } => false,
            Operation::Checked { .. } => true,
        };
        Step::Do(Box::new(operation), if by_program { Who::Program } else { who })
    });
    let step = prop_oneof![
        6 => done,
        2 => (0..12_000_u64).prop_map(Step::Wait),
        1 => (0..MAX, proptest::bool::weighted(0.1), check).prop_map(|(n, stale, check)| Step::Check(n, stale, check)),
    ];
    proptest::collection::vec(step, 1..120)
}
