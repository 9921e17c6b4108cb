"""The local command and letterlockd's own behaviour: set-up, users, start and
stop, mistakes in one clear line, backup and restore, restarts."""
# limit: 300
import json
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import time

import ll

SSH_KEY = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPmSQxRVkMwIUHx2aPPjbmfaFbqVYv9"
           "3dhVBnVRAxDg ada@desk")


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def daemon(house, *words, env=None, timeout=60):
    return ll.run([os.path.join(ll.BUILD, "letterlockd"), *words],
                  check=False, env=dict(house.env, **(env or {})),
                  timeout=timeout)


def one_line(text, *parts):
    lines = text.strip().splitlines()
    assert len(lines) == 1, text
    for part in parts:
        assert part in lines[0], text


def test_init():
    with ll.House(start=False) as house:
        assert re.search(r"^  ([0-9A-Z]{4}-){12}[0-9A-Z]{4}$",
                         house.init_output, re.M), house.init_output
        with open(house.data + "/root.key", encoding="ascii") as f:
            assert f.read().strip() in house.init_output
        assert mode(house.data) == 0o700
        assert mode(house.data + "/root.key") == 0o400
        assert mode(house.data + "/portal.key") == 0o600
        again = house.admin("init", "--org", "Other", check=False)
        assert again.code == 1 and not again.out, again.out
        one_line(again.err, "not empty")
        key = ll.run(["ssh-keygen", "-lf", house.data + "/host_ed25519.pub"])
        assert key.out.split()[1] in house.init_output
        pem = ll.run(["openssl", "x509", "-in", house.data + "/portal.crt",
                      "-noout", "-text"]).out
        assert "DNS:localhost" in pem


def test_init_writes_only_what_can_be_read():
    """A value that the file could not hold is refused, not written."""
    with ll.House(start=False) as house:
        other = house.base + "/other"
        for org in ("a\x1b[31mb", "a\nrelay = dir:/tmp", "", "x" * 5000):
            got = ll.run([os.path.join(ll.BUILD, "letterlock"), "init",
                          "--org", org, "--data", other], check=False)
            assert got.code != 0 and not got.out, (org, got.out)
            one_line(got.err, "org_name: expected")
            assert "\x1b" not in got.err
            assert not os.path.exists(other + "/letterlock.conf")


def test_init_runs_as_it_is():
    """The configuration that init wrote, but for the ports, serves."""
    with ll.House(start=False) as house:
        other = house.base + "/as-is"
        ll.run([os.path.join(ll.BUILD, "letterlock"), "init", "--org", "X",
                "--data", other, "--set", "ssh_listen=127.0.0.1:0",
                "--set", "portal_listen=127.0.0.1:0",
                "--set", "portal_url=http://127.0.0.1:0",
                "--set", "kdf_memory_mib=8"], env=house.env)
        house.data = other
        house.config = {}
        house.start()
        assert house.stop() == 0


def test_usage():
    with ll.House(start=False) as house:
        for words in ([], ["nothing"], ["user"], ["user", "add"],
                      ["user", "add", "ada"], ["init"], ["backup"],
                      ["user", "add", "Ada!", "--email", "a@b.example"],
                      ["user", "add", "ada", "--email", "not an address"],
                      ["user", "add", "ada", "--email", "a@b.example",
                       "--role", "king"],
                      ["user", "list", "--colour"]):
            got = house.admin(*words, check=False)
            assert got.code == 2, (words, got.code)
            assert got.err and not got.out, words


def test_no_such_directory():
    none = ll.run([os.path.join(ll.BUILD, "letterlock"), "status", "--data",
                   "/nonexistent"], check=False)
    assert none.code == 3 and not none.out, none.code
    one_line(none.err, "No such file")


def each_way(check):
    """With no server, and with one."""
    with ll.House(start=False) as house:
        check(house)
    with ll.House() as house:
        check(house)


