"""The sender's side of the mail routes: keys added, plans made, one message
sent by several routes at once and opened by the programs of who gets it."""
# limit: 300
import base64
import hashlib
import json
import os
import re
import threading

import dnskit
import httpskit
import keykit
import ll
import mta
import nets
import parsekit as kit
import test_tls
import tlskit
from test_portal import Sent

CAROL = "carol@out.example"


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

        # who has only this mail has the sender's key with it
        keydata = outer["Autocrypt"].split("keydata=")[1]
        keydata = base64.b64decode("".join(keydata.split()), validate=True)
        assert keydata != exported
        got = dora.open(raw, "gpg", [keydata])
        assert got.good and got.text() == "First line\nlast line\n", got.said

        row = states(ada, sent["id"], "dora@out.example", "relayed")
        detail = [e["detail"] for e in row["events"]
                  if e["event"] == "relayed"][0]
        assert hashlib.sha256(raw).hexdigest() in detail, (detail, len(raw))
        # a mail that is out has no end any more
        shown = ada.ssh("status " + sent["id"]).out
        assert "relayed" in shown and "expire" not in shown, shown


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
            screen.send("jv").wait("portal-muc +.as you chose")
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


def test_a_mail_is_taken_back_and_sent_again():
    house, ada, bob = house_of_two(config={"undo_seconds": 4})
    with house, keykit.Pgp() as world:
        dora = world.person("dora@out.example")
        ada.verb("key add --for dora@out.example", dora.public)
        # above what a row of the database holds: its mail is a blob
        draft = drafted(ada, {"big.bin": os.urandom(200000)})
        with ada.screen() as screen:
            screen.wait("Inbox:|go on")
            screen.send("\x1b").send("\x1b") if "go on" in screen.text() \
                else None
            screen.send("B").wait("Drafts")
            screen.wait("big.bin|no subject|1 ")
            screen.send("\r").wait("Subject:")
            screen.send("dora@out.example\t\tBack\tText.\x18")
            screen.wait("dora@out.example +openpgp")
            screen.send("\r").wait(r"u takes it back")
            screen.send("u").wait("Taken back: nobody got it")
            screen.send("\x18").wait("dora@out.example +openpgp")
            screen.send("\r").wait(r"u takes it back")
            screen.wait("relayed", 30)
        raws = mail_of(house, b"multipart/encrypted")
        assert len(raws) == 1 and len(house.mails()) == 1, len(raws)
        got = dora.open(raws[0], "gpg", [ada.ssh("key export").raw])
        assert got.good and len(got.files()["big.bin"]) == 200000, got.said
        # neither mail is kept once it is out, only the attachment
        ll.until(lambda: sum(len(files) for _, _, files in os.walk(
            house.data + "/blobs")) == 1, 20, "one blob")
        assert draft


def test_letterlock_parse_dies_while_it_seals():
    """Nothing goes out, the words say what to do, and then it works."""
    house, ada, bob = house_of_two()
    with house, keykit.Pgp() as world:
        dora = world.person("dora@out.example")
        ada.verb("key add --for dora@out.example", dora.public)
        stop = threading.Event()

        def kill():
            while not stop.is_set():
                for p in house.procs("letterlock-parse"):
                    p.kill()
        thread = threading.Thread(target=kill)
        thread.start()
        sent, broken = 0, 0
        try:
            # now and then one is quicker than who looks for it
            while not broken and sent < 20:
                done = ada.ssh("send --to dora@out.example --subject A",
                               stdin=b"Some text.\n" * 20000, check=False)
                sent += done.code == 0
                broken += done.code == 75 and \
                    "broke off: try again" in done.err
                assert done.code == 0 or broken, (done.code, done.err)
        finally:
            stop.set()
            thread.join()
        assert broken, sent
        assert len(ada.list("sent")) == sent
        ada.send(["dora@out.example"], "A", "Text.\n")
        assert len(mail_of(house, b"multipart/encrypted", sent + 1)) == \
            sent + 1


def test_a_mail_that_is_out_is_not_withdrawn():
    house, ada, bob = house_of_two()
    with house, keykit.Pgp() as world:
        dora = world.person("dora@out.example")
        ada.verb("key add --for dora@out.example", dora.public)
        sent = ada.send(["dora@out.example", "bob@house.example"], "A", "T.\n")
        states(ada, sent["id"], "dora@out.example", "relayed")
        said = ada.ssh(f"withdraw {sent['id']}").out
        assert "dora@out.example: relayed; not withdrawn: it is out" in said, \
            said
        assert "bob@house.example: withdrawn\n" in said, said
        rows = ada.verb(f"withdraw {sent['id']}")["recipients"]
        assert "out already" in rows[0]["reason"] and \
            rows[1]["reason"] == "", rows


