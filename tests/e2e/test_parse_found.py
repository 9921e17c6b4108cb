"""letterlock-parse: keys that come with mail, reports about mail, several keys
in one file, a domain's keys, mail in the clear, keys taken in."""
# limit: 200
import base64
import email
import email.policy
import struct

import ll
import parsekit as kit
from parsekit import PGP, PLAIN, SMIME


def opened(mail):
    return email.message_from_bytes(mail, policy=email.policy.SMTP)


def mixed(*parts, head="From: Dora <dora@out.example>\r\n"):
    """A multipart/mixed of whole entities."""
    return (head + 'Content-Type: multipart/mixed; boundary="m"\r\n\r\n'
            ).encode() + b"".join(b"--m\r\n" + p + b"\r\n" for p in parts) \
        + b"--m--\r\n"


TEXT = b"Content-Type: text/plain\r\n\r\nHello\r\n"


def key_part(key, kind="application/pgp-keys"):
    return (f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n"
            "Content-Disposition: attachment; filename=key.asc\r\n\r\n"
            ).encode() + base64.encodebytes(key).replace(b"\n", b"\r\n")


def signed(ring, entity, user):
    """multipart/signed as gpg makes it."""
    sig = ring.gpg("-u", user, "--detach-sign", "--armor", "--digest-algo",
                   "SHA256", stdin=entity).stdout.replace(b"\n", b"\r\n")
    return (b'From: Dora <dora@out.example>\r\nContent-Type: multipart/signed;'
            b' micalg=pgp-sha256; protocol="application/pgp-signature"; '
            b'boundary="s"\r\n\r\n--s\r\n' + entity + b"\r\n--s\r\nContent-"
            b"Type: application/pgp-signature\r\n\r\n" + sig +
            b"\r\n--s--\r\n")


def sources(got):
    return [f["SOURCE"][0] for f in got.all("FOUND")]


def test_a_key_attached_to_what_it_signed():
    with kit.Ring() as ring:
        ring.key("Dora <dora@out.example>")
        ring.key("Eve <eve@bad.example>")
        dora = ring.public("dora@out.example")
        eve = ring.public("eve@bad.example")
        mail = signed(ring, mixed(TEXT, key_part(dora), head="").rstrip(),
                      "dora@out.example")
        got = kit.open_mail(mail)
        assert got.result == kit.OK, got.words
        assert sources(got) == [kit.SIGNER]
        found = got.FOUND
        assert found["FORMAT"] == [PGP]
        seen = kit.inspect("dora@out.example", found["KEY"][0])
        assert seen.result == kit.OK
        # It is no more than what came along: nobody's word for it.
        assert got.SIGNATURE["RESULT"] == [kit.NOTFOUND], got.SIGNATURE
        assert "came with it" in got.SIGNATURE["WORDS"][0]
        assert "HOLDER" not in got.SIGNATURE
        # Someone else's key attached: not the signer's.
        mail = signed(ring, mixed(TEXT, key_part(eve), head="").rstrip(),
                      "dora@out.example")
        got = kit.open_mail(mail)
        assert sources(got) == [kit.ATTACHED]
        assert got.SIGNATURE["RESULT"] == [kit.NOTFOUND]
        # A peer's key stays a peer's.
        mail = signed(ring, mixed(TEXT, key_part(dora), head="").rstrip(),
                      "dora@out.example")
        got = kit.open_mail(mail, peers=[(PGP, dora)])
        assert got.SIGNATURE["RESULT"] == [kit.OK]
        # Changed on the way: its key has signed nothing.
        got = kit.open_mail(mail.replace(b"Hello", b"Hallo"))
        assert sources(got) == [kit.ATTACHED]
        assert got.SIGNATURE["RESULT"] == [kit.AUTH]


