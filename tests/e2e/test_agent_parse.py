"""The session as the one who starts letterlock-parse for its workers: keys
given with the wire, limits, ends.  The worker is this file's own script, asked
over standard input, in place of letterlock-tui."""
# limit: 120
import contextlib
import os
import shutil
import sqlite3
import sys

import ll
import parsekit

AGENT = f"""#!/usr/bin/python3 -B
import os, socket, sys, time
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
os.environ.setdefault("LL_BUILD", "/nowhere")
import fakehouse, parsekit
agent = fakehouse.Channel(socket.socket(fileno=3))
count = [0]
def ask(op, *fields):
    count[0] += 1
    agent.send(fakehouse.REQUEST, op, count[0], fields)
    while True:
        kind, got, seq, back = agent.recv()
        if kind == fakehouse.REPLY and seq == count[0]:
            fds, agent.fds = agent.fds, []
            return dict(back), back, fds
def parse(job, *formats):
    v, back, fds = ask("AGENT_PARSE", ("STATE", job),
                       *[("FORMAT", f) for f in formats])
    wire = socket.socket(fileno=fds[0]) if fds else None
    return v["RESULT"], wire, [x for n, x in back if n == "FINGERPRINT"]
def run(wire, job, fields, items=()):
    stream = parsekit.chunk(b"J", parsekit.encode(("JOB", job), *fields))
    for n, data in enumerate(items):
        stream += parsekit.chunk(b"B", n.to_bytes(4, "big"))
        stream += parsekit.chunk(b"D", data)
    wire.sendall(stream + parsekit.chunk(b"E"))
    wire.shutdown(socket.SHUT_WR)
    wire.settimeout(30)
    got = b""
    while True:
        more = wire.recv(65536)
        if not more:
            return parsekit.answers(got)[0]
        got += more
hello = ask("AGENT_HELLO")
store = fakehouse.Channel(socket.socket(fileno=hello[2][0]))
def mail_keys():
    store.send(fakehouse.REQUEST, "MAILKEY_LIST", 1, [])
    while True:
        kind, got, seq, back = store.recv()
        if kind == fakehouse.REPLY:
            return [dict(v) for n, v in back if n == "ROW"]
def write(formats, to):
    r, wire, prints = parse(parsekit.SEAL, *formats)
    assert r == 0, r
    return run(wire, parsekit.SEAL, [
        ("FROM", parsekit.person("ada@house.example")),
        ("TO", parsekit.person("ada@house.example")), ("SUBJECT", "Mine"),
        ("DATE", 1800000000), ("MESSAGE_ID", "<1@house.example>"),
        *[("RECIPIENT", [("FORMAT", f), ("KEY", k)]) for f, k in to]],
        [b"Mine\\n"]), prints
def read(formats, mail):
    r, wire, prints = parse(parsekit.OPEN, *formats)
    assert r == 0, r
    return run(wire, parsekit.OPEN, [], [mail])
"""


def with_script(fn):
    """A house whose letterlock-tui is a script: what exec is given runs."""
    def test():
        top = os.path.join(ll.BUILD, "tests")
        os.makedirs(top, exist_ok=True)
        place = os.path.join(top, f"agent-{os.getpid()}")
        real = ll.BUILD
        os.mkdir(place)
        try:
            for name in os.listdir(real):
                path = os.path.join(real, name)
                if name.startswith("letterlock") and os.path.isfile(path) \
                        and name != "letterlock-tui":
                    os.link(path, os.path.join(place, name))
            with open(place + "/letterlock-tui", "w",
                      encoding="utf-8") as f:
                f.write(AGENT + "exec(sys.stdin.read())\n")
            os.chmod(place + "/letterlock-tui", 0o755)
            ll.BUILD = place
            with ll.House(env={"LETTERLOCK_SANDBOX": "off"}) as house:
                fn(house)
        finally:
            ll.BUILD = real
            shutil.rmtree(place, ignore_errors=True)
    test.__name__ = fn.__name__
    return test


def script(user, text, check=True):
    got = user.ssh("run", stdin=text.encode(), check=False)
    if check and got.code != 0:
        raise ll.Failure(f"{got.code}: {got.out}\n{got.err}")
    return got.out


def parsers(house):
    return len(house.find_procs("letterlock-parse"))


@with_script
def test_inspect_needs_no_vault(house):
    key = ll.make_key(house)
    ada = house.add_user("ada", ssh_key=key)
    ada.login(passphrase="", code=ada.code())
    out = script(ada, """
r, wire, prints = parse(parsekit.INSPECT, 1, 2)
got = run(wire, parsekit.INSPECT, [("ADDRESS", "a@b.example"),
                                   ("KEY", b"no key at all")])
print(r, prints, got.result, got.words)
""")
    assert out.startswith("0 [] ") and "no OpenPGP key" in out, out


