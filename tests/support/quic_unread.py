"""Asks a registry over QUIC and takes no answer: quic_unread.py ADDRESS PORT CERTIFICATE.

First it asks more than is answered at once, and takes all. The registry has 3,000 instances of `_many._tcp`.
"""

import asyncio
import sys

import dns.message
import dns.rdatatype
from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived

CONNECTIONS, QUESTIONS, TAKEN = 20, 64, 16
PATIENCE = 60

address, port, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3]
query = dns.message.make_query("_many._tcp.registry.local", dns.rdatatype.PTR)
query.id = 0
question = query.to_wire()
question = len(question).to_bytes(2, "big") + question


class Peer(QuicConnectionProtocol):
    """Counts what it is sent, and notes when its connection has ended."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.octets, self.whole = {}, set()
        self.ended, self.answered = asyncio.Event(), asyncio.Event()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.ended.set()
        if isinstance(event, StreamDataReceived):
            self.octets[event.stream_id] = self.octets.get(event.stream_id, b"") + event.data
            if event.end_stream:
                self.whole.add(event.stream_id)
                if len(self.whole) == TAKEN:
                    self.answered.set()

    def ask(self, questions):
        for _ in range(questions):
            self._quic.send_stream_data(self._quic.get_next_available_stream_id(), question, end_stream=True)
        self.transmit()


def connection(**options):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["doq"], server_name="localhost", **options)
    configuration.load_verify_locations(certificate)
    return connect(address, port, configuration=configuration, create_protocol=Peer)


async def take_all():
    async with connection() as client:
        client.ask(TAKEN)
        await asyncio.wait_for(client.answered.wait(), PATIENCE)
        for octets in client.octets.values():
            assert len(octets) > 60_000 and int.from_bytes(octets[:2], "big") == len(octets) - 2, len(octets)


async def take_nothing():
    async with connection(max_stream_data=1) as client:
        # Nor does it ever say that it would take more.
        client._quic._write_stream_limits = lambda **_: None
        client.ask(QUESTIONS)
        await asyncio.wait_for(client.ended.wait(), PATIENCE)
        assert not client.whole, "what was not sent is not said to be all"


async def main():
    await take_all()
    await asyncio.gather(*[take_nothing() for _ in range(CONNECTIONS)])


asyncio.run(main())
print("all as it should be")
