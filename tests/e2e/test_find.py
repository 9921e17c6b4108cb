"""Keys found when a message is planned: web key directories and keyservers of
a real web server, by names of a real DNS; and what a stranger's server may try
with a house that looks."""
# limit: 420
import concurrent.futures
import hashlib
import os
import sqlite3
import time

import dnskit
import httpskit
import keykit
import ll
import tlskit

ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"


def wkd_hash(local):
    """z-base-32 of the SHA-1."""
    number = int.from_bytes(hashlib.sha1(local.lower().encode()).digest(),
                            "big")
    return "".join(ALPHABET[number >> (155 - 5 * n) & 31] for n in range(32))


class World:
    """A DNS, a web server, and a house that looks for keys with them."""

    def __init__(self, **config):
        self.ca, self.dns = tlskit.Authority(), dnskit.Dns()
        self.web = httpskit.Web(self.ca)
        self.rings, self.house, self.config = [], None, config

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.house:
            self.house.__exit__(kind, value, trace)
        for ring in self.rings:
            ring.__exit__()
        self.web.__exit__()
        self.dns.__exit__(kind, value, trace)
        self.ca.__exit__()

    def person(self, address, family="ed25519", **more):
        """Somebody with a key; each in a ring of their own."""
        self.rings.append(keykit.Pgp())
        return self.rings[-1].person(address, family, **more)

    def domain(self, name, *hosts, signed=True):
        """The zone; hosts ("@" itself) lead to the web server."""
        zone = self.dns.zone(name, signed=signed)
        for host in hosts:
            zone.add(host, "A", self.web.address)
        return zone

    def path(self, address, advanced=True):
        local, domain = address.split("@")
        return "/.well-known/openpgpkey/" + (domain + "/" if advanced else
                                             "") + "hu/" + wkd_hash(local)

    def put(self, address, key, advanced=True, **more):
        domain = address.split("@")[1]
        self.web.put(("openpgpkey." if advanced else "") + domain,
                     self.path(address, advanced), key, **more)

    def start(self):
        self.dns.start()
        self.house = ll.House(config={
            **self.dns.config, "find_ca": self.ca.pem, "key_search": "wkd",
            **self.config})
        ada = self.house.add_user("ada")
        ada.login()
        return ada

    def details(self):
        """What the store wrote down for each lookup; the house ends."""
        self.house.stop()
        db = sqlite3.connect(os.path.join(self.house.data, "db",
                                          "letterlock.db"))
        rows = db.execute("SELECT subject, state, detail FROM findings")
        found = {subject: (state, detail) for subject, state, detail in rows}
        db.close()
        self.house.start()
        return found


def plan(user, *addresses):
    answer = user.verb("plan " + " ".join(f"--to {a}" for a in addresses))
    return {r["address"]: r for r in answer["recipients"]}


def keys_of(user, address):
    return [k for k in user.verb("key list")["keys"]
            if k["address"] == address]


def test_advanced_and_direct():
    with World() as w:
        people = {a: w.person(a) for a in (
            "carol@adv.example", "dora@direct.example", "Erin.X@adv.example")}
        w.domain("adv.example", "openpgpkey", "@")
        w.domain("direct.example", "@")
        w.domain("plain.example", "@", signed=False)
        w.put("carol@adv.example", people["carol@adv.example"].public)
        w.put("Erin.X@adv.example", people["Erin.X@adv.example"].public)
        w.put("dora@direct.example", people["dora@direct.example"].public,
              advanced=False)
        # a domain with the host openpgpkey is not asked itself
        other = w.person("fay@adv.example")
        w.put("fay@adv.example", other.public, advanced=False)
        w.web.host("plain.example")
        ada = w.start()
        rows = plan(ada, *people, "fay@adv.example", "gil@plain.example",
                    "hal@none.example")
        for address, person in people.items():
            assert rows[address]["route"] == "openpgp", rows[address]
            key, = keys_of(ada, address.lower())
            assert key["source"] == "wkd", key
            assert key["fingerprint"].lower() == person.fingerprint.lower()
        for address in ("fay@adv.example", "gil@plain.example",
                        "hal@none.example"):
            assert rows[address]["route"] == "portal-muc", rows[address]
        assert ("openpgpkey.adv.example",
                w.path("erin.x@adv.example") + "?l=erin.x") in w.web.asked, \
            w.web.asked
        # found, and not found, is good for a while: nobody is asked again
        count = len(w.web.asked)
        plan(ada, *people, "fay@adv.example", "gil@plain.example")
        assert len(w.web.asked) == count, w.web.asked[count:]
        # the mail goes out, encrypted with what was found
        sent = ada.send(["carol@adv.example"], "Found", "by directory\n")
        ada.wait_state(sent["id"], "carol@adv.example", "relayed")