def test_a_key_inside_encrypted_and_signed_mail():
    made = kit.make(PGP, "ada@in.example")
    with kit.Ring() as ring:
        ring.key("Dora <dora@out.example>")
        ring.gpg("--import", stdin=made.KEY)
        dora = ring.public("dora@out.example")
        cipher = ring.gpg("-es", "-u", "dora@out.example", "-r",
                          "ada@in.example", "--armor",
                          stdin=mixed(TEXT, key_part(dora))).stdout
        mail = (b'From: Dora <dora@out.example>\r\nContent-Type: multipart/'
                b'encrypted; boundary="b"\r\n\r\n--b\r\n\r\nVersion: 1\r\n'
                b"\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n" +
                cipher + b"\r\n--b--\r\n")
        got = kit.open_mail(mail, [[("FORMAT", PGP),
                                    ("SECRET", made.SECRET)]])
        assert got.result == kit.OK, got.words
        assert sources(got) == [kit.SIGNER]
        assert len(got.all("SIGNATURE")) == 1
        assert len(got.all("ENCRYPTED")) == 1
        assert got.outputs[1].strip() == b"Hello"


def test_autocrypt():
    key = kit.make(PGP, "dora@out.example").KEY
    data = base64.b64encode(key).decode()
    folded = "".join("\r\n " + data[i:i + 70]
                     for i in range(0, len(data), 70))

    def head(address, times=1):
        return ("From: Dora <dora@out.example>\r\n" + times *
                (f"Autocrypt: addr={address}; prefer-encrypt=mutual;\r\n "
                 f"keydata={folded}\r\n") +
                "Content-Type: text/plain\r\n\r\nHello\r\n").encode()
    got = kit.open_mail(head("dora@out.example"))
    assert sources(got) == [kit.AUTOCRYPT]
    assert got.FOUND["KEY"] == [key]
    assert got.FOUND["ADDRESS"] == ["dora@out.example"]
    assert sources(kit.open_mail(head("eve@bad.example"))) == []
    assert sources(kit.open_mail(head("dora@out.example", 2))) == []
    # what we write ourselves
    made = kit.make(PGP, "ada@in.example")
    sent = kit.seal([(PGP, key)], [[("FORMAT", PGP),
                                    ("SECRET", made.SECRET)]], autocrypt=1)
    secret = kit.make(PGP, "x@out.example")
    assert secret.result == kit.OK
    got = kit.open_mail(sent.outputs[PGP])
    assert got.result != kit.OK
    clear = kit.seal([(PLAIN, b"")], [[("FORMAT", PGP),
                                       ("SECRET", made.SECRET)]], autocrypt=1)
    got = kit.open_mail(clear.outputs[PLAIN])
    assert sources(got) == [kit.AUTOCRYPT]
    assert kit.inspect("ada@in.example", got.FOUND["KEY"][0]).FINGERPRINT \
        == made.FINGERPRINT


def test_the_signers_certificate():
    with kit.Authority() as ca:
        ca.user("dora", "dora@out.example")
        mail = b"From: Dora <dora@out.example>\r\n" + kit.openssl(
            "cms", "-sign", "-signer", ca.path("dora.pem"), "-inkey",
            ca.path("dora.key"), "-md", "sha256", stdin=TEXT).stdout
        got = kit.open_mail(mail)
        assert sources(got) == [kit.SIGNER], got.fields
        seen = kit.inspect("dora@out.example", got.FOUND["KEY"][0])
        assert seen.result == kit.OK, seen.words
        assert sources(kit.open_mail(mail.replace(b"Hello", b"Hallo"))) == []


REPORT = b"""From: MAILER-DAEMON@mx.out.example\r
Subject: Undelivered\r
Content-Type: multipart/report; report-type=delivery-status;\r
 boundary="r"\r
\r
--r\r
Content-Type: text/plain\r
\r
I am sorry.\r
\r
--r\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.out.example\r
\r
Final-Recipient: rfc822; dora@inner.out.example\r
Original-Recipient: rfc822;dora+2Bx@out.example\r
Action: failed\r
Status: 5.1.1\r
Remote-MTA: dns; inner.out.example\r
Diagnostic-Code: smtp; 550 5.1.1 <dora@inner.out.example>: no such\r
 person here\r
\r
Final-Recipient: rfc822; bob@out.example\r
Action: delayed\r
Status: 4.4.1\r
\r
--r\r
Content-Type: text/rfc822-headers\r
\r
From: ada@in.example\r
Message-ID: <0123abcd@in.example>\r
\r
--r--\r
"""


