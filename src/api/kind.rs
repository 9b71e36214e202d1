//! The kinds of problems: what can be wrong, and the HTTP status of each.

macro_rules! kinds {
    ($($kind:ident $status:literal $name:literal $title:literal)*) => {
        /// Every problem there is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $title] $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The last segment of the problem's `type`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)* }
            }

            /// A sentence that is the same every time.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    // The request as such.
    MalformedRequest   400 "malformed-request"    "The request cannot be understood"
    MalformedJson      400 "malformed-json"       "The body is no JSON document"
    InvalidCall        400 "invalid-call"         "The call is none of JSON-RPC 2.0"
    UnknownParameter   400 "unknown-parameter"    "The query has a parameter that is not known"
    InvalidParameter   400 "invalid-parameter"    "The query has a parameter with a value that is not allowed"
    TokenNeeded        401 "token-needed"         "This takes a token"
    InvalidToken       401 "invalid-token"        "The token is not known"
    OutOfScope         403 "out-of-scope"         "The token is for something else"
    CrossSite          403 "cross-site"           "A web page of another site may not use the registry"
    UnknownHost        403 "unknown-host"         "The request is addressed to a host name that is not the registry's"
    AnonymousWrite     403 "anonymous-write"      "Writes from other machines are not allowed"
    NoSuchPath         404 "no-such-path"         "There is nothing at this path"
    NoSuchMethod       404 "no-such-method"       "There is no method of this name"
    MethodNotAllowed   405 "method-not-allowed"   "The path does not take this method"
    RequestTimeout     408 "request-timeout"      "The request took too long"
    BodyTooLarge       413 "body-too-large"       "The body is larger than allowed"
    MediaType          415 "media-type"           "The body is of a media type that is not taken here"
    // The content.
    UnknownField       422 "unknown-field"        "A field is not known"
    MissingField       422 "missing-field"        "A required field is missing"
    RepeatedField      422 "repeated-field"       "A field is given twice"
    WrongType          422 "wrong-type"           "A field has the wrong type"
    WrongValue         422 "wrong-value"          "A field has a value that is not allowed"
    PortZero           422 "port-zero"            "Port 0 cannot be connected to"
    InvalidService     422 "invalid-service"      "The service is no service type"
    InvalidInstance    422 "invalid-instance"     "The instance name is not allowed"
    InvalidHost        422 "invalid-host"         "The host name is not allowed"
    InvalidAddress     422 "invalid-address"      "An address cannot be served"
    ForeignAddresses   422 "foreign-addresses"    "A foreign host takes no addresses"
    InvalidLease       422 "invalid-lease"        "The lease is not granted"
    InvalidCheck       422 "invalid-check"        "The check is not made"
    InvalidTxt         422 "invalid-txt"          "The TXT attributes are not allowed"
    InvalidSubtype     422 "invalid-subtype"      "A subtype is not allowed"
    InvalidTag         422 "invalid-tag"          "A tag is not allowed"
    InvalidVersion     422 "invalid-version"      "The version is not an exact semantic version"
    InvalidText        422 "invalid-text"         "A text is too long or has control characters"
    TooMany            422 "too-many"             "A list has too many items"
    PathDiffers        422 "path-differs"         "The body and the path name different instances"
    // The registry's state.
    NotRegistered      404 "not-registered"       "There is no such instance"
    AlreadyRegistered  409 "already-registered"   "The name is taken"
    NotYours           409 "not-yours"            "The name belongs to another owner"
    RevisionDiffers    412 "revision-differs"     "The instance has changed meanwhile"
    Busy               503 "busy"                 "The registry has too much to do"
    StoreFailed        503 "store-failed"         "The registry cannot save changes"
    ShuttingDown       503 "shutting-down"        "The registry is shutting down"
    Full               507 "full"                 "The registry is full"
}

impl Kind {
    /// The reverse of [`Kind::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether the same request may succeed a little later.
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::RequestTimeout | Self::Busy | Self::StoreFailed | Self::ShuttingDown)
    }
}
