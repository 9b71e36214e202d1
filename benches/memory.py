"""Resident memory with 100,000 instances, beside NSD's with the same zone."""

import time

import instances
import peers
import registry
import table

INSTANCES = 100_000
NEEDS = ["nsd", "taskset"]
SETTLED = 3  # seconds without growth or shrinkage
SETTLE_PATIENCE = 60  # seconds
STEADY = 0.001  # share that may come and go


def add_arguments(_parser):
    """No more than every bench has."""


def run(asked, binary, work):
    generated = instances.generate(asked.instances)
    zone_file = work / "zone"
    instances.write_zone(generated, zone_file)
    with peers.Portolan(binary, work) as portolan, peers.Nsd(zone_file, work) as nsd:
        empty, _ = portolan.memory()
        registry.feed(portolan, generated)
        rows = []
        for server in (portolan, nsd):
            resident, proportional = settled(server)
            rows.append((server.name, len(server.pids()), megabytes(resident), megabytes(proportional),
                         round(proportional / asked.instances)))
    print(f"\n{asked.instances:,} instances (portolan with none: {megabytes(empty)} MB):")
    table.show(("server", "processes", "resident MB", "shared counted once MB", "octets/instance"), *rows)


def settled(server):
    """Its memory once that stands still, or after the patience."""
    seen = [server.memory()]
    for _ in range(SETTLE_PATIENCE):
        time.sleep(1)
        seen.append(server.memory())
        last = [proportional for _, proportional in seen[-SETTLED - 1 :]]
        if len(last) > SETTLED and max(last) - min(last) <= STEADY * max(last):
            break
    return seen[-1]


def megabytes(octets):
    """In millions of octets."""
    return round(octets / 1e6)
