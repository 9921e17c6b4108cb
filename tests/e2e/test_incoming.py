"""Mail that comes in encrypted or signed: read, its files fetched, its
signature judged; and what hostile senders try.

    ada's keys are made at enrolment; gpg, gpgsm and openssl write to her
    through a real Postfix with letterlock-intake.
"""
# limit: 420
import contextlib
import email.message
import email.policy
import os
import threading

import keykit
import ll
import parsekit as kit
from test_intake import give, place

ADA = "ada@house.example"
DORA = "dora@out.example"


class Desk:
    """ada logged in behind a Postfix, and a sender with keys."""

    def __init__(self, stack, **config):
        self.house, self.post, (self.ada,) = stack.enter_context(
            place(config))
        self.world = stack.enter_context(keykit.Pgp())
        self.ada.login()
        self.key = ll.until(self.own_key, 20, "ada's key")
        self.dora = self.world.person(DORA)
        self.seen = set()

    def own_key(self):
        got = self.ada.ssh("key export --openpgp", check=False)
        return got.raw if got.code == 0 else None

    def trust(self, person):
        self.ada.ssh(f"key add --for {person.address}", stdin=person.public)

    def take(self, mail, sender=DORA):
        """Gives the mail in; its id."""
        give(self.post, ADA, mail, sender)

        def new():
            for row in self.ada.list():
                if row["id"] not in self.seen:
                    self.seen.add(row["id"])
                    return row
            return None
        row = ll.until(new, 20, "the mail in the list")
        assert row["mail"] is True, row
        return row["id"]

    def show(self, mail, sender=DORA):
        """The mail as show --json has it, and its id."""
        return self.ada.verb("show " + self.take(mail, sender))


@contextlib.contextmanager
def desk(**config):
    with contextlib.ExitStack() as stack:
        yield Desk(stack, **config)


def fetch(d, path):
    name = os.path.join(d.world.dir, "fetched")
    d.ada.scp(":" + path, name)
    with open(name, "rb") as f:
        return f.read()


def test_openpgp_from_gpg():
    with desk() as d:
        mail = d.dora.write(ADA, d.key, "Meet at nine.\n", "Plans",
                            files=[("plan.pdf", b"\0\1" * 70000)],
                            Message_ID="<one@out.example>")
        got = d.show(mail)
        sign = got["signature"]
        assert got["body"] == "Meet at nine.\n", got
        assert got["subject"] == "Plans" and got["subject_protected"], got
        assert not sign["valid"] and sign["encrypted"].startswith("OpenPGP")
        assert "not known" in sign["reason"], sign
        assert [a["name"] for a in got["attachments"]] == ["plan.pdf"], got
        assert fetch(d, got["attachments"][0]["path"]) == b"\0\1" * 70000
        d.trust(d.dora)
        got = d.ada.verb("show " + got["id"])
        sign = got["signature"]
        assert sign["valid"] and sign["by"] == DORA, sign
        assert sign["parts"] == "all", sign
        assert sign["fingerprint"].lower() == d.dora.fingerprint.lower()
        text = d.ada.ssh("show " + got["id"]).out
        assert "Signature: good, by " + DORA in text.split("---")[0], text
        assert text.index("Signature:") < text.index("Meet at nine")



# --- what hostile senders try ------------------------------------------------

def seal(d, plain, signers=(), sender=DORA, subject="...", **fields):
    """A whole mail around an entity, encrypted to ada, signed by signers."""
    d.world.learn(d.key)
    how = ["-s"] if signers else []
    for person in signers:
        how += ["-u", person.fingerprint]
    plain = plain.encode() if isinstance(plain, str) else plain
    got = d.world.ring.gpg("-e", "--armor", "-r", ADA, *how,
                           stdin=plain).stdout
    head = keykit.outer(sender, ADA, **fields).replace("...", subject)
    return keykit.wrap(got, head)


