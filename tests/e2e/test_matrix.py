"""Every family of keys with every program that people outside read and write
mail with, in both directions."""
# limit: 300
import os

import keykit
import ll
import parsekit as kit
from parsekit import PGP, SMIME

TEXT = "Grüße\n.\nFrom here on  \n"
FILE = ("plan ä.bin", "application/octet-stream", bytes(range(256)) * 9)
ADA = "ada@in.example"


def own_pgp():
    made = kit.make(PGP, ADA, "Ada Example")
    assert made.result == kit.OK, made.words
    return made, [[("FORMAT", PGP), ("SECRET", made.SECRET)]]


def own_smime(world):
    """What the house makes: P-256, issued by the organisation's CA."""
    made = kit.make(SMIME, ADA)
    assert made.result == kit.OK, made.words
    cert = world.ca.issue(made.KEY, ADA)
    return cert, [[("FORMAT", SMIME), ("SECRET", made.SECRET), ("KEY", cert)]]


def sealed(form, person, private):
    """A message of ours to that person."""
    sent = kit.seal([(form, person.public)], private, TEXT, "Überweisung",
                    to=(person.address,), files=[FILE])
    assert sent.result == kit.OK, sent.words
    mail = sent.outputs[form]
    assert b"berweisung" not in mail and b"plan" not in mail
    return mail, sent.ALGORITHM["TEXT"][0]


def check_opened(got, tool):
    assert got.good, (tool, got.said)
    if tool == "neomutt":      # it ends a part with line feeds of its own
        assert got.text().rstrip() == TEXT.rstrip(), got.text()
    else:
        assert got.text() == TEXT, (tool, got.text())
        assert got.mail["Subject"] == "Überweisung"
        assert got.files() == {FILE[0]: FILE[2]}, tool


def check_in(got, form, person, signed=True):
    """One of theirs that letterlock-parse opened."""
    assert got.result == kit.OK, got.words
    assert got.outputs[1].decode() == "Meet at nine.\n"
    assert got.outputs[2] == b"\0\1\2"
    assert got.SUBJECT == "Pläne" and got.PROTECTED == 1
    number = got.all("PART")[0]["SIGNED"][0]
    assert bool(number) == signed
    if signed:
        row = got.all("SIGNATURE")[number - 1]
        assert row["RESULT"] == [kit.OK], row
        assert person.address in row["HOLDER"]


def test_openpgp_out():
    """Ours opened by gpg and by rnp (Thunderbird's engine), each family."""
    made, private = own_pgp()
    with keykit.Pgp() as world:
        for family in keykit.PGP_FAMILIES:
            person = world.person(f"{family}@out.example", family)
            seen = kit.inspect(person.address, person.public)
            assert seen.result == kit.OK, (family, seen.words)
            mail, how = sealed(PGP, person, private)
            assert how == "AES-256"
            for tool in ("gpg", "rnp"):
                got = person.open(mail, tool, [made.KEY])
                check_opened(got, f"{tool} {family}")
                assert got.signer in ("", made.FINGERPRINT)


def test_openpgp_in():
    """Theirs, written by gpg and by rnp with each family."""
    made, private = own_pgp()
    with keykit.Pgp() as world:
        for family in keykit.PGP_FAMILIES:
            person = world.person(f"{family}@out.example", family)
            for tool in ("gpg", "rnp"):
                mail = person.write(ADA, made.KEY, subject="Pläne", tool=tool,
                                    files=[("f.bin", b"\0\1\2")])
                got = kit.open_mail(mail, private, [(PGP, person.public)])
                check_in(got, PGP, person)


def test_openpgp_to_own_keys_of_each_family():
    """A staff member may have brought a key of another family."""
    with keykit.Pgp() as world:
        dora = world.person("dora@out.example")
        for family in ("rsa3072", "nistp384", "brainpool256"):
            ada = world.person(ADA, family, family)
            private = [[("FORMAT", PGP), ("SECRET", ada.secret())]]
            mail = sealed(PGP, dora, private)[0]
            got = dora.open(mail, "gpg", [ada.public])
            check_opened(got, family)
            assert got.signer == ada.fingerprint
            for tool in ("gpg", "rnp"):
                mail = dora.write(ada.fingerprint if tool == "gpg" else
                                  ada.fingerprint[-16:], ada.public,
                                  subject="Pläne", tool=tool,
                                  files=[("f.bin", b"\0\1\2")])
                got = kit.open_mail(mail, private, [(PGP, dora.public)])
                check_in(got, PGP, dora)


def test_neomutt():
    made, private = own_pgp()
    with keykit.Pgp() as world:
        for family in ("ed25519", "rsa3072"):
            person = world.person(f"{family}@out.example", family)
            mail, _ = sealed(PGP, person, private)
            check_opened(person.open(mail, "neomutt", [made.KEY]), "neomutt")


def test_openpgp_refused_families():
    _, private = own_pgp()
    with keykit.Pgp() as world:
        for family in keykit.PGP_REFUSED:
            person = world.person(f"{family}@out.example", family)
            seen = kit.inspect(person.address, person.public)
            assert seen.result == kit.DENIED, (family, seen.result)
            assert "weak" in seen.words, seen.words
            sent = kit.seal([(PGP, person.public)], private)
            assert sent.result == kit.DENIED, sent.words


