"""Bad input of the mail routes, end to end: each gets a clear line, and nothing
is lost."""
# limit: 300
import hashlib
import os
import struct
import zlib

import keykit
import ll
import mta
import parsekit as kit
import test_incoming
import test_tls
from parsekit import PGP, SMIME
from test_incoming import ADA, DORA, desk

# What has fooled mail servers about where a mail ends.
SMUGGLED = "\r\n.\r\nMAIL FROM:<eve@bad.example>\r\nRCPT TO:<bob@out.example>" \
    "\r\nDATA\r\nSubject: smuggled\r\n\r\nyou owe me\r\n.\r\n"
ENDS = ["\n.\n", "\r\n.\r\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r",
        "\r.\n", "\n.\r", "\n..\n", "\r\n..\r\n", ".\r\n", "\r\n.", "\n.",
        "\nFrom here\n", "\r\n.\r\r\n", "\r\n\0.\r\n".replace("\0", "")]
ATTACK = "first\n" + "middle".join(ENDS) + SMUGGLED + SMUGGLED.replace(
    "\r\n", "\n") + SMUGGLED.replace("\r\n", "\r") + "last\n"


def flat(text):
    """Without CRs, which are no text of ours."""
    return text.replace("\r", "").rstrip("\n")


def told(user, command, words, stdin=None, codes=(1, 2, 3, 4, 5, 6, 7, 8)):
    """The command is refused with one line that has the words."""
    done = user.ssh(command, stdin, check=False)
    assert done.code in codes, (command, done.code, done.err, done.out)
    lines = done.err.strip().splitlines()
    assert len(lines) == 1 and done.out == "", (command, done.err, done.out)
    assert words in lines[0], (command, lines)


def test_addresses():
    """A line feed in an address, and letters that look like others."""
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        for bad in ("bob@out.example\nBcc: eve@bad.example",
                    "bob@out.example\r", "bob@out.exa\rmple",
                    "bob@out.example> SIZE=1", "bob", "@out.example",
                    "bob@", "bob@out.example,eve@bad.example;x",
                    "b ob@out.example"):
            quoted = ll.quote(bad)
            told(ada, f"plan --to {quoted}", "plan: ")
            told(ada, f"send --to {quoted} --subject x", "send: ", "text\n")
            told(ada, f"key add --for {quoted}", "", "no key\n")
        assert ada.list("sent") == [] and not house.mails()
        alike = "bob@p\u0430rtner.example"         # a Cyrillic a
        done = ada.ssh(f"plan --to {ll.quote(alike)} --json", check=False)
        shown = done.out + done.err
        assert alike not in shown and "\u0430" not in shown, shown
        assert "xn--prtner-3nf" in shown, shown


def test_keys():
    """A key of somebody else, one with no address, one with no use."""
    with ll.House() as house, keykit.Pgp() as pgp, keykit.Smime() as smime:
        ada = house.add_user("ada")
        ada.login()
        eve = pgp.person("eve@bad.example")
        told(ada, "key add --for dora@out.example", "address", eve.public)
        for family in keykit.PGP_REFUSED:
            weak = pgp.person(f"{family}@out.example", family)
            told(ada, f"key add --for {weak.address}", "weak", weak.public)
        _, nobody = smime.ca.user("nobody", None)
        told(ada, "key add --for dora@out.example", "e-mail address", nobody)
        other = smime.person("eve@bad.example")
        told(ada, "key add --for dora@out.example", "address", other.public)
        told(ada, "key add --for dora@out.example", "", b"\0" * 300000)
        told(ada, "key add --for eve@bad.example", "rivate",
             eve.secret())
        rows = ada.verb("key list")["keys"]
        assert not [k for k in rows if "dora" in str(k)], rows


