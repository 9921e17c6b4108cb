"""The gate's channels and its pump, and the session's terminals and workers.

letterlockd and the store are played by fakehouse; workers are shell scripts.
"""
import hashlib
import os
import re
import subprocess
import threading
import time

import paramiko
import pexpect

import fakehouse
import ll
from test_ssh_login import CODE, GOOD, PASS, SSH, finish, house, make_key, ssh

MIB = 1 << 20
SFTP_SERVER = "/usr/lib/openssh/sftp-server"


def login(h):
    t = paramiko.Transport(("127.0.0.1", h.port))
    t.start_client(timeout=15)
    t.auth_password("ada", "words", fallback=False)
    t.auth_interactive("ada", lambda *a: [GOOD])
    return t


class Master:
    """An OpenSSH ControlMaster connection."""

    def __init__(self, h, *options):
        self.words = SSH + ["-p", str(h.port), "-o",
                            f"ControlPath={h.dir}/c", *options]
        self.child = pexpect.spawn("ssh", self.words + [
            "-o", "ControlMaster=yes", "-o", "PubkeyAuthentication=no", "-N",
            "ada@127.0.0.1"], timeout=15, encoding="utf-8", env=ll.ENV)
        for pattern, answer in (PASS, CODE):
            self.child.expect(pattern)
            self.child.sendline(answer)
        ll.until(lambda: os.path.exists(h.dir + "/c"), 10, "the master")

    def run(self, *words, tool="ssh", **more):
        return subprocess.run([tool] + self.words + list(words), env=ll.ENV,
                              capture_output=True, timeout=60, **more)

    def close(self):
        self.run("-O", "exit", "ada@127.0.0.1")
        self.child.close()


def peak_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])


# freed memory that AddressSanitizer keeps counts as well
ROOM = 100 if "asan" in ll.BUILD else 1


def flow(h, *options):
    """64 MiB there and back at once, as hashes."""
    m = Master(h, *options)
    data = os.urandom(MIB) * 64
    done = m.run("ada@127.0.0.1", "x", input=data)
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(done.stdout).digest() == \
        hashlib.sha256(data).digest()
    pair = h.pairs[-1]
    peaks = peak_kib(pair.gate[0]), peak_kib(pair.session[0])
    m.close()
    assert pair.status() == (0, 0), pair.status()
    return peaks


def test_64_mib_both_ways_and_constant_memory():
    with house(tui="exec cat") as h:
        gate, session = flow(h)
        assert gate < 14000 * ROOM, gate
        print(f"# peak: gate {gate} KiB, session {session} KiB")


def test_rekeying_loses_nothing():
    with house(tui="exec cat") as h:
        for cipher in ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com",
                       "aes256-ctr"):
            flow(h, "-c", cipher, "-o", "RekeyLimit=1M")


def test_a_client_that_stops_reading():
    """Neither side may grow, nor lose a byte, while the client sleeps."""
    with house(tui="yes | head -c 33554432") as h:
        t = login(h)
        c = t.open_session(window_size=1 << 21)
        c.exec_command("x")
        ll.until(lambda: c.in_buffer and len(c.in_buffer) >= 1 << 20, 10,
                 "the first megabyte")
        gate = h.pairs[-1].gate[0]
        time.sleep(1)
        before = peak_kib(gate)
        time.sleep(1)
        assert peak_kib(gate) - before < 256 * ROOM
        total = 0
        while True:
            data = c.recv(1 << 16)
            if not data:
                break
            total += len(data)
        assert total == 32 * MIB, total
        assert c.recv_exit_status() == 0
        t.close()


def test_a_worker_that_stops_reading():
    with house(tui="sleep 2; exec wc -c") as h:
        t = login(h)
        c = t.open_session()
        c.exec_command("x")
        sent = threading.Thread(target=c.sendall, args=(bytes(16 * MIB),))
        sent.start()
        time.sleep(1)
        assert sent.is_alive()
        assert peak_kib(h.pairs[-1].gate[0]) < 16000 * ROOM
        sent.join()
        c.shutdown_write()
        assert int(c.makefile().read()) == 16 * MIB
        t.close()


