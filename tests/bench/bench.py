#!/usr/bin/python3
"""bench.py - speed and memory against what a user would run instead.

    make bench              every measure
    tests/bench/bench.py memory login      some of them

Peers run in the same sitting, alternately with letterlock where it matters;
the machine's noise is in both columns, so read the ratio.  Nothing here fails
for being slow; it fails when a measure could not be taken.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "e2e"), HERE]

import ll                                   # noqa: E402
import peers                                # noqa: E402
import sealing                              # noqa: E402
from peers import CURVE, median, now, percentile   # noqa: E402

ROWS = []


def row(measure, ours, peer, unit, goal, better="less"):
    """One line of the table; the ratio says how many times better we are."""
    ratio = peer / ours if better == "less" else ours / peer
    ROWS.append((measure, ours, peer, unit, ratio, goal))
    print(f"{measure:44} {ours:10.2f} {peer:10.2f} {unit:8} {ratio:7.2f}x"
          f"  goal {goal}", flush=True)


def inbox(house, count):
    """Two people, and count messages from bob in ada's inbox."""
    ada, bob = house.add_user("ada"), house.add_user("bob")
    bob.login()
    for n in range(count):
        bob.send([ada.email], f"message {n}", "hello\n" * 20)
    bob.logout()
    return ada


def screens(house, count, prefix="u"):
    """count logged-in screens of as many users."""
    out = []
    for n in range(count):
        user = house.add_user(f"{prefix}{n}")
        user.login(options=CURVE)
        screen = user.screen()
        screen.wait("Inbox")
        out.append((user, screen))
    return out


# --- memory of an idle login -------------------------------------------------

def memory():
    """Private memory per idle login: the slope between 4 and 16 logins."""
    with ll.House() as house:
        def total():
            return peers.private_kib(p.pid for p in house.procs())
        first = screens(house, 4, "a")
        low = total()
        more = screens(house, 12, "b")
        ours = (total() - low) / 12 / 1024
        for _, screen in first + more:
            screen.close()
    base = tempfile.mkdtemp(prefix="ll-mutt-")
    try:
        command = peers.neomutt(base, peers.maildir(base + "/box", 50))
        with peers.Sshd(command) as sshd:
            def mutts(count):
                found = []
                for _ in range(count):
                    screen = ll.Screen(sshd.words("-tt"))
                    screen.wait("message 49")
                    found.append(screen)
                return found
            def all_kib():
                return peers.private_kib(
                    [sshd.daemon.pid] +
                    [p.pid for p in ll.descendants(sshd.daemon.pid)])
            old = mutts(4)
            low = all_kib()
            new = mutts(12)
            theirs = (all_kib() - low) / 12 / 1024
            for screen in old + new:
                screen.close()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    row("private memory of an idle login", ours, theirs, "MB", "<= 1.0 MB, 5x")


# --- login to first paint ----------------------------------------------------

def first_paint(words, pattern, answers=None):
    """Wall seconds until pattern shows, less the time taken to answer, and
    the bytes received until then."""
    began = now()
    screen = ll.Screen(words)
    for prompt, answer in answers or []:
        screen.wait(prompt)
        screen.line(answer)
    screen.wait(pattern)
    wall, size = now() - began, len(screen.bytes)
    screen.close()
    return wall, size


def login():
    rounds, walls, sizes, theirs, their_sizes = 15, [], [], [], []
    base = tempfile.mkdtemp(prefix="ll-mutt-")
    with ll.House() as house:
        key = ll.make_key(house)
        users = [house.add_user(f"l{n}", ssh_key=key) for n in range(rounds)]
        command = peers.neomutt(base, peers.maildir(base + "/box", 50))
        with peers.Sshd(command) as sshd:
            first_paint(sshd.words("-tt"), "message 49")
            cpu_ours = cpu_theirs = 0.0
            for user in users:
                words = user.ssh_words(*CURVE, "-o", "ControlPath=none",
                                       "-tt", user.target)
                before = peers.cpu_secs(p.pid for p in house.procs())
                wall, size = first_paint(words, "assphrase", [
                    ("erification code", user.code()),
                    ("stay locked", "")])
                ll.until(lambda: len(house.procs("letterlock-gate")) < 2, 10,
                         "the connection's end")
                cpu_ours += peers.cpu_secs(
                    p.pid for p in house.procs()) - before
                walls.append(wall)
                sizes.append(size)
                before = peers.cpu_secs([sshd.daemon.pid])
                wall, size = first_paint(sshd.words("-tt"), "message 49")
                ll.until(lambda: not ll.descendants(sshd.daemon.pid), 10,
                         "sshd's children gone")
                cpu_theirs += peers.cpu_secs([sshd.daemon.pid]) - before
                theirs.append(wall)
                their_sizes.append(size)
    shutil.rmtree(base, ignore_errors=True)
    row("login to first paint, wall", median(walls) * 1e3,
        median(theirs) * 1e3, "ms", "<= 40 ms, 5x")
    row("login, server CPU", cpu_ours / rounds * 1e3,
        cpu_theirs / rounds * 1e3, "ms", "<= 9 ms, 10x")
    row("login, bytes to first paint", median(sizes), median(their_sizes),
        "bytes", "< 8192")