def test_a_report():
    got = kit.open_mail(REPORT)
    assert got.result == kit.OK, got.words
    report = got.REPORT
    assert report["MESSAGE_ID"] == ["0123abcd@in.example"]
    first, second = report["REPORTED"]
    assert first["ADDRESS"] == ["dora+x@out.example"]
    assert first["TEXT"] == ["failed"]
    assert first["WORDS"] == ["5.1.1 550 5.1.1 <dora@inner.out.example>: no "
                              "such person here"]
    assert second["TEXT"] == ["delayed"] and second["WORDS"] == ["4.4.1"]
    assert [p["WHAT"][0] for p in got.all("PART")] == [1, 1, 1]
    # Hostile ones are read as far as may be.
    got = kit.open_mail(REPORT.replace(b"dora+2Bx", b"x\x1b[2J").replace(
        b"no such", b"\x1b]0;x\x07"))
    assert got.result == kit.OK
    assert got.REPORT["REPORTED"][0]["ADDRESS"] == ["dora@inner.out.example"]
    assert "\x1b" not in got.REPORT["REPORTED"][0]["WORDS"][0]
    got = kit.open_mail(REPORT.replace(b"delivery-status;", b"feedback;"))
    assert got.REPORT is None


def test_several_keys_in_one_file():
    with kit.Ring() as ring:
        one = ring.key("Dora <dora@out.example>")
        two = ring.key("Dora D <dora@out.example>", "rsa2048", "rsa2048")
        ring.key("Eve <eve@bad.example>")
        both = ring.gpg("--export").stdout
        for data in (both, ring.gpg("--export", "--armor").stdout):
            got = kit.inspect("dora@out.example", data)
            assert got.result == kit.OK, got.words
            nests = {n["FINGERPRINT"][0]: n for n in got.all("KEYS")}
            assert len(nests) == 3
            assert nests[one]["RESULT"] == [kit.OK]
            assert nests[two]["RESULT"] == [kit.OK]
            assert nests[two]["ALGORITHM"] == ["RSA-2048"]
            bad = [n for n in nests.values() if n["RESULT"] != [kit.OK]]
            assert len(bad) == 1 and "user ids" in bad[0]["WORDS"][0]
        got = kit.inspect("nobody@out.example", both)
        assert got.result == kit.DENIED and "None of its 3" in got.words
        got = kit.inspect("dora@out.example",
                          ring.gpg("--export-secret-keys").stdout)
        assert got.result == kit.PROTO and "private key" in got.words


def test_a_domains_key():
    with kit.Ring() as ring, kit.Authority() as ca:
        ring.key("Gateway <gateway@partner.example>")
        key = ring.public("gateway@partner.example")
        assert kit.inspect("@partner.example", key).result == kit.OK
        assert kit.inspect("@PARTNER.example", key).result == kit.OK
        for other in ("@artner.example", "@other.example",
                      "@sub.partner.example"):
            assert kit.inspect(other, key).result == kit.DENIED, other
        assert kit.inspect("@", key).result == kit.USAGE
        assert kit.inspect("@a@b.example", key).result == kit.USAGE
        _, cert = ca.user("gw", "domain-confidentiality-authority"
                          "@partner.example")
        more = [("CA", ca.read("ca.pem"))]
        got = kit.inspect("@partner.example", cert, *more)
        assert got.result == kit.OK and got.TRUSTED == 1, got.words
        assert kit.inspect("@other.example", cert).result == kit.DENIED