def test_what_came_before_the_close_arrives():
    with house(tui="sleep 1; wc -c >/dev/null; cat >/dev/null",
               sftp="sleep 1; wc -c >$0.got", sandbox=False) as h:
        t = login(h)
        c = t.open_session()
        c.invoke_subsystem("sftp")
        c.sendall(bytes(MIB))
        c.close()
        got = os.path.join(h.dir, "letterlock-sftp.got")

        def there():
            with open(got) as f:
                return f.read().strip()
        ll.until(lambda: os.path.exists(got) and there(), 5, "the count")
        assert there() == str(MIB), there()
        t.close()


def test_standard_error_and_exit_statuses():
    with house(tui="read n; echo out; echo err >&2; exit $n") as h:
        m = Master(h)
        for n in (0, 1, 2, 3, 75, 255):
            done = m.run("ada@127.0.0.1", "x", input=b"%d\n" % n)
            assert (done.returncode, done.stdout, done.stderr) == \
                (n, b"out\n", b"err\n"), done
        m.close()


def test_a_worker_that_crashes_means_try_later():
    with house(tui="kill -9 $$") as h:
        m = Master(h)
        assert m.run("ada@127.0.0.1", "x").returncode == 75
        m.close()


def test_one_connection_carries_shell_exec_and_sftp():
    # sftp-server writes to the file system, which the sandbox forbids
    with house(tui="echo $1; cat", sftp="exec " + SFTP_SERVER,
               sandbox=False) as h:
        m = Master(h)
        shell = pexpect.spawn("ssh", m.words + ["-tt", "ada@127.0.0.1"],
                              timeout=15, encoding="utf-8",
                              env=dict(ll.ENV, TERM="xterm"))
        shell.expect("screen")
        done = m.run("ada@127.0.0.1", "list", input=b"words")
        assert done.stdout == b"exec\nwords", done
        batch = os.path.join(h.dir, "batch")
        source = os.path.join(h.dir, "source")
        with open(source, "wb") as f:
            f.write(os.urandom(5 * MIB))
        with open(batch, "w") as f:
            f.write(f"put {source} {h.dir}/there\n"
                    f"get {h.dir}/there {h.dir}/back\n")
        words = list(m.words)
        words[words.index("-p")] = "-P"
        subprocess.run(["sftp", "-q"] + words + ["-b", batch,
                       "ada@127.0.0.1"], check=True, timeout=60, env=ll.ENV,
                       stdout=subprocess.DEVNULL)
        with open(source, "rb") as a, open(h.dir + "/back", "rb") as b:
            assert a.read() == b.read()
        shell.sendline("still here")
        shell.expect("still here.*still here")
        shell.close()
        m.close()
        assert len(h.pairs) == 1


def test_ten_channels_and_no_more():
    with house(tui="exec cat") as h:
        t = login(h)
        channels = []
        for _ in range(10):
            c = t.open_session()
            c.exec_command("x")
            channels.append(c)
        try:
            t.open_session(timeout=5)
            raise ll.Failure("an eleventh channel")
        except paramiko.SSHException:
            pass
        channels[3].close()

        def again():
            try:
                return t.open_session(timeout=5)
            except paramiko.SSHException:
                return None
        fresh = ll.until(again, 5, "room for another")
        fresh.exec_command("x")
        fresh.sendall(b"hello")
        assert fresh.recv(10) == b"hello"
        t.close()


def test_the_33rd_request_is_refused():
    with house(tui="exec cat") as h:
        t = login(h)
        for before, taken in ((31, True), (32, False)):
            c = t.open_session()
            for _ in range(before):
                c.set_environment_variable("LC_A", "x")
            try:
                c.exec_command("x")
                assert taken
            except paramiko.SSHException:
                assert not taken
        t.close()


