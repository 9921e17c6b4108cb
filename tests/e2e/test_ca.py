"""The organisation's CA and the keys of the house: the local command's ca and
key verbs, checked with openssl and gpgsm."""
# limit: 240
import contextlib
import json
import os
import sqlite3
import stat

import ll
import parsekit as kit
from parsekit import PGP


def refused(house, code, part, *words, stdin=None):
    got = house.admin(*words, check=False, stdin=stdin)
    assert got.code == code, (got.code, got.err)
    assert not got.out, got.out
    lines = got.err.strip().splitlines()
    assert len(lines) == 1 and part in lines[0], got.err
    return got


def split(text):
    """Certificate and list of `ca export`."""
    at = text.index("-----BEGIN X509 CRL")
    return text[:at].encode(), text[at:].encode()


def save(house, name, data):
    return house.write(name, data if isinstance(data, str) else
                       data.decode())


def keys_of(house, user):
    """MAILKEY rows as the store has them: certificates, DER."""
    path = house.data + "/db/letterlock.db"
    with contextlib.closing(sqlite3.connect(
            f"file:{path}?immutable=1", uri=True)) as db:
        return db.execute(
            "SELECT format, certificate, certificate_until FROM mail_keys k"
            " JOIN users u ON u.user = k.user WHERE login = ?",
            (user,)).fetchall()


def certificate(house, user):
    """With no server running."""
    return [c for f, c, _ in keys_of(house, user) if f == 2][0]


def test_a_ca_from_beginning_to_end():
    with ll.House(start=False) as house:
        refused(house, 3, "ca init", "ca", "issue", "ada")
        refused(house, 3, "ca init", "ca", "export")
        made = house.admin_json("ca", "init")
        assert "House of Tests" in made["name"], made
        assert stat.S_IMODE(os.stat(house.data + "/ca.key").st_mode) == 0o400
        with open(house.data + "/ca.key", "rb") as f:
            assert f.read(1) == b"\1"
        refused(house, 1, "there is a CA already", "ca", "init")
        refused(house, 3, "no user", "ca", "issue", "ada")
        house.add_user("ada")
        house.add_user("bob")
        got = house.admin_json("ca", "issue", "ada")
        assert got["user"] == "ada" and got["email"] == "ada@house.example"
        assert certificate(house, "bob") is None
        der = certificate(house, "ada")
        ada = save(house, "ada.pem", kit.openssl(
            "x509", "-inform", "DER", stdin=der).stdout)
        cert, crl = split(house.admin("ca", "export").out)
        top = save(house, "ca.pem", cert)
        lst = save(house, "ca.crl", crl)
        kit.openssl("verify", "-x509_strict", "-purpose", "smimesign",
                    "-CAfile", top, "-CRLfile", lst, "-crl_check", ada)
        text = kit.openssl("x509", "-noout", "-text", "-in", ada).stdout
        text = text.decode()
        for part in ("email:ada@house.example", "E-mail Protection",
                     "Digital Signature, Key Agreement", "CA:FALSE",
                     "S/MIME Capabilities"):
            assert part in text, (part, text)
        print_ = kit.openssl("x509", "-noout", "-fingerprint", "-sha256",
                             "-in", ada).stdout.decode()
        assert got["fingerprint"] == print_.split("=")[1].strip().replace(
            ":", "")
        # taken back
        refused(house, 3, "could be revoked", "ca", "revoke", "bob")
        assert house.admin_json("ca", "revoke", "ada") == {
            "user": "ada", "revoked": 1}
        refused(house, 3, "could be revoked", "ca", "revoke", "ada")
        lst = save(house, "ca2.crl", split(house.admin("ca", "export").out)[1])
        bad = kit.openssl("verify", "-CAfile", top, "-CRLfile", lst,
                          "-crl_check", ada, check=False)
        assert b"revoked" in bad.stderr, bad
        # and another one given
        house.admin("ca", "issue", "ada")
        again = save(house, "ada2.pem", kit.openssl(
            "x509", "-inform", "DER", stdin=certificate(
                house, "ada")).stdout)
        kit.openssl("verify", "-CAfile", top, "-CRLfile", lst, "-crl_check",
                    again)
        listed = house.admin_json("ca", "list")
        assert [(i["user"], i["revoked"] is not None)
                for i in listed["issued"]] == [("ada", True), ("ada", False)]
        text = house.admin("ca", "list").out
        assert text.count("issued until") == 2 and "revoked" in text, text
        rows = listed["authorities"]
        assert len(rows) == 1 and rows[0]["own"] and rows[0]["crl_until"]
        assert rows[0]["fingerprint"] == made["fingerprint"]


