"""The gate and the session: who gets in, and what ends a connection.

letterlockd and the store are played by fakehouse; the clients are real.
"""
import asyncio
import base64
import os
import socket
import struct
import subprocess
import threading
import time

import paramiko
import pexpect
from paramiko.common import (MSG_CHANNEL_OPEN, MSG_USERAUTH_INFO_RESPONSE,
                             MSG_USERAUTH_REQUEST)

import fakehouse
import ll

# server/exitcode.h
DONE, NO_LOGIN, AUTH_FAILED, GRACE, VIOLATION = 0, 10, 11, 12, 13
GOOD, SPENT = "123456", "111111"
SSH = ["-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o",
       "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o",
       "IdentitiesOnly=yes"]


def house(**more):
    h = fakehouse.FakeHouse(**more)
    h.users["ada"] = user = fakehouse.FakeUser()
    user.codes = {GOOD: fakehouse.OK, SPENT: fakehouse.USED}
    return h


def make_key(h, name, *words):
    path = os.path.join(h.dir, name)
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", path, *words],
                   check=True)
    with open(path + ".pub") as f:
        return path, base64.b64decode(f.read().split()[1])


def ssh(h, *options, answers=(), user="ada", command="x"):
    # the first of two equal options counts
    child = pexpect.spawn("ssh", [*options, *SSH, "-p", str(h.port),
                          f"{user}@127.0.0.1", command], timeout=15,
                          encoding="utf-8", env=ll.ENV)
    for pattern, answer in answers:
        child.expect(pattern)
        child.sendline(answer)
    return child


def finish(child):
    """What it said until its end, and its exit status."""
    child.expect(pexpect.EOF)
    child.close()
    return child.before, child.exitstatus


def transport(h):
    t = paramiko.Transport(("127.0.0.1", h.port))
    t.start_client(timeout=15)
    return t


def statuses(h):
    return h.pairs[-1].status()


PASS = ("assword: ", "any words will do")
CODE = ("Verification code: ", GOOD)
LOCKED = (r"Passphrase \(Enter: stay locked\): ", "")


def test_openssh_with_a_password():
    with house(tui="echo in; exit 3") as h:
        child = ssh(h, "-o", "PubkeyAuthentication=no", answers=[PASS, CODE])
        said, status = finish(child)
        assert "in" in said and status == 3, (said, status)
        assert statuses(h) == (DONE, DONE)
        ops = [op for op, _ in h.seen]
        assert ops.index("AUTH_PASSWORD") < ops.index("AUTH_TOTP") \
            < ops.index("AUTH_DONE") < ops.index("AUTHENTICATED"), ops


def test_openssh_with_each_kind_of_key():
    with house(tui="echo in") as h:
        for name, words in (("ed", ("-t", "ed25519")),
                            ("rsa", ("-t", "rsa", "-b", "3072"))):
            path, blob = make_key(h, name, *words)
            h.users["ada"].keys = [blob]
            said, status = finish(ssh(h, "-i", path,
                                      answers=[CODE, LOCKED]))
            assert "in" in said and status == 0, (name, said, status)


def test_after_a_key_the_passphrase_is_checked_and_counted():
    with house(tui="echo in") as h:
        path, blob = make_key(h, "ed", "-t", "ed25519")
        h.users["ada"].keys = [blob]
        h.users["ada"].password = False
        wrong = (LOCKED[0], "not it")
        again = ("Wrong passphrase[^:]*" + LOCKED[0], "")
        # OpenSSH shows the instruction at this level, its default
        said, status = finish(ssh(h, "-o", "LogLevel=INFO", "-i", path,
                                  answers=[CODE, wrong, again]))
        assert "in" in said and status == 0, (said, status)
        assert [op for op, _ in h.asked].count("AUTH_PASSWORD") == 1
        child = ssh(h, "-i", path, "-o", "NumberOfPasswordPrompts=1",
                    answers=[CODE, wrong, wrong, wrong])
        said, status = finish(child)
        assert status == 255, (said, status)
        assert statuses(h)[1] == AUTH_FAILED


def test_rsa_with_sha256_too():
    with house(tui="echo in") as h:
        path, blob = make_key(h, "rsa", "-t", "rsa", "-b", "3072")
        h.users["ada"].keys = [blob]
        said, status = finish(ssh(
            h, "-i", path, "-o", "PubkeyAcceptedAlgorithms=rsa-sha2-256",
            answers=[CODE, LOCKED]))
        assert "in" in said and status == 0, (said, status)


