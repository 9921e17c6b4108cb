"""letterlock-parse against gpg, gpgsm, openssl cms and rnp: keys, certificates
and messages in both directions, good ones and bad ones."""
# limit: 200
import email
import email.policy
import struct
import subprocess

import ll
import parsekit as kit
from parsekit import PGP, SMIME


def opened(mail):
    return email.message_from_bytes(mail, policy=email.policy.SMTP)


def own_pgp():
    made = kit.make(PGP, "ada@in.example", "Ada Example")
    assert made.result == kit.OK, made.words
    return made, [[("FORMAT", PGP), ("SECRET", made.SECRET)]]


def own_smime(ca, **kw):
    made = kit.make(SMIME, "ada@in.example", "Ada Example")
    assert made.result == kit.OK, made.words
    cert = ca.issue(made.KEY, "ada@in.example", **kw)
    return cert, [[("FORMAT", SMIME), ("SECRET", made.SECRET),
                   ("KEY", cert)]]


def payload(mail, part=1):
    """The bytes of a part of a multipart/encrypted."""
    return opened(mail).get_payload(part).get_content()


def test_wire_breaches():
    """What is not as parse.h says gets an answer, or none, but no crash."""
    start = kit.chunk(b"K") + kit.chunk(b"J", kit.encode(("JOB", 9)))
    got, code, _ = kit.raw(start + kit.chunk(b"E"))
    assert b"No such job." in got and code == 0
    got, code, _ = kit.raw(kit.chunk(b"J") + kit.chunk(b"E"))
    assert b"The keys come first." in got
    got, code, _ = kit.raw(start + kit.chunk(b"B", struct.pack(">I", 3)) +
                           kit.chunk(b"E"))
    assert b"out of order" in got
    got, code, _ = kit.raw(b"D\xff\xff\xff\xff")
    assert b"19" not in got and code in (0, 1)
    got, code, _ = kit.raw(start)
    assert code == 1 and got == b""


def test_pgp_made_key_is_good_for_gpg():
    made, _ = own_pgp()
    with kit.Ring() as ring:
        ring.gpg("--import", stdin=made.KEY)
        assert ring.fingerprint("ada@in.example") == made.FINGERPRINT
        seen = kit.inspect("ada@in.example", made.KEY)
        assert seen.result == kit.OK and seen.FINGERPRINT == made.FINGERPRINT
        assert seen.HOLDER == "ada@in.example" and seen.EXPIRES == 0


def test_pgp_seal_gpg_opens():
    made, private = own_pgp()
    with kit.Ring() as ring:
        ring.key("Dora <dora@out.example>")
        ring.gpg("--import", stdin=made.KEY)
        key = kit.inspect("dora@out.example", ring.public("dora@out.example"))
        assert key.result == kit.OK, key.words
        sent = kit.seal([(PGP, key.KEY), (PGP, made.KEY)], private,
                        "Grüße\n.\nFrom here\n", "Überweisung",
                        files=[("plan ä.pdf", "application/pdf",
                                bytes(range(256)) * 9)], autocrypt=1)
        assert sent.result == kit.OK, sent.words
        mail = sent.outputs[PGP]
        assert mail.count(b"\n") == mail.count(b"\r\n")
        assert b"berweisung" not in mail and b"plan" not in mail
        outer = opened(mail)
        assert outer["Subject"] == "..." and outer["To"] == "dora@out.example"
        assert outer["Autocrypt"].startswith("addr=ada@in.example")
        assert outer.get_content_type() == "multipart/encrypted"
        assert outer.get_payload(0).get_content().strip() == b"Version: 1"
        got = ring.gpg("--status-fd", "2", "--decrypt", stdin=payload(mail))
        assert b"GOODSIG" in got.stderr and b"DECRYPTION_OKAY" in got.stderr
        assert made.FINGERPRINT.encode() in got.stderr
        inner = opened(got.stdout)
        assert inner["Subject"] == "Überweisung"
        assert 'hp="cipher"' in str(inner["Content-Type"])
        assert inner["HP-Outer"]
        body, file = inner.iter_parts()
        assert body.get_content().splitlines() == \
            ["Grüße", ".", "From here"]
        assert file.get_filename() == "plan ä.pdf"
        assert file.get_content() == bytes(range(256)) * 9


