"""The sender's side of the mail routes: keys added, plans made, one message
sent by several routes at once and opened by the programs of who gets it."""
# limit: 300
import hashlib
import json
import os
import re

import keykit
import ll


def house_of_two(**options):
    house = ll.House(**options)
    ada, bob = house.add_user("ada"), house.add_user("bob")
    ada.login()
    bob.login()
    return house, ada, bob


def raw_mails(house):
    """What the directory transport holds: address -> the mail's bytes."""
    found = {}
    for name in os.listdir(house.outbox):
        if not name.endswith(".eml"):
            continue
        with open(os.path.join(house.outbox, name), "rb") as f:
            raw = f.read()
        mail = keykit.parse(raw)
        found.setdefault(mail["To"], []).append(raw)
    return found


def mail_of(house, words, count=1):
    """The mails whose raw bytes hold words, once there are count."""
    def there():
        found = [m for all_ in raw_mails(house).values() for m in all_
                 if words in m]
        return found if len(found) >= count else None
    return ll.until(there, 30, f"{count} mails with {words}")


def refused(user, command, code, words, stdin=None):
    done = user.ssh(command, stdin, check=False)
    assert done.code == code, (command, done.code, done.err, done.out)
    assert done.out == "", (command, done.out)
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, (command, done.err)
    assert words in lines[0], (command, done.err)


def planned(user, *words):
    answer = user.verb("plan " + " ".join(words))
    return {r["address"]: r for r in answer["recipients"]}


def states(user, ident, address, state):
    def there():
        rows = user.verb("status " + ident)["recipients"]
        row = [r for r in rows if r["address"] == address][0]
        return row if row["state"] == state else None
    return ll.until(there, 30, f"{address} {state}")


def drafted(user, files):
    """A draft with these attachments: its id."""
    for name, data in files.items():
        path = os.path.join(user.house.base, name)
        with open(path, "wb") as f:
            f.write(data)
        user.scp(path, ":/")
    return user.verb("list --folder drafts")["messages"][0]["id"]


def import_certificate(user, person, password="x"):
    """The user's own S/MIME key and certificate come from a PKCS#12 file."""
    user.ssh("key import", password.encode() + b"\n" +
             person.pkcs12(password))


def test_openpgp_message_is_opened_by_gpg():
    house, ada, bob = house_of_two()
    with house, keykit.Pgp() as world:
        dora = world.person("dora@out.example")
        added = ada.verb("key add --for dora@out.example", dora.public)
        assert [k["fingerprint"] for k in added["keys"]] == \
            [dora.fingerprint], added
        assert added["keys"][0]["added"] and not added["keys"][0]["changed"]

        plan = planned(ada, "--to dora@out.example")["dora@out.example"]
        assert plan["route"] == "openpgp" and not plan["held"], plan
        assert plan["keys"][0]["fingerprint"] == dora.fingerprint
        assert "portal-muc" in plan["others"] or plan["others"] == []

        sent = ada.send(["dora@out.example"], "Quarterly figures",
                        "First line\nlast line\n")
        assert sent["recipients"][0]["route"] == "openpgp", sent
        raw = mail_of(house, b"multipart/encrypted")[0]
        assert b"Quarterly" not in raw and b"First line" not in raw
        outer = keykit.parse(raw)
        assert outer["From"].endswith("<ada@house.example>"), outer["From"]
        assert outer["Subject"] == "...", outer["Subject"]
        assert outer["Autocrypt"].startswith("addr=ada@house.example;")
        exported = ada.ssh("key export").raw
        got = dora.open(raw, "gpg", [exported])
        assert got.good, got.said
        assert got.mail["Subject"] == "Quarterly figures", got.raw[:400]
        assert got.text() == "First line\nlast line\n"

        row = states(ada, sent["id"], "dora@out.example", "relayed")
        detail = [e["detail"] for e in row["events"]
                  if e["event"] == "relayed"][0]
        assert hashlib.sha256(raw).hexdigest() in detail, (detail, len(raw))


