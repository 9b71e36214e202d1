"""Announces one service with python-zeroconf until told otherwise.

The announcement is JSON in the first argument: type, name, host, port, addresses, txt (hex of the RDATA), and as
wanted priority, weight, host_ttl, other_ttl. The line `goodbye` on standard input takes it back; killed, it says none.
"""

import json
import sys
import time

from zeroconf import InterfaceChoice, IPVersion, ServiceInfo, Zeroconf

said = json.loads(sys.argv[1])
service = said["type"] + ".local."
info = ServiceInfo(
    service,
    said["name"] + "." + service,
    port=said["port"],
    priority=said.get("priority", 0),
    weight=said.get("weight", 0),
    properties=bytes.fromhex(said["txt"]),
    server=said["host"] + ".local.",
    host_ttl=said.get("host_ttl", 120),
    other_ttl=said.get("other_ttl", 4500),
    parsed_addresses=said["addresses"],
)
zeroconf = Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
zeroconf.register_service(info)
print("announced", flush=True)
for line in sys.stdin:
    if line.strip() == "goodbye":
        # Answers are held back for up to a second; one that came after the goodbye would undo it.
        time.sleep(1.5)
        print("leaving", flush=True)
        zeroconf.unregister_service(info)
        print("gone", flush=True)
