"""The instances that every server is given, and the questions it is asked. The same numbers give the same bytes.

Types have three instances each; an instance has a host of its own with one IPv4 address, and two TXT attributes.
"""

import random
from dataclasses import dataclass

ZONE = "registry.local"
TYPE_SIZE = 3
TTL = 10  # seconds, portolan's default; leases of 0 do not shorten it
NEGATIVE_TTL = 5  # seconds, portolan's default

# Share of each kind of question in percent. SRV is what clients that balance ask, A what the others do.
MIX = {"SRV": 60, "A": 20, "PTR": 10, "TXT": 7, "missing": 3}


@dataclass(frozen=True, slots=True)
class Instance:
    """The `index`th instance."""

    index: int

    @property
    def service(self):
        return f"svc{self.index // TYPE_SIZE:06}"

    @property
    def name(self):
        return f"node-{self.index:07}"

    @property
    def host(self):
        return f"host-{self.index:07}"

    @property
    def address(self):
        return f"10.{self.index >> 16 & 255}.{self.index >> 8 & 255}.{self.index & 255}"

    @property
    def port(self):
        return 1024 + self.index % 60000

    @property
    def weight(self):
        return 0

    @property
    def txt(self):
        return {"path": f"/{self.service}", "rack": str(self.index % 40)}

    @property
    def type_name(self):
        return f"_{self.service}._tcp.{ZONE}"

    @property
    def full_name(self):
        return f"{self.name}.{self.type_name}"

    @property
    def host_name(self):
        return f"{self.host}.{ZONE}"


def generate(count):
    """The first `count` instances."""
    return [Instance(index) for index in range(count)]


def registration(instance, lease=0):
    """The body that registers it; the lease in seconds, 0 for ever."""
    return {
        "service": instance.service,
        "instance": instance.name,
        "host": instance.host,
        "addresses": [instance.address],
        "port": instance.port,
        "weight": instance.weight,
        "txt": instance.txt,
        "lease": lease,
    }


def write_zone(instances, path):
    """The records that portolan serves for them, as a zone file (RFC 1035 §5), but the list of the service types.

    Nobody asks for that, and its RRset is not for every server: BIND takes none above 64 KiB, NSD none of more than
    65,535 records, and to read the latter takes it minutes.
    """
    with path.open("w") as out:
        out.write(f"$ORIGIN {ZONE}.\n$TTL {TTL}\n")
        out.write(f"@ SOA ns hostmaster 1 3600 600 86400 {NEGATIVE_TTL}\n@ NS ns\nns A 127.0.0.1\n")
        for instance in instances:
            service_type = f"_{instance.service}._tcp"
            full = f"{instance.name}.{service_type}"
            srv = f"SRV 0 {instance.weight} {instance.port} {instance.host}"
            txt = " ".join(f'"{key}={value}"' for key, value in instance.txt.items())
            out.write(f"{service_type} {srv}\n{service_type} PTR {full}\n{full} {srv}\n{full} TXT {txt}\n")
            out.write(f"{instance.host} A {instance.address}\n")


def questions(instances, count):
    """`count` pairs of name and type in the shares of `MIX`, about random instances."""
    chance = random.Random(20261120)
    asked = chance.choices(list(MIX), weights=MIX.values(), k=count)
    return [question(kind, chance.choice(instances)) for kind in asked]


def question(kind, instance):
    """One question of this kind."""
    match kind:
        case "SRV" | "PTR":
            return instance.type_name, kind
        case "A":
            return instance.host_name, kind
        case "TXT":
            return instance.full_name, kind
        case "missing":
            return f"gone-{instance.index:07}.{ZONE}", "A"
