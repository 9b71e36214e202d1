"""A server under test: built or found, started on a free port of loopback, measured from /proc, ended by pid."""

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
START_PATIENCE = 300  # seconds; the slowest reads a million instances in twenty, on a core of its own
STOP_PATIENCE = 20  # seconds
ASKED_EVERY = 0.005  # seconds between two looks whether its port is there
SILENCE = 0.05  # seconds until it is asked again
TICK = os.sysconf("SC_CLK_TCK")
# Program: Debian's package.
PACKAGES = {
    "nsd": "nsd", "knotd": "knot", "named": "bind9", "dnsperf": "dnsperf", "wrk": "wrk", "taskset": "util-linux",
}


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
    """A child process, with its own children, which runs within a `with`.

    `directory` is its own; nothing of it lies elsewhere. `question` is what it has to answer to count as started.
    """

    name: str
    cores = (SERVER_CORE,)

    def __init__(self, directory, question=(instances.ZONE, "SOA")):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.log, self.question = directory, directory / "log", question
        self.dns = ("127.0.0.1", free_port())
        self.child = None
        self.started_in = None  # seconds until the first answer

    def command(self):
        """The program with its arguments; writes the configuration that it names."""
        raise NotImplementedError

    def await_ready(self):
        """Waits until it serves."""
        self.await_answer()

    def await_answer(self):
        """Waits until it answers with records, and soon."""
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline and self.child.poll() is None:
            try:
                if message.decode(message.ask(self.dns, *self.question, timeout=SILENCE)[1]).answer:
                    return
            except OSError:  # refused or silent: not bound yet, or reading its zone
                time.sleep(ASKED_EVERY)
        raise Failed(f"{self.name} does not answer {' '.join(self.question)}:\n{self.log.read_text()[-2000:]}")

    def __enter__(self):
        pinned = ["taskset", "-c", ",".join(map(str, self.cores)), *map(str, self.command())]
        try:
            start = time.monotonic()
            with self.log.open("w") as log:
                self.child = subprocess.Popen(
                    pinned, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
                )
            self.await_ready()
            self.started_in = time.monotonic() - start
        except BaseException:  # Ctrl-C as well: `__exit__` does not come where this fails
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.child is None:
            return
        with self.child.stdout:
            self.child.terminate()
            try:
                self.child.wait(STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                for pid in self.pids():
                    os.kill(pid, signal.SIGKILL)
                self.child.wait()

    def ready_line(self):
        """The first line on its standard output."""
        line = self.child.stdout.readline()
        if not line:
            raise Failed(f"{self.name} ended:\n{self.log.read_text()[-2000:]}")
        return line

    def pids(self):
        """The process and all beneath it."""
        found = [self.child.pid]
        for pid in found:
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(FileNotFoundError):  # a thread may end while we look
                    found += map(int, (task / "children").read_text().split())
        return found

    def cpu_seconds(self, thread=None):
        """User and system time of all threads of all processes, or of the first one's threads of that name."""
        if thread is None:
            return sum(stat_cpu(pathlib.Path(f"/proc/{pid}")) for pid in self.pids())
        return sum(map(stat_cpu, self.threads(thread)))

    def threads(self, name):
        """Where `/proc` has the threads of that name, of which there is one at least."""
        found = []
        for task in pathlib.Path(f"/proc/{self.child.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # as above
                if (task / "comm").read_text().strip() == name:
                    found.append(task)
        if not found:
            raise Failed(f"{self.name} has no thread named {name}")
        return found

    def memory(self):
        """Resident bytes of all processes: pages counted per process, and shared pages counted once."""
        resident = proportional = 0
        for pid in self.pids():
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            sizes = {key: value for key, value, *_ in map(str.split, rollup[1:])}
            resident += int(sizes["Rss:"]) << 10
            proportional += int(sizes["Pss:"]) << 10
        return resident, proportional


def stat_cpu(task):
    """Seconds of user and system time of a process or a thread, given its directory in `/proc`.

    They stand behind the program's name, which may hold spaces (proc(5): what follows it begins with the third field).
    """
    return sum(map(int, (task / "stat").read_text().rpartition(")")[2].split()[11:13])) / TICK


def free_port():
    """A port that is free for UDP and TCP now."""
    with socket.socket(type=socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        return tcp.getsockname()[1]
