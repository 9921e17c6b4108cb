"""letterlock-parse opens what gpg, rnp, gpgsm and openssl cms made, and stands
what hostile senders make."""
# limit: 200
import base64
import os
import struct
import subprocess

import ll
import parsekit as kit
from parsekit import PGP, SMIME

DORA = "From: Dora <dora@out.example>\r\nTo: ada@in.example\r\n" \
    "Subject: ...\r\n"
INNER = b"Content-Type: text/plain; charset=utf-8; hp=\"cipher\"\r\n" \
    b"Subject: =?utf-8?Q?Pl=C3=A4ne?=\r\nFrom: Dora <dora@out.example>\r\n" \
    b"\r\nMeet at nine.\r\n"


def own_pgp():
    made = kit.make(PGP, "ada@in.example", "Ada")
    return made, [[("FORMAT", PGP), ("SECRET", made.SECRET)]]


def wrap_pgp(cipher, head=DORA):
    return (head + 'Content-Type: multipart/encrypted; boundary="b"; protocol='
            '"application/pgp-encrypted"\r\n\r\n--b\r\nContent-Type: '
            'application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\n'
            'Content-Type: application/octet-stream\r\n\r\n'
            ).encode() + cipher + b"\r\n--b--\r\n"


def parts(got):
    return [(p["WHAT"][0], got.outputs[n + 1], p)
            for n, p in enumerate(got.all("PART"))]


def good(got, text=b"Meet at nine.\n"):
    assert got.result == kit.OK, got.words
    found = parts(got)
    assert found[0][:2] == (1, text), found
    return got


def signature(got, part=0):
    number = got.all("PART")[part]["SIGNED"][0]
    if number == 0:
        return None
    return got.all("SIGNATURE")[number - 1]


def test_pgp_from_gpg():
    made, private = own_pgp()
    with kit.Ring() as ring:
        ring.key("Dora <dora@out.example>")
        ring.key("Eve <eve@bad.example>", "rsa2048", "rsa2048")
        ring.gpg("--import", stdin=made.KEY)
        dora = ring.public("dora@out.example")
        eve = ring.public("eve@bad.example")

        def send(*how, text=INNER, to="ada@in.example"):
            return wrap_pgp(ring.gpg("-e", "--armor", "-r", to, *how,
                                     stdin=text).stdout)
        for how in ("zip", "zlib", "bzip2", "none"):
            got = good(kit.open_mail(
                send("-s", "-u", "dora@out.example", "--compress-algo", how),
                private, [(PGP, dora)]))
            assert "cfb-mdc" in got.ENCRYPTED and got.SUBJECT == "Pläne"
            assert got.PROTECTED == 1 and not got.all("WARNING")
            assert signature(got)["RESULT"] == [kit.OK]
            assert signature(got)["HOLDER"] == ["dora@out.example"]
        got = good(kit.open_mail(send(), private, [(PGP, dora)]))
        assert signature(got) is None
        mail = send("-s", "-u", "eve@bad.example")
        got = good(kit.open_mail(mail, private, [(PGP, dora)]))
        assert signature(got)["RESULT"] == [kit.NOTFOUND]
        got = good(kit.open_mail(mail, private, [(PGP, dora), (PGP, eve)]))
        assert signature(got)["RESULT"] == [kit.CONFLICT]
        got = good(kit.open_mail(
            send("-s", "-u", "eve@bad.example", "-u", "dora@out.example"),
            private, [(PGP, dora), (PGP, eve)]))
        assert "more than one" in got.WARNING
        assert signature(got)["HOLDER"] == ["dora@out.example"]
        for digest in ("SHA1", "SHA512"):
            got = good(kit.open_mail(
                send("-s", "-u", "dora@out.example", "--digest-algo", digest),
                private, [(PGP, dora)]))
            assert signature(got)["RESULT"] == \
                [kit.AUTH if digest == "SHA1" else kit.OK]
        got = kit.open_mail(send(to="eve@bad.example"), private)
        assert got.result == kit.NOTFOUND and not got.outputs
        mail = bytearray(send("--no-armor"))
        got = kit.open_mail(bytes(mail), private)
        assert got.result == kit.OK
        for at in (100, 30):
            bad = bytearray(mail)
            bad[-at] ^= 1
            got = kit.open_mail(bytes(bad), private)
            assert got.result == kit.AUTH and not got.outputs, got.words
        bomb = send("-z", "9", text=bytes(100 << 20))
        assert len(bomb) < 1 << 20
        got = kit.open_mail(bomb, private)
        assert got.result == kit.TOOBIG and "64 MB" in got.words
        assert not got.outputs
        detached = ring.gpg("--armor", "-b", "-u", "dora@out.example",
                            "--digest-algo", "SHA256", stdin=INNER).stdout
        mail = (DORA + 'Content-Type: multipart/signed; protocol="application/'
                'pgp-signature"; boundary=s\r\n\r\n--s\r\n').encode() + \
            INNER + b"\r\n--s\r\nContent-Type: application/pgp-signature" \
            b"\r\n\r\n" + detached + b"\r\n--s--\r\n"
        for text in (mail, mail.replace(b"\r\n", b"\n")):
            got = good(kit.open_mail(text, (), [(PGP, dora)]))
            assert signature(got)["RESULT"] == [kit.OK] and not got.ENCRYPTED
        got = kit.open_mail(mail.replace(b"nine", b"five"), (), [(PGP, dora)])
        assert signature(got)["RESULT"] == [kit.AUTH]
        inside = send()[len(DORA):].replace(b"\r\n", b"\n")
        inside = inside.replace(b"\n", b"\r\n")
        outside = ring.gpg("--armor", "-b", "-u", "dora@out.example",
                           stdin=inside).stdout
        wrapped = (DORA + 'Content-Type: multipart/signed; protocol="applicat'
                   'ion/pgp-signature"; boundary=s\r\n\r\n--s\r\n').encode() \
            + inside + b"\r\n--s\r\nContent-Type: application/pgp-signature" \
            b"\r\n\r\n" + outside + b"\r\n--s--\r\n"
        got = good(kit.open_mail(wrapped, private, [(PGP, dora)]))
        assert got.all("SIGNATURE")[0]["RESULT"] == [kit.OK]
        assert signature(got) is None
        footer = (DORA + "Content-Type: multipart/mixed; boundary=m\r\n\r\n"
                  "--m\r\n").encode() + mail[mail.index(b"Content-Type"):] + \
            b"\r\n--m\r\n\r\nI owe you 100.\r\n--m--\r\n"
        got = good(kit.open_mail(footer, (), [(PGP, dora)]))
        assert signature(got, 0)["RESULT"] == [kit.OK]
        assert signature(got, 1) is None