def signed(d, print_, text, *how):
    """A multipart/signed entity."""
    inner = ("Content-Type: text/plain\r\n\r\n" + text + "\r\n").encode()
    sig = d.world.ring.gpg("--armor", "-b", "--digest-algo", "SHA256", "-u",
                           print_, *how, stdin=inner).stdout
    return (b'Content-Type: multipart/signed; protocol="application/pgp-sig'
            b'nature"; micalg=pgp-sha256; boundary=s\r\n\r\n--s\r\n' +
            inner + b"\r\n--s\r\nContent-Type: application/pgp-signature"
            b"\r\n\r\n" + sig.replace(b"\n", b"\r\n") + b"\r\n--s--\r\n")


def mixed(*entities):
    return b"Content-Type: multipart/mixed; boundary=m\r\n\r\n" + b"".join(
        b"--m\r\n" + e + b"\r\n" for e in entities) + b"--m--\r\n"


TEXT = "Content-Type: text/plain; charset=utf-8\r\n\r\n"


def not_valid(got, words):
    sign = got["signature"]
    assert sign["valid"] is False, sign
    assert words in sign["reason"], sign
    return got


def test_no_text_can_claim_a_signature():
    """What a body says stands between lines whose mark it cannot know."""
    with desk() as d:
        d.trust(d.dora)
        lie = ("Signature: good, by dora@out.example. Good signature.\r\n"
               "--- ABCDEFGHJK: end ---\r\n"
               "  Signed by dora@out.example, and it holds.\r\n")
        mail = seal(d, TEXT + lie, subject="Signature: good")
        got = not_valid(d.show(mail), "not signed")
        assert got["signature"]["by"] == "", got
        marks = set()
        for _ in range(2):
            text = d.ada.ssh("show " + got["id"]).out
            begin = [n for n, line in enumerate(text.splitlines())
                     if line.startswith("--- ") and "sender's words" in line]
            lines = text.splitlines()
            mark = lines[begin[0]][4:14]
            marks.add(mark)
            assert mark not in lie
            end = lines.index(f"--- {mark}: end ---")
            above = "\n".join(lines[:begin[0]])
            assert "NOT PROVEN" in above and "good, by" not in above, text
            assert "good, by" not in "\n".join(lines[end:]), text
            assert lines[begin[0] + 1].startswith("Signature: good, by")
        assert len(marks) == 2
        with d.ada.screen() as screen:
            screen.wait("dora@out")
            screen.send("\r")
            screen.wait("NOT PROVEN")
            screen.wait("what the sender wrote")
            rows = screen.text().splitlines()
            rule = next(n for n, r in enumerate(rows)
                        if "what the sender wrote" in r)
            assert any("NOT PROVEN" in r for r in rows[:rule]), rows
            lies = [r for r in rows if "and it holds" in r]
            assert lies and all(r[:1] not in (" ", "S") for r in lies), rows


def test_signatures_that_do_not_cover_all():
    with desk() as d:
        d.trust(d.dora)
        eve = d.world.person("eve@bad.example")
        # a footer below what was signed
        part = signed(d, d.dora.fingerprint, "Meet at nine.")
        got = not_valid(d.show(seal(d, mixed(
            part, (TEXT + "Pay eve 1000.").encode()))), "only a part")
        assert got["signature"]["parts"] == "1 of 2", got
        assert [s["title"] for s in got["sections"]] == \
            ["first part, signed", "next part, NOT SIGNED"], got
        text = d.ada.ssh("show " + got["id"]).out
        assert "next part, NOT SIGNED ---\nPay eve" in text, text
        with d.ada.screen() as screen:
            screen.wait("dora@out")
            screen.send("\r")
            screen.wait("next part, NOT SIGNED")
            rows = screen.text().splitlines()
            at = next(n for n, r in enumerate(rows) if "NOT SIGNED" in r)
            below = next(n for n, r in enumerate(rows) if "Pay eve" in r)
            # the fence of the text does not run through our own line
            assert at < below and rows[at][0] != rows[below][0], rows
        # somebody's genuine mail inside another's
        old = b"Content-Type: message/rfc822\r\n\r\nFrom: " + \
            DORA.encode() + b"\r\nSubject: Yes\r\n" + part
        got = not_valid(d.show(seal(d, mixed(
            (TEXT + "dora says:").encode(), old))), "only a part")
        assert "dora says:" in got["body"] and "Meet at" in got["body"]
        # nothing but it: an empty mail around a genuine one
        not_valid(d.show(seal(d, old)), "only a part")
        # attachments, too
        not_valid(d.show(seal(d, mixed(
            part, b"Content-Type: application/x-sh; name=run.sh\r\n\r\n"
            b"rm -rf /\r\n"))), "only a part")
        # two that sign
        not_valid(d.show(seal(d, TEXT + "Hi", (d.dora, eve))),
                  "more than one")
        # one around the other
        not_valid(d.show(seal(d, part, (eve,))), "more than one")
        # text changed below its signature
        not_valid(d.show(seal(d, part.replace(b"nine", b"five"))),
                  "does not hold")


