"""parsekit.py - drives letterlock-parse as its callers do (keys/parse.h), and
keeps the peers' key rings (gpg, gpgsm, openssl) in directories of their own."""
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time

import ll

MAKE, INSPECT, SEAL, OPEN, IMPORT = 1, 2, 3, 4, 5
PGP, SMIME, PLAIN = 1, 2, 3
SIGNER, ATTACHED, AUTOCRYPT = 1, 2, 3
OK, PROTO, TOOBIG, DENIED, NOTFOUND, CONFLICT, AUTH, LOCKED, USAGE = \
    0, 4, 5, 6, 7, 8, 9, 15, 16
TAGS = {name: n for n, name in [
    (1, "JOB"), (3, "FORMAT"), (4, "ADDRESS"), (5, "NAME"), (6, "SECRET"),
    (7, "KEY"), (8, "FINGERPRINT"), (9, "ALGORITHM"), (10, "BITS"),
    (11, "CREATED"), (12, "EXPIRES"), (13, "HOLDER"), (14, "TRUSTED"),
    (15, "CA"), (16, "CRL"), (17, "EXTRA"), (18, "PRIVATE"), (19, "RESULT"),
    (20, "WORDS"), (21, "FROM"), (22, "TO"), (23, "CC"), (24, "SUBJECT"),
    (25, "DATE"), (26, "MESSAGE_ID"), (27, "IN_REPLY_TO"),
    (28, "REFERENCES"), (29, "ITEM"), (30, "TYPE"), (31, "RECIPIENT"),
    (32, "AUTOCRYPT"), (33, "TEXT"), (34, "BYTES"), (35, "PEER"),
    (36, "ENCRYPTED"), (37, "WARNING"), (38, "PROTECTED"), (39, "SIGNATURE"),
    (40, "PART"), (41, "WHAT"), (42, "DEPTH"), (43, "SIGNED"),
    (44, "KEYS"), (45, "FOUND"), (46, "SOURCE"), (47, "REPORT"),
    (48, "REPORTED"), (49, "PASSWORD"), (50, "REPLY_TO"), (51, "WEAK"),
    (52, "REVOKED"), (53, "SENDER")]}
NAMES = {n: name for name, n in TAGS.items()}
NUMBERS = {"JOB", "FORMAT", "BITS", "CREATED", "EXPIRES", "TRUSTED", "RESULT",
           "DATE", "AUTOCRYPT", "BYTES", "PROTECTED", "WHAT", "DEPTH",
           "SIGNED", "SOURCE", "WEAK", "REVOKED"}
BINARY = {"SECRET", "KEY", "CA", "CRL", "EXTRA"}
NESTS = {"SIGNATURE", "PART", "KEYS", "FOUND", "REPORT", "REPORTED"}


def encode(*pairs):
    """Pairs (name, value); a list as value is a nest."""
    out = b""
    for name, value in pairs:
        if isinstance(value, list):
            value = encode(*value)
        elif isinstance(value, int):
            value = struct.pack(">Q", value)
        elif isinstance(value, str):
            value = value.encode() + b"\0"
        out += struct.pack(">BI", TAGS[name], len(value)) + value
    return out


def decode(data, nested=False):
    """Name -> list of values."""
    found, at = {}, 0
    while at < len(data):
        tag, size = struct.unpack_from(">BI", data, at)
        value = data[at + 5:at + 5 + size]
        assert len(value) == size, "a truncated field"
        at += 5 + size
        name = NAMES[tag]
        if name in NUMBERS:
            value = struct.unpack(">Q", value)[0]
        elif name in NESTS or (name == "ALGORITHM" and b"\0\0\0" in value):
            value = decode(value, True)
        elif name not in BINARY:
            assert value.endswith(b"\0"), name
            value = value[:-1].decode()
        found.setdefault(name, []).append(value)
    return found


class Answer:
    def __init__(self, fields, outputs):
        self.fields, self.outputs = fields, outputs
        self.result = fields["RESULT"][0]
        self.words = fields.get("WORDS", [""])[0]

    def __getattr__(self, name):
        return self.fields.get(name, [None])[0]

    def all(self, name):
        return self.fields.get(name, [])