# --- a key and what it paints ------------------------------------------------

def key_times(screen, count=200):
    """Seconds from a cursor key to the first byte of the answer."""
    import select
    times, sizes = [], []
    while screen.pump(0.3):
        pass
    for n in range(count):
        key = "j" if n // 10 % 2 == 0 else "k"
        began = now()
        screen.send(key)
        select.select([screen.child.fileno()], [], [], 2)
        times.append(now() - began)
        before = len(screen.bytes)
        while screen.pump(0.01):
            pass
        sizes.append(len(screen.bytes) - before)
    return times, sizes


def keys():
    with ll.House() as house:
        ada = inbox(house, 30)
        ada.login(options=CURVE)
        screen = ada.screen()
        screen.wait("message 29")
        ours, our_bytes = key_times(screen)
        screen.close()
    base = tempfile.mkdtemp(prefix="ll-mutt-")
    try:
        command = peers.neomutt(base, peers.maildir(base + "/box", 30))
        with peers.Sshd(command) as sshd:
            screen = ll.Screen(sshd.words("-tt"))
            screen.wait("message 29")
            theirs, their_bytes = key_times(screen)
            screen.close()
    finally:
        shutil.rmtree(base, ignore_errors=True)
    row("key to redraw, p50", median(ours) * 1e3, median(theirs) * 1e3, "ms",
        "<= 0.5 ms")
    row("key to redraw, p99", percentile(ours, 99) * 1e3,
        percentile(theirs, 99) * 1e3, "ms", "<= 0.9 ms")
    row("bytes a cursor key", median(our_bytes), median(their_bytes), "bytes",
        "< 40")


# --- SFTP --------------------------------------------------------------------

def sftp():
    """64 MiB up and down through the real client, sealed on our side."""
    size = 64 << 20
    base = tempfile.mkdtemp(prefix="ll-sftp-")
    path = os.path.join(base, "data")
    with open(path, "wb") as f:
        f.write(os.urandom(size))

    def timed(words):
        began = now()
        ll.run(words, timeout=120)
        return size / (now() - began) / 1e6
    try:
        ours = {"put": [], "get": []}
        theirs = {"put": [], "get": []}
        with ll.House() as house, \
                peers.Sshd(sftp="/usr/lib/openssh/sftp-server") as sshd:
            ada, bob = house.add_user("ada"), house.add_user("bob")
            for user in (ada, bob):
                user.login(options=CURVE)
            options = ada.ssh_words("-o", "ControlMaster=no")
            options[options.index("-p")] = "-P"
            peer = sshd.words()
            target = peer.pop()
            peer[peer.index("-p")] = "-P"
            for n in range(5):
                ours["put"].append(timed(
                    ["scp", "-q"] + options + [path, ada.target + ":/"]))
                theirs["put"].append(timed(
                    ["scp", "-q"] + peer + [path, f"{target}:{base}/up"]))
                draft = next(m for m in ada.list("drafts"))
                ada.verb(f"send --to {bob.email} --subject s "
                         f"--draft {draft['id']}", "body")
                got = next(m for m in bob.list() if m["unread"])
                words = bob.ssh_words("-o", "ControlMaster=no")
                words[words.index("-p")] = "-P"
                files = bob.verb(f"show {got['id']}")["attachments"]
                ours["get"].append(timed(
                    ["scp", "-q"] + words + [f"{bob.target}:"
                     + files[0]["path"], f"{base}/down"]))
                with open(path, "rb") as a, open(f"{base}/down", "rb") as b:
                    assert a.read() == b.read(), "the bytes changed"
                theirs["get"].append(timed(
                    ["scp", "-q"] + peer + [f"{target}:{path}",
                                            f"{base}/down2"]))
        for way, goal in (("put", "1.1x"), ("get", "1x")):
            row(f"sftp {way}, 64 MiB (ours sealed)", median(ours[way]),
                median(theirs[way]), "MB/s", goal, "more")
    finally:
        shutil.rmtree(base, ignore_errors=True)


# --- the portal's page -------------------------------------------------------

def wrk(url):
    peers.need("wrk")
    out = ll.run(["wrk", "-t2", "-c16", "-d4s", url], timeout=60).out
    failed = re.search(r"Non-2xx[^:]*: (\d+)", out)
    assert not failed, f"the page was refused: {out}"
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def portal():
    files = tempfile.mkdtemp(prefix="ll-www-")
    with ll.House(https=True) as house:
        ada = house.add_user("ada")
        ada.login()
        ada.send(["out@outside.example"], "s", "body")
        link = house.wait_link("out@outside.example")
        visitor = ll.Visitor(link)
        with open(files + "/page", "wb") as f:
            f.write(visitor.raw)
        with peers.nginx(files) as port:
            ours, theirs = [], []
            for _ in range(3):
                ours.append(wrk(link))
                theirs.append(wrk(f"https://127.0.0.1:{port}/page"))
    shutil.rmtree(files, ignore_errors=True)
    row("portal page, TLS, 16 connections", median(ours), median(theirs),
        "req/s", ">= 60 % of nginx", "more")