def test_pgp_in_plain_text():
    """Blocks of the old kind: their text is text, what is around them is not
    theirs."""
    made, private = own_pgp()
    head = (DORA + "\r\n").encode()
    with kit.Ring() as ring:
        ring.key("Dora <dora@out.example>")
        ring.gpg("--import", stdin=made.KEY)
        peers = [(PGP, ring.public("dora@out.example"))]

        def block(text, *how):
            got = ring.gpg("-e", "-s", "-u", "dora@out.example", "--armor",
                           "-r", "ada@in.example", *how, stdin=text).stdout
            return got.replace(b"\n", b"\r\n")

        def opened(mail, *what):
            got = kit.open_mail(mail, private, peers)
            assert got.result == kit.OK, got.words
            assert [(p["WHAT"][0], got.outputs[n + 1].decode(),
                     p["SIGNED"][0])
                    for n, p in enumerate(got.all("PART"))] == list(what), \
                (got.all("PART"), got.outputs)
            return got
        got = opened(head + block(b"Meet at nine.\n"),
                     (1, "Meet at nine.\n", 1))
        assert got.ENCRYPTED and not got.WEAK and not got.all("WARNING")
        assert signature(got)["RESULT"] == [kit.OK]
        like = "Note: to all\nFrom: eve\n\nContent-Type: text/html\n"
        opened(head + block(like.encode()), (1, like, 1))
        opened(head + block("Gr\u00fc\u00dfe\n".encode("latin-1")),
               (1, "Gr\u00fc\u00dfe\n", 1))
        got = opened(head + b"Hello,\r\n" + block(b"one") + b"\r\nand\r\n" +
                     block(b"two") + b"-- \r\nfoot\r\n",
                     (1, "Hello,\n", 0), (1, "one", 1), (1, "\n\nand\n", 0),
                     (1, "two", 2), (1, "\n-- \nfoot\n", 0))
        assert got.WEAK == 1 and "Only a part" in got.WARNING
        strange = ring.key("Zoe <zoe@out.example>")
        foreign = ring.gpg("-e", "--armor", "-r", strange,
                           stdin=b"x").stdout.replace(b"\n", b"\r\n")
        got = kit.open_mail(head + foreign, private, peers)
        assert got.result == kit.NOTFOUND and not got.outputs
        mixed = (DORA + "Content-Type: multipart/mixed; boundary=m\r\n\r\n"
                 "--m\r\n\r\n").encode() + block(b"in") + \
            b"\r\n--m\r\n\r\n" + foreign + b"\r\n--m--\r\n"
        got = kit.open_mail(mixed, private, peers)
        assert got.result == kit.OK and got.outputs[1] == b"in", got.outputs
        assert b"BEGIN PGP MESSAGE" in got.outputs[2]
        assert any("not encrypted to your" in w for w in got.all("WARNING"))
        got = kit.open_mail(head + b"-----BEGIN PGP MESSAGE-----\r\n" * 1000,
                            private, peers)
        assert got.result == kit.AUTH and not got.outputs, got.words
        # what the libraries dislike in a message goes into no log
        loud = head + b"-----BEGIN PGP MESSAGE-----\r\n" + \
            b"Loud: word\r\n" * 5000 + b"\r\nAAAA\r\n"
        _, code, said = kit.raw(kit.keys_bytes(private) +
                                kit.job_bytes(kit.OPEN, [], [loud]))
        assert code == 0 and said == "", (code, said[:200])
        many = head + b"x\r\n" + block(b"in") * 12
        got = kit.open_mail(many, private, peers)
        assert got.result == kit.OK and b"BEGIN" in got.outputs[12]


