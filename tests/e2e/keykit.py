"""keykit.py - people outside: keys of every family, and the programs they read
and write mail with (gpg, rnp, neomutt; openssl cms, gpgsm).

    with keykit.Pgp() as world:
        dora = world.person("dora@out.example", "nistp256")
        dora.public                                  # transferable key
        got = dora.open(mail, "rnp", [ada_public])   # an Opened
        mail = dora.write("ada@in.example", ada_public, "text", tool="gpg")
    with keykit.Smime() as world:
        dora = world.person("dora@out.example", "rsa2048", oaep=True)
        dora.public, dora.open(mail, "openssl"), dora.write(...)
        world.ca.read("ca.pem")                      # what must be trusted

Opened: .mail (what was inside, parsed), .good (a good signature), .signer
(fingerprint, when the program tells), .said (the program's own words).
"""
import base64
import contextlib
import email
import email.policy
import hashlib
import os
import re
import shutil
import subprocess

import ll
import parsekit as kit

PGP_FAMILIES = {
    "ed25519": ("ed25519", "cv25519"),
    "rsa2048": ("rsa2048", "rsa2048"),
    "rsa3072": ("rsa3072", "rsa3072"),
    "rsa4096": ("rsa4096", "rsa4096"),
    "nistp256": ("nistp256", "nistp256"),
    "nistp384": ("nistp384", "nistp384"),
    "nistp521": ("nistp521", "nistp521"),
    "brainpool256": ("brainpoolP256r1", "brainpoolP256r1"),
    "brainpool384": ("brainpoolP384r1", "brainpoolP384r1"),
}
PGP_REFUSED = {
    "dsa2048": ("dsa2048", "elg2048"),
    "rsa1024": ("rsa1024", "rsa1024"),
    "elgamal": ("ed25519", "elg2048"),
}
SMIME_FAMILIES = {
    "rsa2048": ("rsa:2048",),
    "rsa3072": ("rsa:3072",),
    "rsa4096": ("rsa:4096",),
    "p256": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "p384": ("ec", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "p521": ("ec", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "brainpool256": ("ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"),
}
GCM_OID = "300B060960864801650304012E"        # aes256-GCM
OAEP_OID = "300B06092A864886F70D010107"       # id-RSAES-OAEP


def parse(raw):
    return email.message_from_bytes(raw, policy=email.policy.SMTP)


def ciphertext(mail):
    """The armored part of a multipart/encrypted."""
    parts = parse(mail).get_payload()
    assert len(parts) == 2, "not multipart/encrypted"
    return parts[1].get_content()


def entity(text, subject, sender, to, files=()):
    """What is protected: a MIME entity with CRLF lines and protected header
    fields."""
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail["Subject"], mail["From"], mail["To"] = subject, sender, to
    mail.set_content(text)
    for name, data in files:
        mail.add_attachment(data, "application", "octet-stream",
                            filename=name)
    mail.set_param("hp", "cipher")
    return mail.as_bytes()


def outer(sender, to, **fields):
    rows = [f"From: {sender}", f"To: {to}", "Subject: ..."]
    rows += [f"{k.replace('_', '-')}: {v}" for k, v in fields.items()]
    return "\r\n".join(rows) + "\r\n"


class Opened:
    def __init__(self, raw, good, signer, said):
        self.raw, self.mail = raw, parse(raw)
        self.good, self.signer, self.said = good, signer, said

    def text(self):
        return self.mail.get_body(("plain",)).get_content().replace(
            "\r\n", "\n")

    def files(self):
        return {p.get_filename(): p.get_content()
                for p in self.mail.iter_attachments()}


# --- OpenPGP -----------------------------------------------------------------

class Pgp:
    """A gpg home and an rnp home with the same keys."""

    def __init__(self):
        self.ring = kit.Ring()
        self.dir = self.ring.dir
        self.rnp_dir = os.path.join(self.dir, "rnp")
        os.mkdir(self.rnp_dir, 0o700)
        self.known = set()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.ring.__exit__()

    def person(self, address, family="ed25519", name=None, expire="0"):
        kinds = PGP_FAMILIES.get(family) or PGP_REFUSED[family]
        uid = f"{name or address.split('@')[0].capitalize()} <{address}>"
        if kinds[0].startswith("dsa"):
            print_ = self.make_dsa(address)
        else:
            print_ = self.ring.key(uid, *kinds, expire)
        return PgpPerson(self, address, uid, print_)

    def make_dsa(self, address):
        self.ring.gpg("--gen-key", stdin=(
            "%no-protection\nKey-Type: DSA\nKey-Length: 2048\nSubkey-Type: "
            "ELG\nSubkey-Length: 2048\nName-Email: " + address +
            "\nExpire-Date: 0\n%commit\n").encode())
        return self.ring.fingerprint("=" + address)

    def learn(self, key):
        """Both homes know that key from now on."""
        print_ = hashlib.sha256(key).hexdigest()
        if print_ in self.known:
            return
        self.known.add(print_)
        self.ring.gpg("--import", stdin=key)
        path = os.path.join(self.rnp_dir, "in.pgp")
        with open(path, "wb") as f:
            f.write(key)
        self.rnp("rnpkeys", "--import", path)

    def rnp(self, program, *words, check=True):
        done = subprocess.run([program, "--homedir", self.rnp_dir, *words],
                              capture_output=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise ll.Failure(f"{program} {words}: {done.stderr.decode()}")
        return done


class PgpPerson:
    def __init__(self, world, address, uid, print_):
        self.world, self.address = world, address
        self.uid, self.fingerprint = uid, print_
        self.public = world.ring.public(print_)

    def secret(self):
        return self.world.ring.secret(self.fingerprint)

    def open(self, mail, tool="gpg", senders=()):
        """Decrypts and verifies a whole mail with that program."""
        for key in senders:
            self.world.learn(key)
        return getattr(self, "open_" + tool)(mail)

    def open_gpg(self, mail):
        got = self.world.ring.gpg(
            "--status-fd", "2", "--try-secret-key", self.fingerprint,
            "--decrypt", stdin=ciphertext(mail))
        said = got.stderr.decode("utf-8", "replace")
        valid = re.search(r"^\[GNUPG:\] VALIDSIG (\w+)", said, re.M)
        return Opened(got.stdout, "[GNUPG:] GOODSIG" in said,
                      valid.group(1) if valid else "", said)

    def open_rnp(self, mail):
        self.world.learn(self.secret())
        path = os.path.join(self.world.rnp_dir, "m")
        with open(path, "wb") as f:
            f.write(ciphertext(mail))
        got = self.world.rnp("rnp", "--password", "", "--decrypt", path,
                             "--output", "-", check=False)
        said = got.stderr.decode("utf-8", "replace")
        if not got.stdout:
            raise ll.Failure("rnp does not open it: " + said)
        return Opened(got.stdout, "Good signature" in said, "", said)

    def open_neomutt(self, mail):
        """neomutt through gpg, in a terminal: decodes the mail to a file and
        shows what it thinks of the signature."""
        if not shutil.which("neomutt"):
            raise ll.Skip("neomutt is not installed")
        base = os.path.join(self.world.dir, "mutt")
        os.makedirs(base, exist_ok=True)
        for name in ("out", "box"):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(base, name))
        with open(f"{base}/box", "wb") as f:
            f.write(b"From x Thu Jan  1 00:00:00 2026\n" +
                    mail.replace(b"\r\n", b"\n") + b"\n")
        with open(f"{base}/rc", "w", encoding="ascii") as f:
            f.write(f"set mbox_type=mbox folder={base} quit=yes\n"
                    "set crypt_use_gpgme=yes pipe_decode=yes wait_key=no\n"
                    "set crypt_verify_sig=yes sleep_time=0 pager_stop=yes\n"
                    "set charset=utf-8 confirmappend=no\n"
                    "ignore *\nunignore from to subject\n")
        words = ["env", f"GNUPGHOME={self.world.dir}", f"HOME={base}",
                 "LC_ALL=C.UTF-8", "neomutt", "-n", "-F", f"{base}/rc", "-f",
                 f"{base}/box"]
        with ll.Screen(words[1:], program="env") as screen:
            screen.wait(r"Msgs?:1|^.*1 .*\(")
            screen.send("\r")
            screen.wait(r"\[-- The following data is PGP|Could not", 30)
            said = screen.text()
            screen.send(f"|cat >{base}/out\r")
            ll.until(lambda: os.path.exists(f"{base}/out") and
                     os.path.getsize(f"{base}/out"), 15, "neomutt's output")
            screen.send("q")
        with open(f"{base}/out", "rb") as f:
            raw = f.read()
        return Opened(raw, "Good signature from" in said, "", said)

    def write(self, to, key, text="Meet at nine.\n", subject="Plans",
              tool="gpg", sign=True, files=(), protected=True, **fields):
        """A whole mail to the holder of key, encrypted and signed."""
        self.world.learn(key)
        plain = entity(text, subject, self.uid, to, files)
        if tool == "gpg":
            how = ["-s", "-u", self.fingerprint] if sign else []
            got = self.world.ring.gpg("-e", "--armor", "-r", to, *how,
                                      stdin=plain).stdout
        else:
            self.world.learn(self.secret())
            path = os.path.join(self.world.rnp_dir, "m")
            with open(path, "wb") as f:
                f.write(plain)
            how = ["-s", "-u", self.fingerprint] if sign else []
            got = self.world.rnp("rnp", "--password", "", "-e", *how, "-r",
                                 to, "--armor", path, "--output", "-").stdout
        return wrap(got, outer(self.uid, to, **fields))


def wrap(cipher, head):
    """RFC 3156 around armored ciphertext."""
    return (head + 'MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; '
            'protocol="application/pgp-encrypted"; boundary="=-b"\r\n\r\n'
            '--=-b\r\nContent-Type: application/pgp-encrypted\r\n\r\n'
            'Version: 1\r\n\r\n--=-b\r\nContent-Type: '
            'application/octet-stream; name="encrypted.asc"\r\n\r\n'
            ).encode() + cipher.replace(b"\r\n", b"\n").replace(
                b"\n", b"\r\n") + b"\r\n--=-b--\r\n"


def armor(data):
    """A message in ASCII armor (without the checksum, which is optional)."""
    return b"-----BEGIN PGP MESSAGE-----\n\n" + base64.encodebytes(data) + \
        b"-----END PGP MESSAGE-----\n"


# --- S/MIME ------------------------------------------------------------------

class Smime:
    def __init__(self):
        self.ca = kit.Authority()
        self.ring = kit.Ring()
        self.trusted = False

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.ring.__exit__()
        self.ca.__exit__()

    def person(self, address, family="rsa2048", gcm=False, oaep=False, **how):
        able = (GCM_OID if gcm else "") + (OAEP_OID if oaep else "")
        ext = [f"1.2.840.113549.1.9.15=DER:30{len(able) // 2:02X}{able}"] \
            if able else []
        name = f"{address.split('@')[0]}-{family}-{gcm:d}{oaep:d}"
        self.ca.user(name, address, SMIME_FAMILIES[family], ext=ext, **how)
        return SmimePerson(self, address, name)

    def trust(self):
        """gpgsm's home trusts the CA."""
        if self.trusted:
            return
        self.trusted = True
        self.accept(self.ca.read("ca.pem"))

    def accept(self, authority):
        """gpgsm's home trusts that CA, PEM, too."""
        self.ring.run("gpgsm", "--import", stdin=authority)
        shown = kit.openssl("x509", "-noout", "-fingerprint", "-sha1",
                            stdin=authority).stdout.decode()
        with open(self.ring.dir + "/trustlist.txt", "a",
                  encoding="ascii") as f:
            f.write(shown.split("=")[1].strip() + " S relax\n")


class SmimePerson:
    def __init__(self, world, address, name):
        self.world, self.address, self.name = world, address, name
        self.public = world.ca.read(name + ".pem")
        self.in_gpgsm = False

    def path(self, kind):
        return self.world.ca.path(f"{self.name}.{kind}")

    def secret(self):
        """PKCS#8 DER."""
        return kit.openssl("pkcs8", "-topk8", "-nocrypt", "-in",
                           self.path("key"), "-outform", "DER").stdout

    def pkcs12(self, password="x"):
        """As gpgsm and old programs read it."""
        return kit.openssl(
            "pkcs12", "-export", "-inkey", self.path("key"), "-in",
            self.path("pem"), "-passout", "pass:" + password, "-legacy",
            "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES").stdout

    def enter_gpgsm(self):
        if self.in_gpgsm:
            return
        self.in_gpgsm = True
        self.world.trust()
        path = self.world.ca.write("p12", self.pkcs12())
        self.world.ring.run("gpgsm", "--pinentry-mode", "loopback",
                            "--passphrase-fd", "0", "--import", path,
                            stdin=b"x\n", check=False)

    def open(self, mail, tool="openssl", senders=()):
        """senders: for gpgsm their certificates, for openssl more CAs."""
        return getattr(self, "open_" + tool)(mail, senders)

    def open_openssl(self, mail, senders):
        signed = kit.openssl("cms", "-decrypt", "-inkey", self.path("key"),
                             "-recip", self.path("pem"), stdin=mail).stdout
        trusted = self.world.ca.write("trusted.pem", b"".join(
            [self.world.ca.read("ca.pem"), *senders]))
        got = kit.openssl("cms", "-verify", "-CAfile", trusted, "-purpose",
                          "smimesign", stdin=signed, check=False)
        said = got.stderr.decode()
        good = got.returncode == 0
        # openssl gives the signed entity itself
        return Opened(got.stdout, good, "", said)

    def open_gpgsm(self, mail, senders):
        self.enter_gpgsm()
        for cert in senders:
            self.world.ring.run("gpgsm", "--import", stdin=cert)
        path = self.world.ca.write("m", parse(mail).get_content())
        ring = self.world.ring
        signed = ring.run("gpgsm", "--pinentry-mode", "loopback",
                          "--passphrase-fd", "0", "--decrypt", path,
                          stdin=b"x\n").stdout
        content, signature = split_signed(signed)
        got = ring.run("gpgsm", "--status-fd", "2", "--verify",
                       self.world.ca.write("sig", signature),
                       self.world.ca.write("content", content), check=False)
        said = got.stderr.decode("utf-8", "replace")
        return Opened(content, "[GNUPG:] GOODSIG" in said, "", said)

    def write(self, to, cert, text="Meet at nine.\n", subject="Plans",
              tool="openssl", cipher="aes-256-cbc", oaep=False, sign=True,
              files=(), **fields):
        plain = entity(text, subject, self.address, to, files)
        path = self.world.ca.write("to.pem", cert)
        if sign:
            plain = kit.openssl("cms", "-sign", "-signer", self.path("pem"),
                                "-inkey", self.path("key"), "-md", "sha256",
                                "-binary", stdin=plain).stdout
        head = outer(self.address, to, **fields)
        if tool == "openssl":
            more = ("-keyopt", "rsa_padding_mode:oaep") if oaep else ()
            return head.encode() + kit.openssl(
                "cms", "-encrypt", "-" + cipher, "-recip", path, *more,
                stdin=plain).stdout
        self.world.trust()
        ring = self.world.ring
        ring.run("gpgsm", "--import", stdin=cert)
        return (head + "MIME-Version: 1.0\r\nContent-Type: "
                "application/pkcs7-mime; smime-type=enveloped-data; "
                "name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                ).encode() + ring.run(
            "gpgsm", "-e", "--base64", "--cipher-algo", "AES256", "-r", to,
            stdin=plain).stdout.replace(
                b"-----BEGIN ENCRYPTED MESSAGE-----\n", b"").replace(
                b"-----END ENCRYPTED MESSAGE-----\n", b"")


def split_signed(mail):
    """The exact bytes that a multipart/signed covers, and the signature."""
    mark = b"--" + parse(mail).get_boundary().encode()
    first = mail.index(mark) + len(mark)
    first = mail.index(b"\n", first) + 1
    end = mail.index(b"\r\n" + mark, first)
    return mail[first:end], parse(mail).get_payload(1).get_content()
