"""The HTTP API: heartbeats per second, single and in arrays, of known and of new instances; and how soon watchers know.

Renewals change nothing and are not written; a new instance is answered when it is synced to disk. The peers are a
handler of axum that reads the same body, the same process answering `GET /healthz`, which is what HTTP costs when nothing
is done, and the disk, which says how often it can sync. What is demanded stands beside what was measured.
"""

import itertools
import json
import os
import statistics
import time

import instances
import load
import pairs
import table
from peers import Handler
from portolan import Portolan
from server import Failed

INSTANCES = 10_000
BUILDS = {"portolan": "bin", "handler": "bench", "watchers": "bench"}
LEASE = 3600  # seconds; none lapses while we measure
SIZES = (1, 100, 1000)  # instances of one heartbeat
SINGLES, ARRAYS = 64, 8  # connections: many services that come alone, few that come for many
# New instances to have ready for each second, single and in arrays. A run that needs more is refused.
NEW_SINGLES, NEW_IN_ARRAYS = 60_000, 120_000
WATCHERS, CHANGES = 100, 1_000  # the latter each second
DISK_SECONDS = 1
DISK_BLOCK = 4096  # octets; a page of SQLite
# What the API is held to.
RENEWALS = 0.7  # per CPU-second, of what the handler does
IN_ARRAYS = 200_000  # renewals per second
REGISTRATIONS = 20_000  # per second
SOON = 0.02  # seconds, the 99th percentile


def add_arguments(parser):
    parser.add_argument("--pairs", type=int, default=5, help="runs of each row (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each run (default %(default)s)")


def needs(_asked):
    return ["wrk", "taskset"]


class Row:
    """One kind of request, of this many instances: none for what is no heartbeat."""

    def __init__(self, name, size=0, bodies=None, prepared=None):
        self.name, self.size, self.bodies, self.prepared = name, size, bodies, prepared
        self.connections = ARRAYS if size > 1 else SINGLES
        self.runs = []

    def measure(self, server, seconds):
        settings = {"path_asked": "/healthz"}
        if self.bodies:
            settings = {"path_asked": "/v1/heartbeat", "bodies": self.bodies}
        result = load.wrk(server, "requests.lua", seconds, self.connections, **settings)
        if result.failures:
            raise Failed(f"{self.name}: {result.failures} of {result.requests} requests failed")
        # wrk has sent one more on each connection than it saw answered.
        if self.prepared is not None and result.requests + self.connections > self.prepared:
            raise Failed(f"{self.name}: {result.requests} requests, but only {self.prepared} prepared")
        self.runs.append(result)

    def per_second(self, run):
        return run.requests * (self.size or 1) / run.spent.seconds

    def per_cpu_second(self, run):
        return run.requests * (self.size or 1) / run.spent.cpu_seconds


def run(asked, programs, work):
    known = instances.generate(asked.instances)
    idle = Row("GET /healthz")
    renew, register = renewals(known, work), registrations(len(known), asked.seconds, work)
    peer = Row("a handler of axum: read one, answer 200", 1, renew[0].bodies)
    watched, syncs = [], []
    for pair in range(asked.pairs):
        # What a round registers stays, so that each begins with a registry of its own.
        directory = work / f"round-{pair}"
        directory.mkdir()
        syncs.append(syncs_per_second(directory / "synced"))
        with Portolan(programs["portolan"], directory) as portolan, Handler(programs["handler"], directory) as handler:
            portolan.feed(known, LEASE)
            turns = [(peer, handler), (renew[0], portolan)]
            rows = [(idle, portolan), *(turns if pair % 2 == 0 else reversed(turns))]
            for row, server in [*rows, *((row, portolan) for row in renew[1:])]:
                row.measure(server, asked.seconds)
            watched.append(load.watchers(portolan, programs["watchers"], WATCHERS, CHANGES, asked.seconds))
            for row in register:
                row.measure(portolan, asked.seconds)
    print(f"\n{asked.instances:,} instances known before; median of {asked.pairs} runs of {asked.seconds} s:")
    show_requests([idle, peer, *renew, *register])
    print(f"The disk syncs {statistics.median(syncs):,.0f} appended blocks/s.\n\nWho watches while instances change:")
    show_watchers(watched)
    show_demands(renew, peer, register, watched)