def test_one_message_goes_by_every_route():
    house, ada, bob = house_of_two()
    with house, keykit.Pgp() as pgp, keykit.Smime() as smime:
        import_certificate(ada, smime.person("ada@house.example", "p256"))
        dora = pgp.person("dora@out.example", "rsa2048")
        emil = smime.person("emil@out.example", "rsa2048")
        frida = smime.person("frida@out.example", "p256")
        ada.verb("key add --for dora@out.example", dora.public)
        ada.verb("key add --for emil@out.example", emil.public)
        ada.verb("key add --for frida@out.example", frida.public)

        files = {"big.bin": os.urandom(700000), "note.txt": b"a\nb\r\nc"}
        draft = drafted(ada, files)
        to = ["dora@out.example", "emil@out.example", "frida@out.example",
              "bob@house.example", "gil@out.example"]
        words = " ".join("--to " + a for a in to)
        plan = planned(ada, words)
        assert [plan[a]["route"] for a in to] == \
            ["openpgp", "smime", "smime", "internal", "portal-muc"], plan
        sent = ada.verb(f"send {words} --draft {draft} --subject "
                        "'Zahlen für Zürich'", "Grüße\n.\nFrom here\n")
        assert [r["route"] for r in sent["recipients"]] == \
            ["openpgp", "smime", "smime", "internal", "portal-muc"], sent

        text = "Grüße\n.\nFrom here\n"
        raw = mail_of(house, b"multipart/encrypted")[0]
        got = dora.open(raw, "gpg", [ada.ssh("key export").raw])
        check_opened(got, text, files)
        raw = mail_of(house, b"application/pkcs7-mime", 2)[0]
        for person in emil, frida:
            check_opened(person.open(raw, "openssl"), text, files)
        own = ada.ssh("key export --smime").raw
        assert own.count(b"BEGIN CERTIFICATE") >= 1
        check_opened(emil.open(raw, "gpgsm", [own]), text, files)
        shown = bob.verb("show " + sent["id"])
        assert shown["body"] == text and shown["signature"]["valid"], shown
        assert [a["name"] for a in shown["attachments"]] == sorted(files)
        for address in to[:3]:
            states(ada, sent["id"], address, "relayed")
        states(ada, sent["id"], "gil@out.example", "notified")


def check_opened(got, text, files):
    assert got.good, got.said
    assert got.mail["Subject"] == "Zahlen für Zürich", got.raw[:500]
    assert got.text() == text, repr(got.text())
    found = got.files()
    assert sorted(found) == sorted(files), list(found)
    for name, data in files.items():
        have = found[name]
        have = have.encode() if isinstance(have, str) else have
        assert have == data, (name, len(have), len(data))


def paste(screen, text):
    """As a terminal pastes."""
    if isinstance(text, str):
        text = text.encode()
    screen.child.send(b"\x1b[200~" + text.replace(b"\n", b"\r") +
                      b"\x1b[201~")
    return screen


def armored(world, person):
    return world.ring.gpg("--armor", "--export", person.fingerprint).stdout


def grouped(fingerprint):
    return " ".join(fingerprint[i:i + 4]
                    for i in range(0, len(fingerprint), 4))


def test_keys_on_the_screen():
    house, ada, bob = house_of_two()
    with house, keykit.Pgp() as world:
        dora = world.person("dora@out.example")
        with ada.screen() as screen:
            screen.wait("Inbox: empty")
            screen.send("K").wait("No keys of others yet")
            screen.wait("yours +OpenPGP")
            screen.send("a").wait("Address:")
            screen.line("dora at out").wait("address|@")
            screen.send("a").wait("Address:")
            screen.line("dora@out.example").wait("Paste the OpenPGP key")
            paste(screen, armored(world, dora)).wait("Added")
            screen.wait("dora@out.example +OpenPGP")
            assert grouped(dora.fingerprint)[:40] in screen.text()
            screen.wait("checked by you")
            # nonsense is refused in words
            screen.send("a").wait("Address:")
            screen.line("x@out.example").wait("Paste the OpenPGP key")
            paste(screen, "no key at all\n")
            screen.send("\x18").wait("Not added: .*no OpenPGP key")
            # and a message goes by it, another way, and back
            screen.send("\x1b").wait("Inbox: empty")
            screen.send("c").wait("Subject:")
            screen.send("dora@out.example\t\tHello\tText.")
            screen.send("\x12").wait("Confidential: only keys")
            screen.send("\x18").wait("Plan for 1 recipient")
            screen.wait("dora@out.example +openpgp")
            assert "Confidential" in screen.text()
            screen.send("jjv").wait("portal-muc +.as you chose")
            screen.send("v").wait_gone("as you chose")
            screen.wait("dora@out.example +openpgp")
            screen.send("L").wait("dora@out.example +portal-muc")
            screen.send("L").wait("dora@out.example +openpgp")
            screen.send("K").wait("Keys of dora@out.example")
            screen.send("X").wait("Remove this key")
            screen.send("n\x1b").wait("Plan for 1 recipient")
            screen.send("\r").wait("Sent")
        raw = mail_of(house, b"multipart/encrypted")[0]
        got = dora.open(raw, "gpg", [ada.ssh("key export").raw])
        assert got.good and got.text() == "Text.\n", (got.said, got.text())


