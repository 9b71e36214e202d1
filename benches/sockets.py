"""Two sockets in one process beside two processes with one each: CPU time per query, which sharing would raise.

Both cores serve and both ask, so that the threads of the one process do run at the same time.
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

        def start(name, cores):
            """A portolan with a socket, and the thread that serves it, for each of the cores."""
            portolan = running.enter_context(Portolan(programs["portolan"], work / name, cores=cores))
            portolan.feed(generated)
            threads = portolan.threads(DNS_THREAD)
            if len(threads) != len(cores):
                raise server.Failed(f"portolan has {len(threads)} threads named {DNS_THREAD} on {len(cores)} cores")
            # One to a core in both arrangements: where the scheduler puts them is not what we measure.
            for thread, core in zip(threads, cores):
                os.sched_setaffinity(int(thread.name), {core})
            asking = dns.contestant(portolan, "plain")
            asking.write_packets(questions)
            return asking

        both, one, other = start("both", CORES), start("one", CORES[:1]), start("other", CORES[1:])
        arrangements = {"one process, two sockets": [both, both], "two processes, one socket each": [one, other]}
        runs = pairs.paired(list(arrangements), asked.pairs, lambda name: ask(arrangements[name], asked.seconds))
    show(runs, asked)


def ask(asked_servers, seconds):
    """Queries answered to two dnsperfs at the same time, and the seconds of CPU that the servers spent on them."""
    servers = {asking.server for asking in asked_servers}
    before = sum(one.cpu_seconds() for one in servers)
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda one: load.dnsperf(one.server, one.packets, seconds, sockets=ASKING), asked_servers)
        queries = sum(result.queries for result in results)
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
    one_process, two_processes = map(microseconds, runs.values())
    pairs.show_ratios("CPU time per query, pair by pair:", ("one process / two processes", one_process, two_processes))