def test_users():
    def check(house):
        answer = house.admin_json("user", "add", "ada", "--email",
                                  "Ada@House.Example", "--name", "Ada", "L.",
                                  "--role", "admin", "--ssh-key", SSH_KEY)
        assert answer["user"] == "ada" and answer["role"] == "admin"
        assert answer["email"] == "Ada@house.example"
        assert re.fullmatch(r"([0-9A-Z]{4}-){4}[0-9A-Z]{4}",
                            answer["ticket"])
        twice = house.admin("user", "add", "ada", "--email", "x@y.example",
                            check=False)
        assert twice.code == 1 and not twice.out and twice.err
        plain = house.admin("user", "add", "bob", "--email",
                            "bob@house.example").out
        assert "ticket for bob: " in plain
        users = house.admin_json("user", "list")["users"]
        assert [(u["user"], u["role"], u["state"]) for u in users] == [
            ("ada", "admin", "invited"), ("bob", "staff", "invited")], users
        assert users[0]["name"] == "Ada L."
        assert "bob@house.example" in house.admin("user", "list").out
        house.admin("user", "disable", "bob")
        users = house.admin_json("user", "list")["users"]
        assert users[1]["state"] == "disabled"
        # without login factors there is nothing to enable
        none = house.admin("user", "enable", "bob", check=False)
        assert none.code == 1 and "reset" in none.err
        house.admin("user", "reset", "bob")
        users = house.admin_json("user", "list")["users"]
        assert users[1]["state"] in ("reset", "invited"), users
        # nor does it make an account of who only has a ticket
        none = house.admin("user", "enable", "bob", check=False)
        assert none.code == 1 and not none.out and "ticket" in none.err
        house.add_user("carl")
        house.admin("user", "disable", "carl")
        assert "carl is active" in house.admin("user", "enable", "carl").out
        reset = house.admin_json("user", "reset", "ada")
        assert reset["ticket"] != answer["ticket"]
        for verb in ("disable", "enable", "reset"):
            none = house.admin("user", verb, "carol", check=False)
            assert none.code == 3 and none.err and not none.out
    each_way(check)


def test_enrol_at_once():
    def check(house):
        ada = house.add_user("ada")
        assert re.fullmatch(r"([0-9A-Z]{4}-){7}[0-9A-Z]{4}",
                            ada.recovery_code)
        short = house.write("short", "only ten c")
        seed = ll.random_base32()
        for words, code in (
                (["--password-file", short, "--totp-secret", seed], 1),
                (["--password-file", house.base + "/none",
                  "--totp-secret", seed], 1),
                (["--password-file", short], 2),
                (["--password-file", short, "--totp-secret", "GEZA"], 2)):
            got = house.admin("user", "add", "bob", "--email",
                              "bob@house.example", *words, check=False)
            assert got.code == code, (words, got.code, got.err)
            one_line(got.err)
        users = house.admin_json("user", "list")["users"]
        assert [(u["user"], u["state"]) for u in users] == [
            ("ada", "active")]
        weak = house.write("good", ll.PASSPHRASE + "\n")
        got = house.admin("user", "add", "bob", "--email",
                          "bob@house.example", "--password-file", weak,
                          "--totp-secret", ll.random_base32(10))
        assert "112 bits" in got.err
    each_way(check)


def test_lists():
    def check(house):
        house.add_user("ada")
        status = house.admin_json("status")["status"]
        assert status
        assert house.admin("status").out
        assert house.admin_json("queue") == {"queue": []}
        leaves = house.admin_json("log", "--limit", "5")["log"]
        assert 1 <= len(leaves) <= 5
        assert all(re.fullmatch(r"[0-9a-f]{64}", leaf["hash"])
                   for leaf in leaves), leaves
        assert house.admin("log", "--limit", "0", check=False).code == 2
    each_way(check)


def test_stop():
    with ll.House() as house:
        house.admin("stop")
        assert house.daemon.wait(10) == 0
        assert not house.procs()
        again = house.admin("stop", check=False)
        assert again.code == 1
        one_line(again.err, "no letterlockd")


def test_config_mistakes():
    with ll.House(start=False) as house:
        path = house.config_path
        assert daemon(house, "-t", "-c", path).code == 0
        with open(path, encoding="utf-8") as f:
            good = f.read()
        n = good.count("\n")
        for line, expected in (
                ("kdf_passes = many", "expected a number from 1 to 16"),
                ("colour = red", "expected a known key"),
                ("just words", "expected key = value"),
                (f"relay = dir:{house.data}/out", "outside the data"),
                ("portal_url = http://house.example", "https://")):
            with open(path, "w", encoding="utf-8") as f:
                f.write(good + line + "\n")
            for words in (["-t", "-c", path], ["-c", path]):
                got = daemon(house, *words)
                assert got.code != 0 and not got.out
                one_line(got.err, f"{path}:{n + 1}: ", expected)
        with open(path, "w", encoding="utf-8") as f:
            f.write(good.replace("\n", "\r\n"))     # another editor's lines
        assert daemon(house, "-t", "-c", path).code == 0
        got = daemon(house, "-c", house.base + "/none.conf")
        assert got.code != 0
        one_line(got.err, "none.conf: No such file")
        assert daemon(house).code == 2
        keys = daemon(house, "--print-config").out
        assert "#ssh_listen = " in keys and "# Largest attachment." in keys


