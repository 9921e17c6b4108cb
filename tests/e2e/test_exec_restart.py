"""Exec verbs while the store is killed under them: each either does its work
once or says that it did not."""
# limit: 200
import json
import signal
import threading

import ll


def test_each_verb_outlives_the_store():
    with ll.House() as house:
        ada, bob = house.add_user("ada"), house.add_user("bob")
        ada.login()
        bob.login()
        stop = threading.Event()

        def kills():
            while not stop.is_set():
                for p in house.procs("letterlock-store"):
                    p.kill()
                stop.wait(1.5)
        killer = threading.Thread(target=kills)
        killer.start()
        acknowledged, refused = {}, []
        try:
            for n in range(40):
                done = ada.ssh("send --to bob@house.example x@out.example "
                               f"--subject n{n} --json", f"body {n}",
                               check=False)
                if done.code == 0:
                    acknowledged[f"n{n}"] = json.loads(done.out)["id"]
                else:
                    assert done.code == 75 and done.out == "", \
                        (done.code, done.err)
                    assert done.err.strip(), "refused without a word"
                    refused.append(f"n{n}")
        finally:
            stop.set()
            killer.join()
        ll.until(lambda: ada.ssh("whoami", check=False).code == 0,
                 what="the store's return")
        got = {}
        for row in bob.list():
            got.setdefault(row["subject"], []).append(row["id"])
        for subject, message in acknowledged.items():
            assert got.get(subject) == [message], (subject, got)
        for subject in refused:
            assert len(got.get(subject, [])) <= 1, (subject, got)
        # most go through: a restart is waited for, not passed on
        assert len(acknowledged) >= 35, (len(acknowledged), refused)
        some = list(acknowledged.values())[0]
        assert bob.verb(f"show {some}")["body"].startswith("body")


def test_line_mode_outlives_the_store():
    with ll.House() as house:
        ada, bob = house.add_user("ada"), house.add_user("bob")
        ada.login()
        bob.login()
        with ada.screen(term="dumb", rows=200, cols=120) as t:
            t.wait("Type help")
            t.line("compose --to bob@house.example --subject Before")
            t.wait("single dot")
            t.line("before the fall")
            for p in house.procs("letterlock-store"):
                p.kill()
            t.wait("store is restarting|store is back")
            t.line("after it")
            t.line(".")
            t.wait("draft>$", 30)
            t.line("send")
            t.wait("Send it so", 30)
            t.line("y")
            t.wait("Sent: ", 30)
            t.line("quit")
            t.wait_end()
        row = ll.until(bob.list, 40, "the message")[0]
        shown = bob.verb(f"show {row['id']}")
        assert shown["body"] == "before the fall\nafter it\n", shown


def test_a_store_that_stood_still_is_not_lost():
    """A call that timed out must not leave the login without a store."""
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        store = house.procs("letterlock-store")[0]
        store.kill(signal.SIGSTOP)
        try:
            waiting = ada.ssh("whoami", check=False, timeout=60)
        finally:
            store.kill(signal.SIGCONT)
        assert waiting.code == 75 and waiting.raw == b"", waiting.err
        assert ada.verb("whoami")["user"] == "ada"


if __name__ == "__main__":
    ll.main()
