//! Requests that look: one instance, lists of them, and the service types.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::{Cursor, Filter, Instance, Problem, Service, Services, unknown_parameter};
use crate::registry::{Refusal, Slot};
use crate::service::InstanceId;
use crate::tokens::Grant;

use super::Edge;
use super::listing;
use super::pick;
use super::principal::Principal;
use super::request::{Addressed, Pairs};
use super::respond::{self, Refused};
use super::select::Selection;
use super::wait;

/// `GET /v1/instances/{type}/{instance}`: the effective one, and what it hides.
pub(super) async fn instance(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    Addressed(id): Addressed,
) -> Result<Response, Refused> {
    principal.check_read(id.service_type())?;
    let state = edge.registry.state();
    let slot = state.get(&id).ok_or(Refusal::Unknown(id))?;
    Ok(respond::tagged(StatusCode::OK, slot.effective().revision, &edge.show(slot)))
}

/// `GET /v1/instances`
pub(super) async fn instances(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    query: Query<Pairs>,
) -> Result<Response, Refused> {
    let filter = Filter::from_query(&query)?;
    if filter.pick.is_some() || filter.wait.is_some() {
        let selection = Arc::new(Selection::new(&filter, &principal)?);
        if let Some(time) = filter.wait {
            wait::until_listed(&edge, &selection, principal.sender, time).await?;
        }
        if let Some(pick) = &filter.pick {
            let page = pick::one(&edge, &selection, pick, &filter, principal.sender).await?;
            return Ok(respond::document(StatusCode::OK, &page));
        }
    }
    Ok(listing::page(&edge, &principal, filter).await?)
}

/// `GET /v1/services`
pub(super) async fn services(
    State(edge): State<Arc<Edge>>,
    principal: Principal,
    query: Query<Pairs>,
) -> Result<Response, Refused> {
    Ok(respond::document(StatusCode::OK, &edge.counted(&principal, &query).await?))
}

impl Edge {
    /// The service types that `query` asks for.
    pub(super) async fn counted(self: &Arc<Self>, principal: &Principal, query: &Pairs) -> Result<Services, Problem> {
        if let Some((key, _)) = query.iter().find(|(key, _)| key != "limit" && key != "cursor") {
            return Err(unknown_parameter(key, "limit, cursor"));
        }
        let filter = Filter::from_query(query)?;
        // To count the instances of a type is to look at each.
        let (looking, grant) = (Arc::clone(self), principal.grant.clone());
        self.counting.take(principal.sender, move || looking.count(&filter, &grant)).await
    }

    pub(super) fn show(&self, slot: &Slot) -> Instance {
        let mut views =
            slot.instances().map(|instance| Instance::of(instance, self.registry.expires_at(instance), &self.terms));
        let top = views.next().expect("a slot is never empty");
        Instance { beneath: views.collect(), ..top }
    }

    fn count(&self, filter: &Filter, grant: &Grant) -> Services {
        let state = self.registry.state();
        let mut services: Vec<Service> = Vec::new();
        let mut last: Option<&InstanceId> = None;
        let mut cursor = None;
        let all = state.with_declarations(filter.cursor.as_ref().map(|cursor| &cursor.0));
        for (id, slot) in all.filter(|(id, _)| grant.may_read(id.service_type())) {
            let service_type = id.service_type();
            if last.is_none_or(|last| last.service_type() != service_type) {
                if services.len() >= filter.limit() {
                    cursor = last.cloned().map(Cursor);
                    break;
                }
                services.push(Service {
                    service: service_type.service().to_owned(),
                    transport: service_type.transport(),
                    name: self.terms.name_of_type(service_type),
                    instances: 0,
                    served: 0,
                    declared: false,
                });
            }
            if let Some(service) = services.last_mut() {
                if id.is_declaration() {
                    service.declared = true;
                    last = Some(id);
                    continue;
                }
                service.instances += 1;
                service.served += usize::from(slot.effective().is_served());
            }
            last = Some(id);
        }
        Services { services, revision: state.revision.0, cursor }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::path::Path;
    use std::pin::Pin;

    use tokio_util::sync::CancellationToken;

    use super::super::{Config, Http, NameServer, Neighbours, Reloader, RpcConfig};
    use super::*;
    use crate::api::{Explained, FileFault, Json, Registration, Reloaded, Terms};
    use crate::registry::{self, Condition, Operation, Registry};
    use crate::service::{DomainName, Origin, Reach, Source};
    use crate::store::{self, Store};
    use crate::tokens::Keyring;
    use crate::zone::{self, Snapshot};

    #[derive(Debug)]
    struct Silent;

    impl NameServer for Silent {
        fn answer(&self, _: &[u8], _: IpAddr) -> Option<(Vec<u8>, u32)> {
            None
        }

        fn explain(&self, _: &Snapshot, _: &DomainName, _: Option<u16>, _: IpAddr) -> Explained {
            unreachable!("nobody asks for an explanation here")
        }
    }

    impl Reloader for Silent {
        fn reload(&self) -> Pin<Box<dyn Future<Output = Option<Reloaded>> + Send + '_>> {
            unreachable!("nobody asks for a reload here")
        }

        fn faults(&self) -> Arc<Vec<FileFault>> {
            Arc::default()
        }
    }

    #[tokio::test]
    async fn what_a_higher_source_hides_is_shown_beneath() {
        let (settings, zone) = (registry::Config::default(), zone::Config::default());
        let terms = Terms { zones: zone.domains.as_slice().into(), leases: settings.limits(), checks: Reach::Anywhere };
        let opened = Store::open(&store::Config { url: "memory:".into() }, Path::new("")).unwrap();
        let (registry, writer) = Registry::open(&settings, opened, &Snapshot::new(&zone, &[])).unwrap();
        let stop = CancellationToken::new();
        let writing = tokio::spawn(writer.run(stop.clone()));
        let neighbours = Neighbours {
            name_server: Arc::new(Silent),
            reloader: Arc::new(Silent),
            tokens: Keyring::default(),
            metrics: Arc::default(),
        };
        let nowhere = Config { listen: Vec::new(), ..Config::default() };
        let http = Http::bind(&nowhere, &RpcConfig::default()).unwrap();
        let edge = Edge::new(&http, registry, terms, neighbours, stop.clone());

        for (source, port) in [(Source::Mdns, 1), (Source::Api, 2)] {
            let body = format!(r#"{{"service": "web", "instance": "w1", "port": {port}}}"#);
            let registration = Json::parse(body.as_bytes()).unwrap().read::<Registration>().unwrap();
            let registration = registration.accept(&edge.terms, [10, 0, 0, 7].into(), None).unwrap();
            let origin = Origin::new(source, "");
            let operation = Operation::Register { registration, origin, condition: Condition::Always };
            edge.registry.apply(vec![operation]).await.remove(0).unwrap();
        }

        let state = edge.registry.state();
        let view = edge.show(state.after(None).next().unwrap().1);
        assert_eq!((view.source, view.port), (Source::Api, 2));
        assert_eq!(view.beneath.iter().map(|v| (v.source, v.port)).collect::<Vec<_>>(), [(Source::Mdns, 1)]);
        stop.cancel();
        writing.await.unwrap();
    }
}