def test_signatures_of_somebody_else():
    with desk() as d:
        d.trust(d.dora)
        eve = d.world.person("eve@bad.example")
        d.trust(eve)
        hi = TEXT + "Hi"
        got = d.show(seal(d, hi, (eve,), "eve@bad.example"))
        assert got["signature"]["valid"] is True, got
        # eve signs as dora
        not_valid(d.show(seal(d, hi, (eve,))), "not known")
        # eve's key says that it is dora's, and comes along
        false = d.world.person("dora@bad.example", name="x")
        d.world.ring.gpg("--quick-add-uid", false.fingerprint,
                         "Dora <dora@out.example>")
        false.public = d.world.ring.public(false.fingerprint)
        body = mixed((TEXT + "Hi").encode(), b"Content-Type: application/"
                     b"pgp-keys\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
                     d.world.ring.gpg("--armor", "--export",
                                      false.fingerprint).stdout)
        for _ in range(2):
            got = d.show(seal(d, body, (false,)))
            assert not got["signature"]["valid"], got
        keys = d.ada.verb("key list --for " + DORA)["keys"]
        found = [k for k in keys if k["fingerprint"].lower() ==
                 false.fingerprint.lower()]
        assert found and found[0]["changed"], keys
        # the sender's name is another's address
        got = d.show(seal(d, hi, (eve,), '"dora@out.example" '
                          "<eve@bad.example>"))
        assert got["signature"]["by"] == "eve@bad.example", got
        assert got["from"] == "eve@bad.example", got
        text = d.ada.ssh("show " + got["id"]).out
        assert "From: eve@bad.example\n" in text, text
        # two senders, and one inside that is not the one outside
        mail = seal(d, hi, (d.dora,))
        two = b"From: eve@bad.example\r\n" + mail
        got = d.show(two)
        assert not got["signature"]["valid"], got
        assert any("more than one sender" in n for n in got["notes"]), got
        inside = "Subject: x\r\nFrom: eve@bad.example\r\n" + \
            TEXT.replace("utf-8", 'utf-8; hp="cipher"')
        not_valid(d.show(seal(d, inside + "Hi", (d.dora,))),
                  "another sender")


def test_what_was_passed_on():
    """A genuine message, but an old one, or one that was meant for others."""
    with desk() as d:
        d.trust(d.dora)
        inside = "Subject: Yes\r\nFrom: dora@out.example\r\nTo: {}\r\n" + \
            TEXT.replace("utf-8", 'utf-8; hp="cipher"') + "Yes, do it."
        got = d.show(seal(d, inside.format("Ada <ada@house.example>"),
                          (d.dora,)))
        assert got["signature"]["valid"] and not got["notes"], got
        got = d.show(seal(d, inside.format("carol@out.example"), (d.dora,)))
        assert any("not to you" in n for n in got["notes"]), got
        old = d.world.ring.key("Frank <frank@out.example>", "ed25519", "cv25519",
                               "0", "--faked-system-time",
                               "20250101T000000")
        d.ada.ssh("key add --for frank@out.example", stdin=d.world.ring.public(old))
        got = d.show(seal(d, signed(d, old, "Yes", "--faked-system-time",
                                    "20260301T000000"),
                          sender="frank@out.example"))
        assert any("signed on 2026-03-01" in n for n in got["notes"]), got


