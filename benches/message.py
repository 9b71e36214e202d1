"""As much of the DNS message (RFC 1035 §4) as it takes to ask a server and to compare two servers' answers."""

import socket
import struct
from typing import NamedTuple

TYPES = {"A": 1, "SOA": 6, "PTR": 12, "TXT": 16, "SRV": 33, "OPT": 41}
NXDOMAIN = 3
EDNS_SIZE = 1232  # octets; what resolvers send
HEADER = 12  # octets
TIMEOUT = 2  # seconds


class Answer(NamedTuple):
    """A decoded response: names in lower case, sections as sets of (owner, type, TTL, data)."""

    rcode: int
    authoritative: bool
    truncated: bool
    answer: frozenset
    authority: frozenset
    additional: frozenset


def ask(address, name, kind, edns=False):
    """The bytes of the question and of the server's response."""
    query = encode(name, kind, edns)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect(address)
        sock.send(query)
        return query, sock.recv(65535)


def encode(name, kind, edns=False):
    """A query with ID 0. Labels are plain ASCII without dots."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    opt = struct.pack("!BHHIH", 0, TYPES["OPT"], EDNS_SIZE, 0, 0) if edns else b""
    return struct.pack("!6H", 0, 0, 1, 0, 0, int(edns)) + labels + struct.pack("!2H", TYPES[kind], 1) + opt


def decode(message):
    """Reads a response with one question."""
    _, flags, _, *counts = struct.unpack_from("!6H", message)
    _, at = read_name(message, HEADER)
    at += 4
    sections = []
    for count in counts:
        records = []
        for _ in range(count):
            record, at = read_record(message, at)
            records.append(record)
        sections.append(frozenset(records))
    return Answer(flags & 15, bool(flags & 0x400), bool(flags & 0x200), *sections)


def read_record(message, at):
    """A record and the offset behind it."""
    owner, at = read_name(message, at)
    kind, _, ttl, length = struct.unpack_from("!HHIH", message, at)
    at += 10
    data = message[at : at + length]
    if kind == TYPES["PTR"]:
        data, _ = read_name(message, at)
    elif kind == TYPES["SRV"]:
        data = (data[:6], read_name(message, at + 6)[0])
    return (owner, kind, ttl, data), at + length


def read_name(message, at):
    """A name, its compression undone (RFC 1035 §4.1.4), and the offset behind it."""
    labels, behind = [], None
    for _ in range(128):  # a name has at most 127 labels (RFC 1035 §2.3.4)
        length = message[at]
        if length == 0:
            return ".".join(labels).lower(), behind or at + 1
        if length >= 0xC0:
            behind = behind or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
        else:
            labels.append(message[at + 1 : at + 1 + length].decode())
            at += 1 + length
    raise ValueError("a compression loop")