def test_the_key_of_a_lost_vault_gets_no_certificate():
    with ll.House(start=False) as house:
        house.admin("ca", "init")
        house.add_user("ada")
        house.admin("ca", "issue", "ada")
        path = house.data + "/db/letterlock.db"
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE users SET generation = 2")
        refused(house, 1, "no S/MIME key yet", "ca", "issue", "ada")
        house.invite("bob")
        refused(house, 1, "no S/MIME key yet", "ca", "issue", "bob")


def test_gpgsm_takes_our_certificates():
    with ll.House(start=False) as house, kit.Ring() as ring:
        house.admin("ca", "init")
        house.add_user("ada")
        house.admin("ca", "issue", "ada")
        cert, crl = split(house.admin("ca", "export").out)
        ring.run("gpgsm", "--import", stdin=cert)
        print_ = kit.openssl("x509", "-noout", "-fingerprint", "-sha1",
                             stdin=cert).stdout.decode().split("=")[1].strip()
        with open(ring.dir + "/trustlist.txt", "w", encoding="ascii") as f:
            f.write(print_ + " S\n")
        # GnuPG 2.2 can't encrypt to curves; it checks them and signatures.
        pem = kit.openssl("x509", "-inform", "DER",
                          stdin=certificate(house, "ada")).stdout
        ring.run("gpgsm", "--import", stdin=pem)
        got = ring.run("gpgsm", "--list-keys", "--with-validation",
                       "ada@house.example").stdout.decode()
        assert "certificate is good" in got, got


def test_other_cas_and_their_lists():
    with ll.House(start=False) as house, kit.Authority() as ca:
        ca.user("dora", "dora@out.example")
        refused(house, 1, "no CA's certificate", "ca", "trust",
                ca.path("dora.pem"))
        refused(house, 2, "expected a certificate", "ca", "trust",
                save(house, "x", "nothing\n"))
        refused(house, 1, "No such file", "ca", "trust", house.base + "/none")
        got = house.admin_json("ca", "trust", ca.path("ca.pem"))
        assert len(got["authorities"]) == 1
        print_ = got["authorities"][0]["fingerprint"]
        assert "Test CA" in got["authorities"][0]["name"]
        # its revocation list
        ca.write("index.txt", b"")
        ca.write("crlnumber", b"01\n")
        ca.write("ca.cnf", f"[ca]\ndefault_ca=d\n[d]\ndatabase="
                 f"{ca.path('index.txt')}\ncrlnumber={ca.path('crlnumber')}"
                 "\ndefault_md=sha256\ndefault_crl_days=9\n".encode())

        def crl(*words):
            return kit.openssl("ca", "-config", ca.path("ca.cnf"), "-gencrl",
                               "-keyfile", ca.path("ca.key"), "-cert",
                               ca.path("ca.pem"), *words).stdout
        old = ca.write("old.crl", crl("-crl_lastupdate", "20200101000000Z",
                                      "-crl_nextupdate", "20500101000000Z"))
        past = ca.write("past.crl", crl("-crl_lastupdate", "20200101000000Z",
                                        "-crl_nextupdate",
                                        "20210101000000Z"))
        refused(house, 1, "out of date", "ca", "crl", past)
        house.admin("ca", "crl", old)
        kit.openssl("ca", "-config", ca.path("ca.cnf"), "-revoke",
                    ca.path("dora.pem"), "-keyfile", ca.path("ca.key"),
                    "-cert", ca.path("ca.pem"))
        got = house.admin_json("ca", "crl", ca.write("new.crl", crl()))
        assert got["fingerprint"] == print_
        refused(house, 1, "older", "ca", "crl", old)
        refused(house, 2, "expected a revocation list", "ca", "crl",
                ca.path("ca.pem"))
        with kit.Authority() as other:
            ca.write("index.txt", b"")
            got = kit.openssl("ca", "-config", ca.path("ca.cnf"), "-gencrl",
                              "-keyfile", other.path("ca.key"), "-cert",
                              other.path("ca.pem")).stdout
            refused(house, 3, "no CA that is trusted", "ca", "crl",
                    other.write("o.crl", got))
        # What it says counts: a revoked one is no key for anybody.
        refused(house, 1, "revoked by its issuer", "key", "add", "--for",
                "dora@out.example", ca.path("dora.pem"))
        ca.user("eva", "eva@out.example")
        got = house.admin_json("key", "add", "--for", "eva@out.example",
                               ca.path("eva.pem"))
        assert got["keys"][0]["trusted"] is True
        refused(house, 3, "no CA here", "ca", "remove", "00112233")
        assert house.admin_json("ca", "remove",
                                print_[:10].lower())["fingerprint"] == print_
        assert house.admin_json("ca", "list") == {"authorities": [],
                                                  "issued": []}