def test_what_a_stranger_may_try():
    with World() as w:
        carol = w.person("carol@redirect.example")
        big = carol.public + b"\0" * 70000
        domains = {}

        def host(name, **how):
            domains[name] = f"carol@{name}"
            w.domain(name, "openpgpkey")
            w.web.host("openpgpkey." + name, **how)

        host("redirect.example")
        w.put("carol@redirect.example", b"", status=302,
              location="https://openpgpkey.good.example/key")
        host("moved.example")
        w.put("carol@moved.example", b"", status=301,
              location="https://localhost/key")
        host("big.example")
        w.put("carol@big.example", big)
        host("selfsigned.example", cert=w.ca.issue(
            "openpgpkey.selfsigned.example", self_signed=True))
        w.put("carol@selfsigned.example", carol.public)
        host("expired.example", cert=w.ca.issue(
            "openpgpkey.expired.example", expired=True))
        w.put("carol@expired.example", carol.public)
        host("othername.example", cert=w.ca.issue("openpgpkey.good.example"))
        w.put("carol@othername.example", carol.public)
        host("html.example")
        w.put("carol@html.example", "<html><body>not found</body></html>")
        host("error.example")
        w.put("carol@error.example", b"", status=503)
        host("empty.example")
        w.put("carol@empty.example", b"")
        host("endless.example")
        w.web.answers[("openpgpkey.endless.example",
                       w.path("carol@endless.example"))] = endless
        ada = w.start()
        begun = time.monotonic()
        rows = plan(ada, *domains.values())
        assert time.monotonic() - begun < 15
        for address in domains.values():
            assert rows[address]["route"] == "portal-muc", rows[address]
        again = plan(ada, *domains.values())
        assert "key directory could not be asked" in \
            again["carol@big.example"]["reason"], again["carol@big.example"]
        ll.until(lambda: w.web.count("openpgpkey.endless.example") > 0)
        time.sleep(1)
        said = w.details()
        for name, words in (
                ("redirect.example", "elsewhere"),
                ("moved.example", "elsewhere"), ("big.example", "too long"),
                ("selfsigned.example", "certificate"),
                ("expired.example", "certificate"),
                ("othername.example", "certificate"),
                ("html.example", "no OpenPGP key"),
                ("error.example", "503"), ("empty.example", "no key"),
                ("endless.example", "too long")):
            state, detail = said["carol@" + name]
            assert words in detail and state in (3, 4), (name, state, detail)
        assert w.web.count("openpgpkey.good.example") == 0


