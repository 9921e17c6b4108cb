"""The message center on a terminal, from ticket to reply, over real SSH.

# limit: 400
"""
import os
import re
import signal
import time

import ll
from test_main_job import other_code

SHORT = "too short"
CHOSEN = "seven quiet otters rowing"


def own_login(user, term="xterm-256color", cols=80, rows=24):
    """A connection of its own: its client can be killed like a line cut."""
    screen = ll.Screen(
        user.ssh_words("-o", "ControlPath=none", "-tt", user.target),
        cols, rows, term)
    screen.wait("assword:").string
    screen.line(user.passphrase).wait("erification code:")
    screen.line(user.code())
    return screen


def ticket_login(user):
    screen = ll.Screen(user.ssh_words("-o", "ControlPath=none", "-tt",
                                      user.target))
    screen.wait("assword:")
    return screen.line(user.ticket)


def choose_passphrase(screen, passphrase):
    screen.wait("Choose a passphrase")
    screen.line(SHORT).wait("15")
    screen.send("\r").wait("Choose a passphrase")
    screen.line(passphrase).wait("once more")
    screen.line(passphrase + "x").wait("not the same")
    screen.send("\r").wait("Choose a passphrase")
    screen.line(passphrase).wait("once more")
    screen.line(passphrase)


def confirm_code(user, screen):
    """The QR code, alone on its screen; the key as text; one right code."""
    screen.wait("[\u2580\u2584\u2588]{7}")
    while screen.pump(0.2):
        pass
    assert not re.search(r"[A-Za-z0-9]", screen.text()), screen.text()
    screen.send("\r").wait(r"secret=")
    key = re.search(r"^ +((?:[A-Z2-7]{4} ){5,}[A-Z2-7]{1,4})$",
                    screen.text(), re.M)
    assert key, screen.text()
    user.seed = key.group(1).replace(" ", "")
    assert f"secret={user.seed}" in screen.text().replace("\n      ", "")
    screen.send("\r").wait("Verification code:")
    screen.line("000000").wait("Not the right code")
    screen.send("\r").wait("Verification code:")
    screen.line(user.code())


def take_codes(user, screen):
    code = screen.wait(r"^ +((?:[0-9A-Z]{4}-){7}[0-9A-Z]{4})$").group(1)
    user.recovery_code = code
    screen.send("q").wait("shown only now")
    screen.send("\r")
    n = int(screen.wait(r"Group (\d):").group(1))
    screen.line("ZZZZ").wait("is another")
    screen.send("\r")
    n = int(screen.wait(r"Group (\d):").group(1))
    screen.line(code.split("-")[n - 1].lower()).wait("Ten backup codes")
    codes = re.findall(r"\b[0-9A-Z]{5}-[0-9A-Z]{5}\b", screen.text())
    assert len(set(codes)) == 10, screen.text()
    screen.send("\r").wait("You are enrolled")
    assert screen.wait_end() == 0
    return codes


def enrol(user, passphrase=CHOSEN):
    user.passphrase = passphrase
    with ticket_login(user) as screen:
        screen.wait("Your ticket opens")
        screen.send("\r")
        choose_passphrase(screen, passphrase)
        confirm_code(user, screen)
        return take_codes(user, screen)


def test_from_ticket_to_inbox():
    with ll.House() as house:
        ada = house.invite("ada")
        enrol(ada)
        assert ada.passphrase.encode() not in b"".join(
            open(os.path.join(house.data, n), "rb").read()
            for n in os.listdir(house.data)
            if os.path.isfile(os.path.join(house.data, n)))
        with own_login(ada) as screen:
            screen.wait("Inbox: empty")
            assert len(screen.bytes) < 8192
            screen.send("q").wait("Inbox +0")
            time.sleep(0.5)
            screen.send("q")
            assert screen.wait_end() == 0


def write_to(screen, to, subject, text):
    screen.send("c").wait("Subject:")
    screen.send(f"{to}\t\t{subject}\t{text}")


