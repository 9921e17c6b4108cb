"""dnskit.py - a DNS of the test's own: a signed root with signed, unsigned and
broken zones, answered by a validating unbound.

    with dnskit.Dns() as dns:
        zone = dns.zone("partner.example")           # signed
        zone.add("@", "MX", "10 mx1.partner.example.")
        zone.add("mx1", "A", "127.77.1.3")
        zone.add("_25._tcp.mx1", "TLSA", tlskit.tlsa(cert))
        dns.zone("plain.example", signed=False)      # provably unsigned
        dns.zone("bogus.example", broken=True)       # signatures do not hold
        dns.start()                                  # again after a change
        house = ll.House(config=dns.config)

dns.address, dns.port and dns.anchor (a file) are what a resolver needs; they
stand in dns.config.  Records live one second, so that changes are seen.
"""
import glob
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import ll
import nets

CONF = """
server:
  directory: "{dir}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: "{dir}/log"
  verbosity: 1
  do-daemonize: no
  interface: {address}@{port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  num-threads: 1
  cache-max-ttl: 1
  cache-max-negative-ttl: 1
  cache-min-ttl: 0
  trust-anchor-file: "{anchor}"
  module-config: "validator iterator"
  val-bogus-ttl: 1
  do-not-query-localhost: no
  local-zone: "test." nodefault
  local-zone: "invalid." nodefault
  local-zone: "onion." nodefault
  local-zone: "home.arpa." nodefault
remote-control:
  control-enable: no
"""

ZONE_CONF = """
auth-zone:
  name: "{name}"
  zonefile: "{path}"
  for-downstream: no
  for-upstream: yes
  fallback-enabled: no
"""


class Zone:
    def __init__(self, name, signed, broken):
        self.name, self.signed, self.broken = name, signed, broken
        self.records, self.keys, self.ds = [], [], []

    def add(self, owner, kind, data, ttl=1):
        """owner as within the zone ("@" is the zone itself)."""
        self.records.append((owner, ttl, kind, data))
        return self

    def remove(self, owner, kind=None):
        self.records = [r for r in self.records if r[0] != owner or
                        (kind and r[2] != kind)]
        return self

    def txt(self, owner, text):
        return self.add(owner, "TXT", '"' + text + '"')

    def mail(self, mx, address, preference=10):
        """The zone's mail goes to mx (a full name), which is at address."""
        self.add("@", "MX", f"{preference} {mx}.")
        if mx.endswith("." + self.name):
            self.add(mx[:-len(self.name) - 1], "A", address)
        return self

    def text(self, extra=()):
        dot = self.name.rstrip(".") + "."
        rows = [f"{dot} 1 IN SOA ns.{dot.lstrip('.')} "
                f"hostmaster.{dot.lstrip('.')} 1 3600 600 86400 1",
                f"{dot} 1 IN NS ns.{dot.lstrip('.')}",
                f"ns.{dot.lstrip('.')} 1 IN A 127.0.0.1"]
        for owner, ttl, kind, data in self.records:
            full = dot if owner == "@" else f"{owner}.{dot.lstrip('.')}"
            rows.append(f"{full} {ttl} IN {kind} {data}")
        return "\n".join(rows + list(extra)) + "\n"


class Dns:
    def __init__(self, port=5300):
        for program in ("unbound", "ldns-signzone", "ldns-keygen"):
            if not shutil.which(program, path="/usr/sbin:/usr/bin"):
                raise ll.Skip(f"{program} is not installed")
        self.address, self.port = nets.address(port), port
        self.dir = tempfile.mkdtemp(prefix="ll-dns-")
        self.anchor = os.path.join(self.dir, "anchor")
        self.root = Zone(".", True, False)
        self.zones, self.daemon = {}, None
        self.config = {"dns_server": f"{self.address}:{self.port}",
                       "dns_anchor": self.anchor, "key_search": "wkd tls",
                       "find_networks": "127.0.0.0/8"}

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and os.path.exists(self.dir + "/log"):
            with open(self.dir + "/log", encoding="utf-8",
                      errors="replace") as f:
                print("# " + f.read()[-2000:].replace("\n", "\n# "))
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def zone(self, name, signed=True, broken=False):
        """The zone of that name, made when it is new."""
        if name not in self.zones:
            self.zones[name] = Zone(name, signed, broken)
        return self.zones[name]

    # -- files

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(text)
        return self.path(name)

    def make_keys(self, zone):
        if zone.keys or not zone.signed:
            return
        for more in (("-k",), ()):
            base = ll.run(["ldns-keygen", "-a", "ECDSAP256SHA256", "-r",
                           "/dev/urandom", *more, zone.name],
                          cwd=self.dir).out.strip()
            zone.keys.append(base)
            for path in glob.glob(self.path(glob.escape(base) + ".ds")):
                with open(path, encoding="ascii") as f:
                    zone.ds.append(f.read().strip())

    def build(self, zone, extra=()):
        """Writes the zone file; its path."""
        stem = "zone-" + (zone.name.rstrip(".") or "root")
        path = self.write(stem, zone.text(extra))
        if not zone.signed:
            return path
        ll.run(["ldns-signzone", "-n", "-o", zone.name, "-f",
                path + ".signed", path] + zone.keys, cwd=self.dir)
        if zone.broken:
            self.spoil(path + ".signed")
        return path + ".signed"

    def spoil(self, path):
        """Every signature but the keys' own is of something else."""
        with open(path, encoding="ascii") as f:
            rows = f.read().splitlines()
        with open(path, "w", encoding="ascii") as f:
            for row in rows:
                if "\tRRSIG\t" in row and "RRSIG\tDNSKEY" not in row:
                    fields = row.split()
                    end = fields[-1]
                    at = len(end) // 2
                    other = "B" if end[at] == "A" else "A"
                    fields[-1] = end[:at] + other + end[at + 1:]
                    row = " ".join(fields)
                f.write(row + "\n")

    # -- the server

    def start(self):
        self.stop()
        text = CONF.format(dir=self.dir, address=self.address,
                           port=self.port, anchor=self.anchor)
        extra = []
        for zone in self.zones.values():
            self.make_keys(zone)
            path = self.build(zone)
            text += ZONE_CONF.format(name=zone.name, path=path)
            extra.append(f"{zone.name}. 1 IN NS ns.{zone.name}.")
            extra.append(f"ns.{zone.name}. 1 IN A 127.0.0.1")
            extra += zone.ds
        self.make_keys(self.root)
        path = self.build(self.root, extra)
        text += ZONE_CONF.format(name=".", path=path)
        self.write("anchor", "\n".join(self.root.ds[:1]) + "\n")
        self.write("conf", text)
        self.daemon = subprocess.Popen(
            ["/usr/sbin/unbound", "-d", "-c", self.path("conf")],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ll.until(lambda: self.ask(".", 6) is not None, 15, "unbound's answer")
        return self

    def stop(self):
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(10)
            self.daemon = None

    def ask(self, name, kind):
        """(code of the answer, authentic, number of records) for a query of
        that type number; None when nothing answers."""
        labels = b"".join(bytes([len(p)]) + p.encode()
                          for p in name.rstrip(".").split(".") if p)
        query = struct.pack(">HHHHHH", 7, 0x0120, 1, 0, 0, 1) + labels + \
            b"\0" + struct.pack(">HH", kind, 1) + \
            b"\0" + struct.pack(">HHIH", 41, 4096, 0x8000, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            try:
                s.sendto(query, (self.address, self.port))
                got = s.recv(65536)
            except OSError:
                return None
        flags, count = struct.unpack_from(">2xH2xH", got)
        return flags & 15, bool(flags & 0x20), count
