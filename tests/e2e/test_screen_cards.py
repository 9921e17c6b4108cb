"""The screens in a terminal emulator, over a house of cards.

build/tests/unit/test_screen runs the real screens over tui/center.h faked, in
the program's own sandbox: what is tested here is the terminal, not the house.
"""
import os
import re
import shutil
import tempfile
import time

import ll


class Cards(ll.Screen):
    """The screens on a pty, with a named pipe for events."""

    def __init__(self, role="staff", messages=100, cols=80, rows=24,
                 term="xterm-256color", **env):
        import pexpect
        import pyte
        self.base = tempfile.mkdtemp(prefix="ll-cards-")
        self.fifo = os.path.join(self.base, "events")
        os.mkfifo(self.fifo)
        self.emulator = pyte.Screen(cols, rows)
        self.stream = pyte.ByteStream(self.emulator)
        clean = {k: v for k, v in ll.ENV.items()
                 if k not in ("LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR")}
        env.setdefault("LC_ALL", "C.UTF-8")
        env = {k: v for k, v in env.items() if v is not None}
        self.child = pexpect.spawn(
            os.path.join(ll.BUILD, "tests", "unit", "test_screen"),
            ["show", role, str(messages), self.fifo],
            env=dict(clean, TERM=term, **env), dimensions=(rows, cols),
            timeout=20, echo=False)
        self.child.delaybeforesend = None
        self.bytes = b""
        self.ended = False

    def event(self, letter):
        with open(self.fifo, "w", encoding="ascii") as f:
            f.write(letter)

    def settle(self):
        while self.pump(0.15):
            pass
        return self.text()

    def close(self):
        super().close()
        shutil.rmtree(self.base, ignore_errors=True)


def test_same_screen_on_every_terminal():
    shown = set()
    for term in ("xterm-256color", "xterm", "linux", "screen-256color",
                 "tmux-256color", "xterm-ghostty", "vt100"):
        with Cards(term=term) as screen:
            screen.wait("Message number 100, café")
            shown.add(screen.settle())
    assert len(shown) == 1, shown


def test_sizes():
    for cols, rows in ((80, 24), (40, 12), (132, 50), (300, 100), (40, 10)):
        with Cards(cols=cols, rows=rows) as screen:
            screen.wait("Message number")
            screen.wait("q Back")
            first = min(rows - 3, 100)
            assert f"1-{first} of 100" in screen.settle(), screen.text()
    with Cards(cols=30, rows=8) as screen:
        screen.wait("needs 40x10")
        screen.resize(80, 24)
        screen.wait("Message number 100")
        screen.resize(50, 12)
        screen.wait("1-9 of 100")
        screen.send("\r").wait("Line of the body")
        screen.resize(120, 40)
        screen.wait(r"Line of the body with a mark <U\+202E> in it")


def test_only_harmless_escapes():
    with Cards() as screen:
        screen.wait("Message number 100")
        screen.send("\r").wait("Signed")
        screen.send("q?").wait("Every key of this screen")
        screen.settle()
        data = screen.bytes
    assert not re.search(rb"\x1b[\]P_^X]", data), "OSC, DCS, APC, PM or SOS"
    assert not re.search(rb"[\x00-\x06\x10-\x1a\x1c-\x1f]", data)
    data.decode("utf-8")
    assert not re.search(r"[\x80-\x9f]", data.decode("utf-8"))
    for seq in set(re.findall(rb"\x1b(\[[0-9;?>]*[A-Za-z]|[^\[])", data)):
        assert re.fullmatch(
            rb"\[\?(1|7|12|25|1049|2004|1000|1006)(;25)?[hl]|"
            rb"\[[0-9;]*[A-HJKLMPSTXdmrtb@Zl]|\[>[0-9;]*[cm]|[78=>]|\(B?|M",
            seq), seq