def test_a_key_that_is_refused_does_not_hold_up_the_next():
    with house(tui="echo in") as h:
        good, blob = make_key(h, "good", "-t", "ed25519")
        h.users["ada"].keys = [blob]
        ca, _ = make_key(h, "ca", "-t", "ed25519")
        for name, words in (("short", ("-t", "rsa", "-b", "2048")),
                            ("tiny", ("-t", "rsa", "-b", "1024")),
                            ("curve", ("-t", "ecdsa")),
                            ("stranger", ("-t", "ed25519"))):
            bad, blob = make_key(h, name, *words)
            h.users["ada"].keys.append(blob)
            if name == "stranger":
                h.users["ada"].keys.remove(blob)
                subprocess.run(["ssh-keygen", "-q", "-s", ca, "-I", "x",
                                "-n", "ada", bad + ".pub"], check=True)
            began = time.monotonic()
            said, status = finish(ssh(h, "-o", "RequiredRSASize=1024", "-i",
                                      bad, "-i", good,
                                      answers=[CODE, LOCKED]))
            assert status == 0, (name, said)
            assert time.monotonic() - began < 5, name


def test_a_signature_without_a_question_before_it_is_answered():
    """paramiko signs at once; a refusal must come as words, not silence."""
    with house() as h:
        path, _ = make_key(h, "short", "-t", "rsa", "-b", "2048")
        t = transport(h)
        began = time.monotonic()
        try:
            t.auth_publickey("ada", paramiko.RSAKey(filename=path))
            raise ll.Failure("a short key got in")
        except paramiko.AuthenticationException:
            pass
        assert time.monotonic() - began < 5
        t.close()
        assert statuses(h) == (DONE, NO_LOGIN)


def test_a_key_of_another_connection_is_no_key_here():
    """A signature that is right, but over another session id."""
    with house() as h:
        path, blob = make_key(h, "ed", "-t", "ed25519")
        h.users["ada"].keys = [blob]
        t = transport(h)
        t.session_id = bytes(32)
        try:
            t.auth_publickey("ada", paramiko.Ed25519Key(filename=path))
            raise ll.Failure("a replayed signature got in")
        except paramiko.AuthenticationException:
            pass
        t.close()
        assert statuses(h)[1] == AUTH_FAILED
        assert "AUTH_KEY" not in [op for op, _ in h.seen]


def test_dbclient():
    with house(tui="echo in") as h:
        child = pexpect.spawn("dbclient", ["-y", "-y", "-p", str(h.port),
                              "ada@127.0.0.1", "x"], timeout=15,
                              encoding="utf-8", env=ll.ENV)
        for pattern, answer in (PASS, CODE):
            child.expect(pattern)
            child.sendline(answer)
        said, status = finish(child)
        assert "in" in said and status == 0, (said, status)


def test_dbclient_with_a_key():
    with house(tui="echo in") as h:
        path = os.path.join(h.dir, "db")
        made = subprocess.run(["dropbearkey", "-t", "ed25519", "-f", path],
                              check=True, capture_output=True, text=True)
        line = next(x for x in made.stdout.splitlines() if "ssh-ed25519 " in x)
        h.users["ada"].keys = [base64.b64decode(line.split()[1])]
        child = pexpect.spawn("dbclient", ["-y", "-y", "-i", path, "-p",
                              str(h.port), "ada@127.0.0.1", "x"], timeout=15,
                              encoding="utf-8", env=ll.ENV)
        for pattern, answer in (CODE, LOCKED):
            child.expect(pattern)
            child.sendline(answer)
        said, status = finish(child)
        assert "in" in said and status == 0, (said, status)


def test_plink():
    if not ll.shutil.which("plink"):
        raise ll.Skip("no plink")
    with house(tui="echo in") as h:
        child = pexpect.spawn("plink", ["-ssh", "-P", str(h.port),
                              "ada@127.0.0.1", "x"], timeout=15,
                              encoding="utf-8", env=dict(ll.ENV, HOME=h.dir))
        while True:
            i = child.expect(["Store key in cache", "begin session",
                              "assword:", "code:", "in\r?\n"])
            if i == 4:
                break
            child.sendline(("y", "", PASS[1], GOOD)[i])
        _, status = finish(child)
        assert status == 0, status


def test_paramiko_and_asyncssh():
    with house(tui="echo in") as h:
        t = transport(h)
        assert t.auth_password("ada", "words", fallback=False) == \
            ["keyboard-interactive"]
        t.auth_interactive("ada", lambda *a: [GOOD])
        c = t.open_session()
        c.exec_command("x")
        assert c.makefile().read() == b"in\n"
        assert c.recv_exit_status() == 0
        t.close()
        try:
            import asyncssh
        except ImportError:
            return

        class Client(asyncssh.SSHClient):
            def password_auth_requested(self):
                return "words"

            def kbdint_auth_requested(self):
                return ""

            def kbdint_challenge_received(self, name, text, lang, prompts):
                return [GOOD for _ in prompts]

        async def login():
            conn, _ = await asyncssh.create_connection(
                Client, "127.0.0.1", h.port, known_hosts=None,
                username="ada", client_keys=None, agent_path=None,
                config=None)
            async with conn:
                return (await conn.run("x")).stdout
        assert asyncio.run(asyncio.wait_for(login(), 15)) == "in\n"