def test_no_header_line_is_a_name_alone():
    peer, own = kit.make(PGP, "dora@out.example"), kit.make(PGP, "a@in.test")
    long = "n" * 60
    sent = kit.seal([(PLAIN, b""), (PGP, peer.KEY)], [[
        ("FORMAT", PGP), ("SECRET", own.SECRET)]], "Hi\n", "Wort " * 50,
        to=[(f"{long}{n}@out.example", f"Some Body Called {long}")
            for n in range(9)], autocrypt=1,
        message_id=f"<{'f' * 64}@in.example>",
        in_reply_to=f"<{'e' * 64}@in.example>",
        references=" ".join(f"<{c * 64}@in.example>" for c in "abc"))
    assert sent.result == kit.OK, sent.words
    for mail in sent.outputs.values():
        head = mail[:mail.index(b"\r\n\r\n")]
        for line in head.split(b"\r\n"):
            assert not line.rstrip().endswith(b":"), line
            assert line.strip() and len(line) < 998, line
        assert head.count(b"Message-ID: <" + b"f" * 64) == 1
        assert head.count(b"In-Reply-To: <" + b"e" * 64) == 1
        got = opened(mail)
        assert len(got["References"].split()) == 3, got["References"]
        assert len(got["To"].addresses) == 9


def test_handed_in_for_somebody():
    """The organisation's key signs what a staff member's program wrote."""
    made = kit.make(SMIME, "center@in.example")
    pgp = kit.make(PGP, "center@in.example")
    with kit.Authority() as ca:
        private = [[("FORMAT", SMIME), ("SECRET", made.SECRET),
                    ("KEY", ca.issue(made.KEY, "center@in.example"))],
                   [("FORMAT", PGP), ("SECRET", pgp.SECRET)]]
        sent = kit.seal([(PLAIN, b"")], private)
        assert sent.ALGORITHM["TEXT"] == ["not signed"]
        sent = kit.seal([(PLAIN, b"")], private, autocrypt=1,
                        sender_=[("ADDRESS", "center@in.example"),
                                 ("NAME", "House of Tests")])
        assert sent.ALGORITHM["TEXT"] == ["signed"], sent.words
        mail = opened(sent.outputs[PLAIN])
        assert mail["From"].addresses[0].addr_spec == "ada@in.example"
        assert mail["Sender"].address.addr_spec == "center@in.example"
        assert mail["Autocrypt"] is None
        # who reads it is told that it is not the author's own signature
        back = kit.open_mail(sent.outputs[PLAIN], [], [],
                             ("CA", ca.read("ca.pem")))
        assert back.SIGNATURE["RESULT"] == [kit.CONFLICT], back.SIGNATURE


def test_in_the_clear():
    sent = kit.seal([(PLAIN, b"")], [], "Grüße\n", "Überweisung",
                    files=[("a.bin", "application/octet-stream", b"\0\1")])
    assert sent.result == kit.OK, sent.words
    assert sent.ALGORITHM["TEXT"] == ["not signed"]
    mail = sent.outputs[PLAIN]
    assert mail.count(b"\n") == mail.count(b"\r\n")
    outer = opened(mail)
    assert outer["Subject"] == "Überweisung"
    assert "HP-Outer" not in outer and "hp=" not in outer["Content-Type"]
    body, file = outer.iter_parts()
    assert body.get_content().strip() == "Grüße"
    assert file.get_content() == b"\0\1"
    made = kit.make(SMIME, "ada@in.example")
    with kit.Authority() as ca:
        cert = ca.issue(made.KEY, "ada@in.example")
        private = [[("FORMAT", SMIME), ("SECRET", made.SECRET),
                    ("KEY", cert)]]
        peer = kit.make(PGP, "dora@out.example")
        pgp = kit.make(PGP, "ada@in.example")
        sent = kit.seal([(PLAIN, b""), (PGP, peer.KEY)],
                        private + [[("FORMAT", PGP),
                                    ("SECRET", pgp.SECRET)]], "Grüße\n",
                        "Überweisung")
        assert sent.result == kit.OK, sent.words
        assert set(sent.outputs) == {PLAIN, PGP}
        mail = sent.outputs[PLAIN]
        assert "signed" in [a["TEXT"][0] for a in sent.all("ALGORITHM")]
        got = kit.openssl("cms", "-verify", "-CAfile", ca.path("ca.pem"),
                          stdin=mail).stdout
        assert 'hp="clear"'.encode() in got
        back = kit.open_mail(mail, [], [], ("CA", ca.read("ca.pem")))
        assert back.SIGNATURE["RESULT"] == [kit.OK], back.SIGNATURE
        assert back.PROTECTED == 1 and back.SUBJECT == "Überweisung"
        # An expired certificate signs nothing; the mail still goes.
        old = ca.issue(made.KEY, "ada@in.example", ext=(), days=-1)
        sent = kit.seal([(PLAIN, b"")], [[("FORMAT", SMIME), (
            "SECRET", made.SECRET), ("KEY", old)]])
        assert sent.ALGORITHM["TEXT"] == ["not signed"], sent.words
        # The one that can is found behind it, with what stands above it.
        both = [[("FORMAT", SMIME), ("SECRET", made.SECRET), ("KEY", old)],
                *private]
        sent = kit.seal([(PLAIN, b"")], both)
        assert sent.ALGORITHM["TEXT"] == ["signed"]


