"""Logging in to the whole house: factors, delays, locks, restarts."""
# limit: 240
import statistics
import time

import paramiko
import pexpect

import ll


def ask(user, answers, options=(), command="whoami --json", level="INFO"):
    """ssh with each of the (pattern, answer) pairs; what it said, status."""
    # the first of two equal options counts
    words = ["-o", f"LogLevel={level}", "-o", "ControlPath=none", *options,
             *user.ssh_words()]
    child = pexpect.spawn("ssh", words + [user.target, command], timeout=20,
                          encoding="utf-8", env=ll.ENV)
    for pattern, answer in answers:
        child.expect(pattern)
        child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    return child.before, child.exitstatus


CODE = "Verification code: "
LOCKED = r"Passphrase \(Enter: stay locked\): "


def test_a_key_and_a_code_and_then_the_passphrase_or_not():
    with ll.House() as house:
        key = ll.make_key(house)
        ada = house.add_user("ada", ssh_key=key)
        said, status = ask(ada, [(CODE, ada.code()), (LOCKED, "")])
        assert status == 0 and '"locked":true' in said, said
        assert '"key","totp"' in said, said
        said, status = ask(ada, [(CODE, ada.code()), (LOCKED, "")],
                           command="list --json")
        assert status == 1 and "locked: passphrase needed" in said, said
        said, status = ask(ada, [(CODE, ada.code()),
                                 (LOCKED, ada.passphrase)])
        assert status == 0 and '"locked":false' in said, said


def test_a_used_code_is_told_from_a_wrong_one():
    with ll.House() as house:
        ada = house.add_user("ada")
        code = ada.code()
        ada.login(code=code)
        said, status = ask(ada, [
            ("assword: ", ada.passphrase), (CODE, code),
            ("That code was used; wait for the next[^:]*" + CODE,
             ada.code())])
        assert status == 0, said


def test_a_connection_outlives_the_store():
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        for _ in range(3):
            for p in house.procs("letterlock-store"):
                p.kill()
            done = ada.ssh("list --json", timeout=30)
            assert done.json() == {"messages": []}
        assert len(house.procs("letterlock-gate")) <= 2


def test_an_idle_screen_locks_and_opens_again():
    with ll.House(config={"idle_lock_secs": "5"}) as house:
        ada = house.add_user("ada")
        ada.login()
        with ada.screen() as screen:
            screen.wait("Inbox")
            before = {p.pid for p in house.procs("letterlock-tui")}
            screen.wait("Passphrase:", 20)
            after = {p.pid for p in house.procs("letterlock-tui")}
            assert before and after and not before & after, (before, after)
            assert ada.verb("whoami")["locked"] is True
            screen.line("this is not the passphrase")
            screen.wait("That is not the", 20)
            screen.line(ada.passphrase)
            screen.wait("Inbox", 20)
            assert ada.verb("whoami")["locked"] is False


def test_a_disabled_user_is_out_at_once():
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        house.admin("user", "disable", "ada")
        ll.until(lambda: not ada.logged_in(), 10, "the end of the connection")
        t = paramiko.Transport(("127.0.0.1", house.ssh_port))
        t.start_client(timeout=20)
        try:
            t.auth_password("ada", ada.passphrase, fallback=False)
            raise ll.Failure("a disabled user got a factor in")
        except paramiko.AuthenticationException:
            pass
        t.close()


def attempt(house, name, passphrase="never mind which"):
    """Seconds from a wrong passphrase to its refusal."""
    t = paramiko.Transport(("127.0.0.1", house.ssh_port))
    t.start_client(timeout=20)
    began = time.perf_counter()
    try:
        t.auth_password(name, passphrase, fallback=False)
        raise ll.Failure("in")
    except paramiko.AuthenticationException:
        took = time.perf_counter() - began
    banner = t.get_banner()
    t.close()
    return took, banner


EXEMPT = {"source_exempt": "127.0.0.0/8"}


def test_failures_bring_delays_for_any_name_alike():
    with ll.House(config=EXEMPT) as house:
        ada = house.add_user("ada")
        got = {}
        for name in ("ada", "nobody"):
            times = [attempt(house, name)[0] for _ in range(7)]
            assert max(times[:5]) < 0.9, times
            assert times[5] > 0.5 or times[6] > 0.9, times
            got[name] = times
        # the delayed factor comes through once its delay is over
        ada.login()
        assert ada.logged_in()


def test_wrong_and_unknown_take_the_same_time():
    rounds = 2000 if ll.SOAK else 30
    with ll.House(config={**EXEMPT, "kdf_memory_mib": "8"}) as house:
        names = [house.add_user(f"u{n}").name for n in range(rounds // 4 + 1)]
        known, unknown = [], []
        for n in range(rounds):
            # four failures a name bring no delay yet
            known.append(attempt(house, names[n // 4])[0])
            unknown.append(attempt(house, f"x{n // 4}")[0])
        a, b = statistics.median(known), statistics.median(unknown)
        print(f"# known {a * 1000:.1f} ms, unknown {b * 1000:.1f} ms")
        assert abs(a - b) < max(0.002 if ll.SOAK else 0.008, 0.05 * a)


def test_login_ends_with_the_daemon():
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        house.stop()
        ll.until(lambda: not ada.logged_in(), 10, "the end")


def test_what_a_login_costs():
    """Memory of an idle login: gate and session, private bytes."""
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        with ada.screen() as screen:
            screen.wait("Inbox")
            total = {}
            for name in ("letterlock-gate", "letterlock-session",
                         "letterlock-tui"):
                for p in house.procs(name):
                    with open(f"/proc/{p.pid}/smaps_rollup") as f:
                        rows = dict(line.split(":", 1) for line in f
                                    if line.count(":") == 1)
                    kib = sum(int(rows[k].split()[0]) for k in
                              ("Private_Dirty", "Private_Clean"))
                    total.setdefault(name, []).append(kib)
            print("#", total)


if __name__ == "__main__":
    ll.main()
