"""A client of the Plexus registry as its users have it: python-websockets, a subscription for each call.

A line of JSON on standard input is a call, [METHOD, PARAMS]; what is printed is what came of it: {"result": …},
{"error": CODE}, or of a subscription {"items": […]} with all until the one that ends it.
"""

import asyncio
import json
import sys

import websockets


async def talk(url):
    async with websockets.connect(url) as socket:
        for number, line in enumerate(sys.stdin, 1):
            method, params = json.loads(line)
            call = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            await socket.send(json.dumps(call))
            print(json.dumps(await outcome(socket, number, method)), flush=True)


async def outcome(socket, number, method):
    reply = json.loads(await socket.recv())
    assert reply["id"] == number, reply
    if method.startswith("registry."):
        return {"error": reply["error"]["code"]} if "error" in reply else {"result": reply["result"]}
    # Whatever becomes of the call, its items tell.
    subscription = reply["result"]
    items = []
    while not items or items[-1]["type"] not in ("done", "error"):
        notification = json.loads(await socket.recv())
        assert "id" not in notification and notification["method"] == method, notification
        assert notification["params"]["subscription"] == subscription, (notification, reply)
        items.append(notification["params"]["result"])
    for item in items:
        metadata = item["metadata"]
        assert isinstance(metadata["provenance"], list) and metadata["plexus_hash"] and metadata["timestamp"] > 0
    return {"items": items}


asyncio.run(talk(sys.argv[1]))
