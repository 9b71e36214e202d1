"""A service with 5,000 instances beside one with 5: CPU time per query, the answer being cut to what UDP takes.

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
SMALL = 5  # instances of the other service
KINDS = ("SRV", "PTR")


@dataclass(frozen=True)
class Member(instances.Instance):
    """An instance of the service `of`."""

    of: str

    @property
    def service(self):
        return self.of


def add_arguments(parser):
    parser.add_argument("--pairs", type=int, default=5, help="runs of each row (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each run (default %(default)s)")
    parser.add_argument("--peers", nargs="*", choices=peers.PEERS, default=["nsd"])


needs = dns.needs


def run(asked, programs, work):
    small = [Member(index, "small") for index in range(SMALL)]
    large = [Member(index, "large") for index in range(SMALL, SMALL + asked.instances)]
    zone_file = work / "zone"
    instances.write_zone(small + large, zone_file)
    with ExitStack() as running:
        portolan = running.enter_context(Portolan(programs["portolan"], work / "portolan"))
        portolan.feed(small + large)
        others = [running.enter_context(peers.PEERS[name](zone_file, work / name)) for name in asked.peers]
        rows = [
            Row(one, mode, kind, members)
            for one in (portolan, *others)
            for mode in ("plain", "edns")
            for kind in KINDS
            for members in (small, large)
        ]
        runs = pairs.paired(rows, asked.pairs, lambda row: row.run(asked.seconds))
    show(runs, asked)


class Row:
    """One question of one server."""

    def __init__(self, one, mode, kind, members):
        self.asking, self.kind, self.size = dns.contestant(one, mode), kind, len(members)
        question, answer = self.asking.ask(instances.question(kind, members[0]))
        self.octets, self.answer = len(answer), message.decode(answer)
        self.packets = one.directory / f"packets-{mode}-{kind}-{self.size}"
        self.packets.write_bytes(dns.framed(question))

    def run(self, seconds):
        # A slow one has still to answer what the run before has given up.
        self.asking.server.await_answer()
        return load.dnsperf(self.asking.server, self.packets, seconds)

    @property
    def name(self):
        return f"{self.asking.server.name}, {self.kind}, {dns.MODES[self.asking.mode][1]}"


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
