"""Heartbeats per second, single and in arrays, of known and of new instances.

Renewals change nothing and are not written; a new instance is answered when it is synced to disk. The peers are
the same process answering `GET /healthz`, which is what HTTP costs when nothing is done, and the disk, which says how
often it can sync.
"""

import itertools
import json
import os
import statistics
import time

import instances
import load
import table
from portolan import Portolan
from server import Failed

INSTANCES = 10_000
BUILDS = {"portolan": "bin"}
LEASE = 3600  # seconds; none lapses while we measure
SIZES = (1, 100, 1000)  # instances of one heartbeat
SINGLES, ARRAYS = 64, 8  # connections: many services that come alone, few that come for many
# New instances to have ready for each second, single and in arrays. A run that needs more is refused.
NEW_SINGLES, NEW_IN_ARRAYS = 30_000, 100_000
DISK_SECONDS = 1
DISK_BLOCK = 4096  # octets; a page of SQLite


def add_arguments(parser):
    parser.add_argument("--pairs", type=int, default=5, help="runs of each row (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each run (default %(default)s)")


def needs(_asked):
    return ["wrk", "taskset"]


def run(asked, programs, work):
    known = instances.generate(asked.instances)
    rows = prepare(known, asked.seconds, work)
    runs = {row: [] for row in rows}
    syncs = []
    for pair in range(asked.pairs):
        # What a round registers stays, so that each begins with a registry of its own.
        directory = work / f"round-{pair}"
        directory.mkdir()
        syncs.append(syncs_per_second(directory / "synced"))
        with Portolan(programs["portolan"], directory) as portolan:
            portolan.feed(known, LEASE)
            for row in rows:
                runs[row].append(row.measure(portolan, asked.seconds))
    show(runs, syncs, asked)


class Row:
    """One kind of request."""

    def __init__(self, name, size=0, bodies=None, prepared=None):
        self.name, self.size, self.bodies, self.prepared = name, size, bodies, prepared
        self.connections = ARRAYS if size > 1 else SINGLES

    def measure(self, portolan, seconds):
        settings = {"path_asked": "/healthz"}
        if self.bodies:
            settings = {"path_asked": "/v1/heartbeat", "bodies": self.bodies}
        result = load.wrk(portolan, "requests.lua", seconds, self.connections, **settings)
        if result.failures:
            raise Failed(f"{self.name}: {result.failures} of {result.requests} requests failed")
        # wrk has sent one more on each connection than it saw answered.
        if self.prepared is not None and result.requests + self.connections > self.prepared:
            raise Failed(f"{self.name}: {result.requests} requests, but only {self.prepared} prepared")
        return result


def prepare(known, seconds, work):
    """The rows, and files with their bodies."""
    rows = [Row("GET /healthz")]
    for size in SIZES:
        bodies, _ = write_bodies(known, size, work / f"known-{size}")
        rows.append(Row(f"renew, {size:,} in a request", size, bodies))
    unused = len(known)
    for size in SIZES:
        count = seconds * (NEW_SINGLES if size == 1 else NEW_IN_ARRAYS)
        new = map(instances.Instance, range(unused, unused + count))
        bodies, prepared = write_bodies(new, size, work / f"new-{size}")
        rows.append(Row(f"register, {size:,} in a request", size, bodies, prepared))
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


def show(runs, syncs, asked):
    print(f"\n{asked.instances:,} instances known before; median of {asked.pairs} runs of {asked.seconds} s:")
    table.show(
        ("request", "connections", "requests/s", "instances/s", "instances/CPU-s", "p99 latency", "others"),
        *(shown(row, results) for row, results in runs.items()),
    )
    print(f"The disk syncs {statistics.median(syncs):,.0f} appended blocks/s.")


def shown(row, results):
    def median(figure):
        return round(statistics.median(map(figure, results)))

    return (
        row.name,
        row.connections,
        median(lambda r: r.requests / r.spent.seconds),
        median(lambda r: r.requests * row.size / r.spent.seconds) if row.size else "",
        median(lambda r: r.requests * (row.size or 1) / r.spent.cpu_seconds),
        table.microseconds(statistics.median(r.p99_latency for r in results)),
        table.percent(max(r.spent.others for r in results)),
    )
