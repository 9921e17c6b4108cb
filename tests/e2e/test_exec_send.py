"""Exec verbs: what `send`, `plan`, `show` and `list` take, and what they answer
to bad input."""
# limit: 300
import json
import os
import subprocess
import time

import ll


def house_of_two(**options):
    house = ll.House(**options)
    ada, bob = house.add_user("ada"), house.add_user("bob")
    ada.login()
    bob.login()
    return house, ada, bob


def refused(user, command, code, words, stdin=None):
    """Exit code, one clear line on standard error, nothing on the other."""
    done = user.ssh(command, stdin, check=False)
    assert done.code == code, (command, done.code, done.err, done.out)
    assert done.out == "", (command, done.out)
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, (command, done.err)
    assert words in lines[0], (command, done.err)
    assert all(c == "\n" or c >= " " for c in done.err), repr(done.err)


def test_usage_is_told_in_one_line():
    house, ada, bob = house_of_two()
    with house:
        rows = [
            ("", 2, "no such verb"),
            ("nonsense", 2, "no such verb"),
            ("SHOW x", 2, "no such verb"),
            ("list --colour red", 2, "no option --colour"),
            ("list --folder", 2, "--folder needs a value"),
            ("list --folder attic", 2, "folders are"),
            ("list --limit none", 2, "--limit must be a number"),
            ("list --limit 0", 2, "--limit must be a number"),
            ("show", 2, "needs one id"),
            ("show 7F 3K", 2, "needs one id"),
            ("show 7F3", 2, "at least 4"),
            ("show !!!!!", 2, "no message id"),
            ("show 7F3K7F3K", 3, "no message of yours"),
            ("status 7F3K7F3K", 3, "no message of yours"),
            ("withdraw 7F3K7F3K", 3, "no message of yours"),
            ("reissue 7F3K7F3K", 2, "needs --to"),
            ("reissue 7F3K7F3K --to x@out.example", 3, "no message"),
            ("undo 7F3K7F3K", 3, "no message of yours"),
            ("plan", 2, "nobody to send it to"),
            ("list 'open", 2, "quote is not closed"),
            ("user list", 1, "another role"),
            ("queue", 1, "another role"),
        ]
        for command, code, words in rows:
            if command:
                refused(ada, command, code, words)
        refused(ada, "show " + "7" * 27, 2, "no message id")


def test_send_refuses_what_it_cannot_send():
    house, ada, bob = house_of_two()
    with house:
        to = "send --to bob@house.example --subject x "
        rows = [
            ("send --subject x", 2, "nobody to send it to", "text"),
            ("send --to --subject x", 2, "--to needs a value", "text"),
            ("send --to bob --subject x", 2, "bob", "text"),
            ("send --to bob@ --subject x", 2, "bob@", "text"),
            ("send --to @house.example --subject x", 2, "@", "text"),
            ("send --to bob@house.example,eve@@x --subject x", 2, "eve@@x",
             "text"),
            ("send bob@house.example --subject x", 2, "--to", "text"),
            (to, 2, "empty", ""),
            (to + "--subject y", 2, "given twice", "text"),
            (to + "--expires 0", 2, "--expires", "text"),
            (to + "--expires soon", 2, "--expires", "text"),
            (to + "--draft 7F3K7F3K", 3, "no draft", "text"),
            (to + "--reply 7F3K7F3K", 3, "no message", "text"),
            (to + "--reply 7F3K7F3K --draft 7F3K", 2, "don't go together",
             "text"),
            (to, 1, "not valid UTF-8", b"caf\xe9"),
            (to, 1, "not valid UTF-8", b"a\0b"),
            (to, 1, "over 262144 bytes", b"x" * 262145),
            ("send --to bob@house.example --subject " + "s" * 1001, 1,
             "subject is over 1000", "text"),
            ("send --to bob@house.example --subject \x1b[31m --\x1b[2J", 2,
             "no option", "text"),
        ]
        for command, code, words, stdin in rows:
            refused(ada, command, code, words, stdin)
        assert bob.list() == [] and ada.list("sent") == []
        assert ada.list("drafts") == []


