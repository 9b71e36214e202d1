"""portolan under test: started on its defaults, and fed over its HTTP API."""

import http.client
import json

import instances
from server import Failed, Server, free_port

ARRAY = 1000  # items of one heartbeat, at most


class Portolan(Server):
    """`portolan serve` on its defaults: durable SQLite, HTTP and DNS; without mDNS, which would load the link.

    It finds what an earlier one left in the same directory.
    """

    name = "portolan"

    def __init__(self, binary, directory, cores=Server.cores, ports=1, **options):
        super().__init__(directory, **options)
        self.cores = cores
        self.binary = binary
        self.addresses = [self.dns, *(("127.0.0.1", free_port()) for _ in range(ports - 1))]

    def command(self):
        data, addresses = self.directory / "data", [f"{host}:{port}" for host, port in self.addresses]
        serve = ["serve", "--json", "--no-mdns", "--data-dir", data, "--http", "127.0.0.1:0"]
        return [self.binary, *serve, *(word for address in addresses for word in ("--dns", address))]

    def await_ready(self):
        super().await_ready()
        host, _, port = json.loads(self.ready_line())["http"][0].rpartition(":")
        self.http = host, int(port)

    def feed(self, generated, lease=0):
        """Registers all of them, in arrays, and checks that each was taken."""
        connection = http.client.HTTPConnection(*self.http, timeout=60)
        for start in range(0, len(generated), ARRAY):
            array = [instances.registration(instance, lease) for instance in generated[start : start + ARRAY]]
            heartbeat(connection, json.dumps(array))
        connection.close()


def heartbeat(connection, body):
    """Sends one and returns what it was answered, which must be that all of it was taken."""
    connection.request("POST", "/v1/heartbeat", body)
    response = connection.getresponse()
    said = response.read()
    if response.status not in (200, 201):
        raise Failed(f"portolan refused a heartbeat: {response.status} {said[:500]}")
    answered = json.loads(said)
    items = answered if isinstance(answered, list) else [answered]
    refused = [item for item in items if not item.keys() & {"registered", "created"}]
    if refused:
        raise Failed(f"portolan refused {len(refused)} of {len(items)} registrations, the first with {refused[0]}")
    return answered