def test_encrypted_parts_inside():
    """As in a message passed on whole, or with a list's footer below."""
    made, private = own_pgp()
    with kit.Ring() as ring, kit.Authority() as ca:
        cert, smime = own_smime(ca)
        ring.key("Dora <dora@out.example>")
        ring.gpg("--import", stdin=made.KEY)
        peers = [(PGP, ring.public("dora@out.example"))]
        inner = wrap_pgp(ring.gpg("-e", "-s", "-u", "dora@out.example",
                                  "--armor", "-r", "ada@in.example",
                                  stdin=INNER).stdout)
        foot = b"\r\n--m\r\n\r\nfoot\r\n--m--\r\n"
        head = (DORA + "Content-Type: multipart/mixed; boundary=m\r\n\r\n"
                "--m\r\n").encode()
        entity = inner[inner.index(b"Content-Type: multipart/enc"):]

        def texts(mail, key):
            got = kit.open_mail(mail, key, peers, ("CA", ca.read("ca.pem")))
            assert got.result == kit.OK, got.words
            return got, [(got.outputs[n + 1].decode(), p["SIGNED"][0])
                         for n, p in enumerate(got.all("PART"))
                         if p["WHAT"] == [1]]
        got, found = texts(head + entity + foot, private)
        assert found == [("Meet at nine.\n", 1), ("foot", 0)], found
        assert got.WEAK == 1 and "Only a part" in got.WARNING
        passed = head + b"\r\nlook:\r\n--m\r\nContent-Type: message/rfc82" \
            b"2\r\n\r\n" + inner + b"\r\n--m--\r\n"
        got, found = texts(passed, private)
        assert found == [("look:", 0), ("Meet at nine.\n", 1)], found
        got, found = texts(head + entity + foot, smime)
        assert found[-1] == ("foot", 0), found
        assert "could not be opened" in got.WARNING
        assert any(b"BEGIN PGP MESSAGE" in o for o in got.outputs.values())
        sealed = kit.openssl("cms", "-encrypt", "-aes-256-gcm", "-recip",
                             ca.path("ada.pem"), stdin=INNER).stdout
        sealed = sealed[sealed.index(b"Content-"):].replace(b"\r", b"")
        got, found = texts(head + sealed.replace(b"\n", b"\r\n") + foot,
                           smime)
        assert found == [("Meet at nine.\n", 0), ("foot", 0)], found
        deep = entity
        for _ in range(10):
            deep = wrap_pgp(ring.gpg("-e", "--armor", "-r", "ada@in.example",
                                     stdin=b"Content-Type: multipart/mixed; b"
                                     b"oundary=m\n\n--m\n" + deep +
                                     b"\n--m--\n").stdout, "")
        got = kit.open_mail(DORA.encode() + deep, private, peers)
        assert got.result == kit.OK, got.words
        assert any("could not" in w for w in got.all("WARNING"))