def test_pgp_seal_rnp_opens():
    made, private = own_pgp()
    peer = kit.make(PGP, "dora@out.example")
    sent = kit.seal([(PGP, peer.KEY)], private, "To rnp\n")
    with kit.Ring() as ring:
        for n, key in enumerate((peer.SECRET, made.KEY)):
            with open(f"{ring.dir}/{n}.pgp", "wb") as f:
                f.write(key)
            subprocess.run(["rnpkeys", "--homedir", ring.dir, "--import",
                            f"{ring.dir}/{n}.pgp"], check=True,
                           capture_output=True)
        with open(ring.dir + "/m", "wb") as f:
            f.write(payload(sent.outputs[PGP]))
        got = subprocess.run(["rnp", "--homedir", ring.dir, "--password", "x",
                              "-d", ring.dir + "/m", "--output", "-"],
                             capture_output=True, check=False)
        assert b"To rnp" in got.stdout, got.stderr
        assert b"Good signature" in got.stderr


def test_pgp_bad_keys():
    with kit.Ring() as ring:
        def refused(uid, words, where="dora@out.example",
                    address="dora@out.example"):
            got = kit.inspect(address, ring.public(f"={uid} <{where}>"))
            assert got.result == kit.DENIED, (uid, got.result, got.words)
            assert words in got.words, (uid, got.words)
        weak = ("--allow-weak-key-signatures", "--allow-weak-digest-algos")
        ring.key("A <dora@out.example>", "ed25519", "cv25519", "seconds=1",
                 "--faked-system-time", "20200101T000000")
        refused("A", "expired")
        ring.key("B <dora@out.example>", "rsa1024", "rsa1024")
        refused("B", "too weak")
        ring.key("C <dora@out.example>", "ed25519", "rsa1024")
        refused("C", "encryption key is too weak")
        ring.key("D <dora@out.example>", "ed25519", None)
        refused("D", "no encryption key")
        ring.key("E <dora@out.example>", "rsa2048", "rsa2048", "0",
                 "--cert-digest-algo", "SHA1", *weak)
        refused("E", "SHA-1")
        print_ = ring.key("F <mallory@bad.example>")
        refused("F", "None of its user ids", "mallory@bad.example")
        ring.gpg("--quick-add-uid", print_, "F2 <dora@out.example>")
        got = kit.inspect("dora@out.example", ring.public(print_))
        assert got.result == kit.OK, got.words
        assert b"mallory" not in got.KEY and got.all("HOLDER") == \
            ["dora@out.example"]
        ring.gpg("--quick-revoke-uid", print_, "F2 <dora@out.example>")
        refused("F2", "revoked")
        print_ = ring.key("G <dora@out.example>")
        with open(f"{ring.dir}/openpgp-revocs.d/{print_}.rev", "rb") as f:
            ring.gpg("--import", stdin=f.read().replace(b":-----", b"-----"))
        refused("G", "revoked")
        params = b"%no-protection\nKey-Type: DSA\nKey-Length: 1024\n" \
            b"Subkey-Type: ELG\nSubkey-Length: 1024\nName-Email: " \
            b"dora@out.example\nName-Real: Hanna\nExpire-Date: 0\n%commit\n"
        ring.gpg("--gen-key", stdin=params)
        refused("Hanna", "too weak")
        secret = ring.secret("=D <dora@out.example>")
        got = kit.inspect("dora@out.example", secret)
        assert got.result == kit.PROTO and "private key" in got.words
        # Two in one file are told one by one, but one to seal to is one.
        two = ring.public("=D <dora@out.example>") + \
            ring.public("=E <dora@out.example>")
        got = kit.inspect("dora@out.example", two)
        assert got.result == kit.DENIED and len(got.all("KEYS")) == 2
        got = kit.seal([(PGP, two)], own_pgp()[1])
        assert got.result == kit.PROTO and "exactly one" in got.words
        got = kit.inspect("dora@out.example", b"-----BEGIN PGP NONSENSE")
        assert got.result == kit.PROTO and got.words
        _, private = own_pgp()
        got = kit.seal([(PGP, ring.public("=A <dora@out.example>"))],
                       private)
        assert got.result == kit.DENIED and "expired" in got.words