def test_to_a_colleague_and_an_outsider():
    with ll.House({"undo_seconds": 5}) as house:
        ada, bob = house.add_user("ada"), house.add_user("bob")
        ada.login()
        bob.login()
        with ada.screen() as mine, bob.screen() as his:
            his.wait("Inbox: empty")
            mine.wait("Inbox: empty")
            write_to(mine, "bob@house.example, carol@out.example",
                     "Both of you", "Words for two.")
            mine.send("\x18").wait("Plan for 2 recipients: not sent yet")
            assert "portal-muc" in mine.text(), mine.text()
            mine.send("\r").wait(r"u takes it back")
            mine.send("u").wait("Taken back")
            mine.wait("Words for two")
            mine.send("\x18").wait("Plan for 2")
            mine.send("\r").wait(r"u takes it back")
            code = mine.wait(r"code +([0-9A-Z]{4}(?:-[0-9A-Z]{4}){2})")
            words = mine.wait(r"words ([a-z]+) ([a-z]+)")
            # it comes to the colleague without a key pressed there
            his.wait("Both of you").string
            his.wait("New message")
            his.send("\r").wait("Words for two")
            assert re.search(r"Signed by ada@house.example, and it holds",
                             his.text()), his.text()
            mine.wait("bob@house.example +read")
            page = ll.Visitor(house.wait_link("carol@out.example"))
            assert page.site_words() == list(words.groups())
            mine.wait("carol@out.example +notified")
            page.unlock(code.group(1))
            mine.wait("carol@out.example +(opened|read)")
            mine.wait_gone(code.group(1))
            his.send("r").wait("Re: Both of you")
            his.send("Gladly.\x18").wait("Plan for 1")
            his.send("\r").wait("Sent")
            mine.wait("bob@house.example +replied")
            mine.send("q").wait("Re: Both of you")


def test_a_cut_line_loses_no_draft():
    with ll.House() as house:
        ada = house.add_user("ada")
        with own_login(ada) as screen:
            screen.wait("Inbox: empty")
            write_to(screen, "bob@out.example", "Long letter",
                     "What took long to write")
            screen.wait("took long to write")
            time.sleep(2)
            screen.send(" lost")
            screen.child.kill(signal.SIGKILL)
        with own_login(ada, "vt100") as screen:
            screen.wait("You were writing to bob@out.example, .* ago")
            screen.send("\r").wait("Long letter")
            screen.wait("What took long to write")
            screen.send("\x1b").wait("Kept in Drafts")


def test_one_draft_on_two_screens_keeps_both_texts():
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        with ada.screen() as one:
            one.wait("Inbox: empty")
            write_to(one, "bob@house.example", "Shared", "base text ")
            ll.until(lambda: ada.list("drafts"), 10, "the journal")
            time.sleep(1.5)
            with ada.screen() as two:
                two.wait("Enter to go on")
                two.send("\r").wait("base text")
                one.send("ALPHA").wait("base text ALPHA")
                time.sleep(2)
                two.send("BETA").wait("Changed elsewhere; this text is a new")
                one.send(" more")
                time.sleep(2)
                assert "elsewhere" not in one.text(), one.text()
        texts = set()
        for draft in ada.list("drafts"):
            with ada.screen() as screen:
                screen.wait("Enter to go on|Inbox")
                screen.send("q" if "go on" in screen.text() else "")
                screen.send("B").wait("Shared")
                if texts:
                    screen.send("j")
                screen.send("\r")
                texts.add(screen.wait("base text ([A-Za-z ]+)").group(1))
        assert texts == {"ALPHA more", "BETA"}, texts


def test_the_store_killed_while_writing():
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        with ada.screen() as screen:
            screen.wait("Inbox: empty")
            write_to(screen, "bob@out.example", "Subject", "Before.")
            screen.wait(r"Write \(journalled\)")
            for process in house.procs("letterlock-store"):
                process.kill()
            screen.send(" After.").wait(r"Before\. After\.")
            screen.wait(r"Write \(journalled\)", 30)
            screen.send("\x1b").wait("Kept in Drafts")
            screen.send("B").wait("To bob@out.example")
            screen.send("\r").wait(r"Before\. After\.")


