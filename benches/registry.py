"""Talks to portolan's HTTP API: registers instances in arrays and checks that each item was taken."""

import http.client
import json

import instances
from peers import Failed

ARRAY = 1000  # items of one heartbeat, at most


def feed(server, generated, lease=0):
    """Registers all of them."""
    connection = http.client.HTTPConnection(*server.http, timeout=60)
    for start in range(0, len(generated), ARRAY):
        array = [instances.registration(instance, lease) for instance in generated[start : start + ARRAY]]
        connection.request("POST", "/v1/heartbeat", json.dumps(array))
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise Failed(f"portolan refused a heartbeat: {response.status} {body[:500]}")
        refused = [item for item in json.loads(body) if "registered" not in item]
        if refused:
            raise Failed(f"portolan refused {len(refused)} of {len(array)} registrations, the first with {refused[0]}")
    connection.close()