def test_smuggling_into_postfix():
    """What looks like the end of a mail and the next one, sent as OpenPGP
    through a real Postfix: one mail comes, with all of the text."""
    with mta.Postfix() as post, keykit.Pgp() as world, \
            ll.House(relay=post.relay) as house:
        ada = house.add_user("ada")
        ada.login()
        bob = world.person("bob@out.example")
        ada.ssh("key add --for bob@out.example", bob.public)
        sent = ada.send(["bob@out.example"], "Plans", ATTACK)
        assert sent["recipients"][0]["route"] == "openpgp", sent
        ada.wait_state(sent["id"], "bob@out.example", "relayed")
        post.wait_mail("bob@out.example")
        again = ada.send(["bob@out.example"], "Second", "second\n")
        ada.wait_state(again["id"], "bob@out.example", "relayed")
        post.wait_mail("bob@out.example", 2)
        mails = post.mails("bob@out.example")
        assert len(mails) == 2
        texts = {}
        for mail in mails:
            assert mail["From"].endswith("<ada@house.example>")
            got = bob.open(mail.as_bytes(), "gpg",
                           [ada.ssh("key export --openpgp").raw])
            assert got.good, got.said
            texts[got.mail["Subject"]] = got.text()
        assert flat(texts["Plans"]) == flat(ATTACK)
        assert texts["Second"] == "second\n"


def test_smuggling_in_clear_over_tls():
    """The same as a mail that is not encrypted, over enforced TLS into a real
    Postfix."""
    with test_tls.world() as w:
        post = w.stack.enter_context(mta.Postfix(
            name=test_tls.MX, domains=[test_tls.DOMAIN],
            address=test_tls.nets.address(25), port=25,
            cert=w.ca.issue(test_tls.MX)))
        w.zone(address=post.address)
        w.sts()
        _, ada = w.house()
        sent = ada.send([test_tls.BOB], "Plans", ATTACK)
        assert test_tls.route_of(sent) == "tls", sent
        test_tls.proof_of(ada, sent)
        mail = post.wait_mail(test_tls.BOB)
        assert len(post.mails("@")) == 1
        assert mail["Subject"] == "Plans"
        text = mail.get_body(("plain",)).get_content()
        assert flat(text) == flat(ATTACK), text


# --- bombs, in ---------------------------------------------------------------

def session_key(world, key):
    """The PKESK packet for key, and the AES-256 key in it: taken from a
    message that both keys can open."""
    helper = world.person("helper@out.example")
    world.learn(key)
    whole = world.ring.gpg("-e", "-z", "0", "--cipher-algo", "AES256", "-r",
                           ADA, "-r", helper.address, stdin=b"x").stdout
    shown = world.ring.gpg("--show-session-key", "--decrypt",
                           stdin=whole).stderr.decode()
    assert whole[0] == 0x84
    return whole[:2 + whole[1]], bytes.fromhex(
        shown.split("session key: '9:")[1].split("'")[0])


def encrypt(pkesk, key, plain):
    """SEIPD packet with an MDC, armored."""
    from cryptography.hazmat.primitives.ciphers import (Cipher, algorithms,
                                                        modes)
    start = os.urandom(16)
    plain = start + start[-2:] + plain + b"\xd3\x14"
    plain += hashlib.sha1(plain).digest()
    body = b"\1" + Cipher(algorithms.AES(key), modes.CFB(
        bytes(16))).encryptor().update(plain)
    return keykit.armor(pkesk + b"\xd2\xff" + struct.pack(">I", len(body)) +
                        body)


