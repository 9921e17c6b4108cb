"""Line mode: a dumb terminal, a plain pipe, and all that the screen can do."""
# limit: 240
import re

import ll


def house_of_two(**options):
    house = ll.House(**options)
    ada, bob = house.add_user("ada"), house.add_user("bob")
    ada.login()
    bob.login()
    return house, ada, bob


def dumb(user, rows=200, **options):
    return user.screen(term="dumb", rows=rows, cols=120, **options)


def piped(user, text):
    """`ssh -T` without a command: lines in, lines out."""
    return ll.run(["ssh"] + user.ssh_words(
        "-o", "ControlMaster=no", "-o", "BatchMode=yes", "-T", user.target),
        stdin=text, check=False)


def test_a_pipe_is_enough():
    house, ada, bob = house_of_two()
    with house:
        ada.send(["bob@house.example"], "Hello line", "first\nsecond\n")
        done = piped(bob, "list\n1\nwhoami\nnonsense\nquit\n")
        assert done.code == 0, (done.code, done.err)
        assert "1 of 1 in inbox, 1 unread" in done.out, done.out
        assert re.search(r"^> +1 \S{8} N.*ada@house.example  Hello line$",
                         done.out, re.M), done.out
        assert "first\nsecond\n" in done.out, done.out
        assert "Signature: good, by ada@house.example" in done.out
        assert "No such verb" in done.out and "Goodbye" in done.out
        assert "\x1b" not in done.out, repr(done.out)
        assert not bob.list()[0]["unread"]
        # the end of input ends it too
        assert piped(bob, "list\n").code == 0


def test_compose_plan_send_undo_on_a_dumb_terminal():
    house, ada, bob = house_of_two(config={"undo_seconds": 20})
    with house, dumb(ada) as t:
        t.wait("Type help")
        t.line("compose")
        t.wait("To \\(blanks between\\):$")
        t.line("bob nobody@")
        t.wait("bob: ")
        t.line("bob@house.example")
        t.wait("Cc .*:$")
        t.line("")
        t.wait("Subject:$")
        t.line("From a teletype")
        t.wait("single dot")
        t.line("one line")
        t.line("..hidden dot")
        t.line(".")
        t.wait("draft>$")
        t.line("show")
        t.wait("^\\.hidden dot")
        t.line("send")
        t.wait("bob@house.example: internal")
        t.wait("Send it so\\? \\(y/n\\)$")
        t.line("y")
        t.wait("Type undo within")
        assert bob.list() == []
        t.line("undo")
        t.wait("it is a draft again")
        t.line("drafts")
        t.wait("1 \\S{8}.*From a teletype")
        t.line("edit 1")
        t.wait("draft>$")
        t.line("send")
        t.wait("Send it so\\? \\(y/n\\)$")
        t.line("y")
        t.wait("Sent: ")
        t.line("quit")
        assert t.wait_end() == 0
        row = ll.until(bob.list, 40, what="the message")[0]
        assert bob.verb(f"show {row['id']}")["body"] == \
            "one line\n.hidden dot\n"
        assert b"\x1b" not in t.bytes, t.bytes


def test_a_code_is_told_and_told_again():
    house, ada, bob = house_of_two(config={"undo_seconds": 1})
    with house, dumb(ada) as t:
        t.wait("Type help")
        for text, after in (
                ("compose --to carol@out.example --subject Offer", "dot"),
                ("Dear Carol", ""), (".", "draft>$"),
                ("send", "Send it so"), ("y", "Sent: (\\S{26})")):
            t.line(text)
            found = t.wait(after)
        sent = found.group(1)
        code = t.wait("code ((?:\\w{4}-){2}\\w{4})").group(1)
        assert "the page will show: " in t.text()
        link = house.wait_link("carol@out.example")
        t.line(f"status {sent}")
        t.wait("notified")
        page = ll.Visitor(link)
        assert page.unlock(code) == 200
        # it is told without being asked
        t.wait("\\* carol@out.example: (opened|read)")
        t.line(f"reissue {sent} --to carol@out.example")
        t.wait("code ((?:\\w{4}-){2}\\w{4})")
        t.line(f"withdraw {sent}")
        t.wait("carol@out.example: ")
        t.line("quit")
        t.wait_end()