def test_what_changes_after_the_plan_is_shown_again():
    house, ada, bob = house_of_two(config={"undo_seconds": 2})
    with house, keykit.Pgp() as world:
        dora = world.person("dora@out.example")
        ada.verb("key add --for dora@out.example", dora.public)
        with ada.screen() as screen:
            screen.wait("Inbox: empty")
            screen.send("c").wait("Subject:")
            screen.send("dora@out.example\t\tHi\tText.\x18")
            screen.wait("dora@out.example +openpgp")
            ada.ssh("key remove " + dora.fingerprint)
            screen.send("\r").wait("look again before you send")
            screen.wait("This is the new plan; not sent: a recipient.s key")
            screen.wait("dora@out.example +portal-muc")
            # a better way that comes up since does not change what was seen
            ada.verb("key add --for dora@out.example", dora.public)
            screen.send("\r").wait("by route portal-muc")
        house.wait_link("dora@out.example")
        assert len(house.mails()) == 1


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


def test_a_key_is_imported_by_line():
    house, ada, bob = house_of_two()
    with house, keykit.Smime() as world:
        file = base64.encodebytes(
            world.person("ada@house.example", "p256").pkcs12("p w")).decode()
        with ada.screen(term="dumb", rows=200, cols=120) as t:
            t.wait("Type help")
            for password, words in (("wrong", "password"),
                                    ("p w", "imported: key list shows it")):
                t.line("key import")
                t.wait("file's password")
                t.line(password)
                t.wait("PKCS#12 as base64")
                for line in file.splitlines():
                    t.line(line)
                t.line(".")
                t.wait(words)
                assert password not in t.text().replace("password", "")
        own = ada.verb("key list")["own"]
        assert any(k["format"] == "S/MIME" and k["usable"] for k in own), own


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
        assert "reads AES" not in row["trust"], row
        ada.verb("key add --for hand@out.example", hand.public)
        row = planned(ada, "--to hand@out.example")["hand@out.example"]
        assert "reads AES-256-CBC only" in row["trust"], row
        ada.send(["emil@out.example"], "Sealed", "for Emil\n")
        raw = mail_of(house, b"application/pkcs7-mime")[0]
        own = house.admin("ca", "export").raw
        world.ca.write("ca.pem", world.ca.read("ca.pem") +
                       own[:own.index(b"-----BEGIN X509 CRL")])
        got = emil.open(raw, "openssl")
        assert got.good, got.said
        assert got.mail["Subject"] == "Sealed" and got.text() == "for Emil\n"
        assert b"Sealed" not in raw and b"authEnveloped-data" in raw


def revoked(ca, *names):
    """A list of the CA that names these certificates."""
    ca.write("index.txt", b"")
    ca.write("crlnumber", b"01\n")
    ca.write("ca.cnf", f"[ca]\ndefault_ca=d\n[d]\ndatabase="
             f"{ca.path('index.txt')}\ncrlnumber={ca.path('crlnumber')}"
             "\ndefault_md=sha256\ndefault_crl_days=9\n".encode())
    how = ["-config", ca.path("ca.cnf"), "-keyfile", ca.path("ca.key"),
           "-cert", ca.path("ca.pem")]
    for name in names:
        kit.openssl("ca", *how, "-revoke", ca.path(name + ".pem"))
    return ca.write("ca.crl", kit.openssl("ca", *how, "-gencrl").stdout)


def stored(post, address):
    """The bytes that Postfix put into the mailbox."""
    post.wait_mail(address)
    folder = os.path.join(post.mail, "all", "new")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            raw = f.read()
        if f"Delivered-To: {address}".encode() in raw:
            return raw
    raise ll.Failure("no mail for " + address)