def test_wrong_password_and_unknown_user_look_alike():
    with house() as h:
        h.users["ada"].password = False
        said = []
        for user in ("ada", "nobody"):
            child = ssh(h, "-o", "PubkeyAuthentication=no", "-o",
                        "NumberOfPasswordPrompts=2", user=user,
                        answers=[PASS, PASS])
            words, status = finish(child)
            assert status == 255
            said.append(words.replace(user, "NAME"))
            assert statuses(h)[1] == AUTH_FAILED
        assert said[0] == said[1], said


def test_six_tries_and_no_more():
    with house() as h:
        h.users["ada"].password = False
        t = transport(h)
        for n in range(6):
            try:
                t.auth_password("ada", "wrong", fallback=False)
                raise ll.Failure("in with a wrong password")
            except paramiko.AuthenticationException:
                assert t.is_active() or n == 5, n
        ll.until(lambda: not t.is_active(), 5, "the disconnect")
        assert statuses(h)[1] == AUTH_FAILED


def test_three_codes_and_no_more():
    with house() as h:
        t = transport(h)
        t.auth_password("ada", "words", fallback=False)
        for n in range(3):
            try:
                t.auth_interactive("ada", lambda *a: ["000000"])
                raise ll.Failure("in with a wrong code")
            except paramiko.SSHException:
                pass
        ll.until(lambda: not t.is_active(), 5, "the disconnect")
        assert statuses(h)[1] == AUTH_FAILED
        tried = [v["CODE"] for op, v in h.asked if op == "AUTH_TOTP"]
        assert tried == ["000000"] * 3, tried


def test_a_used_code_says_so_and_asks_again():
    with house(tui="echo in") as h:
        asked = []

        def answer(title, instruction, prompts):
            asked.append((instruction, prompts[0][0]))
            return [SPENT if len(asked) == 1 else GOOD]
        t = transport(h)
        t.auth_password("ada", "words", fallback=False)
        t.auth_interactive("ada", answer)
        assert t.is_authenticated()
        assert [(i, p.strip()) for i, p in asked] == [
            ("", "Verification code:"),
            ("That code was used; wait for the next.",
             "Verification code:")], asked
        t.close()


def test_a_code_without_a_first_factor_is_refused():
    with house() as h:
        t = transport(h)
        try:
            t.auth_interactive("ada", lambda *a: [GOOD])
            raise ll.Failure("in with a code alone")
        except paramiko.SSHException:
            pass
        t.close()
        assert statuses(h)[1] == NO_LOGIN
        assert not [op for op, _ in h.asked if op == "AUTH_TOTP"]


def userauth(user, method, *fields):
    m = paramiko.Message()
    m.add_byte(bytes([MSG_USERAUTH_REQUEST]))
    m.add_string(user)
    m.add_string("ssh-connection")
    m.add_string(method)
    for f in fields:
        if isinstance(f, bool):
            m.add_boolean(f)
        else:
            m.add_string(f)
    return m


def ended(h, t, gate=None, session=None):
    ll.until(lambda: not t.is_active(), 10, "the disconnect")
    got = statuses(h)
    t.close()
    if gate is not None:
        assert got[0] == gate, got
    if session is not None:
        assert got[1] == session, got
    assert "AUTH_DONE" not in [op for op, _ in h.asked]


def test_a_change_of_name_ends_it():
    with house() as h:
        h.users["bob"] = h.users["ada"]
        t = transport(h)
        t.auth_password("ada", "words", fallback=False)
        t._send_message(userauth("bob", "keyboard-interactive", "", ""))
        ended(h, t, VIOLATION, VIOLATION)


def with_prompt(h):
    """A transport that has been asked for its code."""
    t = transport(h)
    t.auth_password("ada", "words", fallback=False)
    got = []

    def asked(_, m):
        got.append(m)
    t.auth_handler._client_handler_table = {
        **paramiko.auth_handler.AuthHandler._client_handler_table, 60: asked}
    t._send_message(userauth("ada", "keyboard-interactive", "", ""))
    ll.until(lambda: got, 5, "the prompt")
    return t