def test_line_mode_keys_class_and_routes():
    house, ada, bob = house_of_two()
    with house, keykit.Pgp() as world:
        dora = world.person("dora@out.example")
        with ada.screen(term="dumb", rows=200, cols=120) as t:
            t.wait("Type help")
            t.line("key add")
            t.wait("whose key is it")
            t.line("key add --for dora@out.example")
            t.wait("line with a single dot ends it")
            for line in armored(world, dora).decode().splitlines():
                t.line(line)
            t.wait("dora@out.example: added OpenPGP")
            t.line("key list")
            t.wait("checked by you")
            t.line("plan --to dora@out.example --class registered")
            t.wait("dora@out.example: portal-muc")
            t.line("compose --to dora@out.example --subject Hello")
            t.wait("Subject|Cc|single dot")
            t.wait("single dot")
            t.line("by line")
            t.line(".")
            t.wait("draft>$")
            t.line("class secret")
            t.wait("class normal, class confidential")
            t.line("class confidential")
            t.wait("Confidential: only keys")
            t.line("via dora@out.example portal-muc")
            t.line("send")
            t.wait("dora@out.example: portal-muc .as you asked")
            t.wait("Send it so")
            t.line("n")
            t.line("via dora@out.example")
            t.line("send")
            t.wait("dora@out.example: openpgp")
            t.line("y")
            t.wait("Sent: ")
            t.line("quit")
        raw = mail_of(house, b"multipart/encrypted")[0]
        got = dora.open(raw, "gpg", [ada.ssh("key export").raw])
        assert got.good and got.text() == "by line\n", (got.said, got.text())


def certified(house, *users):
    """The organisation's CA gives these a certificate each."""
    house.admin("ca", "init")
    for user in users:
        house.admin("ca", "issue", user.name)


def test_smime_by_the_organisations_ca():
    house, ada, bob = house_of_two()
    with house, keykit.Smime() as world:
        emil = world.person("emil@out.example", "p384", gcm=True)
        hand = world.person("hand@out.example")
        words = "--to emil@out.example"
        ada.verb("key add --for emil@out.example", emil.public)
        # a route that needs a certificate of one's own says so
        row = planned(ada, words)["emil@out.example"]
        assert row["route"] == "portal-muc", row
        assert "certificate of your own" in row["reason"], row
        certified(house, ada)
        row = planned(ada, words)["emil@out.example"]
        assert row["route"] == "smime", row
        ada.send(["emil@out.example"], "Sealed", "for Emil\n")
        raw = mail_of(house, b"application/pkcs7-mime")[0]
        own = house.admin("ca", "export").raw
        world.ca.write("ca.pem", world.ca.read("ca.pem") +
                       own[:own.index(b"-----BEGIN X509 CRL")])
        got = emil.open(raw, "openssl")
        assert got.good, got.said
        assert got.mail["Subject"] == "Sealed" and got.text() == "for Emil\n"
        assert b"Sealed" not in raw

        # the CA of the other side is trusted; then it takes the key back
        house.admin("ca", "trust", world.ca.path("ca.pem"), check=False)
        del hand


if __name__ == "__main__":
    ll.main()
