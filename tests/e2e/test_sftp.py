"""Files by OpenSSH's sftp and scp over the one connection that is open."""
# limit: 300
import hashlib
import os

import ll


def a_house(**config):
    house = ll.House(config=config)
    ada, bob = house.add_user("ada"), house.add_user("bob")
    ada.login()
    return house, ada, bob


def make_file(house, name, size):
    path = os.path.join(house.base, name)
    with open(path, "wb") as f:
        left = size
        while left > 0:
            left -= f.write(os.urandom(min(left, 1 << 20)))
    return path


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def names(user, folder):
    out = user.sftp(f"ls -1 {folder}\n").out.splitlines()
    return [line.strip().split("/")[-1] for line in out
            if not line.startswith("sftp>")]


def test_64_mib_both_ways_and_constant_memory():
    house, ada, bob = a_house()
    with house:
        path = make_file(house, "big.bin", 64 << 20)
        ada.scp(path, ":/")
        draft = ada.list("drafts")[0]["id"]
        assert names(ada, f"/d/{draft}") == ["big.bin"]
        sent = ada.send(["bob@house.example"], "big", "see file",
                        "--draft", draft)
        bob.login()
        file = bob.verb(f"show {sent['id']}")["attachments"][0]
        assert file["size"] == 64 << 20 and file["name"] == "big.bin", file
        got = os.path.join(house.base, "got.bin")
        bob.scp(":" + file["path"], got)
        assert digest(got) == digest(path)
        os.unlink(got)
        bob.sftp(f"get {file['path']} {got}\n")
        assert digest(got) == digest(path)


def test_the_worker_needs_little_memory():
    house, ada, bob = a_house()
    with house:
        path = make_file(house, "big.bin", 48 << 20)
        peak = []

        def look():
            for p in house.procs("letterlock-sftp"):
                try:
                    with open(f"/proc/{p.pid}/status", encoding="ascii") as f:
                        for line in f:
                            if line.startswith("VmHWM"):
                                peak.append(int(line.split()[1]))
                except OSError:
                    pass
        import threading
        done = threading.Event()

        def watch():
            while not done.is_set():
                look()
                done.wait(0.01)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            ada.scp(path, ":/")
        finally:
            done.set()
            watcher.join()
        assert peak, "letterlock-sftp was never seen"
        assert max(peak) < 24 * 1024, f"{max(peak)} KiB"


def test_names_are_cleaned_and_doubles_numbered():
    house, ada, bob = a_house()
    with house:
        strange = os.path.join(house.base, "a\x1b[31m\u202etxt.exe")
        with open(strange, "w", encoding="ascii") as f:
            f.write("x")
        plain = make_file(house, "a.pdf", 10)
        ada.scp(strange, ":/")
        ada.scp(plain, ":/")
        ada.scp(plain, ":/")
        listed = names(ada, "/")
        assert "a.pdf" in listed and "a (2).pdf" in listed, listed
        assert len(listed) == 3, listed
        for name in listed:
            assert all(32 <= ord(c) and c not in "\u202e/\x7f"
                       for c in name), listed
        # and the message has them under the very same names
        draft = ada.list("drafts")[0]["id"]
        sent = ada.send(["ada@house.example"], "own", "b", "--draft", draft)
        shown = ada.verb(f"show {sent['id']}")["attachments"]
        assert sorted(a["name"] for a in shown) == sorted(listed), shown


def test_only_file_names_are_listed():
    house, ada, bob = a_house()
    with house:
        bob.login()
        sent = ada.send(["bob@house.example"], "subject-word", "body-word")
        make_file(house, "x.txt", 3)
        ada.scp(house.base + "/x.txt", ":/")
        assert names(ada, "/") == ["x.txt"]
        for folder in ("/d", "/m"):
            assert names(ada, folder) == [], folder
        out = bob.sftp(f"ls -la /m/{sent['id']}\n").out
        assert "body-word" not in out and "subject-word" not in out