def p12(ca, name, password, *words):
    return kit.openssl("pkcs12", "-export", "-inkey", ca.path(name + ".key"),
                       "-in", ca.path(name + ".pem"), "-certfile",
                       ca.path("ca.pem"), "-passout", "pass:" + password,
                       *words).stdout


def test_pkcs12_taken_in():
    with kit.Authority() as ca:
        ca.user("ada", "ada@in.example")
        ca.user("ec", "ada@in.example", ("ec", "-pkeyopt",
                                         "ec_paramgen_curve:P-384"))
        ca.user("eve", "eve@bad.example")
        ca.user("old", "ada@in.example", days=-1)
        for name, words in (
                ("ada", ()), ("ec", ()),
                ("ada", ("-keypbe", "PBE-SHA1-3DES", "-certpbe",
                         "PBE-SHA1-3DES", "-macalg", "sha1"))):
            data = p12(ca, name, "grün", *words)
            got = kit.import_key(data, "grün")
            assert got.result == kit.OK, got.words
            assert got.FORMAT == SMIME and got.EXPIRES > got.CREATED
            assert got.all("EXTRA") == []
            private = [[("FORMAT", SMIME), ("SECRET", got.SECRET),
                        ("KEY", got.KEY)]]
            sent = kit.seal([(SMIME, got.KEY)], private, "Mine\n")
            assert sent.result == kit.OK, sent.words
            back = kit.open_mail(sent.outputs[SMIME], private)
            assert back.outputs[1] == b"Mine\n"
            got = kit.import_key(data, "rot")
            assert got.result == kit.AUTH and got.SECRET is None, got.words
        got = kit.import_key(p12(ca, "eve", "x"), "x")
        assert got.result == kit.DENIED and "another" in got.words
        got = kit.import_key(p12(ca, "old", "x"), "x")
        assert got.result == kit.DENIED and "expired" in got.words
        got = kit.import_key(p12(ca, "ada", "x", "-nokeys"), "x")
        assert got.result == kit.DENIED and "no private key" in got.words
        got = kit.import_key(b"\x30\x82\x01\x00" + bytes(300), "x")
        assert got.result == kit.PROTO and got.words


