"""Plaintext is nowhere: strings planted in every secret are searched for in
all that the server keeps or leaves, while it works and afterwards."""
# limit: 300
import base64
import os
import sqlite3
import time
import urllib.parse

import ll


def forms(text):
    """What to search for: the bytes themselves, UTF-16, hexadecimal, and the
    part of base64 that does not depend on what stands around, at the three
    offsets."""
    raw = text if isinstance(text, bytes) else text.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + raw)
        inner = whole[(0, 2, 3)[offset]:len(whole.rstrip(b"=")) - 2]
        found.add(inner)
        found.add(inner.translate(bytes.maketrans(b"+/", b"-_")))
    if not isinstance(text, bytes):
        found.add(text.encode("utf-16-le"))
        found.add(text.encode("utf-16-be"))
        found.add(urllib.parse.quote(text).encode())
    return {f for f in found if len(f) >= 10}


def files(house, since):
    """Everything of the server's, and temporary files younger than it."""
    roots = [house.data, house.logs]
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                yield os.path.join(folder, name)
    for root in ("/tmp", "/var/tmp", "/dev/shm", "/run", house.base):
        for name in os.listdir(root) if os.path.isdir(root) else []:
            path = os.path.join(root, name)
            if os.path.isfile(path) and not os.path.islink(path) and \
                    os.stat(path).st_mtime >= since:
                yield path


def patterns_of(canaries):
    """{form: what}"""
    return {form: what for what, text in canaries.items()
            for form in forms(text)}


def hits(patterns, data):
    return {what for form, what in patterns.items() if form in data}


def scan(house, since, canaries):
    """[(what, file)] of every canary found in plain sight."""
    patterns, found, seen = patterns_of(canaries), set(), 0
    for path in files(house, since):
        try:
            with open(path, "rb") as f:
                data = f.read()
        except OSError:
            continue
        seen += 1
        found |= {(what, path) for what in hits(patterns, data)}
    assert seen > 3, "nothing was searched"
    return found


def memory(pid, canaries):
    """What of the canaries stands in a process's memory."""
    patterns, found, seen = patterns_of(canaries), set(), 0
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            place, mode = line.split()[:2]
            if mode[0] != "r" or "[v" in line:
                continue
            low, high = (int(x, 16) for x in place.split("-"))
            try:
                mem.seek(low)
                data = mem.read(high - low)
            except OSError:      # a guard page
                continue
            seen += len(data)
            found |= hits(patterns, data)
    assert seen > 1 << 20, "no memory was read"
    return found


def canary(word):
    return f"{word}canary{os.urandom(9).hex()}"


def a_busy_house():
    house = ll.House()
    secrets = {"passphrase": canary("pass phrase "),
               "subject": canary("subject"), "body": canary("body"),
               "attachment": canary("attachment"),
               "file name": canary("filename"), "draft": canary("draft"),
               "reply": canary("reply"), "reply file": canary("replyfile")}
    ada = house.add_user("ada", passphrase=secrets["passphrase"])
    bob = house.add_user("bob", passphrase=secrets["passphrase"] + "b")
    secrets["TOTP seed"] = ada.seed
    secrets["TOTP seed, raw"] = base64.b32decode(
        ada.seed + "=" * (-len(ada.seed) % 8))
    secrets["recovery code"] = ada.recovery_code
    secrets["recovery code, bare"] = ada.recovery_code.replace("-", "")
    return house, ada, bob, secrets


def work(house, ada, bob, secrets):
    ada.login()
    bob.login()
    path = house.write(secrets["file name"] + ".txt",
                       secrets["attachment"] * 3000)
    ada.scp(path, ":/")
    os.unlink(path)
    draft = ada.list("drafts")[0]["id"]
    sent = ada.send(["bob@house.example", "carol@out.example"],
                    secrets["subject"], secrets["body"], "--draft", draft)
    code = next(r["code"] for r in sent["recipients"]
                if r["route"] == "portal-muc")
    secrets["MUC"] = code
    secrets["MUC, bare"] = code.replace("-", "")
    link = house.wait_link("carol@out.example")
    locator, secret = link.rsplit("/", 2)[1:]
    secrets["link locator"], secrets["link secret"] = locator, secret
    secrets["link secret, raw"] = crockford(secret)
    bob.verb(f"show {bob.list()[0]['id']}")
    page = ll.Visitor(link)
    assert page.unlock(code) == 200
    page.reply(secrets["reply"] + "\n" * 3 + "x" * 200000, {
        "file.bin": (secrets["reply file"] * 9000).encode()})
    ll.until(ada.list, what="the reply")
    ada.verb(f"show {ada.list()[0]['id']}")
    part = house.write("part.txt", secrets["draft"])
    ada.scp(part, ":/")
    os.unlink(part)


def crockford(text):
    number = 0
    for c in text:
        number = number << 5 | "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(c)
    return number.to_bytes(16, "big")


def test_canaries_are_found_nowhere():
    since = time.time() - 1
    house, ada, bob, secrets = a_busy_house()
    with house:
        work(house, ada, bob, secrets)
        # while it serves: the WAL is full, logs are open
        found = scan(house, since, secrets)
        assert not found, found
        ada.send(["bob@house.example"], secrets["subject"] + "2",
                 secrets["body"] * 100)
        found = scan(house, since, secrets)
        assert not found, found
        # a crash leaves nothing either (a sanitizer would report it as one)
        for p in () if ll.SANITIZED else house.procs():
            if p.name != "letterlockd":
                p.kill(11)
        house.stop()
        found = scan(house, since, secrets)
        assert not found, found


def test_lasting_programs_remember_nothing():
    if os.getuid() != 0:
        raise ll.Skip("needs root to read undumpable processes")
    if ll.SANITIZED:
        raise ll.Skip("sanitizers keep freed memory")
    house, ada, bob, secrets = a_busy_house()
    with house:
        work(house, ada, bob, secrets)
        assert memory(os.getpid(), secrets), "the search itself is wrong"
        for p in house.procs():
            if p.name in ("letterlockd", "letterlock-stor",
                          "letterlock-rela", "letterlock-port"):
                assert not memory(p.pid, secrets), p
        # what knew more is gone with its connection
        busy = {(p.pid, p.start) for p in house.procs()
                if memory(p.pid, secrets)}
        ada.logout()
        bob.logout()
        ll.until(lambda: not busy & {(p.pid, p.start)
                                     for p in house.procs()},
                 10, "the connections' processes to end")


def test_a_planted_plaintext_is_found():
    since = time.time() - 1
    house = ll.House()
    with house:
        house.stop()
        words = {"a": canary("plain"), "b": canary("wide"),
                 "c": canary("coded"), "d": canary("inadatabase"),
                 "e": canary("hexed")}
        blobs = os.path.join(house.data, "blobs")
        os.makedirs(blobs, exist_ok=True)
        for name, data in (
                ("a", b"xx" + words["a"].encode() + b"yy"),
                ("b", ("zz" + words["b"]).encode("utf-16-be")),
                ("c", base64.b64encode(b"qw" + words["c"].encode() + b"!!")),
                ("e", words["e"].encode().hex().encode())):
            with open(os.path.join(blobs, name), "wb") as f:
                f.write(data)
        db = sqlite3.connect(os.path.join(house.data, "db", "planted.db"))
        db.execute("CREATE TABLE t (x TEXT)")
        db.execute("INSERT INTO t VALUES (?)", (words["d"],))
        db.commit()
        db.close()
        found = scan(house, since, words)
        assert {what for what, _ in found} == set("abcde"), found


if __name__ == "__main__":
    ll.main()
