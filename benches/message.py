"""As much of the DNS message (RFC 1035 §4) as it takes to ask a server and to compare two servers' answers."""

import socket
import struct
from typing import NamedTuple

TYPES = {"A": 1, "SOA": 6, "PTR": 12, "TXT": 16, "SRV": 33, "OPT": 41}
BADCOOKIE = 23  # RFC 7873 §8
COOKIE = 10  # the option's code
CLIENT_COOKIE = bytes.fromhex("0123456789abcdef")
EDNS_SIZE = 1232  # octets; what resolvers send
HEADER = 12  # octets
TIMEOUT = 2  # seconds


def opt(*options):
    """The record that makes a query one with EDNS (RFC 6891 §6.1.2), its options as pairs of code and data."""
    data = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in options)
    return struct.pack("!BHHIH", 0, TYPES["OPT"], EDNS_SIZE, 0, len(data)) + data


NO_EDNS = b""
EDNS = opt()
FRESH_COOKIE = opt((COOKIE, CLIENT_COOKIE))


class Answer(NamedTuple):
    """A decoded response: names in lower case, sections as sets of (owner, type, TTL, data), without the OPT record."""

    rcode: int  # with the upper bits of OPT
    authoritative: bool
    truncated: bool
    answer: frozenset
    authority: frozenset
    additional: frozenset
    options: dict | None  # of OPT: data by code; None where there is no OPT


def ask(address, name, kind, opt=NO_EDNS, timeout=TIMEOUT):
    """The bytes of the question and of the server's response."""
    query = encode(name, kind, opt)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect(address)
        sock.send(query)
        return query, sock.recv(65535)


def encode(name, kind, opt=NO_EDNS, id=0):
    """A query, which ends in the record `opt`. Labels are plain ASCII without dots."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return struct.pack("!6H", id, 0, 1, 0, 0, bool(opt)) + labels + struct.pack("!2H", TYPES[kind], 1) + opt


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
        sections.append(records)
    rcode, options = flags & 15, None
    for _, kind, ttl, data in sections[2]:
        if kind == TYPES["OPT"]:
            rcode, options = ttl >> 24 << 4 | rcode, read_options(data)
    sections[2] = [record for record in sections[2] if record[1] != TYPES["OPT"]]
    return Answer(rcode, bool(flags & 0x400), bool(flags & 0x200), *map(frozenset, sections), options)


def read_options(data):
    """The data of each EDNS option by its code."""
    options = {}
    while data:
        code, length = struct.unpack_from("!HH", data)
        options[code], data = data[4 : 4 + length], data[4 + length :]
    return options


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