def test_another_users_ids_do_not_exist():
    house, ada, bob = a_house()
    with house:
        path = make_file(house, "x.txt", 3)
        ada.scp(path, ":/")
        draft = ada.list("drafts")[0]["id"]
        sent = ada.send(["ada@house.example"], "own", "note",
                        "--draft", draft)
        bob.login()
        for folder in (f"/m/{sent['id']}", f"/d/{draft}", "/etc",
                       "/m/0000000000"):
            done = bob.sftp(f"ls {folder}\n", check=False)
            assert done.code != 0 and "x.txt" not in done.out, folder
        got = bob.sftp(f"get /m/{sent['id']}/x.txt {house.base}/y\n",
                       check=False)
        assert got.code != 0 and not os.path.exists(house.base + "/y")


def test_above_the_limit_is_refused_and_leaves_nothing():
    house, ada, bob = a_house(attachment_max="1M")
    with house:
        big = make_file(house, "big.bin", 3 << 20)
        done = ada.scp(big, ":/", check=False)
        assert done.code != 0
        assert "too large" in done.err, done.err
        assert "big.bin" not in names(ada, "/")
        fits = make_file(house, "fits.bin", 1 << 20)
        ada.scp(fits, ":/")
        assert "fits.bin" in names(ada, "/")


def test_uploads_that_failed_hold_no_place():
    house, ada, bob = a_house(attachment_max="100K")
    with house:
        big, fits = make_file(house, "b", 200 << 10), make_file(house, "f", 9)
        ada.sftp(f"-put {big} /b\n" * 20 + f"put {fits} /f\n")
        assert names(ada, "/") == ["f"]


def test_the_quota_is_refused_early():
    house, ada, bob = a_house(quota="1M")
    with house:
        ada.scp(make_file(house, "a", 600 << 10), ":/")
        big = make_file(house, "b", 30 << 20)
        done = ada.scp(big, ":/", check=False)
        assert done.code != 0 and "quota" in done.err, done.err
        assert names(ada, "/") == ["a"]
        ada.sftp("rm /a\n")
        ada.scp(make_file(house, "c", 600 << 10), ":/")
        assert names(ada, "/") == ["c"]


def test_an_upload_outlives_a_restart_of_the_store_or_says_so():
    house, ada, bob = a_house()
    with house:
        ada.scp(make_file(house, "a", 10), ":/")
        for p in house.procs("letterlock-store"):
            p.kill()
        ada.scp(make_file(house, "b", 100000), ":/")
        assert sorted(names(ada, "/")) == ["a", "b"]


def test_a_locked_vault_denies():
    house, ada, bob = a_house()
    with house:
        key = ll.make_key(house)
        eve = house.add_user("eve", ssh_key=key)
        eve.login(passphrase="")
        assert eve.verb("whoami")["locked"] is True
        done = eve.ssh("list", check=False)
        assert done.code == 1 and "locked: passphrase needed" in done.err
        path = make_file(house, "x.txt", 3)
        put = eve.sftp(f"put {path} /\n", check=False)
        assert put.code != 0
        assert "locked" in put.err, put.err


def test_remove_rename_and_what_is_refused():
    house, ada, bob = a_house()
    with house:
        path = make_file(house, "x.txt", 3)
        ada.sftp(f"put {path} /x.txt\nrename /x.txt /y.txt\n")
        assert names(ada, "/") == ["y.txt"]
        ada.sftp("rm /y.txt\n")
        assert names(ada, "/") == []
        for command in ("mkdir /z", "ln -s /a /b", "rmdir /d",
                        f"put {path} /m/0000000000/x"):
            assert ada.sftp(command + "\n", check=False).code != 0, command


def test_old_scp_is_told_what_to_do():
    house, ada, bob = a_house()
    with house:
        path = make_file(house, "x.txt", 3)
        done = ada.scp("-O", path, ":/", check=False)
        assert done.code != 0
        assert "without -O" in done.err or "sftp" in done.err, done.err


def test_a_rekey_in_the_middle_corrupts_nothing():
    house, ada, bob = a_house()
    with house:
        ada.login(options=["-o", "RekeyLimit=1M"])
        path = make_file(house, "r.bin", 12 << 20)
        got = house.base + "/r.got"
        ada.scp(path, ":/")
        ada.scp(":/r.bin", got)
        assert digest(path) == digest(got)


if __name__ == "__main__":
    ll.main()
