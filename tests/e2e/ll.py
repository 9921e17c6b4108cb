"""ll.py - the harness of the end-to-end tests.

A test file is a plain program: functions test_*, and at its end
`if __name__ == "__main__": ll.main()`, which runs them in order and prints
TAP.  A test uses the real programs only:

    with ll.House() as house:              # init, config, letterlockd ready
        ada = house.add_user("ada")        # by script: passphrase and TOTP
        ada.login()                        # OpenSSH ControlMaster
        sent = ada.send(["bob@out.example"], "subject", "body")
        link = house.links()[0]            # from the notification in dir:
        page = ll.Visitor(link)            # a browser without scripts
        page.unlock(sent["recipients"][0]["code"])

Waiting is always for something, with a deadline (until()), never a sleep of a
guessed length.  When a test fails, every log of its houses is shown.
"""
import base64
import contextlib
import ctypes
import email
import email.policy
import hashlib
import hmac
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from web import Page, Visitor, chromium, submit  # noqa: F401 (ll.Visitor)

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("LL_BUILD") or os.path.join(TOP, "build")
SOAK = bool(os.environ.get("LL_SOAK"))
TEST_SECS = 120 * (20 if SOAK else 1)
PASSPHRASE = "violet lantern nine harbours"

# Orphans of the daemon come to this process, so that it finds them.
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)

# What the servers' programs inherit: no agent, no locale of the tester's.
ENV = {k: v for k, v in os.environ.items()
       if k not in ("SSH_AUTH_SOCK", "DISPLAY", "TERM", "NO_COLOR")}
SANITIZED = "build-asan" in BUILD
if SANITIZED:
    ENV.setdefault("LETTERLOCK_SANDBOX", "off")


class Failure(AssertionError):
    """A step did not do what it should."""


class Skip(Exception):
    """This machine cannot run that test; the words say why."""


def until(condition, secs=15.0, what="condition", every=0.02):
    """Calls condition until it gives something true, and returns that."""
    deadline = time.monotonic() + secs
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {secs:g} s: {what}")
        time.sleep(every)