def bomb(gigabytes):
    """A compressed packet with a literal one of that many GB in it."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    size = 1 << 20
    head = b"\xcb\xf4b\0\0\0\0\0"
    out = [squeeze.compress(head + bytes(size - 6)),
           squeeze.flush(zlib.Z_FULL_FLUSH)]
    part = squeeze.compress(b"\xf4" + bytes(size)) + squeeze.flush(
        zlib.Z_FULL_FLUSH)
    out += [part] * (gigabytes * 1024)
    data = b"\1" + b"".join(out) + squeeze.compress(b"\1\0") + squeeze.flush()
    return b"\xc8\xff" + struct.pack(">I", len(data)) + data


def test_bombs_are_kept_and_told():
    with desk() as d:
        pkesk, key = session_key(d.world, d.key)
        armored = encrypt(pkesk, key, bomb(10))
        assert len(armored) < 25 << 20
        got = d.show(keykit.wrap(armored, keykit.outer(DORA, ADA)))
        assert not got["signature"]["valid"]
        words = str(got["notes"]) + str(got.get("body")) + str(
            got["signature"])
        assert "64 MB" in words, got
        assert got["attachments"], got        # as it came
        deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n"
                        b"--b%d\r\n" % (n, n) for n in range(1000))
        got = d.show(test_incoming.seal(d, deep + b"\r\nthe end\r\n"))
        assert "20 deep" in str(got["notes"]), got
        # after both of them the next mail is read as ever
        got = d.show(d.dora.write(ADA, d.key, "Meet at nine.\n", "Plans"))
        assert got["body"] == "Meet at nine.\n", got


def test_bare_line_ends_in_headers():
    """A header with bare CR or LF, inside: shown, and no field is made of
    what stands behind."""
    with desk() as d:
        for end in ("\r", "\n ", "\0"):
            inner = ("Content-Type: text/plain\r\nSubject: one" + end +
                     "Bcc: eve@bad.example\r\n\r\nhello\r\n")
            got = d.show(test_incoming.seal(d, inner))
            assert "hello" in got["body"], got
            text = d.ada.ssh("show " + got["id"]).out
            assert "\r" not in text.replace("\r\n", "\n"), repr(text)
            assert not any(line.startswith("Bcc:")
                           for line in text.splitlines()), text


def test_senders_that_look_alike():
    with desk() as d:
        mail = d.dora.write(ADA, d.key, "Meet at nine.\n", "Plans").replace(
            b"<dora@out.example>", "<dora@\u043eut.example>".encode())
        got = d.show(mail)
        text = d.ada.ssh("show " + got["id"]).out
        assert got["from"] == "dora@xn--ut-emc.example", got
        assert "\u043e" not in text, text
        assert not got["signature"]["valid"], got


def test_two_signers_and_no_address():
    with keykit.Smime() as world:
        made = kit.make(SMIME, ADA)
        cert = world.ca.issue(made.KEY, ADA)
        trust = ("CA", world.ca.read("ca.pem"))
        dora = world.person(DORA)
        world.ca.user("eve", None)
        seen = kit.inspect(DORA, world.ca.read("eve.pem"), trust)
        assert seen.result == kit.DENIED and "e-mail" in seen.words
        plain = keykit.entity("Meet at nine.\n", "Plans", DORA, ADA)
        signed = kit.openssl(
            "cms", "-sign", "-signer", dora.path("pem"), "-inkey",
            dora.path("key"), "-signer", world.ca.path("eve.pem"), "-inkey",
            world.ca.path("eve.key"), "-md", "sha256", "-binary",
            stdin=plain).stdout
        mail = keykit.outer(DORA, ADA).encode() + kit.openssl(
            "cms", "-encrypt", "-aes-256-cbc", "-recip",
            world.ca.write("to.pem", cert), stdin=signed).stdout
        got = kit.open_mail(mail, [[("FORMAT", SMIME), (
            "SECRET", made.SECRET), ("KEY", cert)]], (), trust)
        assert got.result == kit.OK, got.words
        sign = got.all("SIGNATURE")[0]
        assert sign["RESULT"] != [kit.OK] and "one" in sign["WORDS"][0]
        assert got.outputs[1] == b"Meet at nine.\n"
    with keykit.Pgp() as world:
        made = kit.make(PGP, ADA)
        dora, eve = world.person(DORA), world.person("eve@bad.example")
        world.learn(made.KEY)
        got = world.ring.gpg(
            "-e", "--armor", "-r", ADA, "-s", "-u", eve.fingerprint, "-u",
            dora.fingerprint, stdin=plain).stdout
        got = kit.open_mail(
            keykit.wrap(got, keykit.outer(DORA, ADA)),
            [[("FORMAT", PGP), ("SECRET", made.SECRET)]],
            [(PGP, dora.public), (PGP, eve.public)])
        assert "more than one" in str(got.all("WARNING")), got.fields


if __name__ == "__main__":
    ll.main()