@with_script
def test_four_at_once_and_no_key_is_made_for_a_worker(house):
    ada = house.add_user("ada")
    ada.login()
    out = script(ada, """
print([parse(parsekit.MAKE)[0], parse(5)[0]])
held = [parse(parsekit.INSPECT) for _ in range(5)]
print([r for r, _, _ in held])
held[0][1].close()
for n in range(500):
    r, wire, _ = parse(parsekit.INSPECT)
    if r == 0:
        break
    time.sleep(0.02)
print(r)
""")
    lines = out.splitlines()
    assert lines[0] == "[6, 6]" and lines[1] == "[0, 0, 0, 0, 11]", out
    assert lines[2] == "0", out
    ll.until(lambda: parsers(house) == 0, 10, "its jobs end with a worker")


@with_script
def test_a_job_ends_with_its_worker(house):
    ada = house.add_user("ada")
    ada.login()
    # The wire stays open in a process that outlives the worker.
    script(ada, """
r, wire, _ = parse(parsekit.INSPECT)
assert r == 0
if os.fork() == 0:
    for n in (0, 1, 2, 3):
        os.close(n)
    time.sleep(20)
    os._exit(0)
""")
    ll.until(lambda: parsers(house) == 0, 10, "the job is killed")


KEYS = """
# What is still being made is waited for by a job that needs it.
parse(parsekit.OPEN, 1, 2)[1].close()
keys = mail_keys()
print(sorted((k["FORMAT"], k["GENERATION"], "CERTIFICATE" in k)
             for k in keys))
pgp = [k for k in keys if k["FORMAT"] == 1][0]
got, prints = write([1, 2], [(1, pgp["PUBLIC"])])
assert got.result == 0, got.words
print(prints == [pgp["FINGERPRINT"]])
back = read([1, 2], got.outputs[1])
print(back.result, back.words, back.outputs.get(1))
"""
KEYS_SAY = "[(1, 1, False), (2, 1, False)]\nTrue\n0  b'Mine\\n'\n"


@with_script
def test_keys_of_an_account_made_by_the_local_command(house):
    ada = house.add_user("ada")
    ada.login()
    assert script(ada, KEYS) == KEYS_SAY


@with_script
def test_keys_of_an_account_that_has_none(house):
    """As after an upgrade: made at the first unlock, or by the first job."""
    ada = house.add_user("ada")
    house.stop()
    path = house.data + "/db/letterlock.db"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM mail_keys")
    house.start()
    ada.login()
    assert script(ada, KEYS) == KEYS_SAY
    out = script(ada, "print(sorted(k['FORMAT'] for k in mail_keys()))")
    assert out == "[1, 2]\n"


@with_script
def test_a_key_is_taken_in(house):
    ada = house.add_user("ada")
    ada.login()
    with parsekit.Authority() as ca:
        ca.user("ada", "ada@house.example")
        data = parsekit.openssl(
            "pkcs12", "-export", "-inkey", ca.path("ada.key"), "-in",
            ca.path("ada.pem"), "-passout", "pass:hidden").stdout
    out = script(ada, f"""
data = {data!r}
for word in (b"wrong", b"hidden", b"hidden"):
    v = ask("AGENT_IMPORT", ("DATA", data), ("PASSPHRASE", word))[0]
    print(v["RESULT"], v.get("WORDS"))
certs = [k["CERTIFICATE"] for k in mail_keys() if "CERTIFICATE" in k]
got, prints = write([2], [(2, certs[0])])
assert got.result == 0, got.words
print(len(certs), len(prints), read([2], got.outputs[2]).outputs)
""")
    said = out.splitlines()
    assert said[0] == "9 That is not its passphrase.", out
    assert said[1] == "0 None" and said[2].startswith("8 "), out
    assert said[3] == "1 1 {1: b'Mine\\n'}", out


@with_script
def test_a_slow_import_holds_up_nothing(house):
    ada = house.add_user("ada")
    ada.login()
    with parsekit.Authority() as ca:
        ca.user("ada", "ada@house.example")
        data = parsekit.openssl(
            "pkcs12", "-export", "-inkey", ca.path("ada.key"), "-in",
            ca.path("ada.pem"), "-passout", "pass:hidden", "-iter",
            "1000000").stdout
    out = script(ada, f"""
agent.send(fakehouse.REQUEST, "AGENT_IMPORT", 900,
           [("DATA", {data!r}), ("PASSPHRASE", b"hidden")])
print(ask("AGENT_IMPORT", ("DATA", b"x"))[0]["RESULT"])
r, wire, _ = parse(parsekit.INSPECT)
agent.send(fakehouse.REQUEST, "AGENT_SIGN", 901, [("HASH", bytes(32))])
seen = []
while len(seen) < 2:
    kind, got, seq, back = agent.recv()
    seen.append((seq, dict(back)["RESULT"]))
print(seen)
print(len([k for k in mail_keys() if "CERTIFICATE" in k]))
""")
    assert out == "11\n[(901, 0), (900, 0)]\n1\n", out


@with_script
def test_locked_there_are_no_keys(house):
    key = ll.make_key(house)
    ada = house.add_user("ada", ssh_key=key)
    ada.login(passphrase="", code=ada.code())
    out = script(ada, """
print(parse(parsekit.SEAL, 1)[0], parse(parsekit.OPEN, 1)[0],
      parse(parsekit.OPEN)[0], ask("AGENT_IMPORT", ("DATA", b"x"))[0])
""")
    assert out == "15 15 0 {'RESULT': 15}\n", out


if __name__ == "__main__":
    sys.exit(ll.main())