def test_ascii_and_mono():
    with Cards(term="vt100", LC_ALL="C") as screen:
        screen.wait(r"Message number 100, caf\?")
        screen.send("\r").wait("what the sender wrote")
        screen.settle()
        assert all(b < 0x80 for b in screen.bytes)
    with Cards(NO_COLOR="1") as screen:
        screen.wait("Message number 100")
        screen.send("\r").wait("Signed")
        screen.settle()
        assert not re.search(rb"\x1b\[[0-9;]*\b[34][0-7]m", screen.bytes)
        # what is chosen is marked by a character too
        screen.send("q").wait(r"^>N@")


def test_probe_of_utf8():
    """Without a locale the terminal is asked where its cursor went."""
    for column, subject in ((2, "café"), (3, r"caf\?")):
        with Cards(LC_ALL=None) as screen:
            ll.until(lambda: screen.pump() and b"\x1b[6n" in screen.bytes,
                     5, "the question for the cursor")
            screen.send(f"\x1b[1;{column}R")
            screen.wait(f"Message number 100, {subject}")


def test_paging_is_quick_and_small():
    with Cards(messages=100000) as screen:
        screen.wait("1-21 of 100000")
        for page in range(2, 40):
            screen.send("\x1b[6~")
            screen.wait(f"{21 * page - 20}-{21 * page} of 100000", 5)
        screen.send("\x1b[5~").wait("778-798 of")
        screen.send("\x1b[H").wait("1-21 of 100000")


def test_arrival_and_loss_without_a_key():
    with Cards(messages=3) as screen:
        screen.wait("Message number 3,")
        screen.event("m")
        screen.wait("Message number 4,")
        screen.wait("New message")
        screen.event("l")
        screen.wait("reconnecting")
        screen.event("r")
        screen.wait_gone("reconnecting")


def test_nothing_is_lost_while_the_store_is_away():
    with Cards() as screen:
        screen.wait("Message number 100")
        screen.send("c").wait("Write")
        screen.send("bob@house.example\t\tHello\tFirst words.")
        screen.wait(r"Write \(journalled\)")
        screen.event("l")
        screen.wait("reconnecting")
        screen.send(" More words.")
        screen.wait("More words")
        screen.wait("not journalled")
        screen.event("r")
        screen.wait(r"Write \(journalled\)")
        assert "First words. More words." in screen.text()


def test_a_paste_is_text():
    """A megabyte of what would be commands: all text, up to the ceiling."""
    line = "q\x1b[A\x18:discard\r"
    with Cards() as screen:
        screen.wait("Message number 100")
        # where nothing is typed, a paste does nothing
        screen.send("\x1b[200~dddqqq\x1b[201~").wait("A paste is text")
        screen.wait("1-21 of 100,")
        screen.send("c").wait("Write")
        screen.send("\x1b[B\x1b[B\x1b[B")
        big = "0123456789abcdef\r\n" * 58255
        screen.send("\x1b[200~" + line)
        for at in range(0, len(big), 4096):
            screen.send(big[at:at + 4096])
            screen.pump(0)
        screen.send("\x1b[201~")
        screen.wait(r"bytes of the paste were left out", 30)
        screen.send("\x1a").wait_gone("0123456789abcdef")
        screen.send("\x1b[200~" + line + "\x1b[201~end")
        screen.wait(r"q\[A:discard")
        screen.wait(r"^end")


def test_double_q_goes_back_once():
    with Cards() as screen:
        screen.wait("Message number 100")
        screen.send("\r").wait("Signed")
        screen.send("qq").wait("1-21 of 100")
        screen.settle()
        assert not screen.ended
        time.sleep(0.5)
        screen.send("q").wait("Archive")
        time.sleep(0.5)
        screen.send("q")
        assert screen.wait_end() == 0


def test_a_key_costs_few_bytes():
    with Cards() as screen:
        screen.wait("Message number 100")
        for key in "jjjkj":
            screen.settle()
            before = len(screen.bytes)
            screen.send(key).settle()
            assert 0 < len(screen.bytes) - before < 40, screen.bytes[before:]
            assert screen.emulator.cursor.x == 0
        # a key and an unknown sequence behind it: the key is shown
        screen.send("j\x1b[99~").wait("^>N .* number 96,")


