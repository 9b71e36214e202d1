"""Two sockets in one process beside two processes with one each: CPU time per query, which sharing would raise.

Both cores serve and both ask, so that the threads of the one process do run at the same time. As in two processes, each
socket has a port of its own and a dnsperf that asks it alone. What it costs to have the kernel spread one port over
two sockets, by a hash that is never quite even, stands beside it.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import dns
import instances
import load
import pairs
import server
import table
from pairs import median
from portolan import Portolan
from writes import DNS_THREAD

INSTANCES = 10_000
BUILDS = {"portolan": "bin"}
CORES = (server.SERVER_CORE, server.LOAD_CORE)
# Of each of two dnsperfs. The kernel spreads them over the two sockets of the one process by a hash: many, evenly.
ASKING = 50
ONE, TWO = "one process, two sockets", "two processes, one socket each"
SPREAD = "one process, two sockets at one port"


def add_arguments(parser):
    parser.add_argument("--pairs", type=int, default=5, help="runs of both (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (default %(default)s)")


def needs(_asked):
    return ["dnsperf", "taskset"]


def run(asked, programs, work):
    os.sched_setaffinity(0, CORES)
    generated = instances.generate(asked.instances)
    questions = instances.questions(generated, dns.QUESTIONS)
    with ExitStack() as running:

        def start(name, cores, ports=1):
            """A portolan with a socket, and the thread that serves it, for each of the cores: at as many ports, or at one."""
            # Each port has as many sockets as there are cores where portolan starts.
            portolan = Portolan(programs["portolan"], work / name, cores=cores[: len(cores) // ports], ports=ports)
            running.enter_context(portolan).feed(generated)
            threads = portolan.threads(DNS_THREAD)
            if len(threads) != len(cores):
                raise server.Failed(f"portolan has {len(threads)} threads named {DNS_THREAD} for {len(cores)} cores")
            # One to a core in all arrangements: where the scheduler puts them is not what we measure.
            for thread, core in zip(threads, cores):
                os.sched_setaffinity(int(thread.name), {core})
            asking = dns.contestant(portolan, "plain")
            asking.write_packets(questions)
            return [(asking, address) for address in portolan.addresses]

        arrangements = {
            ONE: start("ports", CORES, ports=2),
            TWO: start("one", CORES[:1]) + start("other", CORES[1:]),
            SPREAD: 2 * start("port", CORES),
        }
        runs = pairs.paired(list(arrangements), asked.pairs, lambda name: ask(arrangements[name], asked.seconds))
    show(runs, asked)


def ask(sockets, seconds):
    """Queries answered to two dnsperfs at the same time, and the seconds of CPU that the servers spent on them."""
    servers = {asking.server for asking, _ in sockets}
    before = sum(one.cpu_seconds() for one in servers)

    def query(socket):
        asking, address = socket
        return load.dnsperf(asking.server, asking.packets, seconds, sockets=ASKING, address=address).queries

    with ThreadPoolExecutor() as pool:
        queries = sum(pool.map(query, sockets))
    return queries, sum(one.cpu_seconds() for one in servers) - before


def show(runs, asked):
    def microseconds(results):
        return [cpu_seconds / queries * 1e6 for queries, cpu_seconds in results]

    print(f"\n{asked.instances:,} instances, no EDNS, flat out; median of {asked.pairs} runs of {asked.seconds} s.")
    table.show(
        ("arrangement", "queries/s", "CPU µs/query"),
        *(
            (
                name,
                round(median(results, lambda result: result[0] / asked.seconds)),
                median(microseconds(results), float),
            )
            for name, results in runs.items()
        ),
    )
    costs = {name: microseconds(results) for name, results in runs.items()}
    rows = [(f"{name} / {TWO}", costs[name], costs[TWO]) for name in (ONE, SPREAD)]
    pairs.show_ratios("CPU time per query, pair by pair:", *rows)
