"""Services with 5,000 instances beside ones with 5: CPU time per query, the answer being cut to what UDP takes.

NSD has the same records.
"""

from contextlib import ExitStack
from dataclasses import dataclass

import dns
import instances
import load
import message
import pairs
import peers
import table
from pairs import median
from portolan import Portolan

INSTANCES = 5_000
BUILDS = {"portolan": "bin"}
SMALL = 5  # instances of the other services


@dataclass(frozen=True)
class Member(instances.Instance):
    """An instance of the service `of`."""

    of: str

    @property
    def service(self):
        return self.of


class Neighbour(Member):
    """One that shares its host with all others."""

    host, address = "shared-host", "10.255.0.1"


class Weighted(Member):
    """One whose weight is not that of most others."""

    @property
    def weight(self):
        return 1 + self.index % 7


# What is asked of services with which members. A is asked at the service's own name, as programs do that know no SRV.
KINDS = {
    "alike": (Member, ("SRV", "PTR", "A")),
    "one-host": (Neighbour, ("SRV", "A")),
    "weighted": (Weighted, ("SRV", "A")),
}


def add_arguments(parser):
    parser.add_argument("--pairs", type=int, default=5, help="runs of each row (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each run (default %(default)s)")
    parser.add_argument("--peers", nargs="*", choices=peers.PEERS, default=["nsd"])


needs = dns.needs


def run(asked, programs, work):
    services = generate(asked.instances)
    everyone = [member for sizes in services.values() for members in sizes for member in members]
    zone_file = work / "zone"
    instances.write_zone(everyone, zone_file)
    with zone_file.open("a") as out:
        out.writelines(f"{member.service} A {member.address}\n" for member in everyone)
    with ExitStack() as running:
        portolan = running.enter_context(Portolan(programs["portolan"], work / "portolan"))
        portolan.feed(everyone)
        others = [running.enter_context(peers.PEERS[name](zone_file, work / name)) for name in asked.peers]
        rows = [
            Row(one, mode, name, kind, members)
            for one in (portolan, *others)
            for mode in ("plain", "edns")
            for name, (_, kinds) in KINDS.items()
            for kind in kinds
            for members in services[name]
        ]
        runs = pairs.paired(rows, asked.pairs, lambda row: row.run(asked.seconds))
    show(runs, asked)


def generate(count):
    """The members of the small and of the large service of each name in `KINDS`."""
    services, first = {}, 0
    for name, (kind, _) in KINDS.items():
        large = first + SMALL
        services[name] = (
            [kind(index, f"{name}-small") for index in range(first, large)],
            [kind(index, f"{name}-large") for index in range(large, large + count)],
        )
        first = large + count
    return services


class Row:
    """One question of one server."""

    def __init__(self, one, mode, name, kind, members):
        self.asking, self.asked, self.size = dns.contestant(one, mode), f"{kind} of {name}", len(members)
        service = members[0].service
        owner = f"{service}.{instances.ZONE}" if kind == "A" else members[0].type_name
        question, answer = self.asking.ask((owner, kind))
        self.octets, self.answer = len(answer), message.decode(answer)
        self.packets = one.directory / f"packets-{mode}-{kind}-{service}"
        self.packets.write_bytes(dns.framed(question))

    def run(self, seconds):
        # A slow one has still to answer what the run before has given up.
        self.asking.server.await_answer()
        return load.dnsperf(self.asking.server, self.packets, seconds)

    @property
    def name(self):
        return f"{self.asking.server.name}, {self.asked}, {dns.MODES[self.asking.mode][1]}"


def show(runs, asked):
    def cost(row):
        return [1e6 / result.per_cpu_second for result in runs[row]]

    print(f"\nMedian of {asked.pairs} runs of {asked.seconds} s, flat out.")
    table.show(
        ("question", "instances", "answered", "octets", "truncated", "queries/s", "CPU µs/query"),
        *(
            (
                row.name,
                row.size,
                len(row.answer.answer),
                row.octets,
                "yes" if row.answer.truncated else "no",
                round(median(results, lambda r: r.per_second)),
                median(cost(row), float),
            )
            for row, results in runs.items()
        ),
    )
    rows = list(runs)
    pairs.show_ratios(
        f"CPU time per query with {asked.instances:,} / with {SMALL} instances, pair by pair:",
        *((few.name, cost(many), cost(few)) for few, many in zip(rows[::2], rows[1::2])),
    )