def answers(count):
    m = paramiko.Message()
    m.add_byte(bytes([MSG_USERAUTH_INFO_RESPONSE]))
    m.add_int(count)
    for _ in range(count):
        m.add_string(GOOD)
    return m


def test_no_answer_or_three_to_one_prompt_end_it():
    for count in (0, 3):
        with house() as h:
            t = with_prompt(h)
            t._send_message(answers(count))
            ended(h, t, VIOLATION, VIOLATION)


def test_a_second_answer_to_one_prompt_ends_it():
    with house() as h:
        t = with_prompt(h)
        bad = answers(1)
        t._send_message(bad)
        ll.until(lambda: t.is_authenticated() or
                 "AUTHENTICATED" in [op for op, _ in h.seen], 5, "the login")
        t.close()
    with house() as h:
        h.users["ada"].codes = {}
        t = with_prompt(h)
        t._send_message(answers(1))
        t._send_message(answers(1))
        ended(h, t, VIOLATION, VIOLATION)
        assert len([1 for op, _ in h.asked if op == "AUTH_TOTP"]) == 1


def test_an_answer_before_any_prompt_ends_it():
    with house() as h:
        t = transport(h)
        t.auth_password("ada", "words", fallback=False)
        t._send_message(answers(1))
        ended(h, t, VIOLATION)


def test_a_channel_before_the_login_ends_it():
    for factors in (0, 1):
        with house() as h:
            t = transport(h)
            if factors:
                t.auth_password("ada", "words", fallback=False)
            m = paramiko.Message()
            m.add_byte(bytes([MSG_CHANNEL_OPEN]))
            m.add_string("session")
            for n in (0, 1 << 20, 1 << 15):
                m.add_int(n)
            t._send_message(m)
            ended(h, t, VIOLATION, VIOLATION)


def test_the_time_for_logging_in_ends():
    with house(config={"login_grace_secs": "1"}) as h:
        t = transport(h)
        t.auth_password("ada", "words", fallback=False)
        ended(h, t, session=GRACE)


def test_silence_and_noise_end_too():
    with house(config={"login_grace_secs": "1"}) as h:
        for said in (b"", b"GET / HTTP/1.0\r\n\r\n", os.urandom(3000)):
            s = socket.create_connection(("127.0.0.1", h.port))
            s.sendall(said)
            s.settimeout(10)
            while s.recv(4096):
                pass
            s.close()
            assert statuses(h)[0] in (15, DONE), (said[:9], statuses(h))


def test_a_delay_is_waited_for_and_holds_up_nobody_else():
    with house(tui="echo in") as h:
        slow, quick = transport(h), transport(h)
        h.delay = 2
        began = time.monotonic()
        waiting = threading.Thread(target=slow.auth_password, args=(
            "ada", "words"), kwargs={"fallback": False})
        waiting.start()
        ll.until(lambda: "AUTH_BEGIN" in [op for op, _ in h.asked], 5,
                 "the slow one's question")
        h.delay = 0
        quick.auth_password("ada", "words", fallback=False)
        assert time.monotonic() - began < 1.5
        waiting.join()
        assert 1.5 < time.monotonic() - began < 6
        slow.close()
        quick.close()


def test_a_longer_delay_is_told():
    with house() as h:
        h.delay = 900
        t = transport(h)
        try:
            t.auth_password("ada", "words", fallback=False)
            raise ll.Failure("in before the delay was over")
        except paramiko.AuthenticationException:
            pass
        assert b"Too many failed logins; wait" in t.get_banner()
        t.close()
        assert "AUTH_PASSWORD" not in [op for op, _ in h.asked]


def test_both_end_when_the_daemon_does():
    with house(tui="exec sleep 60") as h:
        t = transport(h)
        t.auth_password("ada", "words", fallback=False)
        t.auth_interactive("ada", lambda *a: [GOOD])
        c = t.open_session()
        c.exec_command("x")
        pair = h.pairs[-1]
        pair.gate[1].sock.shutdown(socket.SHUT_RDWR)
        pair.session[1].sock.shutdown(socket.SHUT_RDWR)
        assert pair.status() == (DONE, DONE)
        t.close()


def test_the_host_key_is_the_sessions():
    with house() as h:
        t = transport(h)
        from nacl.signing import SigningKey
        public = bytes(SigningKey(b"h" * 32).verify_key)
        assert t.get_remote_server_key().asbytes() == \
            struct.pack(">I", 11) + b"ssh-ed25519" + \
            struct.pack(">I", 32) + public
        t.close()


def test_the_gate_tests_its_library():
    gate = os.path.join(ll.BUILD, "letterlock-gate")
    done = subprocess.run([gate, "--self-test"], capture_output=True)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    ll.main()