# --- durable sends -----------------------------------------------------------

def store_tool(*words, stdin=None, timeout=900):
    """tests/bench/load: the store's own protocol, many senders at once."""
    return ll.run([os.path.join(ll.BUILD, "tests/bench/load"), *words],
                  stdin=stdin, timeout=timeout).out


def accept_rate(port, sessions, count):
    """Messages a second that Postfix takes over SMTP, with its own source."""
    began = now()
    ll.run(["/usr/sbin/smtp-source", "-s", str(sessions), "-m", str(count),
            "-l", "1000", "-f", "bob@house.example", "-t", "ada@out.example",
            f"inet:127.0.0.1:{port}"], timeout=120)
    return count / (now() - began)


def sends():
    """Sealed, signed and durable sends a second against what Postfix accepts
    a second over SMTP with as many connections."""
    import mta
    with mta.Postfix() as postfix:
        for senders in (1, 8, 32):
            out = store_tool("sends", str(senders), str(6000 // senders))
            ours = float(re.search(r"sends/s ([\d.]+)", out).group(1))
            shutil.rmtree(re.search(r"data (\S+)", out).group(1))
            theirs = accept_rate(postfix.port, senders, 900)
            row(f"durable sends a second, {senders} at once", ours, theirs,
                "msg/s", ">= 5x" if senders == 1 else ">= 10x", "more")


def mailbox():
    """Opening a mailbox of 1k, 10k and 100k messages: from the key that opens
    the inbox to the painted page."""
    for count in (1000, 10000, 100000):
        base = tempfile.mkdtemp(prefix="ll-box-")
        with ll.House(start=False) as house:
            ada, bob = house.add_user("ada"), house.add_user("bob")
            store_tool("fill", house.config_path, "bob", "ada", str(count),
                       stdin=f"{bob.passphrase}\n{bob.seed}\n")
            house.start()
            ada.login(options=CURVE)
            times = []
            for _ in range(5):
                began = now()
                screen = ada.screen()
                screen.wait(f"message {count - 1}\\b", 60)
                times.append(now() - began)
                screen.close()
            ours = median(times)
        try:
            command = peers.neomutt(base, peers.maildir(base + "/box", count))
            with peers.Sshd(command) as sshd:
                first_paint(sshd.words("-tt"), f"message {count - 1}\\b")
                control = f"{base}/c"
                master = subprocess.Popen(
                    ["ssh"] + sshd.words("-N", "-o", "ControlMaster=yes",
                                         "-o", f"ControlPath={control}"))
                ll.until(lambda: os.path.exists(control), 10, "master")
                theirs = median([first_paint(
                    sshd.words("-tt", "-o", f"ControlPath={control}"),
                    f"message {count - 1}\\b")[0] for _ in range(5)])
                master.kill()
                master.wait()
        finally:
            shutil.rmtree(base, ignore_errors=True)
        row(f"open a mailbox of {count:,}, warm", ours * 1e3, theirs * 1e3,
            "ms", "100k: <= 20 ms, 1.2x the 1k time")


def openpgp():
    sealing.openpgp(row)


def smime():
    sealing.smime(row)


def large():
    sealing.large(row)


def relay():
    """Mails a second that a waiting queue delivers by TLS with a checked
    certificate, connections reused, against Postfix's own smtp client; three
    times in turn, the middle one counts."""
    import relaying
    sink = os.path.join(ll.BUILD, "tests/bench/tlssink")
    for kind, count, goal in (("sink", 3000, ">= 4x"),
                              ("postfix", 2000, ">= 1x")):
        rates = [relaying.measure(kind, sink, count) for _ in range(3)]
        ours, theirs = (median(list(r)) for r in zip(*rates))
        row(f"relay by enforced TLS into {kind}", ours, theirs, "msg/s", goal,
            "more")


MEASURES = [memory, login, keys, mailbox, sends, portal, sftp, openpgp, smime,
            large, relay]


def main():
    chosen = [m for m in MEASURES
              if not sys.argv[1:] or m.__name__ in sys.argv[1:]]
    failed = 0
    print(f"{'measure':44} {'letterlock':>10} {'peer':>10}")
    for measure in chosen:
        try:
            measure()
        except ll.Skip as why:
            print(f"{measure.__name__}: not measured: {why}")
            failed += 1
        except Exception as error:
            print(f"{measure.__name__}: failed: {error!r}"[:2000])
            failed += 1
    print(f"\n{len(ROWS)} figures; {failed} measures not taken")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