def test_pkcs12_with_what_stands_above_it():
    with kit.Authority() as ca:
        csr = kit.openssl("req", "-new", "-newkey", "rsa:2048", "-nodes",
                          "-keyout", ca.path("sub.key"), "-subj",
                          "/CN=Sub CA").stdout
        ca.write("sub.pem", kit.openssl(
            "x509", "-req", "-in", ca.write("sub.csr", csr), "-CA",
            ca.path("ca.pem"), "-CAkey", ca.path("ca.key"), "-set_serial",
            "7", "-days", "9", "-extfile", ca.write(
                "sub.ext", b"basicConstraints=critical,CA:true\nkeyUsage="
                b"critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
                b"authorityKeyIdentifier=keyid")).stdout)
        root = ca.read("ca.pem")
        for old, new in (("ca.pem", "root.pem"), ("sub.pem", "ca.pem"),
                         ("sub.key", "ca.key")):
            ca.write(new, ca.read(old))
        ca.user("ada", "ada@in.example")
        ca.write("ca.pem", ca.read("ca.pem") + root)
        got = kit.import_key(p12(ca, "ada", "x"), "x")
        assert got.result == kit.OK, got.words
        assert len(got.all("EXTRA")) == 1
        # Kept behind the certificate, it goes with every signature.
        sent = kit.seal([(PLAIN, b"")], [[
            ("FORMAT", SMIME), ("SECRET", got.SECRET),
            ("KEY", got.KEY + got.EXTRA)]])
        kit.openssl("cms", "-verify", "-CAfile", ca.path("root.pem"),
                    stdin=sent.outputs[PLAIN])


def test_a_secret_openpgp_key_taken_in():
    with kit.Ring() as ring:
        for kind, sub in (("ed25519", "cv25519"), ("rsa2048", "rsa2048")):
            uid = f"Ada {kind} <ada@in.example>"
            ring.run("gpg", "--pinentry-mode", "loopback", "--passphrase",
                     "hidden", "--quick-gen-key", uid, kind, "cert,sign",
                     "0")
            print_ = ring.fingerprint("=" + uid)
            ring.run("gpg", "--pinentry-mode", "loopback", "--passphrase",
                     "hidden", "--quick-add-key", print_, sub, "encrypt",
                     "0")
            ring.run("gpg", "--pinentry-mode", "loopback", "--passphrase",
                     "hidden", "--quick-add-uid", print_,
                     "Ada <ada@private.example>")
            secret = ring.run("gpg", "--pinentry-mode", "loopback",
                              "--passphrase", "hidden",
                              "--export-secret-keys", print_).stdout
            got = kit.import_key(secret, "hidden")
            assert got.result == kit.OK, got.words
            assert got.FINGERPRINT == print_ and got.FORMAT == PGP
            private = [[("FORMAT", PGP), ("SECRET", got.SECRET)]]
            assert b"private.example" not in got.KEY
            sent = kit.seal([(PGP, got.KEY)], private, "Mine\n",
                            autocrypt=1)
            assert sent.result == kit.OK, sent.words
            back = kit.open_mail(sent.outputs[PGP], private,
                                 [(PGP, got.KEY)])
            assert back.outputs[1] == b"Mine\n"
            assert back.SIGNATURE["RESULT"] == [kit.OK]
            assert kit.import_key(secret, "wrong").result == kit.AUTH
            assert kit.import_key(secret, None).result == kit.AUTH
            got = kit.import_key(secret, "hidden", "eve@bad.example")
            assert got.result == kit.DENIED and "user ids" in got.words
        subs = ring.run("gpg", "--pinentry-mode", "loopback", "--passphrase",
                        "hidden", "--export-secret-subkeys", print_).stdout
        got = kit.import_key(subs, "hidden")
        assert got.result == kit.DENIED and "missing" in got.words, got.words
        got = kit.import_key(ring.public(print_), "hidden")
        assert got.result == kit.PROTO and "neither" in got.words


def tnef(*attributes):
    out = struct.pack("<IH", 0x223e9f78, 1)
    for level, number, data in attributes:
        out += struct.pack("<BII", level, number, len(data)) + data + \
            struct.pack("<H", sum(data) & 0xffff)
    return out


def props(*all_):
    out = struct.pack("<I", len(all_))
    for number, kind, data in all_:
        out += struct.pack("<HH", kind, number)
        if kind == 3:
            out += data
            continue
        out += struct.pack("<II", 1, len(data)) + data + b"\0" * (-len(data)
                                                                 % 4)
    return out


