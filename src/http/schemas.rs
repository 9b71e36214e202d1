//! Schemas of what is said and heard, derived from the types of `api`, for the documents that describe the API.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where schemas are, in OpenAPI's documents and in OpenRPC's.
const PLACE: &str = "/components/schemas";

/// A schema by its name.
pub(super) fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#{PLACE}/{name}") })
}

/// To define what is said.
pub(super) fn said() -> SchemaGenerator {
    settings().for_serialize().into_generator()
}

/// To define what is heard.
pub(super) fn heard() -> SchemaGenerator {
    settings().for_deserialize().into_generator()
}

pub(super) fn define<T: JsonSchema>(generator: &mut SchemaGenerator) {
    let _ = generator.subschema_for::<T>();
}

/// All that is said, by name.
pub(super) fn taken(mut said: SchemaGenerator) -> Map<String, Value> {
    let mut all = said.take_definitions(true);
    for properties in all.values_mut().filter_map(|schema| schema.get_mut("properties")?.as_object_mut()) {
        properties.values_mut().for_each(never_null);
    }
    all
}

/// What may be left out is left out, and never null.
fn never_null(property: &mut Value) {
    let Some(property) = property.as_object_mut() else { return };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            property.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(kinds)) = property.get_mut("anyOf") {
        kinds.retain(|kind| kind["type"] != "null");
        if let [Value::Object(only)] = &kinds[..] {
            let only = only.clone();
            property.remove("anyOf");
            property.extend(only);
        }
    }
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = PLACE.into())
}