def free_port():
    """Below those that the kernel gives to clients, or one of another test
    would take it before the server does."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def random_base32(count=20):
    return base64.b32encode(os.urandom(count)).decode().rstrip("=")


def totp(secret, step):
    """RFC 6238: the six digits of one 30-second step."""
    secret = secret.upper().replace(" ", "")
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    at = mac[-1] & 15
    number = struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff
    return f"{number % 1000000:06d}"


# --- processes ---------------------------------------------------------------

class Process:
    """One process as /proc shows it; start tells a reused pid apart."""

    def __init__(self, pid, parent, name, state, start):
        self.pid, self.parent, self.name = pid, parent, name
        self.state, self.start = state, start

    def __repr__(self):
        return f"{self.name}[{self.pid}]"

    def kill(self, sig=signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, sig)

    def alive(self):
        now = process(self.pid)
        return bool(now and now.start == self.start and now.state != "Z")


def process(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii",
                  errors="replace") as f:
            stat = f.read()
    except OSError:
        return None
    rest = stat[stat.rindex(")") + 2:].split()
    name = stat[stat.index("(") + 1:stat.rindex(")")]
    return Process(int(pid), int(rest[1]), name, rest[0], int(rest[19]))


def processes():
    found = (process(pid) for pid in os.listdir("/proc") if pid.isdigit())
    return [p for p in found if p]


def descendants(root):
    children = {}
    for p in processes():
        children.setdefault(p.parent, []).append(p)
    found, todo = [], [root]
    while todo:
        for p in children.get(todo.pop(), []):
            found.append(p)
            todo.append(p.pid)
    return found


# --- a whole letterlock ------------------------------------------------------

class House:
    """A data directory, its config, and the daemon that serves it."""

    all = []

    def __init__(self, config=None, start=True, relay="dir", env=None,
                 https=False):
        self.base = tempfile.mkdtemp(prefix="ll-")
        self.data = os.path.join(self.base, "data")
        self.outbox = os.path.join(self.base, "outbox")
        self.logs = os.path.join(self.base, "logs")
        for folder in (self.outbox, self.logs):
            os.mkdir(folder, 0o700)
        self.env = dict(ENV, **(env or {}))
        # what a sanitizer finds in any program stands here (make asan)
        reports = f"log_path={self.logs}/sanitizer"
        self.env.setdefault("ASAN_OPTIONS",
                            f"detect_leaks=0:abort_on_error=1:{reports}")
        self.env.setdefault("UBSAN_OPTIONS", reports)
        self.daemon, self.users, self.known = None, {}, {}
        self.lock = threading.Lock()
        self.ssh_port, self.portal_port = free_port(), free_port()
        scheme = "https" if https else "http"
        self.portal_url = f"{scheme}://127.0.0.1:{self.portal_port}"
        self.config = {
            "ssh_listen": f"127.0.0.1:{self.ssh_port}",
            "portal_listen": f"127.0.0.1:{self.portal_port}",
            "portal_url": self.portal_url,
            "relay": f"dir:{self.outbox}" if relay == "dir" else relay,
            "mail_from": "center@house.example",
            "kdf_memory_mib": "8", "kdf_passes": "1",
            "muc_kdf_memory_mib": "8", "source_exempt": "127.0.0.0/8",
            "key_search": "off", "smime_rsa_bits": "0",
        }
        self.config.update({k: str(v) for k, v in (config or {}).items()})
        House.all.append(self)
        self.init_output = self.admin("init", "--org", "House of Tests").out
        self.write_config()
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and not issubclass(kind, Skip):
            self.show_logs()
        self.close(kind is None)

    # -- set-up

    @property
    def config_path(self):
        return os.path.join(self.data, "letterlock.conf")

    def write_config(self, **changes):
        """Sets config lines; lines of init's that are not ours stay."""
        self.config.update({k: str(v) for k, v in changes.items()})
        with open(self.config_path, encoding="utf-8") as f:
            old = f.read().splitlines()
        kept = [line for line in old
                if line.split("=")[0].strip() not in self.config]
        with open(self.config_path, "w", encoding="utf-8") as f:
            f.write("\n".join(kept) + "\n")
            for key, value in self.config.items():
                f.write(f"{key} = {value}\n")

    def admin(self, *words, check=True, stdin=None, timeout=60):
        """letterlock --data DIR WORDS..."""
        return run([os.path.join(BUILD, "letterlock"), "--data", self.data]
                   + list(words), check=check, stdin=stdin, env=self.env,
                   timeout=timeout)

    def admin_json(self, *words):
        return json.loads(self.admin(*words, "--json").out)

    # -- the daemon

    def start(self, env=None, wait=True, secs=30):
        path = os.path.join(
            self.logs, f"letterlockd.{len(os.listdir(self.logs))}")
        self.log_path = path
        with open(path, "wb") as log:
            self.daemon = subprocess.Popen(
                [os.path.join(BUILD, "letterlockd"), "-c", self.config_path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(self.env, **(env or {})), cwd=self.base,
                start_new_session=True)
        if wait:
            self.wait_ready(secs)
        return self

    def wait_ready(self, secs=30):
        def ready():
            if self.daemon.poll() is not None:
                raise Failure("letterlockd ended with "
                              f"{self.daemon.returncode}:\n{self.log()}")
            return re.search(r"^letterlockd: ready ssh=(\S+):(\d+)"
                             r"(?: portal=(\S+):(\d+))?", self.log(), re.M)
        found = until(ready, secs, "letterlockd's ready line", 0.01)
        self.ssh_port = int(found.group(2))
        if found.group(4):
            self.portal_port = int(found.group(4))

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def all_logs(self):
        text = ""
        for name in sorted(os.listdir(self.logs)):
            with open(os.path.join(self.logs, name), encoding="utf-8",
                      errors="replace") as f:
                text += f"--- {name}\n{f.read()[-6000:]}\n"
        return text

    def show_logs(self):
        print("# " + self.all_logs().replace("\n", "\n# "))

    def stop(self, sig=signal.SIGTERM, secs=20):
        """Ends the daemon and says with what code."""
        if self.daemon is None:
            return None
        if self.daemon.poll() is None:
            self.daemon.send_signal(sig)
        try:
            code = self.daemon.wait(secs)
        except subprocess.TimeoutExpired:
            self.kill_rest()
            self.daemon.wait(10)
            raise Failure(f"letterlockd did not stop within {secs} s")
        self.daemon = None
        return code

    def restart(self):
        self.stop()
        self.start()

    def procs(self, name=None):
        """Processes of this house, also those whose parent was killed.
        name: "letterlock-store" and so on (comm keeps 15 characters)."""
        with self.lock:
            return self.find_procs(name)

    def find_procs(self, name):
        if self.daemon is not None:
            root = process(self.daemon.pid)
            if root and root.state != "Z":
                self.known[(root.pid, root.start)] = root
            for p in descendants(self.daemon.pid):
                self.known[(p.pid, p.start)] = p
        found = []
        for key, p in list(self.known.items()):
            now = process(p.pid)
            if not now or now.start != p.start or now.state == "Z":
                if now and now.parent == os.getpid() and \
                        now.start == p.start and \
                        (self.daemon is None or p.pid != self.daemon.pid):
                    with contextlib.suppress(OSError):
                        os.waitpid(p.pid, os.WNOHANG)
                del self.known[key]
            elif name is None or now.name == name[:15]:
                found.append(now)
        return found

    def kill_rest(self):
        for _ in range(50):
            rest = self.procs()
            if not rest:
                return
            for p in rest:
                p.kill()
            time.sleep(0.02)

    def close(self, strict=False):
        """Stops everything; strict: a sanitizer's report is a failure."""
        if self not in House.all:
            return
        House.all.remove(self)
        for user in self.users.values():
            user.logout()
        try:
            self.procs()
            self.stop()
        finally:
            self.kill_rest()
            reports = self.reports()
            if not os.environ.get("LL_KEEP"):
                shutil.rmtree(self.base, ignore_errors=True)
        if strict and reports:
            raise Failure("a sanitizer reports:\n" + reports)

    def reports(self):
        text = ""
        for name in os.listdir(self.logs):
            if name.startswith("sanitizer"):
                with open(os.path.join(self.logs, name), encoding="utf-8",
                          errors="replace") as f:
                    text += f.read()[:4000]
        return text

    # -- people

    def add_user(self, name, role="staff", passphrase=PASSPHRASE,
                 ssh_key=None, email_address=None):
        """Enrolled at once, by script: a User that can log in."""
        user = User(self, name, passphrase, random_base32())
        user.email = email_address or f"{name}@house.example"
        path = self.write(f"{name}.pass", passphrase + "\n")
        words = ["user", "add", name, "--email", user.email, "--name",
                 name.capitalize() + " Tester", "--role", role,
                 "--password-file", path, "--totp-secret", user.seed]
        if ssh_key:
            words += ["--ssh-key", ssh_key + ".pub"]
            user.key = ssh_key
        answer = self.admin_json(*words)
        user.recovery_code = answer["recovery_code"]
        os.unlink(path)
        self.users[name] = user
        return user

    def invite(self, name, role="staff"):
        """Has a ticket, not enrolled yet."""
        user = User(self, name, PASSPHRASE, None)
        user.email = f"{name}@house.example"
        answer = self.admin_json("user", "add", name, "--email", user.email,
                                 "--role", role)
        user.ticket = answer["ticket"]
        self.users[name] = user
        return user

    def write(self, name, text):
        path = os.path.join(self.base, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def known_hosts(self):
        path = os.path.join(self.base, "known_hosts")
        with open(os.path.join(self.data, "host_ed25519.pub"),
                  encoding="ascii") as f:
            kind, blob = f.read().split()[:2]
        with open(path, "w", encoding="ascii") as f:
            f.write(f"[127.0.0.1]:{self.ssh_port} {kind} {blob}\n")
        return path

    # -- what went out

    def mails(self):
        """Notifications in the directory transport, oldest first."""
        found = []
        for name in os.listdir(self.outbox):
            if name.endswith(".eml"):
                path = os.path.join(self.outbox, name)
                with open(path, "rb") as f:
                    mail = email.message_from_binary_file(
                        f, policy=email.policy.default)
                found.append((os.stat(path).st_mtime_ns, name, mail))
        return [row[2] for row in sorted(found, key=lambda r: r[:2])]

    def links(self, address=None):
        return [link_of(m) for m in self.mails()
                if address is None or address in str(m["To"])]

    def wait_link(self, address, count=1, secs=20):
        """The newest link for address, once there are count of them."""
        return until(lambda: (self.links(address) if
                              len(self.links(address)) >= count else None),
                     secs, f"{count} notification(s) for {address}")[-1]


def link_of(mail):
    """The link of a notification: alone on one line of the text part."""
    part = mail.get_body(preferencelist=("plain",))
    assert part is not None, "the notification has no text/plain part"
    found = re.findall(r"^(https?://\S+/m/[0-9A-Z]{26}/[0-9A-Z]{26})\r?$",
                       part.get_content(), re.M)
    assert len(found) == 1, f"{len(found)} links in the notification"
    return found[0]


class Result:
    def __init__(self, code, out, err):
        self.code, self.raw, self.err = code, out, err

    @property
    def out(self):
        return self.raw.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.raw)


def run(words, check=True, stdin=None, env=None, timeout=60, cwd=None):
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run(words, input=b"" if stdin is None else stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=ENV if env is None else env, timeout=timeout,
                          cwd=cwd)
    result = Result(done.returncode, done.stdout,
                    done.stderr.decode("utf-8", "replace"))
    if check and result.code != 0:
        raise Failure(f"{' '.join(words)}: exit {result.code}\n"
                      f"{result.err}{result.out[-2000:]}")
    return result


# --- one person with an OpenSSH client ---------------------------------------

ASKPASS = """#!/bin/sh
printf '%s\\n' "$1" >>"$LL_ASKED"
case $1 in
*erification*) cat "$LL_CODE" ;;
*) cat "$LL_PASS" ;;
esac
"""


class User:
    def __init__(self, house, name, passphrase, seed):
        self.house, self.name = house, name
        self.passphrase, self.seed = passphrase, seed
        self.key = None
        self.last_step = 0
        self.dir = tempfile.mkdtemp(prefix=name[:8] + "-", dir=house.base)
        self.control = os.path.join(self.dir, "c")

    def code(self):
        """A code that the server has not seen yet: of the step before, this
        one or the next; waits only when all three were used."""
        while True:
            now = time.time()
            step = int(now) // 30
            first = step if now % 30 > 25 else step - 1
            use = max(first, self.last_step + 1)
            # the server's clock may be some milliseconds behind
            if use <= int(now - 0.1) // 30 + 1:
                self.last_step = use
                return totp(self.seed, use)
            time.sleep(0.2)

    def ssh_words(self, *options):
        words = ["-F", "/dev/null", "-p", str(self.house.ssh_port),
                 "-o", "StrictHostKeyChecking=yes",
                 "-o", f"UserKnownHostsFile={self.house.known_hosts()}",
                 "-o", "GlobalKnownHostsFile=/dev/null",
                 "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20",
                 "-o", "LogLevel=ERROR",
                 "-o", "SendEnv=LANG LC_*",
                 "-o", f"ControlPath={self.control}"]
        if self.key:
            words += ["-i", self.key]
        else:
            words += ["-o", "PubkeyAuthentication=no"]
        return words + list(options)

    @property
    def target(self):
        return f"{self.name}@127.0.0.1"

    def askpass_env(self, passphrase=None, code=None):
        script = os.path.join(self.dir, "askpass")
        with open(script, "w", encoding="ascii") as f:
            f.write(ASKPASS)
        os.chmod(script, 0o700)
        for name, text in (("pass", self.passphrase if passphrase is None
                            else passphrase), ("code", code or "")):
            with open(os.path.join(self.dir, name), "w",
                      encoding="utf-8") as f:
                f.write(text + "\n")
        self.asked = os.path.join(self.dir, "asked")
        return dict(ENV, SSH_ASKPASS=script, SSH_ASKPASS_REQUIRE="force",
                    LL_ASKED=self.asked, LL_PASS=self.dir + "/pass",
                    LL_CODE=self.dir + "/code", TERM="xterm-256color")

    def login(self, passphrase=None, code=None, check=True, options=()):
        """Opens the ControlMaster connection; later channels ask nothing."""
        self.logout()
        env = self.askpass_env(passphrase, code or self.code())
        errors = os.path.join(self.dir, "master.err")
        with open(errors, "wb") as err:
            done = subprocess.run(
                ["ssh"] + self.ssh_words(*options) +
                ["-o", "ControlMaster=yes", "-o", "NumberOfPasswordPrompts=1",
                 "-N", "-f", self.target], stdin=subprocess.DEVNULL,
                stdout=err, stderr=err, env=env, timeout=60)
        with open(errors, encoding="utf-8", errors="replace") as f:
            words = f.read()
        for name in ("pass", "code"):
            os.unlink(os.path.join(self.dir, name))
        if check and done.returncode != 0:
            raise Failure(f"{self.name} could not log in: {words}")
        return Result(done.returncode, b"", words)

    def prompts(self):
        with open(self.asked, encoding="utf-8") as f:
            return f.read().splitlines()

    def logged_in(self):
        return run(["ssh"] + self.ssh_words("-O", "check", self.target),
                   check=False).code == 0

    def logout(self):
        if os.path.exists(self.control):
            run(["ssh"] + self.ssh_words("-O", "exit", self.target),
                check=False, timeout=20)
            with contextlib.suppress(OSError):
                os.unlink(self.control)

    def ssh(self, command, stdin=None, check=True, timeout=60):
        """One exec verb over the open connection."""
        return run(["ssh"] + self.ssh_words("-o", "ControlMaster=no",
                                            "-o", "BatchMode=yes", "-T",
                                            self.target, command),
                   check=check, stdin=stdin, timeout=timeout)

    def verb(self, command, stdin=None, timeout=60):
        return self.ssh(command + " --json", stdin, timeout=timeout).json()

    def send(self, to, subject, body, *options):
        words = " ".join(f"--to {a}" for a in to)
        return self.verb(f"send {words} --subject {quote(subject)} "
                         + " ".join(options), body)

    def list(self, folder=None):
        more = f" --folder {folder}" if folder else ""
        return self.verb("list" + more)["messages"]

    def status(self, message, address=None):
        rows = self.verb(f"status {message}")["recipients"]
        if address is None:
            return rows
        return next(r for r in rows if r["address"] == address)

    def wait_state(self, message, address, *states, secs=20):
        return until(lambda: next(
            (r for r in self.status(message)
             if r["address"] == address and r["state"] in states), None),
            secs, f"{address} {'/'.join(states)}", 0.1)

    def sftp(self, batch, check=True, timeout=120, cwd=None):
        """OpenSSH sftp with a batch of commands, over the connection."""
        path = os.path.join(self.dir, "batch")
        with open(path, "w", encoding="utf-8") as f:
            f.write(batch)
        words = self.ssh_words("-o", "ControlMaster=no")
        words[words.index("-p")] = "-P"
        return run(["sftp", "-q"] + words + ["-b", path, self.target],
                   check=check, timeout=timeout, cwd=cwd)

    def scp(self, *words, check=True, timeout=120):
        """OpenSSH scp; ":PATH" means a path at the server."""
        options = self.ssh_words("-o", "ControlMaster=no")
        options[options.index("-p")] = "-P"
        words = [self.target + w if w.startswith(":") else w for w in words]
        return run(["scp", "-q"] + options + words, check=check,
                   timeout=timeout)

    def screen(self, command=None, cols=80, rows=24, term="xterm-256color",
               master=True):
        """An interactive session in a terminal emulator."""
        words = self.ssh_words("-o", "ControlMaster=no")
        if not master:
            words = ["-o", "ControlPath=none"] + words
        words += ["-tt", self.target] + ([command] if command else [])
        return Screen(words, cols, rows, term)

    def paramiko(self, passphrase=None, code=None):
        """A paramiko transport that has passed both factors."""
        import paramiko
        sock = socket.create_connection(("127.0.0.1", self.house.ssh_port))
        transport = paramiko.Transport(sock)
        transport.start_client(timeout=20)
        left = transport.auth_password(
            self.name, self.passphrase if passphrase is None else passphrase,
            fallback=False)
        assert left == ["keyboard-interactive"], left
        transport.auth_interactive(
            self.name, lambda title, text, prompts:
            [code or self.code() for _ in prompts])
        return transport


def quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def make_key(house, name="id", kind="ed25519"):
    path = os.path.join(house.base, name)
    run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", path])
    return path


class Screen:
    """A terminal emulator (pyte) around a client on a pty."""

    def __init__(self, words, cols=80, rows=24, term="xterm-256color",
                 program="ssh"):
        import pexpect
        import pyte
        self.emulator = pyte.Screen(cols, rows)
        self.stream = pyte.ByteStream(self.emulator)
        self.child = pexpect.spawn(program, words, env=dict(
            ENV, TERM=term, LC_ALL="C.UTF-8", SSH_ASKPASS_REQUIRE="never"),
            dimensions=(rows, cols), timeout=20)
        self.child.delaybeforesend = None
        # a terminal answers when it is asked where its cursor is
        self.emulator.write_process_input = self.child.send
        self.bytes = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *why):
        if why[0] is not None:
            print("# the screen:\n# " + self.text().replace("\n", "\n# "))
        self.close()

    def pump(self, secs=0.02):
        """Feeds what came to the emulator; False when nothing came."""
        import pexpect
        try:
            data = self.child.read_nonblocking(65536, secs)
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            self.ended = True
            return False
        self.bytes += data
        # pyte 0.8 does not know "CSI > ... m" (modifyOtherKeys) and prints it
        data = re.sub(rb"\x1b\[[>?][0-9;]*m", b"", data)
        # nor does it know scrolling by n rows (curses does so from the edge)
        data = re.sub(rb"\x1b\[(\d*)S", lambda m: b"\n" * int(m[1] or 1), data)
        data = re.sub(rb"\x1b\[(\d*)T",
                      lambda m: b"\x1bM" * int(m[1] or 1), data)
        self.stream.feed(data)
        return True

    def text(self):
        return "\n".join(line.rstrip() for line in self.emulator.display)

    def send(self, keys):
        self.child.send(keys)
        return self

    def line(self, text):
        return self.send(text + "\r")

    def wait(self, pattern, secs=15):
        """Waits until the screen matches the regular expression."""
        deadline = time.monotonic() + secs
        while True:
            while self.pump():
                pass
            found = re.search(pattern, self.text(), re.M)
            if found:
                return found
            if self.ended or time.monotonic() > deadline:
                why = "ended" if self.ended else f"not within {secs:g} s"
                raise Failure(f"screen {why}: /{pattern}/\n" + self.text())

    def wait_gone(self, pattern, secs=15):
        def gone():
            while self.pump():
                pass
            return not re.search(pattern, self.text(), re.M)
        return until(gone, secs, f"screen still shows /{pattern}/")

    def wait_end(self, secs=15):
        def ended():
            while self.pump():
                pass
            return self.ended
        until(ended, secs, "the session's end")
        self.child.close()
        return self.child.exitstatus

    def resize(self, cols, rows):
        self.emulator.resize(rows, cols)
        self.child.setwinsize(rows, cols)

    def close(self):
        self.child.close(force=True)