def test_help_and_palette():
    with Cards() as screen:
        screen.wait("Message number 100")
        screen.send("?").wait("next unread: ")
        screen.send("\x1b").wait("1-21 of 100")
        screen.send("\x0b").wait("Find a verb")
        screen.send("account\r").wait("Your account")
        screen.send("\x1b").wait("1-21 of 100")
        # words of the description find it as well
        screen.send(":new message").wait("> write")
        screen.send("\r").wait("Subject:")


def test_write_plan_send_undo():
    with Cards() as screen:
        screen.wait("Message number 100")
        screen.send("c").wait("Write")
        screen.send("bo").wait("Tab takes it")
        screen.send("\tcarol@else.example, nobody@held.example\t\tHi\tText")
        screen.send("\x18").wait("Plan for 3 recipients: not sent yet")
        for words in ("logs in here", "a new one, to be told by phone",
                      "HELD, will not be sent", "no safe way", "provable:"):
            assert words in screen.text(), words
        screen.send("\r").wait(r"u takes it back for \d+ s")
        for words in ("7KQ4-9XWT-2MBH", "Kilo Quebec Four", "amber otter"):
            assert words in screen.text(), words
        screen.send("u").wait("Taken back: nobody got it")
        screen.wait("To:bob@house.example, carol@else.example")
        screen.send("\x18").wait("Plan for 3")
        screen.send("\r").wait("Sent:")
        screen.event("o")
        screen.wait("carol@else.example +opened")
        screen.wait_gone("7KQ4")


def test_keys_and_a_changed_one():
    for cols, rows in ((80, 24), (40, 12)):
        with Cards(cols=cols, rows=rows) as screen:
            screen.wait("Inbox")
            screen.send("K").wait("carol@changed.example")
            screen.wait("0123 4567 89AB")
            screen.send("?").wait("confirm key")
            screen.send("\x1b").wait("CHANGED")
            # what is pasted is taken as it is, and ends by itself
            screen.send("a").wait("Address:")
            screen.send("bob@out.example\r").wait("bytes so far")
            screen.send("\x1b[200~nothing\rof a key\r\x1b[201~")
            screen.wait("of a key")
            screen.send("\x18").wait("Not added")
            screen.send("a").wait("Address:")
            screen.send("@out.example\r").wait("bytes so far")
            screen.send("-----BEGIN PGP\rxyz\r-----END PGP-----\r")
            screen.wait("Added")
            screen.send("a").wait("Address:")
            screen.send("no address\r").wait("no address|address")
            screen.send("\x1b").wait("Inbox")
            screen.send("c").wait("Write")
            screen.send("carol@changed.example\t\tHi\tText\x18")
            screen.wait("Plan for 1 recipient")
            screen.wait("WARNING: the OpenPGP key")
            screen.send("C").wait("Confirm a changed key")
            screen.wait("0123 4567 89AB")
            screen.send("y").wait("Confirmed: it counts")
            screen.send("L").wait("Not normal")
            screen.send("K").wait("Keys of carol@changed")
            screen.wait("checked by you")


def test_locked():
    with Cards(role="locked") as screen:
        screen.wait("Passphrase:")
        screen.send("wrong\r").wait("not the passphrase")
        screen.send("\x1b").wait("sealed: press o")
        screen.send("o").wait("Passphrase:")
        screen.send("secret\r").wait("Message number 100")
        assert b"secret" not in screen.bytes


def test_admin_sees_no_mail():
    with Cards(role="admin") as screen:
        screen.wait("Running the house")
        assert "Inbox" not in screen.settle()
        screen.send("c").settle()
        assert "Running the house" in screen.text()
        screen.send("\r").wait("bob +active")
        screen.send("R").wait("Old mail stays sealed unless bob")
        screen.send("x\r").wait("Type bob to agree")
        screen.send("\x7fbob\r").wait("Ticket: shown this once")
        screen.wait(r"^  (\w{4}-){4}\w{4}$")


if __name__ == "__main__":
    ll.main()