def test_the_houses_keys():
    with ll.House() as house, kit.Ring() as ring, kit.Authority() as ca:
        print_ = ring.key("Dora <dora@out.example>")
        key = ring.gpg("--export", "--armor", print_).stdout
        got = house.admin_json("key", "add", "--for", "dora@out.example",
                               save(house, "dora.asc", key))
        assert got["address"] == "dora@out.example"
        assert got["keys"][0]["fingerprint"] == print_
        assert got["keys"][0]["added"] is True
        refused(house, 1, "user ids", "key", "add", "--for",
                "eve@out.example", house.base + "/dora.asc")
        refused(house, 2, "--for", "key", "add", house.base + "/dora.asc")
        refused(house, 1, "no OpenPGP key", "key", "add", "--for",
                "dora@out.example", "-", stdin=b"nonsense")
        refused(house, 2, "--for: ", "key", "add", "--for", "a b@c.example")
        # a domain's, with and without the sign
        gate = ring.key("Gate <gate@partner.example>")
        key = ring.gpg("--export", gate).stdout
        for name in ("@partner.example", "Partner.Example"):
            got = house.admin("key", "add", "--for", name, "--json",
                              stdin=key)
            assert json.loads(got.out)["address"] == "@partner.example"
        # a certificate that no CA here stands behind
        ca.user("bo", "bo@other.example")
        got = house.admin_json("key", "add", "--for", "bo@other.example",
                               ca.path("bo.pem"))
        assert got["keys"][0]["trusted"] is False
        rows = house.admin_json("key", "list")["keys"]
        assert sorted(r["address"] for r in rows) == [
            "@partner.example", "bo@other.example", "dora@out.example"]
        rows = house.admin_json("key", "list", "--for",
                                "dora@out.example")["keys"]
        assert [r["fingerprint"] for r in rows] == [print_]
        assert "dora@out.example" in house.admin("key", "list").out
        got = house.admin_json("key", "remove", print_[:12])
        assert [r["fingerprint"] for r in got["removed"]] == [print_], got
        refused(house, 3, "", "key", "remove", print_)
        assert len(house.admin_json("key", "list")["keys"]) == 2
        assert kit.inspect("dora@out.example", ring.public(
            print_)).FORMAT == PGP


def test_a_restored_house_issues_as_before():
    with ll.House(start=False) as house:
        house.admin("ca", "init")
        house.add_user("ada")
        house.admin("ca", "issue", "ada")
        before = house.admin_json("ca", "list")
        house.admin("backup", house.base + "/copy")
        os.rename(house.data, house.base + "/lost")
        house.admin("restore", house.base + "/copy")
        assert house.admin_json("ca", "list") == before
        house.admin("ca", "revoke", "ada")
        house.admin("ca", "issue", "ada")
        # with another root secret the key does not open
        os.rename(house.data + "/root.key", house.data + "/root.old")
        with open(house.data + "/root.key", "w", encoding="ascii") as f:
            f.write("0000-" * 12 + "0000\n")
        os.chmod(house.data + "/root.key", 0o400)
        refused(house, 1, "not sealed under", "ca", "issue", "ada")


def test_usage():
    with ll.House(start=False) as house:
        for words in (["ca"], ["ca", "nothing"], ["ca", "init", "more"],
                      ["ca", "issue"], ["key"], ["key", "nothing"],
                      ["key", "remove"], ["key", "list", "more"]):
            got = house.admin(*words, check=False)
            assert got.code == 2 and "ca issue NAME" in got.err, words


if __name__ == "__main__":
    ll.main()
