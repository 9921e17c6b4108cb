"""mta.py - a real Postfix on a loopback port, with a spool of its own.

    with mta.Postfix() as post:
        house = ll.House(relay=post.relay, config=post.config)
        mail = post.wait_mail("bob@out.example")

Mail for *.example is put into one Maildir; what a test says in `access` is
answered by the smtpd as given ("REJECT no such person").  One among several,
as the world sees it (see nets.py, tlskit.py, dnskit.py):

    mta.Postfix(name="mx1.partner.example", domains=["partner.example"],
                address=nets.address(25), port=25,
                cert=ca.issue("mx1.partner.example"))

more: lines for main.cf.  .address and .port are where it listens.
"""
import contextlib
import email
import email.policy
import grp
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import ll

MASTER = "/usr/lib/postfix/sbin/master"
QUEUES = ("active bounce corrupt defer deferred flush hold incoming private "
          "maildrop public saved trace pid").split()

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {spool}
data_directory = {data}
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {name}
mydestination =
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
    check_recipient_access texthash:{access}, permit_mynetworks, reject
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {mail}
virtual_mailbox_maps = static:all/
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_transport = virtual
maillog_file = {log}
maillog_file_prefixes = {base}
smtpd_tls_security_level = {tls}
smtpd_tls_cert_file = {cert}
smtpd_tls_key_file = {key}
smtpd_peername_lookup = no
anvil_rate_time_unit = 1s
{more}
"""

MASTER_CF = """
{address}:{port} inet n - n - - smtpd
{smtps}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

SMTPS = ("{address}:{port} inet n - n - - smtpd\n"
         "    -o smtpd_tls_wrappermode=yes")


def certificate(folder, name="127.0.0.1"):
    """A certificate for name (also its own authority): paths of both."""
    cert, key = os.path.join(folder, "mx.crt"), os.path.join(folder, "mx.key")
    ll.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            f"/CN={name}", "-addext", f"subjectAltName=DNS:localhost,IP:{name}",
            "-keyout", key, "-out", cert])
    return cert, key


class Postfix:
    def __init__(self, tls=False, access=None, name="mx.out.example",
                 domains=("out.example", "house.example", "other.example"),
                 address="127.0.0.1", port=None, cert=None, more=""):
        if os.getuid() != 0:
            raise ll.Skip("Postfix starts as root only")
        if not os.path.exists(MASTER):
            raise ll.Skip("Postfix is not installed")
        self.base = tempfile.mkdtemp(prefix="ll-postfix-")
        os.chmod(self.base, 0o755)
        self.name, self.domains, self.more = name, domains, more
        self.address = address
        self.port, self.smtps_port = port or ll.free_port(), ll.free_port()
        self.mail = self.folder("mail", "postfix")
        self.spool = self.folder("spool", "root")
        self.log = os.path.join(self.base, "log")
        self.cert, self.key = cert or ("", "")
        if tls and not cert:
            self.cert, self.key = certificate(self.base)
        self.set_access(access or {})
        self.write_files("may" if self.cert else "none")
        for name in QUEUES:
            self.folder("spool/" + name,
                        "root" if name == "pid" else "postfix")
        for name in ("maildrop", "public"):
            path = os.path.join(self.spool, name)
            os.chown(path, -1, grp.getgrnam("postdrop").gr_gid)
            os.chmod(path, 0o730 if name == "maildrop" else 0o710)
        self.folder("data", "postfix")
        self.relay = f"smtp://{address}:{self.port}"
        self.smtps = f"smtps://{address}:{self.smtps_port}"
        self.start()

    def folder(self, name, owner):
        path = os.path.join(self.base, name)
        os.mkdir(path, 0o700 if owner != "root" else 0o755)
        os.chown(path, pwd.getpwnam(owner).pw_uid, -1)
        return path

    def write_files(self, tls):
        who = pwd.getpwnam("postfix")
        self.config_dir = os.path.join(self.base, "etc")
        os.mkdir(self.config_dir, 0o755)
        self.write("etc/main.cf", MAIN_CF.format(
            spool=self.spool, data=self.base + "/data", mail=self.mail,
            access=self.access, uid=who.pw_uid, gid=who.pw_gid,
            log=self.log, base=self.base, tls=tls, cert=self.cert,
            key=self.key, address=self.address, name=self.name,
            domains=", ".join(self.domains), more=self.more))
        smtps = SMTPS.format(address=self.address, port=self.smtps_port) \
            if self.cert else ""
        self.write("etc/master.cf", MASTER_CF.format(
            address=self.address, port=self.port, smtps=smtps))

    def write(self, name, text):
        path = os.path.join(self.base, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def set_access(self, rows):
        """{address: "REJECT words"}; a running Postfix notices."""
        self.access = self.write("access", "".join(
            f"{address} {words}\n" for address, words in rows.items()))

    def start(self):
        self.master = subprocess.Popen(
            [MASTER, "-c", self.config_dir, "-d"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)

        def serving():
            import socket
            with contextlib.suppress(OSError):
                with socket.create_connection((self.address, self.port),
                                              2) as s:
                    return s.recv(100).startswith(b"220")
            return False
        ll.until(serving, 20, "Postfix's greeting")

    def stop(self):
        self.master.send_signal(signal.SIGTERM)
        try:
            self.master.wait(10)
        except subprocess.TimeoutExpired:
            self.master.kill()
            self.master.wait()

    def mails(self, address):
        """What came for address, oldest first."""
        folder = os.path.join(self.mail, "all", "new")
        found = []
        for entry in os.listdir(folder) if os.path.isdir(folder) else []:
            path = os.path.join(folder, entry)
            with open(path, "rb") as f:
                mail = email.message_from_binary_file(
                    f, policy=email.policy.default)
            if address in str(mail["Delivered-To"]):
                found.append((os.stat(path).st_mtime_ns, entry, mail))
        return [row[2] for row in sorted(found, key=lambda r: r[:2])]

    def wait_mail(self, address, count=1, secs=30):
        return ll.until(lambda: (self.mails(address) if len(
            self.mails(address)) >= count else None), secs,
            f"{count} mail(s) for {address}")[-1]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and os.path.exists(self.log):
            with open(self.log, encoding="utf-8", errors="replace") as f:
                print("# " + f.read()[-3000:].replace("\n", "\n# "))
        self.stop()
        shutil.rmtree(self.base, ignore_errors=True)
