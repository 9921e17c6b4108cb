"""tlskit.py - a certificate authority for TLS servers of the tests.

    with tlskit.Authority() as ca:
        cert, key = ca.issue("mx1.partner.example")       # PEM files
        late = ca.issue("mx1.partner.example", expired=True)
        ca.pem                                            # what trusts it
        tlskit.tlsa(cert)                                 # "3 1 1 ab12..."
"""
import datetime
import hashlib
import ipaddress
import os
import shutil
import ssl
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class Authority:
    def __init__(self, common_name="Test TLS CA"):
        self.dir = tempfile.mkdtemp(prefix="ll-tls-")
        os.chmod(self.dir, 0o755)
        self.count = 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name_of(common_name)
        self.cert = self.build(self.name, self.key.public_key(), self.name,
                               self.key, [], True)
        self.pem = self.write("ca.pem", pem(self.cert))

    def __enter__(self):
        return self

    def __exit__(self, *why):
        shutil.rmtree(self.dir, ignore_errors=True)

    def write(self, name, data):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def build(self, subject, public, issuer, key, names, ca=False,
              expired=False):
        now = datetime.datetime.utcnow()
        end = now - DAY if expired else now + 9 * DAY
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(
            issuer).public_key(public).serial_number(
            x509.random_serial_number()).not_valid_before(
            now - 5 * DAY).not_valid_after(end).add_extension(
            x509.BasicConstraints(ca=ca, path_length=None), True)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(
                [general(n) for n in names]), False)
        return made.sign(key, hashes.SHA256())

    def issue(self, *names, expired=False, self_signed=False):
        """Paths of a certificate (with the CA's behind it) and its key."""
        self.count += 1
        key = ec.generate_private_key(ec.SECP256R1())
        subject = name_of(names[0][:60])
        by, signer = (subject, key) if self_signed else (self.name, self.key)
        cert = self.build(subject, key.public_key(), by, signer, names,
                          expired=expired)
        chain = pem(cert) + (b"" if self_signed else pem(self.cert))
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return (self.write(f"{self.count}.crt", chain),
                self.write(f"{self.count}.key", secret))

    def context(self, *names, **how):
        """An ssl.SSLContext of a server with such a certificate."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*self.issue(*names, **how))
        return made


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


def load(path):
    with open(path, "rb") as f:
        return x509.load_pem_x509_certificate(f.read())


def fingerprint(path):
    """SHA-256 of the (first) certificate in the file, hex."""
    der = load(path).public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).hexdigest()


def tlsa(path, usage=3, selector=1, kind=1):
    """The data of a TLSA record for the certificate in the file."""
    cert = load(path)
    data = cert.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo) if selector else \
        cert.public_bytes(serialization.Encoding.DER)
    made = {0: data, 1: hashlib.sha256(data).digest(),
            2: hashlib.sha512(data).digest()}[kind]
    return f"{usage} {selector} {kind} {made.hex()}"