def test_start_mistakes():
    """Each in one line, with a status that is not 0."""
    with ll.House(start=False) as house:
        path = house.config_path

        def refused(*parts, env=None):
            got = daemon(house, "-c", path, env=env)
            assert got.code != 0, got.err
            one_line(got.err, *parts)

        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            house.write_config(ssh_listen=f"127.0.0.1:{port}")
            refused(f"cannot listen on 127.0.0.1:{port}: ", "in use")
        house.write_config(ssh_listen="127.0.0.1:0")
        os.chmod(house.data + "/root.key", 0o444)
        refused("root.key: others than its owner may read it")
        os.chmod(house.data + "/root.key", 0o400)
        os.chmod(house.data, 0o755)
        refused("mode 0700")
        os.chmod(house.data, 0o700)
        os.rename(house.data + "/root.key", house.base + "/kept")
        refused("root.key: No such file")
        with open(house.data + "/root.key", "w", encoding="ascii") as f:
            f.write("-".join(["0000"] * 13) + "\n")
        os.chmod(house.data + "/root.key", 0o400)
        refused("the root secret is not the one")
        os.unlink(house.data + "/root.key")
        os.rename(house.base + "/kept", house.data + "/root.key")
        low = subprocess.run(
            ["sh", "-c", "ulimit -l 16; exec \"$@\"", "sh",
             os.path.join(ll.BUILD, "letterlockd"), "-c", path],
            capture_output=True, text=True, timeout=30, env=house.env,
            check=False)
        assert low.returncode != 0
        one_line(low.stderr, "RLIMIT_MEMLOCK")


def test_missing_program():
    with ll.House(start=False) as house:
        bare = house.base + "/bin"
        os.mkdir(bare)
        with open(os.path.join(ll.BUILD, "letterlockd"), "rb") as f:
            code = f.read()
        with open(bare + "/letterlockd", "wb") as f:
            f.write(code)
        os.chmod(bare + "/letterlockd", 0o755)
        got = ll.run([bare + "/letterlockd", "-c", house.config_path],
                     check=False, env=house.env)
        if "another letterlockd" in got.err or got.code == 0:
            raise ll.Skip("letterlock is installed on this machine")
        assert got.code == 1
        one_line(got.err, "letterlock-store: not found in " + bare)


def test_second_daemon():
    with ll.House() as house:
        start = time.monotonic()
        got = daemon(house, "-c", house.config_path)
        assert got.code != 0 and time.monotonic() - start < 20
        one_line(got.err, "another letterlockd")
        assert house.admin_json("user", "list") == {"users": []}


def test_newer_schema():
    with ll.House() as house:
        house.stop()
        import sqlite3
        with sqlite3.connect(house.data + "/db/letterlock.db") as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute(f"PRAGMA user_version = {version + 1}")
        db.close()
        got = daemon(house, "-c", house.config_path)
        assert got.code != 0
        one_line(got.err, "newer")
        got = house.admin("user", "list", check=False)
        assert got.code != 0 and not got.out
        one_line(got.err, "newer")


def test_missing_library():
    """What the loader cannot find: its own line, and no more."""
    with ll.House(start=False) as house:
        bare = house.base + "/bin"
        os.mkdir(bare)
        for name in os.listdir(ll.BUILD):
            if name.startswith("letterlock"):
                os.symlink(os.path.join(ll.BUILD, name), bare + "/" + name)
        for name in ("letterlockd", "letterlock-store"):
            os.unlink(bare + "/" + name)
            with open(os.path.join(ll.BUILD, name), "rb") as f:
                code = f.read()
            if name == "letterlock-store":
                assert b"libsqlite3.so.0" in code
                code = code.replace(b"libsqlite3.so.0", b"libsqliteX.so.0")
            with open(bare + "/" + name, "wb") as f:
                f.write(code)
            os.chmod(bare + "/" + name, 0o755)
        got = ll.run([bare + "/letterlockd", "-c", house.config_path],
                     check=False, env=house.env)
        assert got.code == 1
        one_line(got.err, "libsqliteX.so.0")


def test_port_zero():
    with ll.House(start=False) as house:
        house.write_config(ssh_listen="127.0.0.1:0",
                           portal_listen="127.0.0.1:0",
                           portal_url="http://127.0.0.1:0")
        house.start()
        assert house.ssh_port and house.portal_port
        status = house.admin_json("status")["status"]
        assert status["portal_url"] == \
            f"http://127.0.0.1:{house.portal_port}"


