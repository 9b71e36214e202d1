"""DNS over UDP: queries per second and per CPU-second of the server, loss and latency, beside other servers.

The peers are NSD, Knot and BIND with the same zone, and a program that repeats portolan's answers: the ceiling.
"""

from contextlib import ExitStack
from dataclasses import dataclass

import instances
import load
import message
import pairs
import peers
import server
import table
from portolan import Portolan

INSTANCES = 10_000
BUILDS = {"portolan": "bin", "ceiling": "bench"}
QUESTIONS = 100_000  # asked over and over; few enough to lie in memory, more than there are names
COMPARED = 2_000  # questions that every peer must answer as portolan does
WARM_UP = 1  # seconds
# What ends a query, and how the tables call it.
MODES = {
    "plain": (message.NO_EDNS, "no EDNS"),
    "edns": (message.EDNS, f"EDNS {message.EDNS_SIZE}"),
    "cookie": (message.FRESH_COOKIE, f"EDNS {message.EDNS_SIZE} and a fresh cookie"),
}


def add_arguments(parser):
    parser.add_argument("--pairs", type=int, default=5, help="runs of each server (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (default %(default)s)")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=["plain"], help="what the queries end in")
    parser.add_argument("--peers", nargs="*", choices=peers.PEERS, default=list(peers.PEERS), help="beside the ceiling")
    parser.add_argument(
        "--rates", type=int, nargs="*", default=[20_000, 100_000], help="fixed rates to see the latency at"
    )


def needs(asked):
    return [peers.PEERS[name].program for name in asked.peers] + ["dnsperf", "taskset"]


@dataclass(frozen=True)
class Contestant:
    """A server that is asked in one of the modes."""

    server: server.Server
    mode: str
    opt: bytes

    @property
    def packets(self):
        """Where its questions lie, as dnsperf reads them."""
        return self.server.directory / f"packets-{self.mode}"

    def write_packets(self, questions):
        self.packets.write_bytes(b"".join(framed(message.encode(*question, self.opt)) for question in questions))

    def ask(self, question):
        return message.ask(self.server.dns, *question, self.opt)


def run(asked, programs, work):
    generated = instances.generate(asked.instances)
    questions = instances.questions(generated, QUESTIONS)
    zone_file = work / "zone"
    instances.write_zone(generated, zone_file)

    with ExitStack() as running:
        portolan = running.enter_context(Portolan(programs["portolan"], work / "portolan"))
        portolan.feed(generated)
        others = [running.enter_context(peers.PEERS[name](zone_file, work / name)) for name in asked.peers]
        contestants = []
        for mode in asked.modes:
            if mode == "cookie" and "knot" in asked.peers:
                knot = running.enter_context(peers.Knot(zone_file, work / "knot-cookies", cookies=True))
                others[asked.peers.index("knot")] = knot
            ours, *theirs = (contestant(one, mode) for one in (portolan, *others))
            for their in theirs:
                compare(ours, their, questions[:COMPARED])
            responses = work / f"responses-{mode}"
            record(ours, questions, responses)
            ceiling = running.enter_context(peers.Ceiling(programs["ceiling"], responses, work / f"ceiling-{mode}"))
            contestants += [ours, *theirs, Contestant(ceiling, mode, ours.opt)]
        for one in contestants:
            one.write_packets(questions)
        measure(contestants, asked)


def contestant(one, mode):
    """`one` with queries that it answers: Knot takes no fresh cookie, but gives one that it takes (BADCOOKIE)."""
    opt, _ = MODES[mode]
    refusal = message.decode(message.ask(one.dns, instances.ZONE, "SOA", opt)[1])
    if refusal.rcode == message.BADCOOKIE:
        opt = message.opt((message.COOKIE, refusal.options[message.COOKIE]))
    return Contestant(one, mode, opt)


def compare(one, other, questions):
    """Fails where two servers differ in what the standard leaves no choice in.

    Of the additional sections only the addresses of SRV targets are compared: NSD adds the zone's NS to positive
    answers, portolan adds SRV and TXT to PTR.
    """
    for question in questions:
        seen = []
        for asked in (one, other):
            answer = message.decode(asked.ask(question)[1])
            check_options(asked, answer.options)
            targets = {data[1] for _, type_, _, data in answer.answer if type_ == message.TYPES["SRV"]}
            addresses = frozenset(record for record in answer.additional if record[0] in targets)
            seen.append((answer.rcode, answer.authoritative, answer.truncated, answer.answer, addresses))
        if seen[0] != seen[1]:
            names = one.server.name, other.server.name
            raise server.Failed(f"{' '.join(question)}: {names[0]} answers {seen[0]}, {names[1]} {seen[1]}")
    print(f"{one.server.name} and {other.server.name} answer {len(questions)} questions alike, {MODES[one.mode][1]}")


def check_options(asked, options):
    """Fails where EDNS is not answered with EDNS, or a cookie not with that and one of the server's (RFC 7873 §4)."""
    if (options is None) != (asked.mode == "plain"):
        raise server.Failed(f"{asked.server.name}: an answer and its question do not agree about EDNS")
    if asked.mode == "cookie":
        cookie = options.get(message.COOKIE, b"")
        if not cookie.startswith(message.CLIENT_COOKIE) or len(cookie) < 2 * len(message.CLIENT_COOKIE):
            raise server.Failed(f"{asked.server.name} answers a cookie without one of its own: {cookie.hex()}")


def record(asked, questions, path):
    """Writes each different question and the server's response, for the ceiling to repeat."""
    with path.open("wb") as out:
        for question in dict.fromkeys(questions):
            out.writelines(map(framed, asked.ask(question)))


def framed(packet):
    """With its length before it (RFC 1035 §4.2.2), as dnsperf and the ceiling read it."""
    return len(packet).to_bytes(2) + packet


def measure(contestants, asked):
    """Pairs of runs, flat out and at each rate."""
    for one in contestants:
        load.dnsperf(one.server, one.packets, WARM_UP)
    runs = {}
    for rate in (None, *asked.rates):
        runs[rate] = pairs.paired(
            contestants, asked.pairs, lambda one: load.dnsperf(one.server, one.packets, asked.seconds, rate)
        )
    for mode in asked.modes:
        runs_asked = f"median of {asked.pairs} runs of {asked.seconds} s"
        print(f"\n{asked.instances:,} instances, {MODES[mode][1]}; {runs_asked}.\n")
        for rate, of_all in runs.items():
            print(f"At {rate:,} queries/s:" if rate else "Flat out:")
            load.show({one.server.name: results for one, results in of_all.items() if one.mode == mode})
        show_against_peers({one.server.name: results for one, results in runs[None].items() if one.mode == mode})
    show_against_modes({(one.server.name, one.mode): results for one, results in runs[None].items()}, asked.modes)


def show_against_peers(runs):
    """portolan's queries per CPU-second over each peer's."""
    ours, *others = runs
    rows = [(f"{ours} / {peer}", per_cpu_second(runs[ours]), per_cpu_second(runs[peer])) for peer in others]
    pairs.show_ratios("Queries per CPU-second, flat out, pair by pair:", *rows)


def show_against_modes(runs, modes):
    """Each server's queries per CPU-second in a mode over those in the first."""
    first, *others = modes
    rows = [
        (f"{name}, {mode} / {first}", per_cpu_second(results), per_cpu_second(runs[name, first]))
        for (name, mode), results in runs.items()
        if mode in others
    ]
    if rows:
        pairs.show_ratios("Queries per CPU-second, flat out, by what the queries end in:", *rows)


def per_cpu_second(runs):
    return [run.per_cpu_second for run in runs]