def endless(handler):
    """A body without end, and without its length."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(100000):
            handler.wfile.write(b"\x99" * 10000)
    except OSError:
        pass


def test_foreign_user_ids():
    with World() as w:
        carol = w.person("carol@adv.example")
        mallory = w.person("mallory@else.example")
        both = w.person("erin@adv.example")
        both.world.ring.gpg("--quick-add-uid", both.fingerprint,
                            "Erin elsewhere <erin@else.example>")
        w.domain("adv.example", "openpgpkey")
        w.put("carol@adv.example", mallory.public + carol.public)
        w.put("dora@adv.example", mallory.public)
        w.put("erin@adv.example", both.world.ring.public(both.fingerprint))
        ada = w.start()
        rows = plan(ada, "carol@adv.example", "dora@adv.example",
                    "erin@adv.example", "erin@else.example",
                    "mallory@else.example")
        assert {a: r["route"] for a, r in rows.items()} == {
            "carol@adv.example": "openpgp", "dora@adv.example": "portal-muc",
            "erin@adv.example": "openpgp", "erin@else.example": "portal-muc",
            "mallory@else.example": "portal-muc"}, rows
        key, = keys_of(ada, "carol@adv.example")
        assert key["fingerprint"].lower() == carol.fingerprint.lower(), key
        assert not keys_of(ada, "dora@adv.example")
        assert not keys_of(ada, "mallory@else.example")


def test_what_was_found_and_is_of_no_use_is_told():
    """No key, and a key that cannot be used, are two things."""
    with World() as w:
        good = w.person("gil@adv.example")
        weak = w.person("dora@adv.example", "rsa1024")
        foreign = w.person("mallory@else.example")
        over = w.person("erin@adv.example", expire="seconds=3")
        w.domain("adv.example", "openpgpkey")
        w.put("gil@adv.example", good.public + foreign.public)
        w.put("dora@adv.example", weak.public)
        w.put("carol@adv.example", foreign.public)
        w.put("erin@adv.example", over.public)
        why = {"dora@adv.example": "too weak",
               "erin@adv.example": "It has expired",
               "carol@adv.example": "None of its user ids has that address",
               "gil@adv.example": ""}
        ada = w.start()
        time.sleep(3)
        for n in range(2):           # also when it has been looked at before
            rows = plan(ada, *why, "none@adv.example")
            assert rows["gil@adv.example"]["route"] == "openpgp", rows
            for address, words in why.items():
                warning = rows[address]["warning"]
                assert words in warning, (n, address, rows[address])
                assert bool(words) == ("A key was found at their domain but "
                                       "cannot be used: " in warning), warning
            assert rows["none@adv.example"]["warning"] == "", rows
        told = ada.ssh("plan --to dora@adv.example").out
        assert "WARNING: A key was found at their domain but cannot be " \
            "used: Its encryption key is too weak" in told, told
        with ada.screen() as screen:
            screen.wait("Inbox:")
            screen.send("c").wait("Subject:")
            screen.send("dora@adv.example\t\tHi\tText.")
            screen.send("\x18").wait("Plan for 1 recipient")
            screen.wait("A key was found at their domain but cannot")
        # a good one in its place, and nothing is said any more
        w.put("dora@adv.example", w.person("dora@adv.example").public)
        older(w.house, 90000)
        ada.login()
        row = ll.until(lambda: next((
            r for r in plan(ada, "dora@adv.example").values()
            if r["route"] == "openpgp"), None), 20, "the good key")
        assert row["warning"] == "", row


def test_the_limit_of_lookups_is_told():
    """One user's 200 new addresses an hour: who plans more is told, once."""
    with World() as w:
        w.domain("adv.example", "openpgpkey")
        ada = w.start()
        to = [f"u{n}@adv.example" for n in range(203)]
        words = "plan " + " ".join("--to " + a for a in to[:150])
        assert ada.verb(words)["warning"] == ""
        words = "plan " + " ".join("--to " + a for a in to[150:])
        warning = ada.verb(words)["warning"]
        assert "not looked for yet" in warning, warning
        told = ada.ssh(words).out
        assert told.count(warning) == 1, told
        with ada.screen() as screen:
            screen.wait("Inbox:")
            screen.send("c").wait("Subject:")
            screen.send("u202@adv.example\t\tHi\tText.")
            screen.send("\x18").wait("Plan for 1 recipient")
            screen.wait("not looked for yet")
        # what is known already is not spoken of
        words = "plan " + " ".join("--to " + a for a in to[:50])
        assert ada.verb(words)["warning"] == ""


def test_private_addresses():
    with World(find_networks="") as w:
        carol = w.person("carol@adv.example")
        w.domain("adv.example", "openpgpkey")
        w.domain("direct.example", "@")
        for n, address in enumerate(("10.1.2.3", "169.254.169.254",
                                     "192.168.0.1", "0.0.0.0")):
            w.dns.zone(f"n{n}.example").add("openpgpkey", "A", address)
        w.dns.zone("v6.example").add("openpgpkey", "AAAA", "::1")
        w.dns.zone("mapped.example").add("openpgpkey", "AAAA",
                                         "::ffff:" + w.web.address)
        w.put("carol@adv.example", carol.public)
        ada = w.start()
        names = ["adv", "direct", "n0", "n1", "n2", "n3", "v6", "mapped"]
        rows = plan(ada, *[f"carol@{n}.example" for n in names])
        assert all(r["route"] == "portal-muc" for r in rows.values()), rows
        assert w.web.asked == [], w.web.asked
        said = w.details()
        for n in names:
            state, detail = said[f"carol@{n}.example"]
            assert state == 4 and "not a public one" in detail, \
                (n, state, detail)


