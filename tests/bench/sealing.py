"""sealing.py - letterlock-parse against gpg and openssl cms run per message,
and against their libraries in a loop (bare.c)."""
import os
import socket
import subprocess
import threading

import keykit
import ll
import parsekit as kit
from parsekit import PGP, SMIME
from peers import median, now

SIZE = 10000
TEXT = (b"The quick brown fox jumps over the lazy dog.\r\n" *
        (SIZE // 46 + 1))[:SIZE]
PROGRAM = os.path.join(ll.BUILD, "letterlock-parse")
BARE = os.path.join(ll.BUILD, "tests/bench/bare")


def start():
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):       # so that Python holds up nothing
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    process = subprocess.Popen([PROGRAM], stdin=theirs, stdout=theirs,
                               env=ll.ENV)
    theirs.close()
    return ours, process


def finish(ours, process):
    """Reads to the end; the bytes, and when the last of them came."""
    got, last = [], now()
    while True:
        more = ours.recv(1 << 20)
        if not more:
            break
        last = now()
        got.append(more)
    ours.close()
    assert process.wait(60) == 0
    return b"".join(got), last


def batch(keys, job, count):
    """Messages a second when count of them wait for one process."""
    began = now()
    ours, process = start()
    feed = threading.Thread(target=lambda: (
        ours.sendall(keys + job * count), ours.shutdown(socket.SHUT_WR)))
    feed.start()
    got, last = finish(ours, process)
    feed.join()
    rate = count / (last - began)
    good = [a for a in kit.answers(got) if a.result == kit.OK]
    assert len(good) == count, f"{len(good)} of {count} were sealed"
    return rate


def single(keys, job):
    """Seconds for one message, the process's start with it, and without: as
    for a process that was started while the message was written."""
    began = now()
    ours, process = start()
    ours.sendall(keys + job)
    ours.shutdown(socket.SHUT_WR)
    whole = finish(ours, process)[1] - began
    ours, process = start()
    ll.until(lambda: sleeping(process.pid), 10, "a process that waits")
    began = now()
    ours.sendall(keys + job)
    ours.shutdown(socket.SHUT_WR)
    return whole, finish(ours, process)[1] - began


def sleeping(pid):
    """It waits for its job: it was confined and sleeps in poll."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        text = f.read()
    return "\nSeccomp:\t2" in text and "\nState:\tS" in text


def timed(words, stdin=None):
    began = now()
    subprocess.run(words, input=stdin, stdout=subprocess.DEVNULL, check=True,
                   stderr=subprocess.DEVNULL, timeout=60)
    return now() - began


def bare(*words):
    return float(ll.run([BARE, *words], timeout=120).out)


def measure(row, name, keys, job, peer, bare_words):
    """peer: one message by the command, in seconds."""
    wholes, readies, peers, ours, loops = [], [], [], [], []
    for _ in range(15):
        whole, ready = single(keys, job)
        wholes.append(whole)
        readies.append(ready)
        peers.append(peer())
    for _ in range(5):
        ours.append(batch(keys, job, 1000))
        loops.append(bare(*bare_words))
    command = "gpg" if name == "OpenPGP" else "openssl cms"
    row(f"{name}: one message, start included", median(wholes) * 1e3,
        median(peers) * 1e3, "ms", f"5x {command}")
    row(f"{name}: the same if started ahead", median(readies) * 1e3,
        median(peers) * 1e3, "ms", f"5x {command}")
    row(f"{name}: many waiting", median(ours), 1 / median(peers), "msg/s",
        f"15x {command}", "more")
    row(f"{name}: many waiting, bare library", median(ours), median(loops),
        "msg/s", "0.8x", "more")


def openpgp(row):
    with keykit.Pgp() as world:
        made = kit.make(PGP, "ada@in.example", "Ada")
        dora = world.person("dora@out.example")
        world.learn(made.SECRET)
        paths = [os.path.join(world.dir, n) for n in ("own", "peer", "text")]
        for path, data in zip(paths, (made.SECRET, dora.public, TEXT)):
            with open(path, "wb") as f:
                f.write(data)
        fields = kit.seal_job([(PGP, dora.public)], TEXT)
        measure(row, "OpenPGP", kit.keys_bytes(
            [[("FORMAT", PGP), ("SECRET", made.SECRET)]]),
            kit.job_bytes(kit.SEAL, *fields), lambda: timed(
                ["gpg", "--homedir", world.dir, "--batch", "--yes",
                 "--trust-model", "always", "--armor", "-e", "-s", "-u",
                 made.FINGERPRINT, "-r", dora.fingerprint, "-o", "-",
                 paths[2]]),
            ["pgp", paths[0], paths[1], "1000", str(SIZE)])


def smime(row):
    with keykit.Smime() as world:
        ada = world.person("ada@in.example", "p256")
        dora = world.person("dora@out.example", "p256")
        text = world.ca.write("text", TEXT)
        signed = world.ca.path("signed")

        def peer():
            return timed(["openssl", "cms", "-sign", "-in", text, "-binary",
                          "-signer", ada.path("pem"), "-inkey",
                          ada.path("key"), "-out", signed]) + timed(
                ["openssl", "cms", "-encrypt", "-aes-256-cbc", "-in", signed,
                 "-out", "/dev/null", dora.path("pem")])
        fields = kit.seal_job([(SMIME, dora.public)], TEXT)
        measure(row, "S/MIME", kit.keys_bytes(
            [[("FORMAT", SMIME), ("SECRET", ada.secret()),
              ("KEY", ada.public)]]), kit.job_bytes(kit.SEAL, *fields), peer,
            ["smime", ada.path("key"), ada.path("pem"), dora.path("pem"),
             "1000", str(SIZE)])


def large(row):
    """25 MB to 100 recipients of each format: memory of the process."""
    with keykit.Smime() as world:
        made = kit.make(PGP, "ada@in.example", "Ada")
        ada = world.person("ada@in.example", "p256")
        keys = [kit.make(PGP, f"p{n}@out.example").KEY for n in range(10)]
        certs = [world.person("s@out.example", "p256").public
                 for n in range(10)]
        private = [[("FORMAT", PGP), ("SECRET", made.SECRET)],
                   [("FORMAT", SMIME), ("SECRET", ada.secret()),
                    ("KEY", ada.public)]]
        peaks = []
        for times in (0, 10):
            sent = kit.seal(
                [(PGP, k) for k in keys[:1] + keys * times] +
                [(SMIME, c) for c in certs[:1] + certs * times], private,
                files=[("big.bin", "application/octet-stream",
                        os.urandom(25 << 20))])
            assert sent.result == kit.OK, sent.words
            peaks.append(kit.peak["kib"] / 1024)
    row("25 MB to 200 mixed: memory, against to 2", peaks[1], peaks[0], "MB",
        "the same")