# --- running a file's tests --------------------------------------------------

def main():
    """Runs the calling file's test_* functions; arguments choose by name."""
    module = sys.modules["__main__"]
    tests = [(n, f) for n, f in vars(module).items()
             if n.startswith("test_") and callable(f)]
    words = sys.argv[1:]
    if words:
        tests = [t for t in tests if any(w in t[0] for w in words)]

    def alarm(signo, frame):
        raise Failure("the test overran its limit")

    def stop(signo, frame):
        for house in House.all:
            house.show_logs()
        raise Failure("stopped from outside")

    signal.signal(signal.SIGALRM, alarm)
    signal.signal(signal.SIGTERM, stop)
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        title = name[len("test_"):].replace("_", " ")
        signal.alarm(getattr(test, "limit", TEST_SECS))
        try:
            test()
            print(f"ok {number} - {title}", flush=True)
        except Skip as why:
            print(f"ok {number} - {title} # SKIP {why}", flush=True)
        except Exception:
            signal.alarm(0)
            failed += 1
            print("# " + traceback.format_exc().replace("\n", "\n# "))
            print(f"not ok {number} - {title}", flush=True)
            for house in list(House.all):
                house.show_logs()
        finally:
            signal.alarm(0)
            for house in list(House.all):
                with contextlib.suppress(Exception):
                    house.close()
    sys.exit(1 if failed else 0)