def winmail(data, text=True):
    return ("From: Dora <dora@out.example>\r\nContent-Type: multipart/mixed; "
            'boundary="m"\r\n\r\n' +
            ("--m\r\nContent-Type: text/plain\r\n\r\nOuter\r\n" if text
             else "") + "--m\r\nContent-Type: application/ms-tnef; "
            "name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            ).encode() + base64.encodebytes(data) + b"\r\n--m--\r\n"


def test_winmail_dat():
    long = "Übersicht langer Name.xlsx"
    data = tnef(
        (1, 0x00069007, struct.pack("<II", 1251, 0)),
        (1, 0x0002800c, "Привет\r\n\0".encode("cp1251")),
        (2, 0x00069002, bytes(14)),
        (2, 0x00018010, b"OVERVI~1.XLS\0"), (2, 0x0006800f, b"sheet" * 99),
        (2, 0x00069005, props(
            (0x0e20, 3, struct.pack("<I", 5)),
            (0x3707, 0x1f, (long + "\0").encode("utf-16le")),
            (0x3704, 0x1e, b"OVERVI~1.XLS\0"))),
        (2, 0x00069002, bytes(14)),
        (2, 0x00018010, "отчёт.txt\0".encode("cp1251")),
        (2, 0x0006800f, b"report"))
    got = kit.open_mail(winmail(data))
    assert got.result == kit.OK, got.words
    names = [p.get("NAME", [""])[0] for p in got.all("PART")]
    assert names == ["", "winmail.dat", long, "отчёт.txt"], names
    assert got.outputs[2] == data and got.outputs[3] == b"sheet" * 99
    assert got.outputs[4] == b"report"
    # the text, where there is no other
    got = kit.open_mail(winmail(data, False))
    assert [p["WHAT"][0] for p in got.all("PART")] == [3, 1, 3, 3]
    assert got.outputs[2].decode() == "Привет\n"
    html = tnef((1, 0x00069003, props((0x1013, 0x102, b"<p>Hello"),
                                      (0x8001, 3, b""))))
    got = kit.open_mail(winmail(html, False))
    assert got.outputs[2].strip() == b"Hello", got.outputs
    # broken: as far as may be, and the whole as a file
    for cut in range(0, len(data), 7):
        got = kit.open_mail(winmail(data[:cut] + b"\xff" * 5)) \
            if cut % 35 == 0 else got
        assert got.result == kit.OK
    got = kit.open_mail(winmail(b"not that at all"))
    assert len(got.all("PART")) == 2 and not got.words


def test_character_sets():
    for text, names in (
            ("Grüße, żółć", ("iso-8859-2", "Windows-1250", "utf-16")),
            ("Привет, мир", ("koi8-r", "windows-1251", "iso-8859-5",
                             "cp866")),
            ("Γειά σου", ("iso-8859-7", "cp1253")),
            ("שלום", ("windows-1255", "iso-8859-8")),
            ("汉字测试", ("gb2312", "gbk", "gb18030", "utf-16le")),
            ("漢字測試", ("big5",)),
            ("日本語テスト", ("shift_jis", "euc-jp", "iso-2022-jp")),
            ("한국어", ("euc-kr",))):
        for name in names:
            head = f"Content-Type: text/plain; charset={name}\r\n"
            word = base64.b64encode(text.encode(name)).decode()
            mail = (f"From: a@b.example\r\nSubject: =?{name}?B?{word}?=\r\n"
                    f"{head}Content-Transfer-Encoding: base64\r\n\r\n{word}"
                    "\r\n").encode()
            got = kit.open_mail(mail)
            assert got.outputs[1].decode() == text, (name, got.outputs)
            assert got.SUBJECT == text and not got.all("WARNING"), name
    # what is no letter there is a mark, and the rest stands
    mail = (b"From: a@b.example\r\nContent-Type: text/plain; charset="
            b"gb18030\r\n\r\nA\xff\xffB\x81")
    assert kit.open_mail(mail).outputs[1].decode() == \
        "A\ufffd\ufffdB\ufffd"


if __name__ == "__main__":
    ll.main()