def test_arrivals_are_told_and_answered():
    house, ada, bob = house_of_two(config={"undo_seconds": 0})
    with house, dumb(bob) as t:
        t.wait("Type help")
        sent = ada.send(["bob@house.example"], "News \x1b[31m", "the text")
        t.wait("\\* New message from ada@house.example: News <")
        t.line("next")
        t.wait("^the text")
        t.line("list")
        t.wait("1 of 1 in inbox, 0 unread")
        t.line("reply 1")
        t.wait("Quote .* \\(y/n\\)")
        t.line("n")
        t.wait("single dot")
        t.line("my answer")
        t.line(".")
        t.wait("draft>$")
        t.line("send")
        t.wait("Send it so")
        t.line("y")
        t.wait("Sent: ")
        row = ll.until(ada.list, what="the answer")[0]
        assert row["subject"].startswith("Re: News"), row
        assert row["thread"] == sent["thread"], row
        assert "my answer" in ada.verb(f"show {row['id']}")["body"]
        assert b"\x1b" not in t.bytes, t.bytes


def test_what_was_written_survives_a_cut_line():
    house, ada, bob = house_of_two()
    with house:
        with dumb(ada) as t:
            t.wait("Type help")
            t.line("compose --to bob@house.example --subject Cut")
            t.wait("single dot")
            t.line("kept line")
            ll.until(lambda: ada.list("drafts"), what="the journal")
            t.line("last line")
            ll.time.sleep(2.2)
            t.child.kill(9)
        row = ada.list("drafts")[0]
        assert row["subject"] == "Cut", row
        with dumb(ada) as t:
            t.wait("go on writing")
            t.line("drafts")
            t.wait("1 \\S{8}.*Cut")
            t.line("edit 1")
            t.wait("^kept line\\n\\s*last line")


def test_locked_until_unlocked():
    house = ll.House()
    with house:
        ada = house.add_user("ada", ssh_key=ll.make_key(house))
        ada.login(passphrase="")
        with dumb(ada) as t:
            t.wait("locked. Type unlock")
            t.line("list")
            t.wait("passphrase needed")
            t.line("unlock")
            t.wait("Passphrase:$")
            t.line("wrong wrong wrong wrong")
            t.wait("unlock: ")
            t.line("unlock")
            t.wait("Passphrase:$")
            t.line(ada.passphrase)
            t.wait("mailbox is open")
            assert ada.passphrase not in t.text()
            assert "wrong wrong" not in t.text()
            t.line("list")
            t.wait("Nothing in inbox")


def test_enrolment_on_a_teletype():
    house = ll.House()
    with house:
        eve = house.invite("eve")
        eve.passphrase = "seven grey otters whistle"
        words = eve.ssh_words("-o", "ControlPath=none", "-tt", eve.target)
        with ll.Screen(words, cols=120, rows=200, term="dumb") as t:
            t.wait("password:")
            t.line(eve.ticket)
            t.wait("New passphrase:$")
            t.line("short")
            t.wait("again:$")
            t.line("short")
            t.wait("New passphrase:$")
            t.line(eve.passphrase)
            t.wait("again:$")
            t.line(eve.passphrase + "x")
            t.wait("two differ")
            t.line(eve.passphrase)
            t.wait("again:$")
            t.line(eve.passphrase)
            found = t.wait("this secret:\\s+((?:[A-Z2-7]{4} ?)+)")
            eve.seed = found.group(1).replace(" ", "")
            t.wait("otpauth://totp/")
            t.line("qr")
            t.wait("##")
            t.line("000000")
            t.line(eve.code())
            found = t.wait("Recovery code .*\\n\\s*([0-9A-Z-]{39})")
            eve.recovery_code = found.group(1)
            t.wait("Backup codes")
            t.line("nonsense")
            t.wait("look again")
            t.line(eve.recovery_code.split("-")[-1].lower())
            t.wait("Log in again")
            t.wait_end()
            assert eve.passphrase not in t.text()
        eve.login()
        assert eve.verb("whoami")["user"] == "eve"