def test_every_route_through_postfix():
    partner, mx = "partner.example", "mx1.partner.example"
    tina, to = "tina@" + partner, []
    with test_tls.world() as w, keykit.Pgp() as pgp, \
            keykit.Smime() as smime, mta.Postfix(access={
                "no@out.example": "REJECT no such person here"}) as post:
        far = w.stack.enter_context(mta.Postfix(
            name=mx, domains=[partner], address=nets.address(25), port=25,
            cert=w.ca.issue(mx)))
        w.zone(address=far.address, signed=False)
        w.sts()
        house, ada = w.house(relay=post.relay)
        bob = house.add_user("bob")
        bob.login()
        certified(house, ada)
        dora = pgp.person("dora@out.example")
        emil = smime.person("emil@out.example")
        ada.verb("key add --for dora@out.example", dora.public)
        ada.verb("key add --for emil@out.example", emil.public)
        files = {"big.bin": os.urandom(300000), "note.txt": b"a\nb\r\nc"}
        draft = drafted(ada, files)
        to = ["dora@out.example", "emil@out.example", tina,
              "gil@out.example", "bob@house.example"]
        routes = ["openpgp", "smime", "tls", "portal-muc", "internal"]
        text = "Grüße\n.\nFrom here\n"
        sent = ada.verb(
            "send " + " ".join("--to " + a for a in to[:3]) + " " +
            " ".join("--cc " + a for a in to[3:]) +
            f" --draft {draft} --subject 'Zahlen für Zürich'", text)
        assert [r["route"] for r in sent["recipients"]] == routes, sent
        key = ada.ssh("key export").raw
        check_opened(dora.open(stored(post, to[0]), "gpg", [key]), text,
                     files)
        own = house.admin("ca", "export").raw
        smime.ca.write("ca.pem", smime.ca.read("ca.pem") +
                       own[:own.index(b"-----BEGIN X509 CRL")])
        check_opened(emil.open(stored(post, to[1]), "openssl"), text, files)
        clear = keykit.parse(stored(far, tina))
        assert clear["Subject"] == "Zahlen für Zürich", clear["Subject"]
        assert clear.get_content_type() == "multipart/signed"
        assert clear["Cc"] == "gil@out.example, bob@house.example"
        for address in to[:3]:
            row = states(ada, sent["id"], address, "relayed")
            detail = [e["detail"] for e in row["events"]
                      if e["event"] == "relayed"][0]
            assert "queued as" in detail and "sha256:" in detail, detail
        assert bob.verb("show " + sent["id"])["cc"] == to[3:]
        # the mail's own server says no: told in its words
        ada.verb("key add --for no@out.example",
                 pgp.person("no@out.example").public)
        sent = ada.send(["no@out.example"], "Second", "text\n")
        row = states(ada, sent["id"], "no@out.example", "failed")
        assert "no such person here" in row["events"][-1]["detail"], row


def test_a_certificate_that_its_ca_took_back():
    with Sent() as s, keykit.Smime() as world:
        certified(s.house, s.ada)
        s.house.admin("ca", "trust", world.ca.path("ca.pem"))
        s.house.admin("ca", "crl", revoked(world.ca))
        carol = world.person(CAROL)
        page = s.opened()
        page.submit("key", {"key": ""}, {"keyfile": [
            ("key.pem", carol.public)]})
        row = planned(s.ada, "--to " + CAROL)[CAROL]
        assert row["route"] == "smime", row
        key = [k for k in s.ada.verb("key list")["keys"]][0]
        assert key["trusted"] and not key["confirmed"], key
        s.ada.send([CAROL], "One", "by S/MIME\n")
        # revoked after it was kept: found out when the next one is sealed
        s.house.admin("ca", "crl", revoked(world.ca, carol.name))
        assert planned(s.ada, "--to " + CAROL)[CAROL]["route"] == "smime"
        before = len(s.house.mails())
        refused(s.ada, f"send --to {CAROL} --subject Two", 1,
                "revoked by its issuer", "not by S/MIME\n")
        row = planned(s.ada, "--to " + CAROL)[CAROL]
        assert row["route"] != "smime", row
        # given by hand it is refused just as well
        refused(s.ada, f"key add --for {CAROL}", 1, "revoked", carol.public)
        assert len(s.house.mails()) == before