def test_smime_out():
    """Ours opened by openssl cms and gpgsm: CBC for everybody, GCM and OAEP
    where the certificate says that it is understood."""
    with keykit.Smime() as world:
        cert, private = own_smime(world)
        for family in keykit.SMIME_FAMILIES:
            rsa = family.startswith("rsa")
            for gcm, oaep in ((False, False), (True, False), (True, True)):
                if oaep and not rsa:
                    continue
                person = world.person(f"{family}@out.example", family, gcm,
                                      oaep)
                mail, how = sealed(SMIME, person, private)
                assert how == ("AES-256-GCM" if gcm else "AES-256-CBC")
                check_opened(person.open(mail, "openssl"), family)
                if rsa and not gcm:
                    check_opened(person.open(mail, "gpgsm", [cert]),
                                 "gpgsm " + family)


def test_smime_in():
    with keykit.Smime() as world:
        cert, private = own_smime(world)
        rsa = world.person(ADA, "rsa3072")
        rsa_private = [[("FORMAT", SMIME), ("SECRET", rsa.secret()),
                        ("KEY", rsa.public)]]
        trust = ("CA", world.ca.read("ca.pem"))
        for family in keykit.SMIME_FAMILIES:
            person = world.person(f"{family}@out.example", family)
            for key, own, more in (
                    (cert, private, {}), (rsa.public, rsa_private, {}),
                    (rsa.public, rsa_private, {"oaep": True}),
                    (cert, private, {"cipher": "aes-256-gcm"})):
                mail = person.write(ADA, key, subject="Pläne",
                                    files=[("f.bin", b"\0\1\2")], **more)
                check_in(kit.open_mail(mail, own, (), trust), SMIME, person)
        dora = world.person("dora@out.example")
        mail = dora.write(ADA, rsa.public, subject="Pläne", tool="gpgsm",
                          files=[("f.bin", b"\0\1\2")])
        check_in(kit.open_mail(mail, rsa_private, (), trust), SMIME, dora)


def test_one_message_for_all():
    """One job for recipients of both formats: each can open his, and the
    sender his own copy."""
    made, private = own_pgp()
    with keykit.Pgp() as pgp, keykit.Smime() as smime:
        cert, more = own_smime(smime)
        readers = [(PGP, pgp.person(f"p{n}@out.example", f)) for n, f in
                   enumerate(("ed25519", "rsa2048", "nistp384"))]
        readers += [(SMIME, smime.person(f"s{n}@out.example", f)) for n, f in
                    enumerate(("rsa2048", "p256", "p384"))]
        sent = kit.seal([(f, p.public) for f, p in readers] +
                        [(PGP, made.KEY), (SMIME, cert)], private + more,
                        TEXT, "Überweisung", files=[FILE],
                        to=tuple(p.address for _, p in readers))
        assert sent.result == kit.OK, sent.words
        for form, person in readers:
            got = person.open(sent.outputs[form], senders=[made.KEY]
                              if form == PGP else ())
            check_opened(got, person.address)
        for form, own, peer in ((PGP, private, (PGP, made.KEY)),
                                (SMIME, more, (SMIME, cert))):
            got = kit.open_mail(sent.outputs[form], own, [peer])
            assert got.result == kit.OK, got.words
            assert got.outputs[1].decode() == TEXT
            assert got.all("SIGNATURE")[0]["RESULT"] == [kit.OK]


def test_25_mb_to_200():
    """100 OpenPGP and 100 S/MIME recipients: the body is there once for each
    format, and the memory is that of one recipient."""
    made, private = own_pgp()
    file = ("big.bin", "application/octet-stream", os.urandom(25 << 20))
    with keykit.Pgp() as pgp, keykit.Smime() as smime:
        cert, more = own_smime(smime)
        dora = pgp.person("dora@out.example")
        emil = smime.person("emil@out.example", "p256")
        many = [(PGP, kit.make(PGP, f"p{n}@out.example").KEY)
                for n in range(9)] * 11
        many += [(SMIME, smime.person("s@out.example", "p256").public)
                 for n in range(9)] * 11
        peaks = []
        for others in ([], many):
            sent = kit.seal([(PGP, dora.public), (SMIME, emil.public)] +
                            others, private + more, TEXT, files=[file],
                            to=("dora@out.example", "emil@out.example"))
            assert sent.result == kit.OK, sent.words
            for form in (PGP, SMIME):
                # base64 in base64 and what each recipient adds
                assert len(sent.outputs[form]) < 50 << 20
            peaks.append(kit.peak["kib"])
        for form, person in ((PGP, dora), (SMIME, emil)):
            got = person.open(sent.outputs[form], senders=[made.KEY]
                              if form == PGP else ())
            assert got.good and got.files() == {file[0]: file[2]}
        if not ll.SANITIZED:
            assert peaks[1] < 110 << 10, peaks
            assert peaks[1] < peaks[0] + (6 << 10), peaks


if __name__ == "__main__":
    ll.main()
