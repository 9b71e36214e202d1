"""DNS while the registry is written to: queries per CPU-second of its DNS threads, beside those when nobody writes.

2,000 registrations with new content and 10,000 renewals arrive each second. Who has registered asks DNS as soon as that
is answered: no answer may be older.
"""

import dns
import instances
import load
import pairs
import table
from pairs import median
from portolan import Portolan
from writers import Registrar, Renewer, Writers

INSTANCES = 10_000
BUILDS = {"portolan": "bin"}
DNS_THREAD = "dns-udp"  # how portolan names the threads that answer over UDP
LEASE = 3600  # seconds; none lapses while we measure


def add_arguments(parser):
    parser.add_argument("--pairs", type=int, default=5, help="runs with and without writes (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (default %(default)s)")
    parser.add_argument("--rates", type=int, nargs="*", default=[50_000], help="fixed rates of queries, after flat out")


def needs(_asked):
    return ["dnsperf", "taskset"]


def run(asked, programs, work):
    generated = instances.generate(asked.instances)
    with Portolan(programs["portolan"], work / "portolan") as portolan:
        portolan.feed(generated, LEASE)
        asking = dns.contestant(portolan, "plain")
        asking.write_packets(instances.questions(generated, dns.QUESTIONS))
        load.dnsperf(portolan, asking.packets, dns.WARM_UP)
        for rate in (None, *asked.rates):
            writers = []

            def one_run(name):
                if name == "idle":
                    return load.dnsperf(portolan, asking.packets, asked.seconds, rate, DNS_THREAD)
                with Writers(portolan, generated, LEASE) as writing:
                    result = load.dnsperf(portolan, asking.packets, asked.seconds, rate, DNS_THREAD)
                writers.append(writing)
                result.queries += writing.probes  # they cost as much as other questions do
                return result

            runs = pairs.paired(["idle", "written to"], asked.pairs, one_run)
            at = f"at {rate:,} queries/s" if rate else "flat out"
            print(f"\n{asked.instances:,} instances, {at}; median of {asked.pairs} runs of {asked.seconds} s.")
            show(runs, writers)


def show(runs, writers):
    load.show(runs, "registry", f"queries/CPU-s of {DNS_THREAD}")
    written, idle = (dns.per_cpu_second(runs[name]) for name in ("written to", "idle"))
    pairs.show_ratios("Queries per CPU-second of DNS, pair by pair:", ("written to / idle", written, idle))
    print("What was written, and the answers that were asked for after each registration:")
    table.show(
        ("registrations/s", "renewals/s", "answers", "older than the registration"),
        (
            round(median(writers, lambda w: w.per_second(Registrar))),
            round(median(writers, lambda w: w.per_second(Renewer))),
            sum(w.probes for w in writers),
            sum(w.stale for w in writers),
        ),
    )