def test_a_changed_key_waits_and_is_confirmed_in_the_plan():
    with Sent() as s, keykit.Pgp() as old, keykit.Pgp() as new:
        page = s.opened()
        first, second = old.person(CAROL), new.person(CAROL, "nistp256")
        for person in first, second:
            page.submit("key", {"key": ""}, {"keyfile": [
                ("key.pgp", person.public)]})
        row = planned(s.ada, "--to " + CAROL)[CAROL]
        assert row["route"] == "portal-muc", row
        assert "changed" in row["warning"], row
        shown = s.ada.ssh("plan --to " + CAROL).out
        assert "WARNING" in shown, shown
        with s.ada.screen() as screen:
            screen.wait("Inbox:")
            screen.send("c").wait("Subject:")
            screen.send(CAROL + "\t\tNews\tText.")
            screen.send("\x18").wait("Plan for 1 recipient")
            screen.wait(CAROL + " +portal-muc")
            screen.wait("WARNING: ")
            screen.send("C").wait("Confirm a changed key")
            screen.wait(grouped(second.fingerprint)[:40])
            screen.send("y").wait(CAROL + " +openpgp")
            screen.wait_gone("WARNING")
            screen.send("\r").wait("Sent")
        raw = mail_of(s.house, b"multipart/encrypted")[0]
        got = second.open(raw, "gpg", [s.ada.ssh("key export").raw])
        assert got.good and got.text() == "Text.\n", got.said


def hu(address):
    """The name that a web key directory has an address under."""
    digest = hashlib.sha1(address.split("@")[0].lower().encode()).digest()
    bits = "".join(f"{b:08b}" for b in digest)
    symbols = "ybndrfg8ejkmcpqxot1uwisza345h769"
    return "".join(symbols[int(bits[i:i + 5], 2)] for i in range(0, 160, 5))


class Directory:
    """A domain with a web key directory, and the config that reaches it."""

    def __init__(self, domain):
        self.domain, self.name = domain, "openpgpkey." + domain
        self.ca = tlskit.Authority()
        self.web = httpskit.Web(self.ca)
        self.dns = dnskit.Dns()

    def __enter__(self):
        self.web.host(self.name)
        self.dns.zone(self.domain).add("openpgpkey", "A", self.web.address)
        self.dns.start()
        return self

    def __exit__(self, *why):
        self.dns.__exit__(*why)
        self.web.__exit__(*why)
        self.ca.__exit__(*why)

    @property
    def config(self):
        return dict(self.dns.config, key_search="wkd", find_ca=self.ca.pem,
                    find_networks="127.0.0.0/8")

    def publish(self, address, key):
        self.web.put(self.name, f"/.well-known/openpgpkey/{self.domain}/hu/"
                     + hu(address), key,
                     content_type="application/octet-stream")


def test_a_key_is_found_while_one_plans():
    with keykit.Pgp() as world, Directory("partner.example") as found:
        dora = world.person("dora@partner.example")
        other = world.person("other@partner.example")
        found.publish("dora@partner.example", dora.public)
        # a directory that gives out another person's key
        found.publish("evan@partner.example", other.public)
        house, ada, bob = house_of_two(config=found.config)
        with house:
            row = planned(ada, "--to dora@partner.example")[
                "dora@partner.example"]
            assert row["route"] == "openpgp", row
            assert "published by their mail domain" in row["trust"], row
            key = ada.verb("key list")["keys"][0]
            assert key["source"] == "wkd" and not key["confirmed"], key
            row = planned(ada, "--to dora@partner.example --class "
                          "confidential")["dora@partner.example"]
            assert row["route"] == "portal-muc", row
            row = planned(ada, "--to evan@partner.example")[
                "evan@partner.example"]
            assert row["route"] == "portal-muc", row
            assert len(ada.verb("key list")["keys"]) == 1
            # on the screen the plan comes first, the key after it
            found.publish("fay@partner.example",
                          world.person("fay@partner.example").public)
            with ada.screen() as screen:
                screen.wait("Inbox:")
                screen.send("c").wait("Subject:")
                screen.send("fay@partner.example\t\tHi\tText.")
                screen.send("\x18").wait("Plan for 1 recipient")
                screen.wait("fay@partner.example +openpgp")
                screen.send("\r").wait("Sent")
            ada.ssh("key confirm " + key["fingerprint"][:12])
            row = planned(ada, "--to dora@partner.example --class "
                          "confidential")["dora@partner.example"]
            assert row["route"] == "openpgp", row