def test_withdraw_and_reissue():
    with ll.House({"undo_seconds": 0}) as house:
        ada = house.add_user("ada")
        ada.login()
        sent = ada.send(["carol@out.example"], "secret", "body")
        link = house.wait_link("carol@out.example")
        for _ in range(10):
            page = ll.Visitor(link)
            page.unlock("7KQ4-9XWT-2MBH")
        with ada.screen() as screen:
            screen.wait("Inbox")
            screen.send("S").wait("secret")
            screen.send("s").wait("will expire")
            old = sent["recipients"][0]["code"]
            assert old in screen.text(), screen.text()
            screen.send("i").wait("A new link is on its way")
            new = screen.wait(r"code +([0-9A-Z]{4}(?:-[0-9A-Z]{4}){2})")
            assert new.group(1) != old
            house.wait_link("carol@out.example", 2)
            screen.send("w").wait("Withdraw the message from")
            screen.send("y").wait("Reason:")
            screen.line("typed it wrong").wait("Withdrawn: no key")
            screen.wait("carol@out.example +withdrawn")
            screen.wait_gone(new.group(1))


def freeze(link, code):
    wrong = other_code(code)
    for n in range(12):
        page = ll.Visitor(link, origin=f"192.0.2.{n}")
        if page.code == 200:
            page.unlock(wrong)
    assert page.code == 423, page.code


def test_a_frozen_link_is_told_at_once_and_at_each_login():
    with ll.House({"trusted_proxy": "127.0.0.1"}) as house:
        ada = house.add_user("ada")
        ada.login()
        sent = ada.send(["eve@out.example"], "secret", "body")
        link = house.wait_link("eve@out.example")
        with ada.screen() as screen:
            screen.wait("Inbox: empty")
            freeze(link, sent["recipients"][0]["code"])
            screen.wait("Frozen by wrong codes: eve@out.example")
        lines = ll.run(["ssh"] + ada.ssh_words(
            "-o", "ControlMaster=no", "-T", ada.target), stdin="quit\n").out
        assert "Frozen by wrong codes: 1, the newest for eve@out" in lines
        with ada.screen() as screen:
            screen.wait("Frozen by wrong codes: eve@out.example")
            screen.send("S").wait("secret")
            screen.send("s").wait("frozen")
            screen.send("i").wait("A new link is on its way")
        with ada.screen() as screen:
            screen.wait("Inbox: empty")
            assert "Frozen" not in screen.text(), screen.text()


def test_reset_with_and_without_the_recovery_code():
    with ll.House({"undo_seconds": 0}) as house:
        ada, bob = house.add_user("ada"), house.add_user("bob")
        bob.login()
        bob.send(["ada@house.example"], "old mail", "old body")
        for old_mail in (True, False):
            ada.ticket = house.admin_json("user", "reset", "ada")["ticket"]
            ada.passphrase = CHOSEN
            with ticket_login(ada) as screen:
                screen.wait("stays sealed for ever")
                screen.send("\r").wait("Recovery code:")
                if old_mail:
                    screen.line("0000-1111").wait("Enter: the recovery code")
                    screen.send("\r").wait("Recovery code:")
                    screen.line(ada.recovery_code)
                else:
                    screen.line("").wait("stays sealed")
                    screen.line("begin anew")
                choose_passphrase(screen, CHOSEN)
                confirm_code(ada, screen)
                take_codes(ada, screen)
            with own_login(ada) as screen:
                screen.wait("old mail" if old_mail else
                            "sealed for an older key")


def test_admin_screens():
    with ll.House() as house:
        admin = house.add_user("root1", role="admin")
        admin.login()
        with admin.screen() as screen:
            screen.wait("Running the house")
            screen.send("\r").wait("root1 +active")
            screen.send("a").wait("Login name:")
            screen.line("zoe").wait("E-mail:")
            screen.line("zoe@house.example").wait("Name:")
            screen.line("Zoe").wait("Role")
            screen.line("").wait("shown this once")
            ticket = screen.wait(r"^ +((?:\w{4}-){4}\w{4})$").group(1)
            screen.send("q").wait("zoe +invited")
            time.sleep(0.5)
            screen.send("q").wait("State of the server")
            for page in ("Outbound queue", "State of the server", "Log"):
                screen.send("j")
                screen.send("\r").wait(f"^ {page}")
                time.sleep(0.5)
                screen.send("q").wait("Running the house")
        zoe = ll.User(house, "zoe", CHOSEN, None)
        zoe.ticket = ticket
        enrol(zoe)