def test_keys_that_came_along_and_answers():
    """A signed mail brings its key; whose it is somebody has to check; answers
    go to who sent it, as an answer."""
    with desk() as d:
        key = d.world.ring.gpg("--armor", "--export",
                               d.dora.fingerprint).stdout
        body = mixed((TEXT + "My key is attached.").encode(),
                     b"Content-Type: application/pgp-keys; name=key.asc"
                     b"\r\n\r\n" + key)
        got = d.show(seal(d, body, (d.dora,), Message_ID="<q@out.example>",
                          Reply_To="eve@bad.example"))
        not_valid(got, "came with it")
        assert any("eve@bad.example" in n for n in got["notes"]), got
        assert got["attachments"][0]["name"] == "key.asc", got
        keys = d.ada.verb("key list --for " + DORA)["keys"]
        assert [k["source"] for k in keys] == ["signed-mail"], keys
        got = not_valid(d.ada.verb("show " + got["id"]), "nobody has checked")
        assert got["signature"]["by"] == DORA, got
        d.ada.ssh("key confirm " + d.dora.fingerprint[:16])
        got = d.ada.verb("show " + got["id"])
        assert got["signature"]["valid"], got
        sent = d.ada.send([DORA], "Re: key", "Thank you.\n", "--reply",
                          got["id"])
        assert sent["thread"] == got["thread"], (sent, got)
        assert [r["route"] for r in sent["recipients"]] == ["openpgp"], sent
        mail = ll.until(lambda: d.house.mails(), 20, "the answer")[-1]
        assert "q@out.example" in mail["In-Reply-To"], mail.items()


# --- what is broken, large, or not ours --------------------------------------

def test_what_cannot_be_opened_is_kept():
    """Sealed as it came, and there to be fetched, byte for byte."""
    with desk() as d:
        stranger = d.world.person("zoe@out.example")
        other = d.dora.write("zoe@out.example", stranger.public)
        hard = seal(d, bytes(100 << 20), (), "bomb@out.example")
        half = seal(d, TEXT + "Hi")
        half = half[:len(half) // 2] + b"\r\n"
        for mail, words in ((other, "not encrypted to your"),
                            (hard, "64 MB"), (half, "")):
            got = d.show(mail)
            assert got["opened"] is False, got
            assert words in got["signature"]["reason"], got
            assert not got["signature"]["valid"], got
            files = got["attachments"]
            assert [f["name"] for f in files] == ["message.eml"], got
            raw = fetch(d, files[0]["path"])
            at = mail.index(b"\r\n\r\n") + 4
            assert raw.endswith(mail[at:].rstrip(b"\r\n") + b"\r\n") or \
                mail[at:] in raw, (len(raw), len(mail))
            text = d.ada.ssh("show " + got["id"]).out
            assert "Sealed: It could not be opened" in text, text
            assert "sender's words" not in text, text


def test_letterlock_parse_dies():
    with desk() as d:
        mail = seal(d, mixed((TEXT + "Hi").encode(), b"\r\n" +
                             os.urandom(8 << 20).hex().encode()))
        number = d.take(mail)
        stop = threading.Event()
        killed = []

        def kill():
            while not stop.is_set():
                for p in ll.descendants(d.house.daemon.pid):
                    if p.name.startswith("letterlock-pars"):
                        p.kill()
                        killed.append(p.pid)
        thread = threading.Thread(target=kill)
        thread.start()
        try:
            got = d.ada.verb("show " + number)
        finally:
            stop.set()
            thread.join()
        assert killed
        assert got["opened"] is False and "broke off" in \
            got["signature"]["reason"], got
        assert [f["name"] for f in got["attachments"]] == ["message.eml"]
        got = d.ada.verb("show " + number)
        assert got["opened"] and got["body"].startswith("Hi"), got["body"]


def test_broken_and_odd_mail():
    with desk() as d:
        d.trust(d.dora)

        def sent(plain):
            return d.show(seal(d, plain, (d.dora,)))
        deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r"
                        b"\n--b%d\r\n" % (n, n) for n in range(1000))
        got = sent(deep + b"\r\nend\r\n")
        assert got["opened"] and any("20 deep" in n for n in got["notes"])
        assert got["attachments"][-1]["name"] == "original.eml", got
        got = sent(b"Content-Type: text/plain; charset=x-none\r\n"
                   b"Content-Transfer-Encoding: 8bit\r\n\r\n\xf0\xf2\r\n")
        assert any("character set" in n for n in got["notes"]), got
        got = sent(b"Content-Type: text/plain; charset=iso-8859-1\r\n"
                   b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                   b"Gr=FC=DFe\x1b[2J =E2\r\n")
        assert "Gr\u00fc\u00dfe" in got["body"] and "\x1b" not in got["body"]
        got = sent(b"Content-Type: text/html\r\n\r\n<p>Hi <a href='http://"
                   b"evil.example/'>bank</a><img src='http://spy.example/'>")
        assert got["body"] == "Hi bank [http://evil.example/]\n", got["body"]
        assert got["signature"]["valid"], got
        got = sent(mixed((TEXT + "See").encode(), b"Content-Type: application"
                         b"/octet-stream; name=\"../../x\"\r\n\r\n1", b"Content"
                         b"-Type: application/octet-stream; name=\"x\"\r\n\r"
                         b"\n2", b"Content-Type: message/rfc822\r\n\r\nFrom: "
                         b"a@b.example\r\nSubject: In\r\n\r\ndeep\r\n"))
        names = [a["name"] for a in got["attachments"]]
        assert names == ["x", "x (2)", "message.eml"], names
        assert "Subject: In" in got["body"] and "deep" in got["body"], got
        assert [s["title"] for s in got["sections"]] == \
            ["a message inside", "next part"], got["sections"]
        assert fetch(d, got["attachments"][1]["path"]) == b"2"
        listed = d.ada.sftp(f"ls /m/{got['id']}/\n").out
        assert "x (2)" in listed and "message.eml" in listed, listed
        got = sent(b"Content-Type: multipart/mixed; boundary=q\r\n\r\nno "
                   b"such boundary\r\n")
        assert got["opened"] and len(got["attachments"]) == 1, got
        for plain in (b"no header at all", b"Hello Ada,\n\nno header\n"):
            got = sent(plain)
            assert got["body"].strip() == plain.decode().strip(), got
        got = sent(b"Content-Type: text/html\r\n\r\n<td>a<td>b &#x202e;&#2"
                   b"7;&#8217;")
        assert got["body"] == "a b <U+202E>&#27;\u2019\n", got["body"]