def test_a_second_start_is_refused():
    with house(tui="exec cat") as h:
        t = login(h)
        c = t.open_session()
        c.exec_command("x")
        try:
            c.exec_command("y")
            raise ll.Failure("two commands in one channel")
        except paramiko.SSHException:
            pass
        t.close()


def test_forwarding_is_refused():
    with house(tui="exec cat") as h:
        t = login(h)
        for open_it in (
                lambda: t.open_channel("direct-tcpip", ("127.0.0.1", 22),
                                       ("127.0.0.1", 1), timeout=5),
                lambda: t.open_channel("x11", None, ("127.0.0.1", 1),
                                       timeout=5),
                lambda: t.request_port_forward("127.0.0.1", 0)):
            try:
                open_it()
                raise ll.Failure("forwarded")
            except paramiko.SSHException:
                pass
        c = t.open_session()
        c.exec_command("x")
        c.sendall(b"well")
        assert c.recv(10) == b"well"
        t.close()


TERMINAL = "stty size; echo TERM=$TERM; tty >/dev/null && echo tty; exec cat"


def test_terminal_sizes_are_held_to_bounds():
    with house(tui=TERMINAL) as h:
        t = login(h)
        for (cols, rows), want in (((80, 24), "24 80"), ((0, 0), "24 80"),
                                   ((1, 1), "5 20"),
                                   ((5000, 5000), "300 500"),
                                   ((2 ** 31, 2 ** 32 - 1), "300 500")):
            c = t.open_session()
            c.get_pty("xterm", cols, rows)
            c.invoke_shell()
            assert c.makefile().readline().strip() == want, (cols, rows)
            c.close()
        t.close()


def test_a_resize_reaches_the_terminal():
    with house(tui="trap 'stty size' WINCH; echo ready; "
               "while :; do sleep 0.05; done") as h:
        t = login(h)
        c = t.open_session()
        c.get_pty("xterm", 80, 24)
        c.invoke_shell()
        out = c.makefile()
        assert out.readline() == "ready\r\n"
        c.resize_pty(132, 50)
        assert out.readline() == "50 132\r\n"
        t.close()


def test_terms_and_modes():
    """Who gets a screen, who gets lines; what may stand in TERM."""
    with house(tui="echo $1 TERM=$TERM") as h:
        t = login(h)
        for term, env, want in (
                ("xterm-256color", {}, "screen TERM=xterm-256color"),
                ("dumb", {}, "line TERM=dumb"), ("", {}, "line TERM="),
                ("x" * 41, {}, "line TERM="), ("a;b", {}, "line TERM="),
                ("../x", {}, "line TERM="),
                ("xterm", {"LETTERLOCK_ACCESSIBLE": "1"}, "line TERM=xterm"),
                (None, {}, "line TERM=")):
            c = t.open_session()
            if term is not None:
                c.get_pty(term)
            for pair in env.items():
                c.set_environment_variable(*pair)
            c.invoke_shell()
            got = c.makefile().read().strip()
            got = got.decode() if isinstance(got, bytes) else got
            assert got == want, (term, got)
        t.close()


def test_only_harmless_variables_are_taken():
    with house(tui="exec env") as h:
        t = login(h)
        c = t.open_session()
        for name, value in (("LANG", "de_DE.UTF-8"), ("LC_ALL", "C"),
                            ("NO_COLOR", "1"), ("COLORTERM", "truecolor"),
                            ("LETTERLOCK_ACCESSIBLE", "1"),
                            ("LETTERLOCK_SANDBOX", "off"),
                            ("LD_PRELOAD", "/x"), ("PATH", "/x"),
                            ("LC_X", "a b"), ("LANG2", "x")):
            c.set_environment_variable(name, value)
        c.exec_command("x")
        names = {x.split("=")[0] for x in c.makefile().read().decode()
                 .splitlines()} - {"_", "PWD", "SHLVL", "OLDPWD",
                                   "ASAN_OPTIONS"}
        names -= {"LETTERLOCK_SANDBOX"} & set(ll.ENV)
        assert names == {"LANG", "LC_ALL", "NO_COLOR", "COLORTERM", "PATH",
                         "LETTERLOCK_ACCESSIBLE"}, names
        t.close()


