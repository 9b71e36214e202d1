"""Who writes to the registry while its DNS is measured, at a steady pace, and looks whether DNS has what was written.

Each has a keep-alive connection and instances of its own, so it knows what the newest answer is.
"""

import http.client
import itertools
import json
import socket
import threading
import time

import instances
import message
from portolan import heartbeat

REGISTRARS = 20
REGISTRATIONS = 2_000  # each second, one in a request
RENEWALS = 10_000  # each second, in arrays
RENEWED_TOGETHER = 100
NUMBERS = itertools.count()  # makes each content one that no instance ever had


class Writers:
    """They write within a `with`; behind it stands what they did."""

    def __init__(self, portolan, generated, lease):
        self.portolan, self.lease = portolan, lease
        half = len(generated) // 2
        tasks = [Registrar(self, generated[:half][n::REGISTRARS]) for n in range(REGISTRARS)]
        self.tasks = [*tasks, Renewer(self, generated[half:])]
        self.stopped = threading.Event()

    def __enter__(self):
        self.began = time.monotonic()
        for task in self.tasks:
            task.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for task in self.tasks:
            task.join()
        self.seconds = time.monotonic() - self.began
        for task in self.tasks:
            if task.failure:
                raise task.failure

    def per_second(self, kind):
        """Instances that were written."""
        return sum(task.done for task in self.tasks if isinstance(task, kind)) / self.seconds

    @property
    def probes(self):
        """Answers that were looked at, one after each registration."""
        return sum(task.done for task in self.tasks if isinstance(task, Registrar))

    @property
    def stale(self):
        """Answers that were older than the registration before them."""
        return sum(task.stale for task in self.tasks if isinstance(task, Registrar))


class Writer(threading.Thread):
    """One of them."""

    requests: float  # each second
    at_once = 1  # instances in a request

    def __init__(self, writers, own):
        super().__init__()
        self.writers, self.own = writers, own
        self.done, self.failure = 0, None

    def run(self):
        try:
            self.connection = http.client.HTTPConnection(*self.writers.portolan.http, timeout=message.TIMEOUT)
            due = time.monotonic()
            while not self.writers.stopped.wait(max(0, due - time.monotonic())):
                self.write()
                self.done += self.at_once
                due += 1 / self.requests
            self.connection.close()
        except Exception as failure:  # raised where the runs are: a thread has nobody to tell
            self.failure = failure

    def write(self):
        """Sends a request and has its answer."""
        raise NotImplementedError


class Registrar(Writer):
    """Gives its instances a new content, one after the other, and asks DNS for each as soon as that is answered."""

    requests = REGISTRATIONS / REGISTRARS

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.stale = 0
        self.turns = itertools.cycle(self.own)
        self.dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.dns.settimeout(message.TIMEOUT)
        self.dns.connect(self.writers.portolan.dns)

    def write(self):
        instance, content = next(self.turns), f"content={next(NUMBERS)}"
        body = instances.registration(instance, self.writers.lease)
        body["txt"] = dict([content.split("=")])
        heartbeat(self.connection, json.dumps(body))
        self.dns.send(message.encode(instance.full_name, "TXT"))
        # The only string of its TXT record.
        self.stale += bytes([len(content)]) + content.encode() not in self.dns.recv(message.EDNS_SIZE)


class Renewer(Writer):
    """Sends whole heartbeats that change nothing."""

    at_once = RENEWED_TOGETHER
    requests = RENEWALS / RENEWED_TOGETHER

    def __init__(self, *arguments):
        super().__init__(*arguments)
        registrations = [instances.registration(instance, self.writers.lease) for instance in self.own]
        # What is left of a last array that is not full is not renewed.
        arrays = zip(*[iter(registrations)] * self.at_once)
        self.bodies = itertools.cycle([json.dumps(array) for array in arrays])

    def write(self):
        heartbeat(self.connection, next(self.bodies))