def test_pgp_without_protection_is_refused():
    """Symmetrically encrypted data without MDC, made by hand."""
    from cryptography.hazmat.primitives.ciphers import (Cipher, algorithms,
                                                        modes)
    made, private = own_pgp()
    with kit.Ring() as ring:
        ring.gpg("--import", stdin=made.KEY)
        whole = ring.gpg("-e", "-z", "0", "-r", "ada@in.example",
                         stdin=INNER).stdout
        ring.gpg("--import", stdin=made.SECRET)
        shown = ring.gpg("--show-session-key", "--decrypt", stdin=whole).stderr
    key = bytes.fromhex(shown.decode().split("session key: '9:")[1]
                        .split("'")[0])
    assert whole[0] == 0x84
    pkesk = whole[:2 + whole[1]]
    literal = b"b\0\0\0\0\0" + INNER
    plain = bytes([0xcb, 0xff]) + struct.pack(">I", len(literal)) + literal
    start = os.urandom(16)

    def cfb(iv, text):
        return Cipher(algorithms.AES(key), modes.CFB(iv)).encryptor() \
            .update(text)
    head = cfb(bytes(16), start + start[-2:])
    sed = head + cfb(head[2:18], plain)
    mail = wrap_pgp(pkesk + bytes([0xc9, 0xff]) +
                    struct.pack(">I", len(sed)) + sed)
    got = kit.open_mail(mail, private)
    assert got.result == kit.AUTH and not got.outputs, (got.result, got.words)


def test_pgp_from_rnp_and_back():
    made, private = own_pgp()
    peer = kit.make(PGP, "dora@out.example", "Dora")
    sent = kit.seal([(PGP, made.KEY)], [[("FORMAT", PGP),
                                         ("SECRET", peer.SECRET)]],
                    "Meet at nine.\n", "Pläne", ("dora@out.example", "Dora"))
    got = good(kit.open_mail(sent.outputs[PGP], private, [(PGP, peer.KEY)]))
    assert signature(got)["RESULT"] == [kit.OK] and got.SUBJECT == "Pläne"
    with kit.Ring() as ring:
        for n, key in enumerate((peer.SECRET, made.KEY)):
            with open(f"{ring.dir}/{n}.pgp", "wb") as f:
                f.write(key)
            subprocess.run(["rnpkeys", "--homedir", ring.dir, "--import",
                            f"{ring.dir}/{n}.pgp"], check=True,
                           capture_output=True)
        with open(ring.dir + "/m", "wb") as f:
            f.write(INNER)
        for aead in ((), ("--aead=ocb",)):
            cipher = subprocess.run(
                ["rnp", "--homedir", ring.dir, "--password", "x", "-e", "-s",
                 "-u", "dora@out.example", "-r", "ada@in.example", *aead,
                 "--armor", ring.dir + "/m", "--output", "-"],
                capture_output=True, check=True).stdout
            got = good(kit.open_mail(wrap_pgp(cipher), private,
                                     [(PGP, peer.KEY)]))
            assert signature(got)["RESULT"] == [kit.OK]


def own_smime(ca, kind="P-256"):
    made = kit.make(SMIME, "ada@in.example")
    cert = ca.issue(made.KEY, "ada@in.example")
    ca.write("ada.pem", cert)
    return cert, [[("FORMAT", SMIME), ("SECRET", made.SECRET), ("KEY", cert)]]


