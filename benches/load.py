"""The load generators, dnsperf, wrk and our own watchers: run once, read what they say and what the server spent meanwhile."""

import json
import os
import pathlib
import re
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass

import table
from pairs import median
from server import Failed, SERVER_CORE, TICK

HERE = pathlib.Path(__file__).resolve().parent
# dnsperf: enough that a server seldom waits for it, few enough that no socket buffer of default size overflows.
OUTSTANDING = 100
SOCKETS = 10
LOST_AFTER = 1  # seconds
PERCENTILES = (50, 99)  # of the latencies that are shown
CUT_OFF = 30  # seconds beyond the asked duration after which a load generator is taken for hung


@dataclass
class Spent:
    """What a run cost, by the wall and on the server's core."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0  # the server's
    others: float = 0.0  # share of the core that neither the server nor idleness took: noise


@dataclass
class Dns:
    """One run of dnsperf."""

    queries: int
    lost: int
    mean_latency: float  # seconds
    latencies: list  # seconds, from the least; only of a run that was told to look
    spent: Spent

    @property
    def per_second(self):
        return self.queries / self.spent.seconds

    @property
    def per_cpu_second(self):
        return self.queries / self.spent.cpu_seconds

    @property
    def loss(self):
        return self.lost / (self.queries + self.lost)

    def percentile(self, share):
        """Seconds that so many of a hundred queries took at most."""
        return self.latencies[len(self.latencies) * share // 100]


@dataclass
class Http:
    """One run of wrk."""

    requests: int
    failures: int  # answers that are not 2xx or 3xx, and connections that broke
    p99_latency: float  # seconds
    spent: Spent


@dataclass
class Watched:
    """One run of `watchers.rs`."""

    changes: int
    events: int  # all that were told, to all watchers
    latencies: dict  # seconds by `p50`, `p99` and `most`, from a change's request to a watcher that knows
    spent: Spent


@contextmanager
def measuring(server, thread=None):
    """Fills in what is spent from here to the end of the block; with `thread` the CPU time of those of that name."""
    spent = Spent()
    start, cpu, counted, busy = time.monotonic(), server.cpu_seconds(), server.cpu_seconds(thread), core_busy()
    yield spent
    spent.seconds = time.monotonic() - start
    spent.cpu_seconds = server.cpu_seconds(thread) - counted
    spent.others = max(0.0, core_busy() - busy - server.cpu_seconds() + cpu) / spent.seconds


def core_busy():
    """Seconds that the server's core was not idle (proc(5), `/proc/stat`)."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{SERVER_CORE}":
            user, nice, system, _idle, _iowait, *rest = map(int, fields[:8])
            return (user + nice + system + sum(rest)) / TICK
    raise Failed(f"/proc/stat does not know core {SERVER_CORE}")


def dnsperf(server, packets, seconds, rate=None, thread=None, sockets=SOCKETS, address=None):
    """Asks what is in the file `packets` over and over; flat out, or at `rate` a second and looking at each latency.

    To look costs dnsperf a good part of its speed, so it does not when flat out. With `thread` only the server's
    threads of that name count; `address` is one of several that it has.
    """
    host, port = address or server.dns
    command = ["dnsperf", "-s", host, "-p", str(port), "-B", "-d", packets, "-l", str(seconds), "-t", str(LOST_AFTER)]
    command += ["-c", str(sockets), "-q", str(OUTSTANDING)] + (["-Q", str(rate), "-v"] if rate else [])
    with measuring(server, thread) as spent:
        said = run(command, seconds)
    rcodes = set(re.findall(r"([A-Z]+) \d+ \([\d.]+%\)", said))
    if not rcodes <= {"NOERROR", "NXDOMAIN"}:
        raise Failed(f"{server.name} answers with the response codes {', '.join(rcodes)}")
    if not rcodes:
        raise Failed(f"{server.name} answers nothing")
    spent.seconds = number(r"Run time \(s\):\s+([\d.]+)", said)
    return Dns(
        queries=int(number(r"Queries completed:\s+(\d+)", said)),
        lost=int(number(r"Queries lost:\s+(\d+)", said)),
        mean_latency=number(r"Average Latency \(s\):\s+([\d.]+)", said),
        latencies=sorted(map(float, re.findall(r"^> \S+ .* ([\d.]+)$", said, re.M))),
        spent=spent,
    )


def wrk(server, script, seconds, connections, **settings):
    """Runs the Lua `script`, which finds the settings in its environment, over so many connections."""
    host, port = server.http
    command = ["wrk", "-t1", "-c", str(connections), "-d", f"{seconds}s", "-s", HERE / script, f"http://{host}:{port}"]
    with measuring(server) as spent:
        said = run(command, seconds, env=os.environ | {key.upper(): str(value) for key, value in settings.items()})
    summary = json.loads(said[said.rindex("{") :])
    spent.seconds = summary["microseconds"] / 1e6
    return Http(summary["requests"], summary["failures"], summary["p99_microseconds"] / 1e6, spent)


def watchers(server, program, watchers, rate, seconds):
    """Has so many watch while `rate` changes are made each second, of which those of the first second do not count."""
    host, port = server.http
    with measuring(server) as spent:
        said = json.loads(run([program, f"{host}:{port}", *map(str, (watchers, rate, seconds))], seconds))
    # Of which a moment went to open the watches.
    spent.seconds = said["microseconds"] / 1e6
    latencies = {which: said[f"{which}_microseconds"] / 1e6 for which in ("p50", "p99", "most")}
    return Watched(said["changes"], said["events"], latencies, spent)


def run(command, seconds, **options):
    """What it prints. It goes to memory: dnsperf writes each line on its own, and would wait for a disk or a reader."""
    with os.fdopen(os.memfd_create("said"), "w+") as output:
        try:
            subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, timeout=seconds + CUT_OFF, check=True, **options
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            output.seek(0)
            raise Failed(f"{error}:\n{output.read()[-2000:]}") from error
        output.seek(0)
        return output.read()


def number(pattern, said):
    """The number that the pattern finds."""
    found = re.search(pattern, said)
    if not found:
        raise Failed(f"cannot read what the load generator said:\n{said[-2000:]}")
    return float(found[1])


def show(runs, name="server", per_cpu_second="queries/CPU-s"):
    """A row for each server with its runs of dnsperf; the names of the two columns that may differ."""

    def shown(name, results):
        looked = all(result.latencies for result in results)
        return (
            name,
            round(median(results, lambda r: r.per_second)),
            round(median(results, lambda r: r.per_cpu_second)),
            table.percent(median(results, lambda r: r.loss)),
            table.microseconds(median(results, lambda r: r.mean_latency)),
            *(table.microseconds(median(results, lambda r: r.percentile(p))) if looked else "" for p in PERCENTILES),
            table.percent(max(r.spent.others for r in results)),
        )

    percentiles = (f"p{percentile}" for percentile in PERCENTILES)
    heading = (name, "queries/s", per_cpu_second, "loss", "mean latency", *percentiles, "others")
    table.show(heading, *(shown(*row) for row in runs.items()))
