"""Asks a registry as a stranger would, with dnspython: dns_peer.py ADDRESS PORT.

The registry has one instance, `Joe.s Café` of `_auth._tcp`, on web1, with TXT k=\\x00\\xff.
"""

import socket
import sys

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype

address, port = sys.argv[1], int(sys.argv[2])
zone = dns.name.from_text("registry.local.")


def below(*labels):
    return dns.name.Name(list(labels) + list(zone.labels))


INSTANCE = below("Joe.s Café".encode(), b"_auth", b"_tcp")


def ask(name, rdtype, over, **options):
    query = dns.message.make_query(name, rdtype, **options)
    reply = over(query, address, port=port, timeout=5)
    assert reply.id == query.id and reply.flags & dns.flags.QR
    assert bool(reply.edns >= 0) == bool(query.edns >= 0), "OPT in, OPT out"
    return reply


for over in (dns.query.udp, dns.query.tcp):
    reply = ask(below(b"_auth", b"_tcp"), "PTR", over)
    assert [r.target for r in reply.answer[0]] == [INSTANCE], reply
    assert {(r.name, r.rdtype) for r in reply.additional} == {
        (INSTANCE, dns.rdatatype.SRV),
        (INSTANCE, dns.rdatatype.TXT),
        (below(b"web1"), dns.rdatatype.A),
        (below(b"web1"), dns.rdatatype.AAAA),
    }, reply

    [srv] = ask(INSTANCE, "SRV", over).answer[0]
    assert (srv.priority, srv.weight, srv.port, srv.target) == (0, 0, 80, below(b"web1")), srv
    [txt] = ask(INSTANCE, "TXT", over).answer[0]
    assert txt.strings == (b"k=\x00\xff",), txt

    # Item 15: any case finds it.
    shouted = dns.name.from_text("_AUTH._TCP.REGISTRY.LOCAL.")
    reply = ask(shouted, "SRV", over)
    assert reply.question[0].name.labels == shouted.labels and len(reply.answer) == 1

    for name, rdtype, rcode in [
        (below(b"nope"), "A", dns.rcode.NXDOMAIN),
        (below(b"web1"), "MX", dns.rcode.NOERROR),
        (dns.name.from_text("example.org."), "A", dns.rcode.REFUSED),
        (zone, "AXFR", dns.rcode.REFUSED),
    ]:
        if rdtype == "AXFR" and over is dns.query.tcp:
            continue  # dnspython has its own way with transfers
        assert ask(name, rdtype, over).rcode() == rcode, (name, rdtype)
        assert ask(name, rdtype, over, use_edns=False).rcode() == rcode, (name, rdtype)
    assert ask(zone, "SOA", over, use_edns=1).rcode() == dns.rcode.BADVERS

    query = dns.message.make_query(zone, "SOA")
    query.set_opcode(dns.opcode.STATUS)
    assert over(query, address, port=port, timeout=5).rcode() == dns.rcode.NOTIMP

# Item 35: the target of an SRV record is written out.
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as udp:
    udp.settimeout(5)
    udp.connect((address, port))
    udp.send(dns.message.make_query(INSTANCE, "SRV").to_wire())
    octets = udp.recv(4096)
assert b"\x00\x00\x00\x00\x00\x50\x04web1\x08registry\x05local\x00" in octets, octets

print("all as it should be")