def test_smime_from_openssl():
    with kit.Authority() as ca, kit.Authority() as other:
        _, own = own_smime(ca)
        key, cert = ca.user("rsa", "ada@in.example")
        der = kit.openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER",
                          stdin=key).stdout
        rsa = [[("FORMAT", SMIME), ("SECRET", der), ("KEY", cert)]]
        ca.user("dora", "dora@out.example")
        ca.user("eve", "eve@bad.example")
        trust = ("CA", ca.read("ca.pem"))

        def sign(*more, who="dora"):
            return kit.openssl("cms", "-sign", "-signer",
                               ca.path(who + ".pem"), "-inkey",
                               ca.path(who + ".key"), "-md", "sha256",
                               *more, stdin=INNER).stdout

        def encrypt(signed, recipient, cipher="-aes-256-cbc", *more):
            return DORA.encode() + kit.openssl(
                "cms", "-encrypt", cipher, "-recip",
                ca.path(recipient + ".pem"), *more, stdin=signed).stdout
        oaep = ("-keyopt", "rsa_padding_mode:oaep")
        for private, name, more in ((own, "ada", ()), (rsa, "rsa", ()),
                                    (rsa, "rsa", oaep)):
            for cipher in ("-aes-256-cbc", "-aes-256-gcm"):
                for signed in (sign("-binary"), sign("-nodetach", "-binary")):
                    got = good(kit.open_mail(
                        encrypt(signed, name, cipher, *more), private, (),
                        trust))
                    assert signature(got)["RESULT"] == [kit.OK], \
                        signature(got)
                    assert got.SUBJECT == "Pläne" and got.PROTECTED == 1
        got = good(kit.open_mail(encrypt(INNER, "ada"), own, (), trust))
        assert "not signed" in got.WARNING and signature(got) is None
        assert got.WEAK == 1
        mail = DORA.encode() + sign("-binary")
        got = kit.open_mail(mail.replace(b"nine", b"five"), (), (), trust)
        assert signature(got)["RESULT"] == [kit.AUTH]
        got = kit.open_mail(mail, (), (), ("CA", other.read("ca.pem")))
        assert "trust list" in signature(got)["WORDS"][0]
        got = kit.open_mail(mail, (), [(SMIME, ca.read("dora.pem"))])
        assert signature(got)["RESULT"] == [kit.OK]
        got = kit.open_mail(DORA.encode() + sign("-binary", who="eve"), (), (),
                            trust)
        assert signature(got)["RESULT"] == [kit.CONFLICT]
        two = sign("-binary", "-signer", ca.path("eve.pem"), "-inkey",
                   ca.path("eve.key"))
        got = kit.open_mail(DORA.encode() + two, (), (), trust)
        assert signature(got)["RESULT"] == [kit.AUTH]
        assert "exactly one" in signature(got)["WORDS"][0]
        for cipher in ("-aes-256-cbc", "-aes-256-gcm"):
            got = kit.open_mail(encrypt(INNER, "rsa", cipher), own)
            assert got.result == kit.AUTH and not got.outputs
        mail = encrypt(INNER, "ada", "-aes-256-gcm")
        head, body = mail.replace(b"\r\n", b"\n").split(b"\n\n", 1)
        body = bytearray(base64.b64decode(body))
        body[-20] ^= 1
        got = kit.open_mail(head + b"\n\n" + base64.encodebytes(bytes(body)),
                            own)
        assert got.result == kit.AUTH and not got.outputs


def test_smime_to_an_older_certificate_of_the_same_key():
    with kit.Authority() as ca:
        made = kit.make(SMIME, "ada@in.example")
        ca.write("old.pem", ca.issue(made.KEY, "ada@in.example"))
        new = ca.issue(made.KEY, "ada@in.example")
        private = [[("FORMAT", SMIME), ("SECRET", made.SECRET),
                    ("KEY", new)]]
        for cipher in ("-aes-256-cbc", "-aes-256-gcm"):
            mail = DORA.encode() + kit.openssl(
                "cms", "-encrypt", cipher, "-recip", ca.path("old.pem"),
                stdin=INNER).stdout
            good(kit.open_mail(mail, private))
        stranger = kit.make(SMIME, "eve@in.example")
        got = kit.open_mail(mail, [[
            ("FORMAT", SMIME), ("SECRET", stranger.SECRET),
            ("KEY", ca.issue(stranger.KEY, "eve@in.example"))]])
        assert got.result == kit.AUTH and not got.outputs