def test_words_and_recipients():
    house, ada, bob = house_of_two()
    with house:
        house.add_user("carol")
        sent = ada.verb("send --subject Two plain words --to "
                        "bob@house.example carol@house.example, "
                        "BOB@house.example --to bob@HOUSE.example", "text")
        got = [r["address"] for r in sent["recipients"]]
        assert got == ["bob@house.example", "carol@house.example"], got
        row = ll.until(bob.list, what="the message")[0]
        assert row["subject"] == "Two plain words", row
        assert row["to"] == got, row
        assert row["thread"] == sent["thread"] and row["folder"] == "inbox"
        # what the shell at the other end kept together stays together
        ada.verb("send --to bob@house.example --subject "
                 "'quoted  --to \"x\" $HOME `id`'", "text")
        subjects = [m["subject"] for m in bob.list()]
        assert subjects[0] == 'quoted  --to "x" $HOME `id`', subjects


def test_a_held_recipient_is_no_failure():
    house, ada, bob = house_of_two()
    with house:
        house.invite("dave")
        plan = ada.verb("plan --to dave@house.example bob@house.example "
                        "x@out.example")
        rows = {r["address"]: r for r in plan["recipients"]}
        assert len(plan["hash"]) == 64, plan
        assert rows["dave@house.example"]["held"] is True, rows
        assert rows["dave@house.example"]["reason"], rows
        assert rows["bob@house.example"]["route"] == "internal", rows
        assert rows["x@out.example"]["route"] == "portal-muc", rows
        assert ada.list("sent") == [], "plan sends nothing"
        sent = ada.send(["dave@house.example", "bob@house.example"], "s", "b")
        rows = {r["address"]: r for r in sent["recipients"]}
        assert rows["dave@house.example"]["state"] == "held", rows
        assert rows["dave@house.example"]["code"] is None, rows
        assert rows["bob@house.example"]["state"] == "delivered", rows
        alone = ada.send(["dave@house.example"], "s", "b")
        assert alone["state"] == "held", alone


HOSTILE = ("red \x1b[31m bell \x07 csi \u009b31m bidi \u202e rtl zero "
           "\u200b tag \U000e0041 osc \x1b]0;title\x07")


def no_controls(text):
    for c in text:
        assert c in "\n\t" or (c >= " " and not 0x7f <= ord(c) <= 0x9f), \
            repr(text)
        assert c not in "\u202e\u200b\u2066" and ord(c) < 0xe0000, repr(text)


def test_foreign_escape_sequences_are_shown_as_marks():
    house, ada, bob = house_of_two()
    with house:
        body = HOSTILE + "\r\nsecond line\n"
        ada.verb("send --to bob@house.example --subject "
                 + ll.quote(HOSTILE), body)
        row = ll.until(bob.list, what="the message")[0]
        assert "<U+202E>" in row["subject"], row
        shown = bob.verb(f"show {row['id']}")
        assert "<U+001B>" in shown["body"] or "<0x1B>" in shown["body"]
        assert shown["body"].endswith("\nsecond line\n"), shown
        for text in (row["subject"], shown["subject"], shown["body"]):
            no_controls(text)
        for command in ("list", f"show {row['id']}",
                        f"thread {row['id']}"):
            plain = bob.ssh(command).out
            no_controls(plain)
            raw = bob.ssh(command + " --json").out
            no_controls(raw)
            no_controls(json.dumps(json.loads(raw), ensure_ascii=False))