def enrol_anew(t, user, recovery):
    t.wait("password:")
    t.line(user.ticket)
    t.wait("New passphrase:$")
    t.line(user.passphrase)
    t.wait("again:$")
    t.line(user.passphrase)
    t.wait("Recovery code \\(Enter: begin anew\\):$")
    if recovery:
        t.line("AAAA-" * 7 + "AAAA")
        t.wait("begin anew\\):$")
        t.line(recovery.lower())
    else:
        t.line("")
        t.wait("stays sealed for ever. \\(y/n\\)$")
        t.line("y")
    found = t.wait("this secret:\\s+((?:[A-Z2-7]{4} ?)+)")
    user.seed, user.last_step = found.group(1).replace(" ", ""), 0
    t.wait("it shows now")
    t.line(user.code())
    code = t.wait("Recovery code .opens.*\\n\\s*([0-9A-Z-]{39})").group(1)
    t.wait("last group back")
    t.line(code.split("-")[-1])
    t.wait("Log in again")
    t.wait_end()
    return code


def reset(house, user):
    user.logout()
    user.ticket = house.admin_json("user", "reset", user.name)["ticket"]
    words = user.ssh_words("-o", "ControlPath=none", "-tt", user.target)
    return ll.Screen(words, cols=120, rows=200, term="dumb")


def test_a_reset_keeps_old_mail_with_the_recovery_code_only():
    house, ada, bob = house_of_two()
    with house:
        old = ada.send(["bob@house.example"], "old", "old text")["id"]
        bob.passphrase = "fourteen quiet bridges"
        with reset(house, bob) as t:
            code = enrol_anew(t, bob, bob.recovery_code)
        bob.login()
        assert bob.verb(f"show {old}")["body"].strip() == "old text"
        new = ada.send(["bob@house.example"], "new", "new text")["id"]
        assert bob.verb(f"show {new}")["body"].strip() == "new text"
        assert code != bob.recovery_code
        with reset(house, bob) as t:
            enrol_anew(t, bob, None)
        bob.login()
        last = ada.send(["bob@house.example"], "last", "last text")["id"]
        assert bob.verb(f"show {last}")["body"].strip() == "last text"
        for message in (old, new):
            done = bob.ssh(f"show {message}", check=False)
            assert done.code == 1 and done.out == "", done.err
        rows = {r["id"]: r for r in bob.list()}
        assert set(rows) == {old, new, last}, rows
        assert rows[old]["subject"] == "" and rows[last]["subject"] == "last"


def test_a_key_that_changed_after_the_plan_stops_the_send():
    house, ada, bob = house_of_two(config={"undo_seconds": 0})
    with house, dumb(ada) as t:
        t.wait("Type help")
        for text, after in (
                ("compose --to bob@house.example --subject Plan", "dot"),
                ("text", ""), (".", "draft>$"),
                ("send", "internal[^$]*Send it so\\? \\(y/n\\)$")):
            t.line(text)
            t.wait(after)
        bob.passphrase = "fourteen quiet bridges"
        with reset(house, bob) as other:
            enrol_anew(other, bob, None)
        t.line("y")
        t.wait("send: .*plan again")
        bob.login()
        assert bob.list() == []
        t.line("send")
        t.wait("Send it so\\? \\(y/n\\)$")
        t.line("y")
        t.wait("Sent: ")
        assert bob.verb("list")["messages"][0]["subject"] == "Plan"


if __name__ == "__main__":
    ll.main()