def test_bogus_names():
    with World() as w:
        carol = w.person("carol@bogus.example")
        zone = w.dns.zone("bogus.example", broken=True)
        zone.add("openpgpkey", "A", w.web.address)
        zone.add("@", "A", w.web.address)
        w.put("carol@bogus.example", carol.public)
        w.put("carol@bogus.example", carol.public, advanced=False)
        ada = w.start()
        row = plan(ada, "carol@bogus.example")["carol@bogus.example"]
        assert row["route"] == "portal-muc", row
        assert w.web.asked == [], w.web.asked


def older(house, secs):
    """Every answer is older by that."""
    house.stop()
    db = sqlite3.connect(os.path.join(house.data, "db", "letterlock.db"))
    db.execute("UPDATE findings SET asked = asked - ?1, until = until - ?1,"
               " again = again - ?1", (secs,))
    db.commit()
    db.close()
    house.start()


def test_a_changed_key_waits():
    with World() as w:
        first = w.person("carol@adv.example")
        second = w.person("carol@adv.example", "nistp256")
        w.domain("adv.example", "openpgpkey")
        w.put("carol@adv.example", first.public)
        ada = w.start()
        address = "carol@adv.example"
        assert plan(ada, address)[address]["route"] == "openpgp"
        w.put(address, second.public)
        older(w.house, 90000)
        ada.login()
        row = ll.until(lambda: next((
            r for r in plan(ada, address).values()
            if r["route"] != "openpgp"), None), 20, "the change")
        assert row["route"] == "portal-muc", row
        keys = {k["fingerprint"].lower(): k for k in keys_of(ada, address)}
        assert keys[second.fingerprint.lower()]["changed"], keys
        ada.ssh(f"key confirm {second.fingerprint[:16]}")
        assert plan(ada, address)[address]["route"] == "openpgp"
        # gone from the directory: what was found stays
        w.put(address, b"", status=404)
        older(w.house, 90000)
        ada.login()
        plan(ada, address)
        assert plan(ada, address)[address]["route"] == "openpgp"


def revoked(person):
    """Their key, taken back by their own hand."""
    ring = person.world.ring
    path = os.path.join(ring.dir, "openpgp-revocs.d",
                        person.fingerprint + ".rev")
    with open(path, encoding="ascii") as f:
        text = f.read().replace("\n:-----BEGIN", "\n-----BEGIN")
    ring.gpg("--import", stdin=text.encode())
    return ring.public(person.fingerprint)


def test_a_revoked_key_goes():
    with World() as w:
        address = "carol@adv.example"
        first, second = w.person(address), w.person(address, "nistp256")
        w.domain("adv.example", "openpgpkey")
        w.put(address, first.public)
        ada = w.start()
        assert plan(ada, address)[address]["route"] == "openpgp"
        # a revocation that is not its own changes nothing
        taken_back = revoked(first)
        spoilt = bytearray(taken_back)
        at = taken_back.index(first.public[:40]) + len(first.public[:40])
        where = next(n for n in range(at, len(spoilt))
                     if spoilt[:n + 1] != first.public[:n + 1])
        spoilt[where + 60] ^= 1
        w.put(address, bytes(spoilt))
        older(w.house, 90000)
        ada.login()
        plan(ada, address)
        time.sleep(1)
        assert plan(ada, address)[address]["route"] == "openpgp"
        w.put(address, taken_back + second.public)
        older(w.house, 90000)
        ada.login()
        ll.until(lambda: not any(
            k["fingerprint"].lower() == first.fingerprint.lower()
            for k in keys_of(ada, address)) if plan(ada, address) else None,
            20, "the revoked key's end")
        key, = keys_of(ada, address)
        assert key["fingerprint"].lower() == second.fingerprint.lower(), key
        # what came in its place is a change all the same
        assert key["changed"], key
        assert plan(ada, address)[address]["route"] == "portal-muc"


