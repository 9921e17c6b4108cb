"""fakehouse.py - letterlockd and letterlock-store, played by a test.

A FakeHouse listens, starts a real letterlock-gate and letterlock-session for
each connection and answers their messages (store/msg.h, store/op.def) from a
small table of users.  Its workers are shell scripts given by the test, so that
what the SSH side does with bytes, channels and exits can be tested without
the rest of the house.
"""
import array
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import tempfile
import threading

import ll

REQUEST, REPLY, EVENT = 1, 2, 3
OK, DENIED, NOTFOUND, AUTH, USED, BUSY = 0, 6, 7, 9, 10, 11


def _numbers(name, pattern):
    with open(os.path.join(ll.TOP, "store", name)) as f:
        return {m[1]: (int(m[2]), m[3]) for m in
                re.finditer(pattern, f.read(), re.M)}


FIELDS = _numbers("field.def", r"^FIELD\((\w+),\s*(\d+), (\w+)")
OPS = {k: v[0] for k, v in
       _numbers("op.def", r"^OP\((\w+),\s*(\d+), (\d)").items()}
OP_NAMES = {v: k for k, v in OPS.items()}
FIELD_NAMES = {v[0]: (k, v[1]) for k, v in FIELDS.items()}


def encode(fields):
    out = b""
    for name, value in fields:
        tag, kind = FIELDS[name]
        if kind == "U64":
            value = struct.pack(">Q", value)
        elif kind == "TEXT":
            value = value.encode() + b"\0"
        elif kind == "NEST":
            value = encode(value)
        out += struct.pack(">BI", tag, len(value)) + value
    return out


def decode(body):
    fields, at = [], 0
    while at < len(body):
        tag, size = struct.unpack_from(">BI", body, at)
        value = body[at + 5:at + 5 + size]
        at += 5 + size
        name, kind = FIELD_NAMES[tag]
        if kind == "U64":
            value = struct.unpack(">Q", value)[0]
        elif kind == "TEXT":
            value = value[:-1].decode()
        elif kind == "NEST":
            value = decode(value)
        fields.append((name, value))
    return fields


class Channel:
    """One end of a socketpair that carries messages."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer, self.fds = b"", []
        self.lock = threading.Lock()

    def send(self, kind, op, sequence=0, fields=(), fds=()):
        body = encode(fields)
        head = struct.pack(">IBBHIB3x", len(body) + 12, 1, kind, OPS[op],
                           sequence, len(fds))
        with self.lock:
            data = head + body
            anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", fds))] if fds else []
            with contextlib.suppress(BrokenPipeError):
                sent = self.sock.sendmsg([data], anc)
                self.sock.sendall(data[sent:])

    def recv(self):
        """(kind, op name, sequence, fields) or None at the end."""
        while True:
            if len(self.buffer) >= 4:
                size = struct.unpack(">I", self.buffer[:4])[0] + 4
                if len(self.buffer) >= size:
                    break
            try:
                data, fds, _, _ = socket.recv_fds(self.sock, 65536, 8)
            except OSError:
                return None
            if not data:
                return None
            self.buffer += data
            self.fds += fds
        frame, self.buffer = self.buffer[:size], self.buffer[size:]
        kind, op, sequence = struct.unpack_from(">BHI", frame, 5)
        return kind, OP_NAMES[op], sequence, decode(frame[16:])


class FakeUser:
    def __init__(self, keys=(), password=True):
        self.keys = list(keys)         # public blobs
        self.password = password       # any passphrase is right
        self.codes = {}                # code -> result


class FakeStore:
    """Answers one session's channel."""

    def __init__(self, house, sock):
        self.house, self.channel = house, Channel(sock)
        self.user = None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            m = self.channel.recv()
            if m is None:
                return
            kind, op, sequence, fields = m
            values = dict(fields)
            self.house.asked.append((op, values))
            self.house.seen.append((op, values))
            result, more, fds = self.answer(op, values)
            self.channel.send(REPLY, op, sequence,
                              [("RESULT", result)] + more, fds)
            for fd in fds:
                os.close(fd)

    def answer(self, op, v):
        h = self.house
        if op == "AUTH_BEGIN":
            self.user = h.users.get(v["USER"])
            return OK, [("SLOT_ID", b"s" * 16), ("SALT", b"t" * 16),
                        ("MEMORY_MIB", 8), ("PASSES", 1),
                        ("DELAY_SECS", h.delay),
                        ("BACKUP_SALT", b"b" * 16)], []
        if op in ("AUTH_PROBE", "AUTH_KEY"):
            good = self.user is not None and v["KEY"] in self.user.keys
            return (OK if good else NOTFOUND), [], []
        if op == "AUTH_PASSWORD":
            good = self.user is not None and self.user.password
            return (OK if good else AUTH), [], []
        if op == "AUTH_TOTP":
            return self.user.codes.get(v["CODE"], AUTH), [], []
        if op == "AUTH_DONE":
            return OK, [("TOKEN", b"k" * 32), ("USER_ID", b"u" * 16),
                        ("USER", "ada"), ("EMAIL", "ada@house.example"),
                        ("NAME", "Ada"), ("ROLE", 1),
                        ("FACTOR", "totp")], []
        if op == "WORKER_NEW":
            a, b = socket.socketpair()
            h.held.append(a)
            return OK, [], [b.detach()]
        if op in ("KDF_LEASE", "KDF_RELEASE", "LOGOUT"):
            return OK, [], []
        return DENIED, [], []