def test_a_file_arrives_in_the_composer():
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        path = house.write("report.pdf", "x" * 100000)
        with ada.screen() as screen:
            screen.wait("Inbox: empty")
            write_to(screen, "bob@out.example", "With a file", "Here.")
            draft = screen.wait(r"scp FILE HOST:(/d/[0-9A-Z]+/)").group(1)
            ada.scp(path, ":" + draft)
            screen.wait("Attached: report.pdf")
            screen.wait(r"Files: 1, 98 KiB: report.pdf")
            screen.send(" And more.").wait("And more")
            screen.wait(r"Write \(journalled\)")
            screen.send("\x14").wait("1. report.pdf")
            screen.line("1").wait("Detached")
            screen.wait("Files: none")
            ada.scp(path, ":" + draft)
            screen.wait("Files: 1,")
            screen.send("\x18").wait("1 attachment goes with it")
            screen.send("\r").wait("Sent")
            screen.send("\r").wait("1. report.pdf")
            place = screen.wait(r"scp HOST:(/m/\S+)").group(1)
            ada.scp(":" + place, house.base + "/back.pdf")
            with open(house.base + "/back.pdf", encoding="ascii") as f:
                assert f.read() == "x" * 100000


def test_walking_through_the_mailbox():
    with ll.House({"undo_seconds": 0}) as house:
        ada, bob = house.add_user("ada"), house.add_user("bob")
        ada.login()
        bob.login()
        sent = [ada.send(["bob@house.example"], f"Subject {n}",
                         f"Body number {n}\n" * (40 if n == 2 else 1))
                for n in range(1, 4)]
        with bob.screen() as screen:
            screen.wait("1-3 of 3, 3 unread")
            screen.send(" ").wait("Body number 3")
            screen.send(" ").wait("Body number 2")
            # read only when the last line was seen
            assert ada.status(sent[1]["id"])[0]["state"] == "opened"
            screen.send("  ")
            ada.wait_state(sent[1]["id"], "bob@house.example", "read")
            screen.send(" ").wait("Body number 1")
            screen.send(" ").wait("No unread messages")
            screen.send("n").wait("No further message")
            screen.send("p").wait("Body number 2")
            screen.send("a").wait("Moved to Archive; u takes it back")
            screen.wait("1-2 of 2, 0 unread")
            screen.send("u").wait("1-3 of 3")
            screen.send("d").wait("Moved to Trash")
            screen.send("T").wait("Trash: 1-1 of 1")
            screen.send("P").wait("Type destroy:")
            screen.line("destroy").wait("Trash: empty")


def test_keys_of_an_account():
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        key = ll.make_key(house)
        with open(key + ".pub", encoding="ascii") as f:
            line = f.read().strip()
        with ada.screen() as screen:
            screen.wait("Inbox: empty")
            screen.send("M").wait("none: you log in with your passphrase")
            screen.send("K").wait("Key:")
            screen.line("ssh-rsa AAAA").wait("no line of a public key")
            screen.send("K").wait("Key:")
            screen.send("\x1b[200~" + line + "\n\x1b[201~\r")
            screen.wait("SHA256:")
            again = ll.User(house, "ada", ada.passphrase, ada.seed)
            again.key = key
            with ll.Screen(again.ssh_words("-tt", again.target)) as other:
                other.wait("erification code:")
                other.line(ada.code()).wait("Passphrase")
                other.line("").wait("sealed, but|Passphrase:")
                other.send("\x1b").wait("Inbox")
                other.send("o").wait("Passphrase:")
                other.line(ada.passphrase).wait("The mailbox is open")
            screen.send("\x1b[F")
            screen.send("X").wait("Remove the key SHA256")
            screen.send("y").wait("Removed")
            screen.wait("none: you log in")


def test_lock_ends_the_screen():
    with ll.House() as house:
        ada = house.add_user("ada")
        ada.login()
        with ada.screen() as screen:
            screen.wait("Inbox: empty")
            write_to(screen, "bob@out.example", "Half", "Half a text")
            screen.send("\x0flock").wait("> lock")
            screen.send("\r").wait("Passphrase:")
            assert "Half" not in screen.text()
            screen.line(ada.passphrase)
            screen.wait("You were writing to bob@out.example")
            screen.send("\r").wait("Half a text")


if __name__ == "__main__":
    ll.main()
