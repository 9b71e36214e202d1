"""DNS queries per server CPU-second over UDP, beside NSD on the same instances.

The servers get the same records and the same questions, in paired runs one after the other, so that what else happens
on the machine meets both alike. First it is checked that they answer alike.
"""

import statistics
import struct

import instances
import load
import message
import peers
import registry
import table

INSTANCES = 10_000
NEEDS = ["nsd", "dnsperf", "taskset"]
QUESTIONS = 100_000  # in the file that dnsperf repeats
COMPARED = 2_000  # questions whose answers are compared before anything is measured
WARM_UP = 1  # seconds


def add_arguments(parser):
    parser.add_argument("--pairs", type=int, default=5, help="runs of each server (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (default %(default)s)")
    parser.add_argument("--edns", action="store_true", help="ask with EDNS, UDP size 1232")
    parser.add_argument("--rates", type=int, nargs="*", default=[20_000], help="fixed rates to see the latency at")


def run(asked, binary, work):
    ceiling_binary = peers.build("bench", "ceiling")
    generated = instances.generate(asked.instances)
    questions = instances.questions(generated, QUESTIONS)
    zone_file, packets = work / "zone", work / "packets"
    instances.write_zone(generated, zone_file)
    packets.write_bytes(b"".join(framed(message.encode(*question, asked.edns)) for question in questions))

    with peers.Portolan(binary, work) as portolan, peers.Nsd(zone_file, work) as nsd:
        registry.feed(portolan, generated)
        compare(portolan, nsd, questions[:COMPARED], asked.edns)
        responses = work / "responses"
        record(portolan, questions, asked.edns, responses)
        with peers.Ceiling(ceiling_binary, responses, work) as ceiling:
            servers = [portolan, nsd, ceiling]
            measure(servers, packets, asked)


def compare(one, other, questions, edns):
    """Fails where two servers differ in what the standard leaves no choice in.

    Of the additional sections only the addresses of SRV targets are compared: NSD adds the zone's NS to positive
    answers, portolan adds SRV and TXT to PTR.
    """
    for name, kind in questions:
        seen = []
        for server in (one, other):
            answer = message.decode(message.ask(server.dns, name, kind, edns)[1])
            targets = {data[1] for _, type_, _, data in answer.answer if type_ == message.TYPES["SRV"]}
            addresses = frozenset(record for record in answer.additional if record[0] in targets)
            seen.append((answer.rcode, answer.authoritative, answer.truncated, answer.answer, addresses))
        if seen[0] != seen[1]:
            raise peers.Failed(f"{name} {kind}: {one.name} answers {seen[0]}, {other.name} {seen[1]}")
    print(f"{one.name} and {other.name} answer {len(questions)} questions alike")


def record(server, questions, edns, path):
    """Writes each different question and the server's response, for the ceiling to repeat."""
    with path.open("wb") as out:
        for question in dict.fromkeys(questions):
            out.writelines(map(framed, message.ask(server.dns, *question, edns)))


def framed(packet):
    """With its length before it (RFC 1035 §4.2.2), as dnsperf and the ceiling read it."""
    return struct.pack("!H", len(packet)) + packet


def measure(servers, packets, asked):
    """Pairs of runs, flat out and at each rate; the order turns around from pair to pair."""
    for server in servers:
        load.dnsperf(server, packets, WARM_UP)
    flat_out = paired(servers, asked.pairs, lambda server: load.dnsperf(server, packets, asked.seconds))
    edns = f"EDNS {message.EDNS_SIZE}" if asked.edns else "no EDNS"
    print(f"\n{asked.instances:,} instances, {edns}; median of {asked.pairs} runs of {asked.seconds} s.\n\nFlat out:")
    show(flat_out)
    for rate in asked.rates:
        runs = paired(servers, asked.pairs, lambda server: load.dnsperf(server, packets, asked.seconds, rate))
        print(f"At {rate:,} queries/s:")
        show(runs)
    show_ratios(flat_out)


def paired(servers, pairs, one_run):
    """The runs of each server, by its name."""
    runs = {server.name: [] for server in servers}
    for pair in range(pairs):
        for server in servers if pair % 2 == 0 else reversed(servers):
            runs[server.name].append(one_run(server))
    shares = {tuple(result.rcodes) for results in runs.values() for result in results}
    if shares != {("NOERROR", "NXDOMAIN")}:
        raise peers.Failed(f"unexpected response codes: {shares}")
    return runs


def show(runs):
    """A row for each server."""

    def shown(name, results):
        def median(figure):
            return statistics.median(map(figure, results))

        looked = all(result.p99_latency for result in results)
        return (
            name,
            round(median(lambda r: r.per_second)),
            round(median(lambda r: r.per_cpu_second)),
            table.percent(median(lambda r: r.loss)),
            table.microseconds(median(lambda r: r.mean_latency)),
            table.microseconds(median(lambda r: r.p99_latency)) if looked else "",
            table.percent(max(r.spent.others for r in results)),
        )

    heading = ("server", "queries/s", "queries/CPU-s", "loss", "mean latency", "p99 latency", "others")
    table.show(heading, *(shown(*row) for row in runs.items()))


def show_ratios(runs):
    """portolan's queries per CPU-second over each peer's, pair by pair."""
    ours, *others = runs
    print("Queries per CPU-second, pair by pair:")
    rows = []
    for peer in others:
        ratios = [a.per_cpu_second / b.per_cpu_second for a, b in zip(runs[ours], runs[peer])]
        rows.append((f"{ours} / {peer}", *ratios, statistics.median(ratios)))
    pairs = range(1, len(runs[ours]) + 1)
    table.show(("ratio", *(f"pair {pair}" for pair in pairs), "median"), *rows)