def test_injection_is_refused():
    made, private = own_pgp()
    keys = [(PGP, made.KEY)]
    for bad in ({"subject": "a\r\nBcc: x@y.example"}, {"subject": "a\nb"},
                {"subject": "a\rb"}, {"to": ("a@b.example\nBcc: c@d.example",)},
                {"to": (("a@b.example", "A\r\nX: y"),)},
                {"to": ("a@b.example\r",)}, {"message_id": "<a>\r\nX: y"},
                {"sender": ("ada@in.example", "A\nB")},
                {"in_reply_to": "<a@b>\nX: y"}, {"text": b"\xff"},
                {"references": "<a>\r\n\r\nbody"}):
        got = kit.seal(keys, private, **bad)
        assert got.result == kit.USAGE and got.words, (bad, got.words)
        assert not any(got.outputs.values())
    got = kit.seal(keys, [])
    assert got.result == kit.LOCKED
    got = kit.seal(keys, private, files=[("../../etc/passwd\n", "a/b\r\nX: y",
                                          b"x")])
    assert got.result == kit.OK


def test_large_message_in_bounds():
    made, private = own_pgp()
    sent = kit.seal([(PGP, made.KEY)], private, files=[
        ("big.bin", "application/octet-stream", bytes(25 << 20))])
    assert sent.result == kit.OK, sent.words
    assert len(sent.outputs[PGP]) > 34 << 20


def test_many_messages_on_one_wire():
    """SEAL after SEAL with the same keys; anything foreign is the last."""
    made, private = own_pgp()
    with kit.Ring() as ring:
        ring.key("Dora <dora@out.example>")
        ring.key("Emil <emil@out.example>", "nistp256", "nistp256")
        ring.gpg("--import", stdin=made.KEY)
        keys = [ring.public(who) for who in ("dora@out.example",
                                             "emil@out.example")]
        stream = kit.keys_bytes(private)
        for n in range(6):
            stream += kit.job_bytes(kit.SEAL, *kit.seal_job(
                [(PGP, keys[n % 2])], f"Number {n}\n"))
        bad = kit.seal_job([(PGP, b"no key")], "bad\n")
        stream += kit.job_bytes(kit.SEAL, *bad)
        stream += kit.job_bytes(kit.SEAL, *kit.seal_job(
            [(PGP, keys[0])], "Number 7\n"))
        stream += kit.job_bytes(kit.OPEN, [], [b"From: a@b.example\n\nx"])
        stream += kit.job_bytes(kit.SEAL, *bad)
        got, code, err = kit.raw(stream)
        found = kit.answers(got)
        assert code == 0 and len(found) == 9, (code, err, len(found))
        assert found[6].result == kit.PROTO and found[8].result == kit.OK
        for n in (0, 1, 2, 3, 4, 5, 7):
            assert found[n].result == kit.OK, found[n].words
            text = ring.gpg("--decrypt", stdin=payload(
                found[n].outputs[PGP])).stdout
            assert f"Number {n}".encode() in text


def cms_seal(ca, cert, private, **kw):
    sent = kit.seal([(SMIME, cert)], private, "Grüße\n", "Überweisung",
                    files=[("a.bin", "application/octet-stream",
                            bytes(range(256)) * 999)], **kw)
    assert sent.result == kit.OK, sent.words
    mail = sent.outputs[SMIME]
    assert mail.count(b"\n") == mail.count(b"\r\n")
    return mail, sent.ALGORITHM["TEXT"][0]


def check_inner(signed):
    inner = opened(signed)
    assert inner.get_content_type() == "multipart/signed"
    whole, _ = inner.iter_parts()
    assert whole["Subject"] == "Überweisung"
    body, file = whole.iter_parts()
    assert body.get_content().strip() == "Grüße"
    assert file.get_content() == bytes(range(256)) * 999


GCM = ("1.2.840.113549.1.9.15=DER:300D300B060960864801650304012E",)