def test_files_encrypted_on_their_own():
    """As programs without PGP/MIME send them, armored or not."""
    with desk() as d:
        d.trust(d.dora)
        d.world.learn(d.key)
        for name, armor in (("a.pdf.pgp", []), ("b.pdf.asc", ["--armor"])):
            cipher = d.world.ring.gpg("-e", *armor, "-r", ADA, "-s", "-u",
                                      d.dora.fingerprint, stdin=b"of " +
                                      name.encode()).stdout
            mail = email.message.EmailMessage(policy=email.policy.SMTP)
            mail["From"], mail["To"], mail["Subject"] = DORA, ADA, name
            mail.set_content("See the file.\n")
            mail.add_attachment(cipher, "application", "octet-stream",
                                filename=name)
            got = d.show(mail.as_bytes())
            assert got["body"] == "See the file.\n", got
            assert got["signature"]["parts"] == "1 of 2", got
            assert not got["signature"]["valid"], got
            file = got["attachments"][0]
            assert file["name"] == name[:5], got
            assert fetch(d, file["path"]) == b"of " + name.encode()


def test_25_megabytes():
    with desk() as d:
        d.trust(d.dora)
        data = os.urandom(18 << 20)
        mail = d.dora.write(ADA, d.key, "Large.\n", files=[("a.bin", data)])
        got = d.show(mail)
        assert got["signature"]["valid"] and got["body"] == "Large.\n", got
        assert got["attachments"][0]["bytes" if "bytes" in
                                     got["attachments"][0] else "size"] == \
            len(data)
        assert fetch(d, got["attachments"][0]["path"]) == data


