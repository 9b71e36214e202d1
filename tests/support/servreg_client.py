"""A client of servreg as its users have it: python-requests, which looks at `result` and at `error` of every reply.

A line of JSON on standard input is a call, [METHOD, PARAMS] or [METHOD, PARAMS, "notify"], or an array of such calls,
which go as one batch; what is printed is the result, or the error.
"""

import json
import sys

import requests


def request(number, call):
    message = {"jsonrpc": "2.0", "method": call[0], "params": call[1]}
    return message if "notify" in call[2:] else message | {"id": number}


def outcome(reply):
    if reply["error"] is not None:
        assert reply["result"] is None
        return {"error": reply["error"]["code"]}
    return reply["result"]


for line in sys.stdin:
    said = json.loads(line)
    batch = isinstance(said[0], list)
    body = [request(n, call) for n, call in enumerate(said)] if batch else request(1, said)
    answer = requests.post(sys.argv[1], json=body, timeout=20)
    assert answer.status_code == 200, answer
    if not answer.content:
        print("null", flush=True)
        continue
    reply = answer.json()
    print(json.dumps([outcome(r) for r in reply] if batch else outcome(reply)), flush=True)
