"""A client of Registro as its users have it, over python-requests: it declares its app, registers, sends heartbeats, and
leaves when it is told to.

    registro_client.py BASE APP ID IP PORT

Each line of standard input is a step: `beat`, `leave`, `restart` (registers again), `look` (at all apps); what is
printed is the status of the reply, and of `look` what is up by app.
"""

import json
import sys
from urllib.parse import quote

import requests

base, app, instance, ip, port = sys.argv[1:]
path = f"{base}/apps/{quote(app, safe='')}"
http = requests.Session()


def register():
    answer = http.post(f"{base}/apps", json={"name": app}, timeout=20)
    assert answer.status_code in (201, 409), answer.text
    body = {"id": instance, "ip": ip, "port": int(port)}
    return http.post(path, json=body, timeout=20).status_code


def look():
    apps = http.get(f"{base}/apps", timeout=20).json()["applications"]
    up = {a["name"]: [i["id"] for i in a.get("instances", []) if i["status"] == "up"] for a in apps}
    return json.dumps(up)


print(register(), flush=True)
for line in sys.stdin:
    step = line.strip()
    if step == "beat":
        print(http.put(f"{path}/{instance}", timeout=20).status_code, flush=True)
    elif step == "leave":
        print(http.delete(f"{path}/{instance}", timeout=20).status_code, flush=True)
    elif step == "restart":
        print(register(), flush=True)
    else:
        print(look(), flush=True)
