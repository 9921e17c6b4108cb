"""Each program tries what it must never do, from inside, and is refused; with
the sandbox off the same tries succeed."""
# limit: 240
import os
import re

import inject
import ll

REFUSED = ("killed", -1, -13)

# program -> what it must never do
TRIES = {
    "letterlock-gate": ["open", "internet", "execute"],
    "letterlock-session": ["internet", "database"],
    "letterlock-tui": ["open", "internet", "execute"],
    "letterlock-sftp": ["open", "internet", "execute"],
    "letterlock-store": ["open", "internet", "execute"],
    "letterlock-portal": ["open", "execute"],
    "letterlock-relay": ["database", "execute"],
    "letterlock-intake": ["open", "execute"],
    "letterlockd": ["outside"],
}


def attempt(house, pid, what):
    if what == "open":
        return inject.open_file(pid, "/etc/passwd")
    if what == "database":
        return inject.open_file(pid, house.data + "/db/letterlock.db")
    if what == "outside":
        return inject.open_file(pid, house.base + "/outside")
    if what == "internet":
        return inject.internet(pid)
    return inject.execute(pid)


class Scene:
    """A house with one of each program alive, put up again when a try has
    ended one of them."""

    def __init__(self, env=None):
        self.house = ll.House(env=env, config={
            "intake_listen": f"inet:{ll.free_port()}@127.0.0.1"})
        self.house.write("outside", "x")
        self.users = [self.house.add_user(f"u{n}") for n in range(12)]
        self.screen = self.sftp = None

    def pid(self, program):
        if program == "letterlockd":
            return self.house.daemon.pid
        if program in ("letterlock-store", "letterlock-portal",
                       "letterlock-relay", "letterlock-intake"):
            return ll.until(lambda: self.house.procs(program),
                            20, program)[0].pid
        if not (self.screen and self.here(program)):
            self.log_in()
        return self.here(program)

    def here(self, program):
        """The process of the connection that is logged in: the ancestors and
        kin of its screen."""
        found = self.house.procs(program)
        if program == "letterlock-gate":
            found = [p for p in found if self.serves(p)]
        if program == "letterlock-session":
            parents = {p.parent for p in self.house.procs("letterlock-tui")}
            found = [p for p in found if p.pid in parents]
        return found[0].pid if found else None

    def serves(self, gate):
        """True for the gate that holds the connection, no spare one."""
        inodes = set()
        for fd in os.listdir(f"/proc/{gate.pid}/fd"):
            found = re.match(r"socket:\[(\d+)\]", os.readlink(
                f"/proc/{gate.pid}/fd/{fd}"))
            if found:
                inodes.add(found.group(1))
        with open("/proc/net/tcp", encoding="ascii") as f:
            return any(line.split()[9] in inodes for line in f
                       if line.split()[9] != "inode")

    def log_in(self):
        self.log_out()
        user = self.users.pop()
        user.login()
        self.screen = user.screen()
        self.screen.wait("Inbox")
        import subprocess
        words = user.ssh_words("-o", "ControlMaster=no")
        self.sftp = subprocess.Popen(
            ["ssh"] + words + ["-s", user.target, "sftp"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.sftp.stdin.write(b"\0\0\0\5\1\0\0\0\3")
        self.sftp.stdin.flush()
        assert self.sftp.stdout.read(9)[4] == 2

    def log_out(self):
        if self.sftp:
            self.sftp.kill()
            self.sftp.wait()
            self.sftp.stdin.close()
            self.sftp.stdout.close()
        if self.screen:
            self.screen.close()
        self.sftp = self.screen = None

    def close(self):
        self.log_out()
        self.house.close()


def run(env, judge):
    inject.can()
    wrong = []
    scene = Scene(env)
    with scene.house:
        try:
            for program, tries in TRIES.items():
                for what in tries:
                    pid = scene.pid(program)
                    got = attempt(scene.house, pid, what)
                    if not judge(got):
                        wrong.append((program, what, got))
                    if got == "killed" or what == "execute":
                        scene.log_out()
        finally:
            scene.log_out()
    assert not wrong, wrong


def test_what_must_never_happen_is_refused():
    run(None, lambda got: got in REFUSED)


def test_the_same_succeeds_with_the_sandbox_off():
    run({"LETTERLOCK_SANDBOX": "off"},
        lambda got: isinstance(got, int) and got >= 0)


def test_every_program_is_filtered_and_undumpable():
    scene = Scene()
    with scene.house:
        scene.log_in()
        try:
            for program in TRIES:
                pid = scene.pid(program)
                with open(f"/proc/{pid}/status", encoding="ascii") as f:
                    status = dict(line.rstrip("\n").split(":\t", 1)
                                  for line in f if ":\t" in line)
                assert status["NoNewPrivs"] == "1", program
                assert status["Seccomp"] == "2", (program, status["Seccomp"])
                owner = os.stat(f"/proc/{pid}/mem").st_uid
                assert owner == 0, f"{program} is dumpable"
        finally:
            scene.log_out()


if __name__ == "__main__":
    ll.main()
