//! What JSON Schema can say of what `accept` demands: the OpenAPI document has it.
//!
//! It says what any value that is taken fulfils. Where more is demanded than it can say, such as octets where it counts
//! characters, there is a `format` with a name of our own, and what is demanded stands in the description.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::service::{
    FAILURES_MOST, INTERVAL_LONGEST, INTERVAL_SHORTEST, LABEL_MAX, TARGET_MAX, TIMEOUT_LONGEST, TIMEOUT_SHORTEST,
};

use super::accept::{ADDRESSES_MAX, LABELS_MAX, TEXT_MAX};
use super::event::Position;
use super::heartbeat::REASON_MAX;
use super::lease::LeaseWish;
use super::list::Cursor;
use super::txt::{Txt, TxtValue};

/// No control characters (Unicode's Cc).
pub const NO_CONTROLS: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// A service type, or the service alone (RFC 6335 §5.1, RFC 6763 §4.1.2).
pub const SERVICE: &str = r"^_?(?=[0-9-]*[A-Za-z])[A-Za-z0-9]+(-[A-Za-z0-9]+)*(\._([Tt][Cc]|[Uu][Dd])[Pp])?\.?$";
/// <https://semver.org>
const VERSION: &str = r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$";

pub(super) fn service(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "service-name", "pattern": SERVICE })
}

pub(super) fn instance(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"],
        "format": "instance-name",
        "minLength": 1,
        "maxLength": LABEL_MAX,
        "pattern": NO_CONTROLS,
    })
}

pub(super) fn host(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "host", "pattern": "^[0-9A-Za-z.:-]+$" })
}

pub(super) fn addresses(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["array", "null"],
        "items": { "type": "string", "format": "ip" },
        "minItems": 1,
        "maxItems": ADDRESSES_MAX,
    })
}

pub(super) fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "uint16", "minimum": 1, "maximum": u16::MAX })
}

pub(super) fn subtypes(_: &mut SchemaGenerator) -> Schema {
    labels("^_?[0-9A-Za-z_-]+$", LABEL_MAX)
}

pub(super) fn tags(_: &mut SchemaGenerator) -> Schema {
    labels("^[0-9A-Za-z_-]+$", LABEL_MAX - 1)
}

fn labels(pattern: &str, longest: usize) -> Schema {
    json_schema!({
        "type": ["array", "null"],
        "items": { "type": "string", "minLength": 1, "maxLength": longest, "pattern": pattern },
        "maxItems": LABELS_MAX,
    })
}

pub(super) fn version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "semantic-version", "maxLength": 64, "pattern": VERSION })
}

pub(super) fn protocol(_: &mut SchemaGenerator) -> Schema {
    text("protocol")
}

pub(super) fn path(_: &mut SchemaGenerator) -> Schema {
    text("path")
}

pub(super) fn description(_: &mut SchemaGenerator) -> Schema {
    text("description")
}

pub(super) fn namespace(_: &mut SchemaGenerator) -> Schema {
    text("namespace")
}

/// With its key it fits one TXT string; that `txt` may have the key, and the text then be longer, is not worth a word.
fn text(key: &str) -> Schema {
    let longest = TEXT_MAX - key.len() - "=".len();
    json_schema!({
        "type": ["string", "null"], "format": "attribute-text", "maxLength": longest, "pattern": NO_CONTROLS,
    })
}

pub(super) fn reason(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "attribute-text", "maxLength": REASON_MAX })
}

pub(super) fn check_target(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "check-target", "maxLength": TARGET_MAX })
}

pub(super) fn check_interval(_: &mut SchemaGenerator) -> Schema {
    time(INTERVAL_SHORTEST, INTERVAL_LONGEST)
}

pub(super) fn check_timeout(_: &mut SchemaGenerator) -> Schema {
    time(TIMEOUT_SHORTEST, TIMEOUT_LONGEST)
}

pub(super) fn check_failures(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["integer", "null"], "minimum": 1, "maximum": FAILURES_MOST })
}

/// Seconds, or a text with a unit.
fn time(shortest: Duration, longest: Duration) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": ["number", "null"], "minimum": shortest.as_secs_f64(), "maximum": longest.as_secs_f64() },
            { "type": "string", "format": "time-span", "minLength": 1 },
        ],
    })
}

/// A type whose schema is none that is derived.
macro_rules! schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let _ = &generator;
                json_schema!($schema)
            }
        }
    };
}

schema!(LeaseWish, "Lease", {
    "description": "Seconds, or a text with a unit such as \"90s\"; 0 for until deregistered",
    "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string", "format": "lease", "minLength": 1 }],
});

schema!(TxtValue, "TxtValue", {
    "description": "A text, null for a key without a value, or octets in Base64",
    "anyOf": [
        { "type": ["string", "null"], "format": "txt-value", "maxLength": 253 },
        {
            "type": "object",
            "properties": {
                "base64": { "type": "string", "format": "byte", "contentEncoding": "base64", "maxLength": 340 },
            },
            "required": ["base64"],
            "additionalProperties": false,
        },
    ],
});

impl JsonSchema for Txt {
    fn schema_name() -> Cow<'static, str> {
        "Txt".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description":
                "TXT attributes in their order, of at most 255 octets each, `key=value`, and 1300 together. A key is \
                 printable ASCII, and no other key in other letters' case (RFC 6763 §6)",
            "type": "object",
            "propertyNames": { "format": "txt-key", "minLength": 1, "maxLength": 255, "pattern": "^[ -<>-~]+$" },
            "additionalProperties": generator.subschema_for::<TxtValue>(),
        })
    }
}

schema!(Cursor, "Cursor", {
    "description": "Where a page begins, as the one before said it",
    "type": "string",
    "format": "cursor",
});

schema!(Position, "Position", {
    "description": "A place in the registry's run of changes, as a list or an event said it",
    "type": "string",
    "format": "position",
});