def test_text_behind_files_and_long_text():
    """What is text is known only at the end: it is found behind large files,
    and what is too long to be shown is a file."""
    with desk() as d:
        d.trust(d.dora)
        files = [b"Content-Type: application/octet-stream; name=f\r\n\r\n" +
                 os.urandom(700 << 10).hex().encode() for _ in range(8)]
        got = d.show(seal(d, mixed(*files, (TEXT + "At last." + "x" *
                                            (2 << 20)).encode()), (d.dora,)))
        assert got["signature"]["valid"], got["signature"]
        assert got["body"].startswith("At last.x"), got["body"][:99]
        assert len(got["body"]) > 2 << 20 and len(got["attachments"]) == 8
        long = "Long line.\r\n" * (500 << 10)
        got = d.show(seal(d, TEXT + long, (d.dora,)))
        assert "too long to be shown" in got["body"], got["body"][:99]
        assert [a["name"] for a in got["attachments"]] == ["text.txt"], got
        text = fetch(d, got["attachments"][0]["path"])
        assert text == long.replace("\r\n", "\n").encode(), len(text)


# --- S/MIME ------------------------------------------------------------------

def test_smime():
    with desk() as d, keykit.Smime() as smime:
        d.house.admin("ca", "init")
        d.house.admin("ca", "issue", "ada")
        cert = d.ada.ssh("key export --smime").raw
        dora = smime.person(DORA)
        eve = smime.person("eve@bad.example")
        mail = dora.write(ADA, cert, "Meet at nine.\n")
        got = not_valid(d.show(mail), "trust list")
        assert got["body"] == "Meet at nine.\n" and got["subject"] == "Plans"
        d.house.admin("ca", "trust", smime.ca.path("ca.pem"))
        got = d.ada.verb("show " + got["id"])
        sign = got["signature"]
        assert sign["valid"] and sign["by"] == DORA, sign
        assert sign["encrypted"].startswith("S/MIME"), sign
        got = d.show(dora.write(ADA, cert, cipher="aes-256-gcm"))
        assert got["signature"]["valid"], got
        # with a certificate of ada's from elsewhere; gpgsm knows no ECDH
        own = smime.person(ADA)
        d.ada.ssh("key import", stdin=b"x\n" + own.pkcs12())
        again = d.ada.ssh("key import", stdin=b"x\n" + own.pkcs12(),
                          check=False)
        assert again.code == 1 and "here already" in again.err, again.err
        for tool in ("openssl", "gpgsm"):
            got = d.show(dora.write(ADA, own.public, tool=tool))
            assert got["signature"]["valid"], (tool, got)
        mail = eve.write(ADA, cert).replace(
            b"From: eve@bad.example", b"From: " + DORA.encode(), 1)
        not_valid(d.show(mail), "somebody else")
        got = d.show(dora.write(ADA, cert, sign=False))
        not_valid(got, "not signed")
        assert any("does not show a change" in n for n in got["notes"]), got
        mail = dora.write(ADA, cert, cipher="aes-256-gcm")
        cut = bytearray(mail)
        cut[-60] = ord("A") if cut[-60] != ord("A") else ord("B")
        assert d.show(bytes(cut))["opened"] is False


def test_smime_with_rsa():
    """The keys a house makes when nothing else is said; also what was sealed
    to a certificate that was issued anew since."""
    with desk(smime_rsa_bits=2048) as d, keykit.Smime() as smime:
        dora = smime.person(DORA)
        d.house.admin("ca", "init")
        d.house.admin("ca", "trust", smime.ca.path("ca.pem"))
        d.house.admin("ca", "issue", "ada")
        first = d.ada.ssh("key export --smime").raw
        d.house.admin("ca", "issue", "ada")
        second = d.ada.ssh("key export --smime").raw
        assert first != second
        for cert in (first, second):
            for cipher in ("aes-256-cbc", "aes-256-gcm"):
                got = d.show(dora.write(ADA, cert, cipher=cipher))
                assert got["body"] == "Meet at nine.\n", (cipher, got)
                assert got["signature"]["valid"], (cipher, got)
        with open(d.house.data + "/ca.crt", "rb") as f:
            smime.accept(f.read())
        got = d.show(dora.write(ADA, second, tool="gpgsm"))
        assert got["body"] == "Meet at nine.\n", got
        assert got["signature"]["valid"], got


if __name__ == "__main__":
    ll.main()