def test_a_session_starts_nothing_but_workers():
    if ll.ENV.get("LETTERLOCK_SANDBOX") == "off":
        raise ll.Skip("the sandbox is off")
    for sandbox, want in ((True, b"126"), (False, b"0")):
        with house(tui="/usr/bin/true 2>/dev/null; echo $?",
                   sandbox=sandbox) as h:
            m = Master(h)
            assert m.run("ada@127.0.0.1", "x").stdout.strip() == want
            m.close()


def test_old_scp_is_told_what_to_use():
    with house(tui="exec cat") as h:
        m = Master(h)
        for command in ("scp -t /x", "scp -v -f x", "scp -rt -- x"):
            done = m.run("ada@127.0.0.1", command)
            assert done.returncode == 1 and done.stdout == b"", done
            assert done.stderr == b"use scp without -O or sftp\n", done
        m.close()


def test_a_command_that_is_no_text_is_told_so():
    """Refusing the request would leave a client beside a master waiting."""
    with house(tui="exec cat") as h:
        m = Master(h)
        for command in (b"send --subject \xff\xfe", b"x" * 70000):
            done = m.run("ada@127.0.0.1", command)
            assert done.returncode == 2 and done.stdout == b"", done
            assert b"UTF-8 text of at most 65536 bytes" in done.stderr, done
        m.close()


def test_no_other_subsystem():
    with house(sftp="exec cat") as h:
        t = login(h)
        c = t.open_session()
        try:
            c.invoke_subsystem("netconf")
            raise ll.Failure("netconf")
        except paramiko.SSHException:
            pass
        t.close()


def test_a_dropped_line_hangs_up_the_workers():
    with house(tui="trap 'echo gone >>$0.hup; exit' HUP; echo here >>$0.in; "
               "while :; do sleep 0.1; done", sandbox=False) as h:
        path = os.path.join(h.dir, "letterlock-tui.hup")

        def both():
            try:
                with open(path[:-3] + "in") as f:
                    return f.read() == "here\n" * 2
            except FileNotFoundError:
                return False
        t = login(h)
        for pty in (True, False):
            c = t.open_session()
            if pty:
                c.get_pty("xterm")
            c.exec_command("x")
        ll.until(both, 20, "both workers")
        # no goodbye: the way a network dies
        t.sock.close()
        assert h.pairs[-1].status() == (0, 0)
        with open(path) as f:
            assert f.read() == "gone\n" * 2


def test_a_worker_that_will_not_go_is_killed():
    with house(tui="trap '' HUP TERM; while :; do sleep 0.1; done") as h:
        t = login(h)
        c = t.open_session()
        c.exec_command("x")
        time.sleep(0.3)
        began = time.monotonic()
        t.close()
        assert h.pairs[-1].status() == (0, 0)
        assert 3 < time.monotonic() - began < 10


def test_a_login_without_channels_ends():
    with house(config={"idle_lock_secs": "1"}) as h:
        t = login(h)
        ll.until(lambda: not t.is_active(), 10, "the end")
        assert h.pairs[-1].status() == (0, 0)


def test_a_disabled_account_ends_at_once():
    with house(tui="exec cat") as h:
        t = login(h)
        c = t.open_session()
        c.exec_command("x")
        h.pairs[-1].store.channel.send(fakehouse.EVENT, "EVENT_ACCOUNT", 0,
                                       [("USER_ID", b"u" * 16),
                                        ("STATE", 3)])
        ll.until(lambda: not t.is_active(), 5, "the end")
        assert h.pairs[-1].status() == (0, 0)


def test_a_session_that_is_killed_ends_the_gate():
    with house(tui="exec cat") as h:
        t = login(h)
        os.kill(h.pairs[-1].session[0], 9)
        ll.until(lambda: not t.is_active(), 5, "the end")
        assert h.pairs[-1].status()[0] == 0


if __name__ == "__main__":
    ll.main()
