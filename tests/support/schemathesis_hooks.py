"""What schemathesis has to know of portolan: texts that are right where a schema says only what a right one fulfils."""

import base64
import json

import schemathesis
from hypothesis import strategies as st

LABEL = st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)
TEXT = st.text("abcdefghijklmnopqrstuvwxyzABC 0123456789.-_/é漢", min_size=1, max_size=20)
# `_auth._tcp.registry.local`, with SRV and ANY.
QUESTION = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x05_auth\x04_tcp\x08registry\x05local\0\0"
MESSAGE = st.sampled_from([QUESTION + b"\x21\0\x01", QUESTION + b"\xff\0\x01"])

FORMATS = {
    "service-name": LABEL,
    "service-type": st.sampled_from(["_auth._tcp", "_auth._udp", "_AUTH._TCP."]) | LABEL.map(lambda label: f"_{label}._tcp"),
    "service-filter": LABEL | st.sampled_from(["au*", "*._udp", "_auth._tcp", "auth@^1", "*"]),
    "instance-name": TEXT.map(str.strip).filter(lambda text: 0 < len(text.encode()) <= 63 and text not in (".", "..")),
    "host": LABEL.filter(lambda label: label != "ns") | st.sampled_from(["10.0.0.7", "2001:db8::7"]),
    "ip": st.ip_addresses(v=4, network="10.0.0.0/8").map(str) | st.ip_addresses(v=6, network="2001:db8::/32").map(str),
    "semantic-version": st.sampled_from(["0.0.1", "3.2.2", "1.0.0-rc.1", "2.0.0+build.7"]),
    "version-range": st.sampled_from(["3.x", "^3.2", ">=1 <2", "*", "1 || 2"]),
    "attribute-text": TEXT,
    "attribute-filter": LABEL.map(lambda label: f"txt.{label}"),
    "txt-key": st.from_regex(r"[a-z][a-z0-9.-]{0,8}", fullmatch=True),
    "txt-value": TEXT | st.just(""),
    "lease": st.sampled_from(["90s", "1m 30s", "0"]),
    "time-span": st.sampled_from(["10ms", "0", "0.01"]),
    "record-type": st.sampled_from(["SRV", "srv", "A", "PTR", "ANY", "TYPE65280"]),
    "domain-name": st.sampled_from(["_auth._tcp.registry.local", "auth.registry.local.", "*._tcp.registry.local", ".", "é"]),
    "cursor": st.just(base64.urlsafe_b64encode(b"_auth._tcp a1").decode().rstrip("=")),
    "position": st.sampled_from(["1", "1795248453-5f0c3a9d27b1e684"]),
    "entity-tag": st.sampled_from(["*", '"1"']),
    "dns-message": MESSAGE,
    "dns-message-in-base64url": MESSAGE.map(lambda message: base64.urlsafe_b64encode(message).decode().rstrip("=")),
}
for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)


@schemathesis.serializer("application/dns-message")
def octets(context, value):
    return {"data": value if isinstance(value, bytes) else getattr(value, "data", None) or str(value).encode()}


@schemathesis.hook
def before_call(context, case, kwargs):
    """What may not stand beside something else: no schema says it."""
    if case.meta is not None and not case.meta.generation.mode.is_positive:
        return
    # Of two that exclude each other, one.
    if case.headers and "If-Match" in case.headers:
        case.headers.pop("If-None-Match", None)
    if case.query and "pick" in case.query:
        case.query.pop("limit", None)
        case.query.pop("cursor", None)
    if case.query and "@" in str(case.query.get("service")):
        case.query.pop("version", None)
    body = case.body
    # Where a check may go is a setting.
    for registration in body if isinstance(body, list) else [body]:
        if isinstance(registration, dict):
            registration.pop("check", None)
    if case.operation.path == "/v1/instances/{type}/{instance}" and isinstance(body, dict):
        for name in ("service", "transport", "instance"):
            body.pop(name, None)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What is wrong with a call, an item or a DNS message is told in the reply to it, under status 200: then it was not
    taken. To a notification servreg's clients are told nothing, with that status; and what leaves an app of Registro's
    stays listed, as out of service."""
    if case.operation.path == "/api" and not response.content:
        return False
    if type(failure).__name__ == "UseAfterFree" and case.operation.path.startswith("/registro/"):
        return json.loads(response.content).get("status") != "out-of-service"
    if type(failure).__name__ != "AcceptedNegativeData":
        return True
    # A format of our own excludes nothing: what is right is in the description.
    if "violates `format`" in failure.message:
        return False
    if response.status_code != 200:
        return True
    if case.operation.path == "/dns-query":
        return not response.content[3] & 0x0F
    if case.operation.path in ("/rpc", "/api"):
        return not any(reply.get("error") for reply in listed(response))
    if case.operation.path == "/v1/heartbeat" and isinstance(case.body, list):
        return not any("problem" in outcome for outcome in listed(response))
    return True


def listed(response):
    document = json.loads(response.content)
    return document if isinstance(document, list) else [document]
