"""Asks a registry over QUIC, with dnspython and with aioquic beneath it: quic_peer.py ADDRESS PORT CERTIFICATE.

The registry has `_auth._tcp` on 10.0.0.1 and takes two connections over streams.
"""

import asyncio
import sys

import dns.edns
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated

PROTOCOL_ERROR, EXCESSIVE_LOAD = 2, 4
KEEPALIVE = 11
PATIENCE = 20
# Seconds that the registry gives an exchange.
IDLE = 10

address, port, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def question(message_id=0, name="_auth._tcp.registry.local", options=None):
    query = dns.message.make_query(name, dns.rdatatype.SRV, options=options)
    query.id = message_id
    return query


def framed(message, length=None):
    return (len(message) if length is None else length).to_bytes(2, "big") + message


class Peer(QuicConnectionProtocol):
    """Notes why its connection ended."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.ended = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated) and not self.ended.done():
            self.ended.set_result(event.error_code)
        super().quic_event_received(event)

    async def exchange(self, octets):
        reader, writer = await self.create_stream()
        writer.write(octets)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), PATIENCE)

    async def reason(self):
        return await asyncio.wait_for(self.ended, PATIENCE)


def connection():
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["doq"], server_name="localhost")
    configuration.load_verify_locations(certificate)
    return connect(address, port, configuration=configuration, create_protocol=Peer)


def check_reply(octets):
    assert int.from_bytes(octets[:2], "big") == len(octets) - 2, "one message with its length"
    assert octets[2:4] == b"\0\0", "the message ID is 0"
    reply = dns.message.from_wire(octets[2:])
    assert reply.rcode() == dns.rcode.NOERROR and len(reply.answer) == 1, reply


def ask_with_dnspython():
    reply = dns.query.quic(
        question(), address, port=port, timeout=PATIENCE, verify=certificate, server_hostname="localhost"
    )
    assert reply.rcode() == dns.rcode.NOERROR and reply.answer[0][0].port == 80, reply
    many = dns.query.quic(
        question(name="_many._tcp.registry.local"),
        address, port=port, timeout=PATIENCE, verify=certificate, server_hostname="localhost",
    )
    assert len(many.answer[0]) == 800, "nothing is truncated over a stream"


async def ask_with_aioquic():
    async with connection() as client:
        assert client._quic._retry_source_connection_id is not None, "it had to show where it is"
        replies = await asyncio.gather(*[client.exchange(framed(question().to_wire())) for _ in range(200)])
        assert len(replies) == 200
        for reply in replies:
            check_reply(reply)


async def be_refused():
    wrong = {
        "an ID": framed(question(message_id=7).to_wire()),
        "a message that is cut": framed(question().to_wire(), length=500),
        "two messages": framed(question().to_wire()) * 2,
        "no message": b"",
        "a reply": framed(question().to_wire()[:2] + b"\x80" + question().to_wire()[3:]),
        "a timeout of TCP's": framed(question(options=[dns.edns.GenericOption(KEEPALIVE, b"")]).to_wire()),
        "too much": framed(question().to_wire() + bytes(5000)),
    }
    for what, octets in wrong.items():
        async with connection() as client:
            _, writer = await client.create_stream()
            writer.write(octets)
            writer.write_eof()
            assert await client.reason() == PROTOCOL_ERROR, what


async def be_one_too_many():
    async with connection() as quietest, connection() as second:
        check_reply(await quietest.exchange(framed(question().to_wire())))
        check_reply(await second.exchange(framed(question().to_wire())))
        async with connection() as third:
            check_reply(await third.exchange(framed(question().to_wire())))
            check_reply(await second.exchange(framed(question().to_wire())))
            assert await quietest.reason() == EXCESSIVE_LOAD
    # Nobody stays by beginning what never ends.
    async with connection() as begun:
        check_reply(await begun.exchange(framed(question().to_wire())))
        _, writer = await begun.create_stream()
        writer.write(framed(question().to_wire())[:5])
        check_reply(await begun.exchange(framed(question().to_wire())))
        async with connection() as second, connection() as third:
            check_reply(await second.exchange(framed(question().to_wire())))
            check_reply(await third.exchange(framed(question().to_wire())))
            assert await asyncio.wait_for(begun.reason(), IDLE / 2) == EXCESSIVE_LOAD


ask_with_dnspython()
asyncio.run(ask_with_aioquic())
asyncio.run(be_refused())
asyncio.run(be_one_too_many())
print("all as it should be")
