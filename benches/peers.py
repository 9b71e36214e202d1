"""The servers under test: built or found, started on free ports of loopback, measured from /proc, ended by pid."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import instances
import message

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVER_CORE = 0
LOAD_CORE = 1
START_PATIENCE = 60  # seconds; NSD reads a million instances in six
STOP_PATIENCE = 10  # seconds
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PACKAGES = {"nsd": "nsd", "dnsperf": "dnsperf", "wrk": "wrk", "taskset": "util-linux"}  # program: Debian's package


class Failed(Exception):
    """What went wrong, for the person who started the benchmark."""


def require(programs):
    """Fails with the command that installs what is missing."""
    missing = [PACKAGES[program] for program in programs if find(program) is None]
    if missing:
        raise Failed(f"missing; run: apt-get install --no-install-recommends {' '.join(missing)}")


def find(program):
    """Daemons lie in sbin, which is not in everyone's PATH."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def build(kind, name):
    """The path of a program of this checkout, built as it is released; `kind` is `bin` or `bench`."""
    command = ["cargo", "build", "--release", f"--{kind}", name, "--message-format", "json-render-diagnostics"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        raise Failed(f"{name} does not build")
    for artifact in map(json.loads, built.stdout.splitlines()):
        if artifact.get("executable") and artifact["target"]["name"] == name:
            return artifact["executable"]
    raise Failed(f"cargo built {name}, but does not say where")


class Server:
    """A child process, with its own children, pinned to one core."""

    name: str
    dns: tuple[str, int]

    def spawn(self, command, log, **options):
        pinned = ["taskset", "-c", str(SERVER_CORE), *map(str, command)]
        self.log = log
        self.child = subprocess.Popen(pinned, stderr=log.open("w"), stdin=subprocess.DEVNULL, **options)

    def pids(self):
        """The process and all beneath it."""
        found = [self.child.pid]
        for pid in found:
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(FileNotFoundError):  # a thread may end while we look
                    found += map(int, (task / "children").read_text().split())
        return found

    def cpu_seconds(self):
        """User and system time of all threads of all processes."""
        return sum(sum(map(int, stat_fields(pid)[11:13])) for pid in self.pids()) / TICK

    def memory(self):
        """Resident bytes of all processes: pages counted per process, and shared pages counted once."""
        resident = proportional = 0
        for pid in self.pids():
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            sizes = {key: value for key, value, *_ in map(str.split, rollup[1:])}
            resident += int(sizes["Rss:"]) << 10
            proportional += int(sizes["Pss:"]) << 10
        return resident, proportional

    def await_dns(self):
        """Waits until it answers for the zone."""
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline and self.child.poll() is None:
            try:
                if message.decode(message.ask(self.dns, instances.ZONE, "SOA")[1]).answer:
                    return
            except OSError:  # refused or silent: not bound yet
                time.sleep(0.05)
        raise Failed(f"{self.name} does not answer for {instances.ZONE}:\n{self.log.read_text()}")

    def ready_line(self):
        """The first line on its standard output."""
        line = self.child.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended:\n{self.log.read_text()}")
        return line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(STOP_PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            self.child.wait()


class Portolan(Server):
    """`portolan serve` on its defaults: durable SQLite, HTTP and DNS; without mDNS, which would load the link."""

    name = "portolan"

    def __init__(self, binary, work):
        data = work / "portolan"
        serve = ["serve", "--json", "--no-mdns", "--data-dir", data, "--http", "127.0.0.1:0", "--dns", "127.0.0.1:0"]
        self.spawn([binary, *serve], work / "portolan.log", stdout=subprocess.PIPE, text=True)
        ready = json.loads(self.ready_line())
        self.http, self.dns = (endpoint(ready[key][0]) for key in ("http", "dns"))
        self.await_dns()


class Nsd(Server):
    """NSD from the system's packages, one server process, nothing slowed down by its settings."""

    name = "nsd"

    def __init__(self, zone_file, work):
        self.dns = ("127.0.0.1", free_port())
        configuration = work / "nsd.conf"
        configuration.write_text(f"""\
server:
    ip-address: 127.0.0.1@{self.dns[1]}
    server-count: 1
    reuseport: no
    rrl-ratelimit: 0
    verbosity: 0
    zonefiles-write: 0
    database: ""
    username: ""
    chroot: ""
    zonesdir: "{work}"
    pidfile: "{work}/nsd.pid"
    xfrdfile: "{work}/nsd.xfrd"
    xfrdir: "{work}"
    zonelistfile: "{work}/nsd.zones"
remote-control:
    control-enable: no
zone:
    name: {instances.ZONE}
    zonefile: "{zone_file}"
""")
        self.spawn([find("nsd"), "-d", "-c", configuration], work / "nsd.log")
        self.await_dns()


class Ceiling(Server):
    """`ceiling.rs`: as fast as one socket goes, the answers recorded from another server."""

    name = "ceiling"

    def __init__(self, binary, answers, work):
        self.spawn([binary, answers], work / "ceiling.log", stdout=subprocess.PIPE, text=True)
        self.dns = endpoint(self.ready_line().strip())


def stat_fields(pid):
    """`/proc/PID/stat` behind the program's name, which may hold spaces (proc(5): these begin with the third)."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def endpoint(text):
    """`127.0.0.1:5300` as Python's sockets take it."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def free_port():
    """A port that is free for UDP and TCP now."""
    with socket.socket(type=socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]