def test_the_largest_text_arrives_whole():
    house, ada, bob = house_of_two()
    with house:
        for size in (32768, 65000, 65536, 70000, 262144):
            body = (os.urandom(size // 2 + 1).hex())[:size - 1] + "\n"
            sent = ada.send(["bob@house.example"], f"size {size}", body)
            shown = bob.verb(f"show {sent['id']}")
            assert shown["body"] == body, size
            assert shown["signature"]["valid"] is True, shown["signature"]


def test_lists_folders_and_moves():
    house, ada, bob = house_of_two()
    with house:
        for n in range(7):
            ada.send(["bob@house.example"], f"number {n}", "text")
        rows = bob.list()
        assert [r["subject"] for r in rows] == \
            [f"number {n}" for n in range(6, -1, -1)], rows
        assert len(bob.verb("list --limit 3")["messages"]) == 3
        assert len(ada.list("sent")) == 7
        assert ada.list("Sent") == ada.list("sent")     # as screens write it
        assert all(r["folder"] == "sent" and not r["unread"]
                   for r in ada.list("sent"))
        first = rows[0]["id"]
        bob.ssh(f"archive {first[:8]}")
        assert [r["id"] for r in bob.list("archive")] == [first]
        bob.ssh(f"trash {first}")
        assert bob.list("archive") == []
        bob.ssh(f"restore {first}")
        assert bob.list()[0]["id"] == first or len(bob.list()) == 7
        bob.ssh(f"show {first}")
        assert not next(r for r in bob.list() if r["id"] == first)["unread"]
        bob.ssh(f"unread {first}")
        assert next(r for r in bob.list() if r["id"] == first)["unread"]
        refused(bob, f"purge {first}", 3, "")
        bob.ssh(f"trash {first}")
        bob.ssh(f"purge {first}")
        refused(bob, f"show {first}", 3, "no message of yours")
        # the sender's own copy is untouched
        assert ada.verb(f"show {first}")["subject"] == "number 6"


def test_another_users_ids_do_not_exist():
    house, ada, bob = house_of_two()
    with house:
        carol = house.add_user("carol")
        carol.login()
        sent = ada.send(["bob@house.example"], "s", "b")["id"]
        for command in ("show", "status", "withdraw", "undo", "archive",
                        "trash", "purge", "unread", "thread"):
            refused(carol, f"{command} {sent}", 3, "no message of yours")
        refused(carol, f"reissue {sent} --to bob@house.example", 3, "")
        refused(carol, f"send --to bob@house.example --subject x --reply "
                f"{sent}", 3, "no message of yours", "text")
        # a reader is no author
        for command in (f"withdraw {sent}", f"status {sent}"):
            done = bob.ssh(command, check=False)
            assert done.code in (1, 3) and done.out == "", (command, done)


def test_drafts_take_files_and_become_messages():
    house, ada, bob = house_of_two()
    with house:
        path = house.write("a.txt", "content of a\n")
        ada.scp(path, ":/")
        draft = ada.list("drafts")[0]
        assert draft["attachments"] == 1, draft
        more = ada.verb(f"attach {draft['id']} --name ../b\x1b.txt",
                        b"\0binary\xff")
        assert "/" not in more["name"] and "\x1b" not in more["name"], more
        assert more["size"] == 8, more
        refused(ada, "attach 7F3K7F3K --name x", 3, "no draft", "x")
        refused(ada, f"attach {draft['id']}", 2, "--name", "x")
        sent = ada.send(["bob@house.example"], "files", "see files",
                        "--draft", draft["id"][:10])
        assert sent["id"] == draft["id"], sent
        assert ada.list("drafts") == []
        shown = bob.verb(f"show {sent['id']}")
        assert [a["n"] for a in shown["attachments"]] == [1, 2], shown
        assert shown["attachments"][0]["name"] == "a.txt", shown
        assert shown["attachments"][0]["size"] == 13, shown
        for n, want in ((0, b"content of a\n"), (1, b"\0binary\xff")):
            target = os.path.join(house.base, f"got{n}")
            bob.scp(":" + shown["attachments"][n]["path"], target)
            with open(target, "rb") as f:
                assert f.read() == want, n
        ada.scp(path, ":/")
        draft = ada.list("drafts")[0]["id"]
        ada.ssh(f"discard {draft}")
        assert ada.list("drafts") == []


def test_replies_thread():
    house, ada, bob = house_of_two()
    with house:
        sent = ada.send(["bob@house.example"], "Plan", "text")
        # without --to it goes to who wrote
        back = bob.verb(f"send --reply {sent['id']}", "answer")
        assert back["thread"] == sent["thread"], back
        assert back["recipients"][0]["address"] == "ada@house.example", back
        row = ll.until(ada.list, what="the answer")[0]
        assert row["subject"] == "Re: Plan", row
        rows = ada.verb(f"thread {row['id']}")["messages"]
        assert [r["id"] for r in rows] == [sent["id"], back["id"]], rows


def test_a_locked_mailbox_tells_nothing():
    house = ll.House()
    with house:
        key = ll.make_key(house)
        ada = house.add_user("ada", ssh_key=key)
        ada.login(passphrase="")
        who = ada.verb("whoami")
        assert who["locked"] is True, who
        assert who["factors"] == ["key", "totp"], who
        for command in ("list", "show 7F3K", "status 7F3K", "plan --to x@y.z",
                        "withdraw 7F3K", "send --to a@b.c --subject x"):
            done = ada.ssh(command, "text", check=False)
            assert (done.code, done.out) == (1, ""), (command, done.code)
            assert done.err.strip() == "locked: passphrase needed", done.err
        assert "list" in ada.ssh("help").out
        ada.login()
        assert ada.verb("whoami")["locked"] is False
        assert ada.list() == []


def test_an_admin_has_no_way_to_messages():
    house, ada, bob = house_of_two()
    with house:
        root = house.add_user("root", role="admin")
        root.login()
        sent = ada.send(["bob@house.example"], "s", "b")["id"]
        for command in ("list", f"show {sent}", f"status {sent}",
                        "send --to bob@house.example --subject x",
                        "plan --to bob@house.example", "people"):
            refused(root, command, 1, "another role", "text")
        users = root.verb("user list")["users"]
        assert {u["user"] for u in users} == {"ada", "bob", "root"}, users
        made = root.verb("user add eve --email eve@house.example")
        assert made["user"] == "eve" and made["ticket"], made
        refused(root, "user add eve --email eve2@house.example", 1, "")
        refused(root, "user disable nobody", 3, "")
        root.ssh("user disable bob")
        root.ssh("user disable eve")
        refused(root, "user enable eve", 1, "reset it instead")
        root.ssh("user enable bob")
        assert "ticket" in root.verb("user reset eve")
        assert root.ssh("server-status").out and root.ssh("log").out
        root.ssh("queue")


def test_half_a_text_is_never_sent():
    """A line cut, or a client killed, before the end of input."""
    house, ada, bob = house_of_two()
    with house:
        def half(transport, command):
            channel = transport.open_session()
            channel.exec_command(command)
            channel.sendall(b"half of what")
            ll.until(lambda: house.procs("letterlock-tui"), 10, "the worker")
            return channel
        to = "send --to bob@house.example --subject "
        first = ada.paramiko()
        half(first, to + "cut")
        time.sleep(0.5)
        first.sock.shutdown(2)
        second = ada.paramiko()
        client = subprocess.Popen(["ssh"] + ada.ssh_words(
            "-o", "ControlMaster=no", "-T", ada.target, to + "killed"),
            stdin=subprocess.PIPE)
        client.stdin.write(b"half of what")
        client.stdin.flush()
        time.sleep(0.7)
        client.kill()
        client.wait()
        client.stdin.close()
        whole = half(second, to + "whole")
        whole.shutdown_write()
        assert whole.recv_exit_status() == 0
        # a killed client's master may keep its channel open until it ends
        ada.logout()
        ll.until(lambda: not house.procs("letterlock-tui"), 10, "the end")
        assert [m["subject"] for m in bob.list()] == ["whole"], bob.list()
        first.close()
        second.close()


def test_expiry_is_the_senders_choice():
    house, ada, bob = house_of_two()
    with house:
        import datetime
        sent = ada.send(["x@out.example"], "s", "b", "--expires", "3")
        until = datetime.datetime.fromisoformat(
            sent["recipients"][0]["expires"].replace("Z", "+00:00"))
        days = (until - datetime.datetime.now(datetime.timezone.utc)).days
        assert days in (2, 3), sent


def test_a_known_code_is_said_to_be_known():
    house, ada, bob = house_of_two()
    with house:
        first = ada.send(["x@out.example"], "one", "b")["recipients"][0]
        assert "opens it too" not in first["reason"], first
        page = ll.Visitor(house.wait_link("x@out.example"))
        assert page.unlock(first["code"]) == 200
        plan = ada.verb("plan --to x@out.example")["recipients"][0]
        assert "opens it too" in plan["reason"], plan
        again = ada.send(["x@out.example"], "two", "b")["recipients"][0]
        assert again["code"] == first["code"], again
        assert again["reason"] == plan["reason"], again
        assert again["site_words"] != first["site_words"], again


if __name__ == "__main__":
    ll.main()