def test_smime_from_gpgsm():
    with kit.Authority() as ca, kit.Ring() as ring:
        key, cert = ca.user("ada", "ada@in.example")
        der = kit.openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER",
                          stdin=key).stdout
        ring.run("gpgsm", "--import", stdin=ca.read("ca.pem"))
        ring.run("gpgsm", "--import", stdin=cert)
        print_ = kit.openssl("x509", "-in", ca.path("ca.pem"), "-noout",
                             "-fingerprint", "-sha1").stdout.decode()
        with open(ring.dir + "/trustlist.txt", "w", encoding="ascii") as f:
            f.write(print_.split("=")[1].strip() + " S relax\n")
        cipher = ring.run("gpgsm", "-e", "--cipher-algo", "AES256", "-r",
                          "ada@in.example", stdin=INNER).stdout
        mail = (DORA + "Content-Type: application/pkcs7-mime; smime-type="
                "enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                ).encode() + base64.encodebytes(cipher)
        good(kit.open_mail(mail, [[("FORMAT", SMIME), ("SECRET", der),
                                   ("KEY", cert)]]))


def test_parts():
    mail = (DORA + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
            "Content-Type: text/plain; charset=iso-8859-1\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            "Gr=FC=DFe\r\n--x\r\nContent-Type: text/html\r\n\r\n"
            "<html><head><title>t</title></head><body><p>Hi<script>x()"
            "</script> &amp; <a href='http://evil.example/'>bank</a>"
            "<img src='http://spy.example/'></body>\r\n--x\r\n"
            "Content-Type: application/pdf; name=a.pdf\r\n"
            "Content-Disposition: attachment; "
            "filename*=utf-8''..%2F..%2Fetc%2Fpl%C3%A4n.pdf\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--x\r\n"
            "Content-Type: message/rfc822\r\n\r\n"
            "From: x@y.example\r\nSubject: =?iso-8859-1?q?inner_=FC?=\r\n\r\n"
            "deep\r\n--x--\r\n").encode()
    got = kit.open_mail(mail)
    assert got.result == kit.OK, got.words
    found = parts(got)
    assert [f[0] for f in found] == [1, 2, 3, 4, 3, 1], found
    assert found[0][1].decode() == "Grüße"
    assert found[1][1] == b"Hi & bank [http://evil.example/]\n", found[1]
    assert found[2][1] == b"\0\1\2"
    assert "/" not in found[2][2]["NAME"][0] and \
        found[2][2]["NAME"][0].endswith("plän.pdf")
    assert found[3][1].decode() == "From: x@y.example\nSubject: inner ü\n"
    assert found[4][1].startswith(b"From: x@y") and \
        found[4][2]["TYPE"] == ["message/rfc822"]
    assert found[5][1] == b"deep" and found[5][2]["DEPTH"] == [2]


def test_alternatives_and_charsets():
    """What stands there as plain text is not shown twice; nothing is lost."""
    mail = (DORA + "Reply-To: other@out.example\r\n"
            "Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n"
            "Content-Type: text/plain; charset=x-none\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n").encode() + \
        b"\xf0\xf2\r\n--x\r\nContent-Type: text/html\r\n\r\n" \
        b"<p>Hi</p>\r\n--x--\r\n"
    got = kit.open_mail(mail)
    assert got.result == kit.OK, got.words
    found = parts(got)
    assert [f[0] for f in found] == [1, 3], found
    assert found[1][1] == b"<p>Hi</p>" and "character set" in got.WARNING
    assert got.REPLY_TO == "other@out.example"
    got = kit.open_mail(mail.replace(b"text/plain", b"text/x-else"))
    assert [f[0] for f in parts(got)] == [3, 2], parts(got)


def test_bombs_and_broken_ones():
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n"
                    b"--b%d\r\n" % (n, n) for n in range(1000))
    got = kit.open_mail(DORA.encode() + deep + b"\r\nend\r\n")
    assert got.result == kit.OK and "20 deep" in got.WARNING
    assert b"end" in got.outputs[1]
    nested = b"".join(b"Content-Type: message/rfc822\r\n\r\n"
                      for n in range(1000))
    got = kit.open_mail(DORA.encode() + nested + b"\r\nend\r\n")
    assert got.result == kit.OK and "20 deep" in got.WARNING
    many = (DORA + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
            "--b\r\n\r\n\r\n" * 100000).encode()
    got = kit.open_mail(many)
    assert got.result == kit.TOOBIG and "500 parts" in got.words
    groups = (DORA + "Cc: " + "g:" * 45000 + "\r\n\r\nx\r\n").encode()
    assert kit.open_mail(groups).result == kit.OK
    for mail in (b"\n", b"no header at all", b"From: a\rX: b\n\nc", b"\0" * 99,
                 DORA.encode() + b"Content-Type: multipart/encrypted\n\nx",
                 DORA.encode() + b"Content-Type: multipart/signed\n\nx",
                 DORA.encode() + b"Content-Type: application/pkcs7-mime\n\nx",
                 wrap_pgp(b"-----BEGIN PGP MESSAGE-----\r\n\r\nAAAA")):
        got = kit.open_mail(mail)
        assert got.result == kit.OK or got.words, mail
    mail = b"From: dora@out.example\r\nFrom: eve@bad.example\r\n\r\nx"
    assert "more than one sender" in kit.open_mail(mail).WARNING


if __name__ == "__main__":
    ll.main()