def chunk(kind, data=b""):
    parts = [data[i:i + 65536] for i in range(0, len(data), 65536)] or [b""]
    return b"".join(kind + struct.pack(">I", len(p)) + p for p in parts)


peak = {"kib": 0}     # most memory of the letterlock-parse that ran last


def memory_of(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith("VmHWM"):
                    peak["kib"] = int(line.split()[1])
    except OSError:
        pass


def raw(stream, timeout=60):
    """The bytes that come back for those that go in, and the exit code."""
    ours, theirs = socket.socketpair()
    with subprocess.Popen([os.path.join(ll.BUILD, "letterlock-parse")],
                          stdin=theirs, stdout=theirs,
                          stderr=subprocess.PIPE, env=ll.ENV) as p:
        theirs.close()
        ours.settimeout(timeout)
        got = bytearray()
        try:
            ours.sendall(stream)
            ours.shutdown(socket.SHUT_WR)
            while True:
                more = ours.recv(1 << 20)
                memory_of(p.pid)
                if not more:
                    break
                got += more
        except (BrokenPipeError, ConnectionResetError):
            pass
        ours.close()
        err = p.stderr.read().decode()
        code = p.wait(timeout)
    if code == 1 and "OpenSSL is older than" in err:
        raise ll.Skip(err.strip())
    return bytes(got), code, err


def job_bytes(kind, fields, items=()):
    """One job as it goes onto the wire, the keys before it left out."""
    stream = chunk(b"J", encode(("JOB", kind), *fields))
    for n, data in enumerate(items):
        stream += chunk(b"B", struct.pack(">I", n)) + chunk(b"D", data)
    return stream + chunk(b"E")


def keys_bytes(private):
    return chunk(b"K", encode(*[("PRIVATE", list(p)) for p in private]))


def answers(got):
    """Every Answer in what came back."""
    found, outputs, fields, at, n = [], {}, b"", 0, None
    while at < len(got):
        what, size = struct.unpack_from(">cI", got, at)
        data = got[at + 5:at + 5 + size]
        at += 5 + size
        if what == b"B":
            n = struct.unpack(">I", data)[0]
            outputs[n] = []
        elif what == b"D":
            outputs[n].append(data)
        elif what == b"R":
            fields += data
        else:
            found.append(Answer(decode(fields), {
                k: b"".join(v) for k, v in outputs.items()}))
            outputs, fields = {}, b""
    assert at == len(got) and not outputs and not fields
    return found


def job(kind, fields, items=(), private=()):
    """Runs one job; its Answer."""
    got, code, err = raw(keys_bytes(private) + job_bytes(kind, fields, items))
    assert code == 0, f"letterlock-parse ended with {code}: {err}"
    found = answers(got)
    assert len(found) == 1
    return found[0]


def make(form, address, name=None):
    return job(MAKE, [("FORMAT", form), ("ADDRESS", address)] +
               ([("NAME", name)] if name else []))


def inspect(address, key, *more):
    return job(INSPECT, [("ADDRESS", address), ("KEY", key), *more])


def import_key(data, password, address="ada@in.example"):
    return job(IMPORT, [("ADDRESS", address)] +
               ([("PASSWORD", password.encode())] if password is not None
                else []), [data])


def person(address, name=None):
    return [("ADDRESS", address)] + ([("NAME", name)] if name else [])


def seal_job(recipients, text="Hello\n", subject="Minutes of Monday",
             sender=("ada@in.example", "Ada Example"),
             to=("dora@out.example",), files=(), **more):
    """Fields and items of a SEAL; recipients: (FORMAT, key)."""
    fields = [("FROM", person(*sender))]
    fields += [("TO", person(*(t if isinstance(t, tuple) else (t,))))
               for t in to]
    fields += [("SUBJECT", subject), ("DATE", 1800000000),
               ("MESSAGE_ID", more.pop("message_id", "<one@in.example>"))]
    fields += [("ITEM", [("NAME", f[0]), ("TYPE", f[1])]) for f in files]
    fields += [("RECIPIENT", [("FORMAT", f), ("KEY", k)])
               for f, k in recipients]
    fields += [(k.upper().rstrip("_"), v) for k, v in more.items()]
    return fields, [text.encode() if isinstance(text, str) else text,
                    *[f[2] for f in files]]


def seal(recipients, private, *words, **more):
    """As seal_job, and runs it with those PRIVATE nests."""
    return job(SEAL, *seal_job(recipients, *words, **more), private)


def open_mail(mail, private=(), peers=(), *fields):
    return job(OPEN, [("PEER", [("FORMAT", f), ("KEY", k)])
                      for f, k in peers] + list(fields), [mail], private)


class Ring:
    """A gpg or gpgsm home, with its agent ended afterwards."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="ll-ring-")
        os.chmod(self.dir, 0o700)
        with open(self.dir + "/gpgsm.conf", "w") as f:
            f.write("disable-crl-checks\ndisable-dirmngr\n")
        with open(self.dir + "/gpg-agent.conf", "w") as f:
            f.write("allow-loopback-pinentry\nmax-cache-ttl 1\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["gpgconf", "--homedir", self.dir, "--kill", "all"],
                       check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, program, *words, stdin=b"", check=True):
        p = subprocess.run([program, "--homedir", self.dir, "--batch", "--yes",
                            *words], input=stdin, capture_output=True,
                           check=False, timeout=90)
        if check and p.returncode != 0:
            raise ll.Failure(f"{program} {words}: {p.stderr.decode()}")
        return p

    def gpg(self, *words, stdin=b"", check=True):
        return self.run("gpg", "--pinentry-mode", "loopback", "--passphrase",
                        "", "--trust-model", "always", *words, stdin=stdin,
                        check=check)

    def key(self, uid, kind="ed25519", sub="cv25519", expire="0", *more):
        """Makes a key; its fingerprint."""
        self.gpg(*more, "--quick-gen-key", uid, kind, "cert,sign", expire)
        print_ = self.fingerprint("=" + uid)
        if sub:
            self.gpg(*more, "--quick-add-key", print_, sub, "encrypt", expire)
        return print_

    def fingerprint(self, uid):
        out = self.gpg("--with-colons", "--list-keys", uid).stdout.decode()
        return [line.split(":")[9] for line in out.splitlines()
                if line.startswith("fpr")][0]

    def public(self, uid, *more):
        return self.gpg(*more, "--export", uid).stdout

    def secret(self, uid):
        return self.gpg("--export-secret-keys", uid).stdout


def openssl(*words, stdin=b"", check=True):
    p = subprocess.run(["openssl", *words], input=stdin, capture_output=True,
                       check=False, timeout=60)
    if check and p.returncode != 0:
        raise ll.Failure(f"openssl {words}: {p.stderr.decode()}")
    return p


class Authority:
    """An organisation's CA with openssl, and what it issues."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="ll-ca-")
        self.serial = int(time.time())
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                self.path("ca.key"), "-out", self.path("ca.pem"), "-days",
                "30", "-subj", "/CN=Test CA", "-addext",
                "keyUsage=critical,keyCertSign,cRLSign", "-addext",
                "basicConstraints=critical,CA:true")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def issue(self, csr, email=None, days=30, ext=(), md="-sha256", **kw):
        """Signs a DER or PEM request; the certificate as PEM."""
        self.serial += 1
        form = "PEM" if csr.startswith(b"-----") else "DER"
        text = ["basicConstraints=CA:false", "subjectKeyIdentifier=hash",
                "authorityKeyIdentifier=keyid",
                "keyUsage=critical," + kw.get(
                    "usage", "digitalSignature,keyEncipherment,keyAgreement"),
                "extendedKeyUsage=" + kw.get("extended", "emailProtection"),
                *([f"subjectAltName=email:{email}"] if email else []), *ext]
        return openssl(
            "x509", "-req", "-inform", form, "-in",
            self.write("in.csr", csr), "-CA", self.path("ca.pem"), "-CAkey",
            self.path("ca.key"), "-set_serial", str(self.serial), "-days",
            str(days), md, "-extfile",
            self.write("ext", "\n".join(text).encode())).stdout

    def user(self, name, email, kind=("rsa:2048",), **kw):
        """A key (PEM) and a certificate of a peer, files NAME.key/.pem."""
        csr = openssl("req", "-new", "-newkey", *kind, "-nodes", "-keyout",
                      self.path(name + ".key"), "-subj",
                      f"/CN={name}").stdout
        self.write(name + ".pem", self.issue(csr, email, **kw))
        return self.read(name + ".key"), self.read(name + ".pem")