def test_reload():
    with ll.House() as house:
        house.write_config(source_exempt="", source_startups="1")
        house.daemon.send_signal(signal.SIGHUP)
        ll.until(lambda: "reloaded" in house.log(), what="reload")
        with socket.create_connection(("127.0.0.1", house.ssh_port)) as one:
            assert one.recv(100).startswith(b"SSH-2.0-")
            with socket.create_connection(
                    ("127.0.0.1", house.ssh_port)) as two:
                assert b"too many connections" in two.recv(100)
        with open(house.config_path, "a", encoding="utf-8") as f:
            f.write("nonsense\n")
        house.daemon.send_signal(signal.SIGHUP)
        ll.until(lambda: "not reloaded: " in house.log(), what="refusal")
        assert house.admin("status").out


def test_max_startups():
    with ll.House(config={"max_startups": "3:100:4"}) as house:
        held = [socket.create_connection(("127.0.0.1", house.ssh_port))
                for _ in range(3)]
        for s in held:
            assert s.recv(100).startswith(b"SSH-2.0-")
        with socket.create_connection(("127.0.0.1", house.ssh_port)) as s:
            assert b"too many connections" in s.recv(100)
        for s in held:
            s.close()

        def served():
            with socket.create_connection(
                    ("127.0.0.1", house.ssh_port)) as s:
                return s.recv(100).startswith(b"SSH-2.0-")
        ll.until(served, 10, "room after the others left")


def test_penalty():
    """A crashed gate earns one at once, failed logins after three."""
    with ll.House(config={"source_exempt": ""}) as house:
        with socket.create_connection(("127.0.0.1", house.ssh_port)) as s:
            assert s.recv(100).startswith(b"SSH-2.0-")
            mine = ll.until(lambda: [p for p in
                                     house.procs("letterlock-gate")], 5,
                            "a gate")
            for p in mine:
                p.kill()
            ll.until(lambda: "under penalty" in house.log(), 10, "penalty")
        with socket.create_connection(("127.0.0.1", house.ssh_port)) as s:
            assert b"too many connections" in s.recv(100)
    with ll.House(config={"source_exempt": "10.0.0.0/8"}) as house:
        for n in range(8):         # names differ: no account's own delay
            if "under penalty" in house.log():
                break
            nobody = ll.User(house, f"nobody{n}", ll.PASSPHRASE,
                             ll.random_base32())
            nobody.login(check=False)
        ll.until(lambda: "under penalty" in house.log(), 10, "penalty")


def test_services_come_back():
    with ll.House() as house:
        house.add_user("ada").login()
        for name in ("letterlock-relay", "letterlock-portal",
                     "letterlock-store"):
            for _ in range(3):
                old = ll.until(lambda: house.procs(name), 10, name)[0]
                old.kill()
                ll.until(lambda: [p for p in house.procs(name)
                                  if p.pid != old.pid], 10, name + " again")
        answer = ll.until(lambda: house.admin("user", "list", "--json",
                                              check=False).out, 20, "a list")
        assert json.loads(answer)["users"][0]["user"] == "ada"
        assert house.users["ada"].ssh("whoami").out.strip()


def test_kill_daemon():
    """Its programs end by themselves, and a new one starts at once."""
    with ll.House() as house:
        house.add_user("ada").login()
        old = house.procs()
        assert len(old) >= 6, old
        house.daemon.kill()
        house.daemon.wait()
        start = time.monotonic()
        house.start()
        assert time.monotonic() - start < 8
        ll.until(lambda: not any(p.alive() for p in old), 10,
                 "the old programs' end")
        assert house.admin_json("user", "list")["users"][0]["user"] == "ada"


def test_user():
    """Started as root with the key `user`, nothing stays root."""
    if os.geteuid() != 0:
        raise ll.Skip("needs root")
    with ll.House(start=False) as house:
        os.chmod(house.base, 0o711)
        other = house.base + "/nobody"
        house.config["user"] = "nobody"
        cli = [os.path.join(ll.BUILD, "letterlock"), "--data", other]
        sets = [w for k, v in house.config.items()
                for w in ("--set", f"{k}={v}") if k != "relay"]
        ll.run(cli + ["init", "--org", "X"] + sets, env=house.env)
        uid = pwd.getpwnam("nobody").pw_uid
        for name in os.listdir(other):
            assert os.lstat(os.path.join(other, name)).st_uid == uid, name
        house.data, house.config = other, {}
        house.start()
        house.add_user("ada").login()
        for p in house.procs():
            with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
                status = f.read()
            uids = re.search(r"^Uid:(.*)", status, re.M).group(1).split()
            assert uids == [str(uid)] * 4, (p, uids)
            assert re.search(r"^CapEff:\t0+$", status, re.M), p
        house.admin("stop")
        assert house.daemon.wait(20) == 0