def test_bad_keys_are_refused_in_one_line():
    house, ada, bob = house_of_two()
    with house, keykit.Pgp() as world, keykit.Smime() as smime, \
            keykit.Pgp() as second:
        address = "dora@out.example"
        good = world.person(address)
        rows = [
            (world.person("mallory@else.example").public, 1, "that address"),
            (second.person(address, "rsa1024").public, 1, "weak"),
            (b"no key\n", 1, "no OpenPGP key"),
            (smime.person("mallory@else.example").public, 1, "another"),
            (b"\0" * 300000, 1, "256"),
            (b"", 2, "no key came"),
            (good.secret(), 1, "private key"),
        ]
        for key, code, words in rows:
            refused(ada, f"key add --for {address}", code, words, key)
        for target in ("dora", "dora@", "@", "a b@out.example",
                       "dora@out.example\n"):
            done = ada.ssh(f"key add --for {ll.quote(target)}", good.public,
                           check=False)
            assert done.code == 2 and done.out == "", (target, done.err)
            assert len(done.err.strip().splitlines()) == 1, done.err
        # an international name is shown as what it is on the wire
        refused(ada, "key add --for x@b\u00fccher.example", 1,
                "x@xn--bcher-kva.example", good.public)
        row = planned(ada, "--to dora@\u043eut.example")
        assert list(row) == ["dora@xn--ut-emc.example"], row
        assert ada.verb("key list")["keys"] == []
        refused(ada, "key confirm 1234", 2, "8 digits")
        refused(ada, "key confirm", 2, "needs a fingerprint")
        refused(ada, "key remove 12345678", 3, "no key")
        refused(ada, "key export --smime", 3, "no certificate")
        refused(ada, "key nonsense", 2, "key add, list")
        refused(ada, "key import", 1, "", b"wrong\nnot a file\n")


def test_a_whole_domain_and_a_key_that_goes():
    house, ada, bob = house_of_two()
    with house, keykit.Pgp() as world:
        gate = world.person("gateway@partner.example")
        ada.verb("key add --for @partner.example", gate.public)
        to = ["one@partner.example", "two@partner.example"]
        words = " ".join("--to " + a for a in to)
        plan = planned(ada, words)
        assert {r["route"] for r in plan.values()} == {"domain"}, plan
        sent = ada.send(to, "To a gateway", "both\n")
        raw = mail_of(house, b"multipart/encrypted", 2)[0]
        got = gate.open(raw, "gpg", [ada.ssh("key export").raw])
        assert got.good and got.text() == "both\n", got.said
        for address in to:
            states(ada, sent["id"], address, "relayed")
        ada.ssh("key remove " + gate.fingerprint)
        assert {r["route"] for r in planned(ada, words).values()} == \
            {"portal-muc"}


def test_what_is_too_large_for_mail_is_told():
    house, ada, bob = house_of_two(config={"attachment_max": "128M"})
    with house, keykit.Pgp() as world:
        dora = world.person("dora@out.example")
        ada.verb("key add --for dora@out.example", dora.public)
        draft = drafted(ada, {"huge.bin": bytes(70 << 20)})
        way = "--via dora@out.example=portal-muc"
        words = f"plan --to dora@out.example --draft {draft}"
        row, = ada.verb(words)["recipients"]
        assert row["route"] == "openpgp", row
        assert "larger than 64 MB" in row["warning"], row
        assert way in row["warning"], row
        row, = ada.verb(f"{words} {way}")["recipients"]
        assert row["warning"] == "", row
        with ada.screen() as screen:
            screen.wait("Inbox:")
            screen.send("\x1b").wait("Drafts")
            screen.send("jj\r").wait("To nobody yet")
            screen.send("\r").wait("huge.bin")
            screen.send("dora@out.example\t\tBig\tText.")
            screen.send("\x18").wait("Plan for 1 recipient")
            screen.wait("larger than 64 MB")
            screen.send("v").wait("portal-muc +.as you chose")
            assert "larger than 64 MB" not in screen.text()
            screen.send("v").wait("larger than 64 MB")
            screen.send("\x1b").wait("Subject:")
        refused(ada, f"send --to dora@out.example --draft {draft} "
                "--subject x", 1, "larger than 64 MB", "text\n")
        refused(ada, f"send --to dora@out.example --draft {draft} "
                "--subject x", 1, way, "text\n")
        # another way takes it
        sent = ada.verb(f"send --to dora@out.example --draft {draft} "
                        "--subject x --via dora@out.example=portal-muc",
                        "text\n")
        assert sent["recipients"][0]["route"] == "portal-muc", sent


if __name__ == "__main__":
    ll.main()