def renewals(known, work):
    """The rows, and files with their bodies."""
    return [
        Row(f"renew, {size:,} in a request", size, write_bodies(known, size, work / f"known-{size}")[0])
        for size in SIZES
    ]


def registrations(unused, seconds, work):
    """The same, of instances from the number `unused` on."""
    rows = []
    for size in SIZES:
        count = seconds * (NEW_SINGLES if size == 1 else NEW_IN_ARRAYS)
        new = map(instances.Instance, range(unused, unused + count))
        rows.append(Row(f"register, {size:,} in a request", size, *write_bodies(new, size, work / f"new-{size}")))
        unused += count
    return rows


def write_bodies(registered, size, path):
    """A heartbeat in each line: an object, or an array of `size`; and how many there are."""
    bodies = (instances.registration(instance, LEASE) for instance in registered)
    lines = 0
    with path.open("w") as out:
        while batch := list(itertools.islice(bodies, size)):
            out.write(json.dumps(batch if size > 1 else batch[0]) + "\n")
            lines += 1
    return path, lines


def syncs_per_second(path):
    """How often this disk appends a block and syncs it, one after the other."""
    written, start = 0, time.monotonic()
    with path.open("wb", buffering=0) as out:
        while time.monotonic() - start < DISK_SECONDS:
            out.write(bytes(DISK_BLOCK))
            os.fdatasync(out)
            written += 1
    return round(written / (time.monotonic() - start))


def show_requests(rows):
    table.show(
        ("request", "connections", "requests/s", "instances/s", "instances/CPU-s", "p99 latency", "others"),
        *(
            (
                row.name,
                row.connections,
                round(pairs.median(row.runs, lambda r: r.requests / r.spent.seconds)),
                round(pairs.median(row.runs, row.per_second)) if row.size else "",
                round(pairs.median(row.runs, row.per_cpu_second)),
                table.microseconds(pairs.median(row.runs, lambda r: r.p99_latency)),
                table.percent(max(r.spent.others for r in row.runs)),
            )
            for row in rows
        ),
    )


def show_watchers(runs):
    table.show(
        ("watchers", "changes/s", "events/s", "p50", "p99", "longest", "server's core", "others"),
        (
            WATCHERS,
            round(pairs.median(runs, lambda r: r.changes / r.spent.seconds)),
            round(pairs.median(runs, lambda r: r.events / r.spent.seconds)),
            *(
                table.microseconds(pairs.median(runs, lambda r, which=which: r.latencies[which]))
                for which in ("p50", "p99", "most")
            ),
            table.percent(pairs.median(runs, lambda r: r.spent.cpu_seconds / r.spent.seconds)),
            table.percent(max(r.spent.others for r in runs)),
        ),
    )


def show_demands(renew, peer, register, watched):
    single, hundred = renew[0], renew[1]
    ours, theirs = (list(map(row.per_cpu_second, row.runs)) for row in (single, peer))
    pairs.show_ratios("Renewals per CPU-second, pair by pair:", ("portolan / handler", ours, theirs))
    p99 = pairs.median(watched, lambda r: r.latencies["p99"])
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs))
    in_arrays = pairs.median(hundred.runs, hundred.per_second)
    registered = pairs.median(register[0].runs, register[0].per_second)
    print("What is demanded:")
    table.show(
        ("figure", "measured", "demand"),
        ("renewals per CPU-second, of a handler's", ratio, f"≥ {RENEWALS:.2f}"),
        (f"{hundred.name}: instances/s", round(in_arrays), f"≥ {IN_ARRAYS:,}"),
        (f"{register[0].name}: instances/s", round(registered), f"≥ {REGISTRATIONS:,}"),
        ("from a change to all watchers, p99", table.microseconds(p99), f"≤ {table.microseconds(SOON)}"),
    )