def test_backup_restore():
    with ll.House() as house:
        ada = house.add_user("ada")
        house.add_user("bob")
        ada.login()
        big = "x" * 200000
        first = ada.send(["bob@house.example"], "before", big)
        path = house.base + "/backup"
        house.admin("backup", path)
        assert mode(path) == 0o700
        names = sorted(os.listdir(path))
        assert "MANIFEST" in names and "letterlock.conf" in names
        assert mode(path + "/root.key") == 0o400
        bare = house.base + "/bare"
        house.admin("backup", bare, "--without-root")
        assert "root.key" not in os.listdir(bare)
        assert "portal.key" not in os.listdir(bare)
        assert not os.path.exists(house.data + "/backup.tmp")
        again = house.admin("backup", path, check=False)
        assert again.code == 1
        one_line(again.err, "not empty")
        ada.send(["bob@house.example"], "after", "y")
        busy = house.admin("restore", path, check=False)
        assert busy.code == 1
        one_line(busy.err, "not empty")
        root = house.write("root", open(house.data + "/root.key",
                                        encoding="ascii").read())
        house.stop()

        cli = os.path.join(ll.BUILD, "letterlock")
        new = house.base + "/restored"
        wrong = house.write("wrong", "-".join(["0000"] * 13))
        got = ll.run([cli, "--data", new, "restore", bare, "--root-key",
                      wrong], check=False, env=house.env)
        assert got.code == 1 and not os.listdir(new), got.err
        got = ll.run([cli, "--data", new, "restore", bare, "--root-key",
                      root], env=house.env)
        assert mode(new + "/root.key") == 0o400
        new = house.base + "/again"
        ll.run([cli, "--data", new, "restore", path], env=house.env)
        house.data = new
        house.start()
        ada.login()
        shown = ada.list("sent")
        assert [m["subject"] for m in shown] == ["before"], shown
        message = ada.ssh(f"show {first['id']} --json").json()
        assert message["body"].rstrip("\n") == big


def test_restore_refuses_changed_backup():
    with ll.House() as house:
        house.add_user("ada")
        path = house.base + "/backup"
        house.admin("backup", path)
        with open(path + "/db/letterlock.db", "r+b") as f:
            f.seek(200)
            byte = f.read(1)
            f.seek(200)
            f.write(bytes([byte[0] ^ 1]))
        cli = os.path.join(ll.BUILD, "letterlock")
        new = house.base + "/new"
        got = ll.run([cli, "--data", new, "restore", path], check=False,
                     env=house.env)
        assert got.code == 1
        one_line(got.err, "not what the manifest says")
        assert not os.path.exists(new) or not os.listdir(new)
        with open(path + "/MANIFEST", "r+", encoding="ascii") as f:
            text = f.read()
            f.seek(0)
            f.truncate()
            f.write(text[:len(text) // 2])
        got = ll.run([cli, "--data", new, "restore", path], check=False,
                     env=house.env)
        assert got.code == 1


def test_root_passphrase():
    """root.sealed: the daemon asks on standard input."""
    with ll.House(start=False) as house:
        other = house.base + "/sealed"
        cli = os.path.join(ll.BUILD, "letterlock")
        words = "seven gentle walruses"
        ll.run([cli, "--data", other, "init", "--org", "X",
                "--root-passphrase", "--set", "ssh_listen=127.0.0.1:0",
                "--set", "portal_listen=127.0.0.1:0",
                "--set", "portal_url=http://127.0.0.1:0"],
               stdin=words + "\n", env=house.env)
        assert not os.path.exists(other + "/root.key")
        program = [os.path.join(ll.BUILD, "letterlockd"), "-c",
                   other + "/letterlock.conf"]
        got = ll.run(program, stdin="wrong words here\n", check=False,
                     env=house.env)
        assert got.code == 1 and "wrong passphrase" in got.err
        with subprocess.Popen(program, stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True,
                              env=house.env) as p:
            p.stdin.write(words + "\n")
            p.stdin.flush()
            assert "ready" in p.stderr.readline()
            p.terminate()
            assert p.wait(20) == 0


if __name__ == "__main__":
    ll.main()
