//! What methods are told, by name.

use serde::Deserialize;

use crate::api::{Fault, Invalid, Json, Problem, invalid_parameter, unknown_parameter};
use crate::registry::Condition;
use crate::service::{InstanceId, InstanceName, Revision, ServiceType, Transport};

/// An instance that is named, and what is said of it.
pub(super) struct Named {
    pub(super) id: InstanceId,
    pub(super) changes: Option<Json>,
    pub(super) only: Condition,
}

impl Named {
    /// From params, which are no others than `known`.
    pub(super) fn read(mut params: Vec<(String, Json)>, known: &[&str]) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Names {
            service: String,
            instance: String,
            #[serde(default)]
            transport: Option<Transport>,
        }
        self::known(&params, known)?;
        let changes = take(&mut params, "changes")?;
        let only = take(&mut params, "only")?.map(only).transpose()?.unwrap_or_default();
        let Names { service, instance, transport } = Json::Object(params).read()?;
        let service_type = ServiceType::meant(&service, transport).map_err(|e| Invalid::new("service", e))?;
        let instance = InstanceName::meant(&instance).map_err(|e| Invalid::new("instance", e))?;
        Ok(Self { id: InstanceId::new(service_type, instance), changes, only })
    }
}

/// Refuses params that are not among `names`.
pub(in crate::http) fn known(params: &[(String, Json)], names: &[&str]) -> Result<(), Problem> {
    match params.iter().find(|(key, _)| !names.contains(&key.as_str())) {
        Some((key, _)) => Err(unknown_parameter(key, &names.join(", "))),
        None => Ok(()),
    }
}

/// Takes a param out.
pub(in crate::http) fn take(params: &mut Vec<(String, Json)>, name: &str) -> Result<Option<Json>, Invalid> {
    let Some(at) = params.iter().position(|(key, _)| key == name) else { return Ok(None) };
    let (_, value) = params.remove(at);
    if params.iter().any(|(key, _)| key == name) {
        return Err(Invalid::new(name, Fault::Repeated));
    }
    Ok(Some(value))
}

/// `"absent"`, `"present"` or a revision.
pub(super) fn only(value: Json) -> Result<Condition, Problem> {
    match value {
        Json::Null => Ok(Condition::Always),
        Json::Text(text) if text == "absent" => Ok(Condition::Absent),
        Json::Text(text) if text == "present" => Ok(Condition::Present),
        Json::Number(number) if number.is_u64() => {
            Ok(Condition::Revision(Revision(number.as_u64().unwrap_or_default())))
        }
        _ => Err(invalid_parameter("only", "is none of \"absent\", \"present\" and a revision")),
    }
}

/// Params as a query has them: what is repeated there is an array here, and `txt.KEY` a member of `txt`.
pub(super) fn pairs(params: Vec<(String, Json)>) -> Result<Vec<(String, String)>, Problem> {
    let mut pairs = Vec::with_capacity(params.len());
    for (key, value) in params {
        match value {
            Json::Array(items) => {
                for item in items {
                    pairs.push((key.clone(), plain(&key, item)?));
                }
            }
            Json::Object(members) if key == "txt" => {
                for (attribute, value) in members {
                    let key = format!("txt.{attribute}");
                    pairs.push((key.clone(), plain(&key, value)?));
                }
            }
            Json::Null => {}
            value => pairs.push((key.clone(), plain(&key, value)?)),
        }
    }
    Ok(pairs)
}

fn plain(key: &str, value: Json) -> Result<String, Problem> {
    match value {
        Json::Text(text) => Ok(text),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(value) => Ok(value.to_string()),
        _ => Err(invalid_parameter(key, "is neither a text nor a number")),
    }
}

pub(in crate::http) fn no_params(params: &[(String, Json)]) -> Result<(), Problem> {
    match params.first() {
        Some((key, _)) => Err(unknown_parameter(key, "none")),
        None => Ok(()),
    }
}
