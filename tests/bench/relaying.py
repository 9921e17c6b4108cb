"""relaying.py - deliveries a second with enforced TLS: letterlock-relay and
Postfix's smtp client, each with a queue that waits, into the same server."""
import contextlib
import os
import signal
import subprocess
import time

import dnskit
import ll
import mta
import nets
import tlskit

DOMAIN, MX = "partner.example", "mx1.partner.example"


class Sink:
    """tests/bench/tlssink.c."""

    def __init__(self, program, cert, key):
        self.address = nets.address(25)
        self.child = subprocess.Popen(
            [program, self.address, "25", cert, key], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def count(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return int(self.child.stdout.readline())

    def close(self):
        self.child.stdin.close()
        self.child.wait(10)
        self.child.stdout.close()


class Target(mta.Postfix):
    """A Postfix that queues what it gets and throws it away."""

    def __init__(self, cert, key):
        super().__init__(name=MX, domains=[DOMAIN], cert=(cert, key),
                         address=nets.address(25), port=25,
                         more="virtual_transport = discard\n"
                         "smtpd_client_connection_count_limit = 0\n"
                         "in_flow_delay = 0")

    def count(self):
        """Mails taken (and put into its queue)."""
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read().count(": client=")

    def close(self):
        self.__exit__(None, None, None)


class Client(mta.Postfix):
    """A Postfix whose queue goes to one server by verified TLS, connections
    reused."""

    def __init__(self, address, ca):
        super().__init__(name="client.house.example", domains=["none.example"],
                         more=f"""
transport_maps = inline:{{ {DOMAIN}=smtp:[{address}]:25 }}
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = {MX}
smtp_tls_CAfile = {ca}
smtp_tls_connection_reuse = yes
smtp_tls_loglevel = 0
defer_transports = smtp
maximal_queue_lifetime = 1d
in_flow_delay = 0
""")

    def write_files(self, tls):
        super().write_files(tls)
        with open(os.path.join(self.config_dir, "master.cf"), "a",
                  encoding="utf-8") as f:
            f.write("tlsproxy unix - - n - 0 tlsproxy\n"
                    "scache unix - - n - 1 scache\n")

    def fill(self, count):
        ll.run(["/usr/sbin/smtp-source", "-s", "8", "-m", str(count), "-l",
                "700", "-f", "ada@house.example", "-t", f"bob@{DOMAIN}",
                f"inet:127.0.0.1:{self.port}"], timeout=300)
        deferred = os.path.join(self.spool, "deferred")
        ll.until(lambda: sum(len(f) for _, _, f in os.walk(deferred)) >= count,
                 120, "a queue that waits")

    def go(self):
        path = os.path.join(self.config_dir, "main.cf")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("defer_transports = smtp", ""))
        self.stop()
        self.start()
        began = time.monotonic()
        ll.run(["/usr/sbin/postqueue", "-c", self.config_dir, "-f"])
        return began


def rate(target, began, start, count, secs=300):
    """From the first to the last of count: mails a second."""
    while target.count() - start < count:
        if time.monotonic() - began > secs:
            raise ll.Failure(f"{target.count() - start} of {count}")
        time.sleep(0.005)
    return count / (time.monotonic() - began)


def ours(target, ca, count):
    with dnskit.Dns() as dns:
        dns.zone(DOMAIN).mail(MX, target.address)
        dns.start()
        with ll.House(config={**dns.config, "key_search": "off",
                              "tls_domains": DOMAIN, "undo_seconds": 0,
                              "find_ca": ca.pem}) as house:
            ada = house.add_user("ada")
            ada.login()
            relay = house.procs("letterlock-relay")[0]
            relay.kill(signal.SIGSTOP)
            for n in range(0, count, 20):
                ada.send([f"bob{n + i}@{DOMAIN}" for i in range(20)],
                         "hello", "hello\n" * 20)
            start = target.count()
            began = time.monotonic()
            relay.kill(signal.SIGCONT)
            return rate(target, began, start, count)


def theirs(target, ca, count):
    with Client(target.address, ca.pem) as client:
        client.fill(count)
        start = target.count()
        return rate(target, client.go(), start, count)


def measure(kind, program, count):
    """(ours, theirs) into kind: "sink" or "postfix"."""
    with tlskit.Authority() as ca:
        cert, key = ca.issue(MX)
        target = Sink(program, cert, key) if kind == "sink" else \
            Target(cert, key)
        with contextlib.closing(target):
            return ours(target, ca, count), theirs(target, ca, count)
