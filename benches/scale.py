"""A large registry: the memory of a million instances, the time to start with them, and queries per CPU-second.

Each server runs with many instances and with few; NSD and Knot have the same zones.
"""

import statistics
import time
from contextlib import ExitStack

import dns
import instances
import load
import pairs
import peers
import table
from portolan import Portolan

INSTANCES = 1_000_000
BUILDS = {"portolan": "bin"}
SETTLED = 3  # seconds without growth or shrinkage
SETTLE_PATIENCE = 60  # seconds
STEADY = 0.001  # share that may come and go


def add_arguments(parser):
    parser.add_argument("--beside", type=int, default=10_000, help="instances to compare with (default %(default)s)")
    parser.add_argument("--starts", type=int, default=3, help="of each server with many (default %(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each server and size (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (default %(default)s)")
    parser.add_argument("--peers", nargs="*", choices=peers.PEERS, default=["nsd", "knot"])


needs = dns.needs


def run(asked, programs, work):
    few = Size(asked.beside, programs, asked.peers, work / "few")
    many = Size(asked.instances, programs, asked.peers, work / "many")
    few.feed()
    memory = {"portolan, as it was fed": many.feed()}
    starts = many.start(asked.starts)
    with ExitStack() as running:
        for one in (*few.servers, *many.servers):
            running.enter_context(one)
        contestants = few.contestants() + many.contestants()
        for one in contestants:
            load.dnsperf(one.server, one.packets, dns.WARM_UP)
        memory |= {one.name: (len(one.pids()), *settled(one)) for one in many.servers}
        runs = pairs.paired(
            contestants, asked.pairs, lambda one: load.dnsperf(one.server, one.packets, asked.seconds)
        )
    show_memory(memory, many.count)
    show_starts(starts)
    show_runs(runs, few, many, asked)


class Size:
    """The servers with so many instances."""

    def __init__(self, count, programs, names, work):
        self.count, self.generated = count, instances.generate(count)
        work.mkdir()
        zone_file = work / "zone"
        instances.write_zone(self.generated, zone_file)
        # Who knows the last has read them all.
        question = self.generated[-1].full_name, "SRV"
        self.portolan = Portolan(programs["portolan"], work / "portolan", question=question)
        others = [peers.PEERS[name](zone_file, work / name, question=question) for name in names]
        self.servers = [self.portolan, *others]

    def feed(self):
        """Has portolan's database hold them; returns the number of its processes and their memory."""
        with Portolan(self.portolan.binary, self.portolan.directory) as portolan:
            portolan.feed(self.generated)
            return len(portolan.pids()), *settled(portolan)

    def start(self, starts):
        """The seconds until each server's first answer, of so many starts."""

        def started_in(one):
            with one:
                return one.started_in

        return pairs.paired(self.servers, starts, started_in)

    def contestants(self):
        """The servers with their questions, once they are known to answer them alike."""
        questions = instances.questions(self.generated, dns.QUESTIONS)
        contestants = [dns.contestant(one, "plain") for one in self.servers]
        for one in contestants:
            one.write_packets(questions)
            if one is not contestants[0]:
                dns.compare(contestants[0], one, questions[: dns.COMPARED])
        return contestants


def settled(one):
    """A server's memory once that stands still, or after the patience."""
    seen = [one.memory()]
    for _ in range(SETTLE_PATIENCE):
        time.sleep(1)
        seen.append(one.memory())
        last = [proportional for _, proportional in seen[-SETTLED - 1 :]]
        if len(last) > SETTLED and max(last) - min(last) <= STEADY * max(last):
            break
    return seen[-1]


def show_memory(memory, count):
    def megabytes(octets):
        return round(octets / 1e6)

    print(f"\nMemory with {count:,} instances:")
    table.show(
        ("server", "processes", "resident MB", "shared counted once MB", "octets/instance"),
        *(
            (name, processes, megabytes(resident), megabytes(proportional), round(proportional / count))
            for name, (processes, resident, proportional) in memory.items()
        ),
    )


def show_starts(starts):
    print("Seconds from the start to the first answer, on one core:")
    numbers = range(1, max(map(len, starts.values())) + 1)
    table.show(
        ("server", *(f"start {number}" for number in numbers), "median"),
        *((one.name, *seconds, statistics.median(seconds)) for one, seconds in starts.items()),
    )


def show_runs(runs, few, many, asked):
    by_size = {}
    for size in (few, many):
        by_size[size] = {one.server.name: results for one, results in runs.items() if one.server in size.servers}
        print(f"{size.count:,} instances, flat out; median of {asked.pairs} runs of {asked.seconds} s:")
        load.show(by_size[size])
    rows = [
        (name, dns.per_cpu_second(results), dns.per_cpu_second(by_size[few][name]))
        for name, results in by_size[many].items()
    ]
    sizes = f"{many.count:,} / with {few.count:,} instances"
    pairs.show_ratios(f"Queries per CPU-second, flat out, with {sizes}, pair by pair:", *rows)