def test_a_revoked_key_of_the_house_goes():
    with ll.House() as house, keykit.Pgp() as world:
        address = "carol@adv.example"
        carol = world.person(address)
        path = os.path.join(house.base, "carol.asc")
        for data, code, count in ((carol.public, 0, 1),
                                  (revoked(carol), None, 0)):
            with open(path, "wb") as f:
                f.write(data)
            done = house.admin("key", "add", "--for", address, path,
                               check=False)
            assert (done.code == 0) == (code == 0), (done.out, done.err)
            assert code == 0 or "revoked" in done.err, done.err
            keys = house.admin_json("key", "list")["keys"]
            assert len(keys) == count, keys


def test_keyservers():
    for scheme, path in (
            ("hkps", "/pks/lookup?op=get&options=mr&search="
             "carol%40keyed.example"),
            ("https", "/vks/v1/by-email/carol%40keyed.example")):
        with World(key_search="keyserver", keyserver=scheme +
                   "://keys.server.example") as w:
            carol = w.person("carol@keyed.example")
            armored = carol.world.ring.gpg("--armor", "--export",
                                           carol.fingerprint).stdout
            w.domain("server.example", "keys")
            w.web.put("keys.server.example", path, armored,
                      content_type="application/pgp-keys")
            ada = w.start()
            row = plan(ada, "carol@keyed.example")["carol@keyed.example"]
            key, = keys_of(ada, "carol@keyed.example")
            assert key["source"] == "keyserver", key
            # anybody may put a key there: it is known, and not used
            assert row["route"] == "portal-muc", row
            assert ("keys.server.example", path) in w.web.asked, w.web.asked
            ada.ssh(f"key confirm {carol.fingerprint[:16]}")
            row = plan(ada, "carol@keyed.example")["carol@keyed.example"]
            assert row["route"] == "openpgp", row


def test_off_and_a_slow_server():
    """Nothing is asked where key_search is off; and a server that does not
    answer holds up neither the plan nor the mail."""
    with World(key_search="off") as w:
        w.domain("adv.example", "openpgpkey")
        w.web.host("openpgpkey.adv.example")
        ada = w.start()
        plan(ada, "carol@adv.example")
        assert w.web.asked == [], w.web.asked
    with World() as w:
        w.domain("slow.example", "openpgpkey")
        w.web.host("openpgpkey.slow.example")
        slow = [0]

        def wait(handler):
            slow[0] += 1
            time.sleep(12)
            return 404, {}, b""
        for n in range(8):
            w.web.answers[("openpgpkey.slow.example",
                           w.path(f"c{n}@slow.example"))] = wait
        ada = w.start()
        begun = time.monotonic()
        plan(ada, *[f"c{n}@slow.example" for n in range(8)])
        assert 2 < time.monotonic() - begun < 8, time.monotonic() - begun
        begun = time.monotonic()
        sent = ada.send(["c0@slow.example"], "Waiting", "not at all\n")
        ada.wait_state(sent["id"], "c0@slow.example", "notified")
        assert time.monotonic() - begun < 9, time.monotonic() - begun
        assert slow[0] >= 4, slow


def test_programs_that_die_meanwhile():
    """A lookup is under way when the store, or the relay, is killed: it is
    made again, and its answer comes."""
    for program in ("letterlock-store", "letterlock-relay"):
        with World() as w:
            carol = w.person("carol@adv.example")
            w.domain("adv.example", "openpgpkey")
            w.web.host("openpgpkey.adv.example")

            def late(handler):
                time.sleep(2)
                return 200, {}, carol.public
            w.web.answers[("openpgpkey.adv.example",
                           w.path("carol@adv.example"))] = late
            ada = w.start()
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                asked = pool.submit(ada.ssh, "plan --to carol@adv.example",
                                    None, False)
                ll.until(lambda: w.web.count("openpgpkey.adv.example"))
                w.house.procs(program)[0].kill()
                asked.result()
            row = ll.until(lambda: next((
                r for r in plan(ada, "carol@adv.example").values()
                if r["route"] == "openpgp"), None), 20,
                program + ": the key")
            assert row["held"] is False, row


if __name__ == "__main__":
    ll.main()
