"""peers.py - what a user would run instead, started by the benchmarks in the
same run: OpenSSH's sshd with neomutt, Postfix, nginx.  Each listens on the
loopback, has its own configuration in a temporary directory, and ends with
its `with` block."""
import contextlib
import email.utils
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import ll

CURVE = ["-o", "KexAlgorithms=curve25519-sha256",
         "-o", "Ciphers=aes256-gcm@openssh.com"]


def need(*programs):
    """Skips the measure when one of the peer's programs is not there."""
    for program in programs:
        if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
            raise ll.Skip(f"{program} is not installed")


class Sshd:
    """An sshd of our own; whoever logs in is the user running the bench."""

    def __init__(self, command=None, sftp=None):
        need("sshd")
        self.base = tempfile.mkdtemp(prefix="ll-sshd-")
        self.port = ll.free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.key = os.path.join(self.base, "id")
        host = os.path.join(self.base, "host")
        for path in (self.key, host):
            ll.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path])
        shutil.copy(self.key + ".pub", os.path.join(self.base, "authorized"))
        lines = [f"ListenAddress 127.0.0.1:{self.port}", f"HostKey {host}",
                 f"AuthorizedKeysFile {self.base}/authorized",
                 f"PidFile {self.base}/pid", "UsePAM no", "StrictModes no",
                 "PasswordAuthentication no", "PermitRootLogin yes",
                 "PrintMotd no", "PrintLastLog no", "MaxStartups 1000",
                 "MaxSessions 1000", "PermitUserEnvironment no"]
        if sftp:
            lines.append(f"Subsystem sftp {sftp}")
        if command:
            lines.append(f"ForceCommand {command}")
        config = os.path.join(self.base, "sshd_config")
        with open(config, "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")
        os.makedirs("/run/sshd", exist_ok=True)
        self.daemon = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-f", config, "-E",
             os.path.join(self.base, "log")])
        ll.until(lambda: connects(self.port), 10, "sshd listening")

    def words(self, *options):
        return ["-F", "/dev/null", "-p", str(self.port), "-i", self.key,
                "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
                "-o", "UserKnownHostsFile=/dev/null",
                "-o", "IdentitiesOnly=yes", *CURVE, *options,
                f"{self.user}@127.0.0.1"]

    def __enter__(self):
        return self

    def __exit__(self, *why):
        for p in ll.descendants(self.daemon.pid):
            p.kill()
        self.daemon.kill()
        self.daemon.wait()
        shutil.rmtree(self.base, ignore_errors=True)


def connects(port):
    import socket
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def maildir(path, count, body_bytes=1000):
    """A Maildir with count unread messages, as a mail server leaves them."""
    for part in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, part))
    text = ("The quick brown fox jumps over the lazy dog.\n"
            * (body_bytes // 45 + 1))[:body_bytes]
    for n in range(count):
        with open(os.path.join(path, "cur", f"{1700000000 + n}.{n}.h:2,"),
                  "w", encoding="ascii") as f:
            f.write(f"From: Bob Tester <bob@house.example>\n"
                    f"To: ada@house.example\nSubject: message {n}\n"
                    f"Message-ID: <{n}@house.example>\n"
                    f"Date: {email.utils.formatdate(1767600000 + n)}\n\n"
                    + text)
    return path


def neomutt(base, box, cache=True):
    """The command line of neomutt on that Maildir, plainly configured."""
    need("neomutt")
    rc = os.path.join(base, "neomuttrc")
    with open(rc, "w", encoding="ascii") as f:
        f.write(f"set mbox_type=Maildir folder={base} spoolfile={box}\n"
                "set confirmappend=no mail_check=60 quit=yes sleep_time=0\n"
                "set mark_old=no sort=reverse-date\n")
        if cache:
            f.write(f"set header_cache={base}/hcache\n")
    return f"/usr/bin/neomutt -n -F {rc} -f {box}"


@contextlib.contextmanager
def nginx(files):
    """nginx with TLS serving the directory; yields (port, certificate)."""
    need("nginx", "openssl")
    base = tempfile.mkdtemp(prefix="ll-nginx-")
    os.chmod(base, 0o755)
    port = ll.free_port()
    ll.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            "/CN=127.0.0.1", "-keyout", f"{base}/key", "-out",
            f"{base}/cert"])
    with open(f"{base}/conf", "w", encoding="ascii") as f:
        f.write(f"""worker_processes 2; daemon off; pid {base}/pid;
error_log {base}/log; events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000;
 default_type text/html; client_body_temp_path {base}/b;
 proxy_temp_path {base}/p; fastcgi_temp_path {base}/f;
 uwsgi_temp_path {base}/u; scgi_temp_path {base}/s;
 server {{ listen 127.0.0.1:{port} ssl; root {files};
 ssl_certificate {base}/cert; ssl_certificate_key {base}/key; }} }}
""")
    os.chmod(files, 0o755)
    daemon = subprocess.Popen(["/usr/sbin/nginx", "-c", f"{base}/conf"],
                              stderr=subprocess.DEVNULL)
    try:
        ll.until(lambda: connects(port), 10, "nginx listening")
        yield port
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
        shutil.rmtree(base, ignore_errors=True)


def private_kib(pids):
    """Sum of the private memory of these processes, in KiB."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                for line in f:
                    if line.startswith(("Private_Dirty", "Private_Clean",
                                        "Swap:")):
                        total += int(line.split()[1])
    return total


def cpu_secs(pids):
    """User and system time of these processes and their dead children."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="ascii",
                      errors="replace") as f:
                stat = f.read()
            ticks += sum(int(v) for v in
                         stat[stat.rindex(")") + 2:].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def median(values):
    values = sorted(values)
    return values[len(values) // 2] if values else float("nan")


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def now():
    return time.perf_counter()