def test_smime_seal_openssl_opens():
    """RSA and curves, CBC, and GCM where the certificate says so."""
    with kit.Authority() as ca:
        _, private = own_smime(ca)
        for name, kind in (("rsa", ("rsa:2048",)),
                           ("ec", ("ec", "-pkeyopt",
                                   "ec_paramgen_curve:P-256")),
                           ("p384", ("ec", "-pkeyopt",
                                     "ec_paramgen_curve:P-384"))):
            for ext, want in (((), "AES-256-CBC"), (GCM, "AES-256-GCM")):
                _, cert = ca.user(name, "dora@out.example", kind, ext=ext)
                seen = kit.inspect("dora@out.example", cert,
                                   ("CA", ca.read("ca.pem")))
                assert seen.result == kit.OK and seen.TRUSTED == 1, seen.words
                mail, how = cms_seal(ca, seen.KEY, private)
                assert how == want
                signed = kit.openssl(
                    "cms", "-decrypt", "-inkey", ca.path(name + ".key"),
                    "-recip", ca.path(name + ".pem"), stdin=mail).stdout
                check_inner(signed)
                kit.openssl("cms", "-verify", "-CAfile", ca.path("ca.pem"),
                            "-purpose", "smimesign", stdin=signed)


def test_smime_seal_gpgsm_opens():
    with kit.Authority() as ca, kit.Ring() as ring:
        _, private = own_smime(ca)
        _, cert = ca.user("dora", "dora@out.example")
        kit.openssl("pkcs12", "-export", "-inkey", ca.path("dora.key"), "-in",
                    ca.path("dora.pem"), "-out", ca.path("p12"), "-passout",
                    "pass:x", "-legacy", "-keypbe", "PBE-SHA1-3DES",
                    "-certpbe", "PBE-SHA1-3DES")
        ring.run("gpgsm", "--import", stdin=ca.read("ca.pem"))
        ring.run("gpgsm", "--pinentry-mode", "loopback", "--passphrase-fd",
                 "0", "--import", ca.path("p12"), stdin=b"x\n", check=False)
        mail, how = cms_seal(ca, cert, private)
        assert how == "AES-256-CBC"
        der = opened(mail).get_content()
        got = ring.run("gpgsm", "--pinentry-mode", "loopback",
                       "--passphrase-fd", "0", "--decrypt",
                       ca.write("m", der), stdin=b"x\n")
        check_inner(got.stdout)


def test_smime_bad_certificates():
    with kit.Authority() as ca:
        def refused(words, cert, address="dora@out.example", *more):
            got = kit.inspect(address, cert, *more)
            assert got.result == kit.DENIED and words in got.words, \
                (words, got.result, got.words)
        trust = ("CA", ca.read("ca.pem"))
        refused("too weak", ca.user("a", "dora@out.example",
                                    ("rsa:1024",))[1])
        refused("no e-mail address", ca.user("b", None)[1])
        refused("another", ca.user("c", "eve@bad.example")[1])
        refused("expired", ca.user("d", "dora@out.example", days=-1)[1])
        refused("SHA-1", ca.user("e", "dora@out.example", md="-sha1")[1])
        refused("encrypting", ca.user("f", "dora@out.example",
                                      usage="digitalSignature")[1])
        refused("encrypting", ca.user("g", "dora@out.example",
                                      extended="serverAuth")[1])
        good = ca.user("h", "dora@out.example")[1]
        assert kit.inspect("dora@out.example", good).TRUSTED is None
        with kit.Authority() as other:
            refused("trust list", good, "dora@out.example",
                    ("CA", other.read("ca.pem")))
        ca.write("index", b"")
        ca.write("conf", f"[ca]\ndefault_ca=d\n[d]\ndatabase={ca.dir}/index"
                 "\ndefault_md=sha256\ndefault_crl_days=5\n".encode())
        made = ("ca", "-config", ca.path("conf"), "-keyfile",
                ca.path("ca.key"), "-cert", ca.path("ca.pem"))
        crl = kit.openssl(*made, "-gencrl").stdout
        got = kit.inspect("dora@out.example", good, trust, ("CRL", crl))
        assert got.result == kit.OK and got.TRUSTED == 1, got.words
        kit.openssl(*made, "-revoke", ca.path("h.pem"))
        crl = kit.openssl(*made, "-gencrl").stdout
        refused("revoked", good, "dora@out.example", trust, ("CRL", crl))
        got = kit.inspect("dora@out.example", b"-----BEGIN CERTIFICATE-----")
        assert got.result == kit.PROTO and got.words


if __name__ == "__main__":
    ll.main()