class FakeHouse:
    """tui, sftp: shell text that stands for those workers."""

    def __init__(self, tui="exec cat", sftp="exec cat", config=None,
                 sandbox=True):
        self.dir = tempfile.mkdtemp(prefix="ll-fake-")
        for program in ("letterlock-gate", "letterlock-session"):
            shutil.copy(os.path.join(ll.BUILD, program), self.dir)
        # a session may execute nothing that does not lie beside it
        for tool in ("sh", "cat", "sleep", "head", "wc", "yes", "stty",
                     "env", "tty"):
            shutil.copy(shutil.which(tool), self.dir)
        self.script("letterlock-tui", tui)
        self.script("letterlock-sftp", sftp)
        self.config = dict(config or {})
        self.env = dict(ll.ENV)
        if not sandbox:
            self.env["LETTERLOCK_SANDBOX"] = "off"
        self.users, self.delay = {}, 0
        # asked: requests to the store; seen: those and what the daemon heard
        self.asked, self.seen = [], []
        self.held, self.pairs = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def script(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(f"#!{self.dir}/sh\nPATH={self.dir}\n{text}\n")
        os.chmod(path, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()

    def serve(self):
        while True:
            try:
                tcp, _ = self.listener.accept()
            except OSError:
                return
            self.pairs.append(Pair(self, tcp))

    def close(self):
        self.listener.close()
        for pair in self.pairs:
            pair.end()
        for sock in self.held:
            sock.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Pair:
    """A gate and a session at work on one connection."""

    def __init__(self, house, tcp):
        self.house = house
        self.exits = {}
        links = socket.socketpair()
        stores = socket.socketpair()
        self.store = FakeStore(house, stores[0])
        self.session = self.program("letterlock-session")
        self.gate = self.program("letterlock-gate")
        self.session[1].send(EVENT, "CONFIGURE", 0, [
            ("CONFIG", [("CONFIG_KEY", k), ("CONFIG_VALUE", v)])
            for k, v in {"source": "127.0.0.1", "org_name": "House",
                         **house.config}.items()
        ] + [("ROW", [("LABEL", self.label()), ("SECRET", b"h" * 32)])],
            [stores[1].fileno(), links[0].fileno()])
        self.gate[1].send(EVENT, "CONFIGURE", 0, [],
                          [tcp.fileno(), links[1].fileno()])
        for sock in (*links, stores[1], tcp):
            sock.close()

    @staticmethod
    def label():
        with open(os.path.join(ll.TOP, "keys", "derive.h")) as f:
            names = re.findall(r"^\s+(LABEL_\w+)", f.read(), re.M)
        return names.index("LABEL_ROOT_HOST")

    def program(self, name):
        ours, theirs = socket.socketpair()
        path = os.path.join(self.house.dir, name)
        pid = os.posix_spawn(path, [path], self.house.env, file_actions=[
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)])
        theirs.close()
        channel = Channel(ours)
        threading.Thread(target=self.drain, args=(channel,),
                         daemon=True).start()
        return pid, channel

    def drain(self, channel):
        while True:
            m = channel.recv()
            if m is None:
                return
            self.house.seen.append((m[1], dict(m[3])))

    def status(self, secs=15):
        """Exit statuses (gate, session); a negative number is a signal."""
        for pid, _ in (self.gate, self.session):
            if pid in self.exits:
                continue

            def ended():
                got, status = os.waitpid(pid, os.WNOHANG)
                if got:
                    self.exits[pid] = os.waitstatus_to_exitcode(status)
                return got
            ll.until(ended, secs, "the end of gate and session")
        return self.exits[self.gate[0]], self.exits[self.session[0]]

    def end(self):
        for pid, channel in (self.gate, self.session):
            channel.sock.close()
            if pid in self.exits:
                continue
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
