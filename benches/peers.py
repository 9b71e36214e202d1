"""portolan's peers, each with its whole configuration: nothing limited, written or counted that can be left."""

from instances import ZONE
from server import Server, find


class Peer(Server):
    """A name server from the system's packages, which serves a zone file."""

    program: str

    def __init__(self, zone_file, directory, **options):
        super().__init__(directory, **options)
        self.zone_file = zone_file

    def configure(self, text):
        """Writes its configuration and returns where."""
        path = self.directory / "conf"
        path.write_text(text)
        return path


class Nsd(Peer):
    """NSD: one server process, no response rate limit."""

    name, program = "nsd", "nsd"

    def command(self):
        return [find(self.program), "-d", "-c", self.configure(f"""\
server:
    ip-address: {self.dns[0]}@{self.dns[1]}
    server-count: 1
    reuseport: no
    rrl-ratelimit: 0
    answer-cookie: yes
    verbosity: 0
    zonefiles-write: 0
    database: ""
    username: ""
    chroot: ""
    zonesdir: "{self.directory}"
    pidfile: "{self.directory}/pid"
    xfrdfile: "{self.directory}/xfrd"
    xfrdir: "{self.directory}"
    zonelistfile: "{self.directory}/zones"
remote-control:
    control-enable: no
zone:
    name: {ZONE}
    zonefile: "{self.zone_file}"
""")]


class Knot(Peer):
    """Knot DNS: one UDP worker, no journal, no module; with cookies the one that answers them."""

    name, program = "knot", "knotd"

    def __init__(self, *arguments, cookies=False, **options):
        super().__init__(*arguments, **options)
        self.cookies = cookies

    def command(self):
        # The module looks at each query, also at those without a cookie.
        module = "global-module: mod-cookies" if self.cookies else ""
        return [find(self.program), "-c", self.configure(f"""\
server:
    listen: {self.dns[0]}@{self.dns[1]}
    rundir: "{self.directory}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{self.directory}"
log:
  - target: stderr
    any: warning
template:
  - id: default
    {module}
    semantic-checks: off
    zonefile-load: whole
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: {ZONE}
    file: "{self.zone_file}"
""")]


class Bind(Peer):
    """BIND: one worker, no `rate-limit`, no statistics; answers with the addresses of SRV targets, without the NS."""

    name, program = "bind", "named"

    def command(self):
        return [find(self.program), "-g", "-4", "-n", "1", "-c", self.configure(f"""\
options {{
    directory "{self.directory}";
    listen-on port {self.dns[1]} {{ {self.dns[0]}; }};
    pid-file none;
    session-keyfile none;
    recursion no;
    minimal-responses no-auth;
    answer-cookie yes;
    dnssec-validation no;
    empty-zones-enable no;
    notify no;
    zone-statistics none;
}};
controls {{ }};
zone "{ZONE}" {{
    type primary;
    file "{self.zone_file}";
}};
""")]


class Ceiling(Server):
    """`ceiling.rs`: as fast as one socket goes, the answers recorded from another server."""

    name = "ceiling"

    def __init__(self, binary, answers, directory):
        super().__init__(directory)
        self.binary, self.answers = binary, answers

    def command(self):
        host, port = self.dns
        return [self.binary, self.answers, f"{host}:{port}"]

    def await_ready(self):
        self.ready_line()


class Handler(Server):
    """`handler.rs`: reads a registration over HTTP, and answers."""

    name = "handler"

    def __init__(self, binary, directory):
        super().__init__(directory)
        self.binary = binary

    def command(self):
        return [self.binary, "127.0.0.1:0"]

    def await_ready(self):
        host, _, port = self.ready_line().strip().rpartition(":")
        self.http = host, int(port)


PEERS = {peer.name: peer for peer in (Nsd, Knot, Bind)}
