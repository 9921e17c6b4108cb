"""From a ticket to an account of one's own, in the terminal."""
# limit: 240
import re
import time

import ll


def totp_code(seed, last=0):
    step = max(int(time.time()) // 30, last + 1)
    return ll.totp(seed, step), step


def ticket_login(user):
    screen = user.screen(master=False)
    screen.wait("password:", 20)
    screen.line(user.ticket)
    return screen


def enrol(user, screen, passphrase):
    """Walks through the screens; the user can log in afterwards."""
    screen.wait(f"Welcome {user.name}")
    screen.send("\r")
    screen.wait("Passphrase:")
    screen.line(passphrase)
    screen.wait("Again:")
    screen.line(passphrase)
    # the QR code fills the window; the key as text comes after it
    ll.until(lambda: blocks(screen), 20, "the QR code")
    screen.send("\r")
    found = screen.wait(r"^\s+((?:[A-Z2-7]{4} ?){8})\s*$")
    user.seed = found.group(1).replace(" ", "")
    screen.send("\r")
    screen.wait("Verification code:")
    wrong = "000000" if totp_code(user.seed)[0] != "000000" else "111111"
    screen.line(wrong)
    screen.wait("Not the right code")
    clear_dialog(screen)
    code, user.last_step = totp_code(user.seed)
    screen.line(code)
    after_code(user, screen)
    user.passphrase = passphrase


def blocks(screen):
    screen.pump()
    return sum(screen.text().count(c) for c in "█▀▄") > 200


def clear_dialog(screen):
    screen.wait("Verification code:|Enter: type a code", 10)
    if not re.search("Verification code:", screen.text()):
        screen.send("\r")
        screen.wait("Verification code:")


def after_code(user, screen):
    if screen.wait("SSH keys|recovery code").group(0) == "SSH keys":
        screen.send("\r")
    found = screen.wait(r"((?:[0-9A-Z]{4}-){7}[0-9A-Z]{4})")
    user.recovery_code = found.group(1)
    screen.send("\r")
    group = int(screen.wait(r"Group (\d):").group(1))
    screen.line(user.recovery_code.split("-")[group - 1])
    screen.wait("Ten backup codes")
    user.backup_codes = re.findall(
        r"\b[0-9A-Z]{5}-?[0-9A-Z]{5}\b", screen.text())
    screen.send("\r")
    screen.wait_end(20)


def test_a_ticket_becomes_an_account():
    house = ll.House()
    with house:
        ada = house.invite("ada")
        screen = ticket_login(ada)
        with screen:
            enrol(ada, screen, "seven grey otters sing")
        assert len(ada.backup_codes) == 10, ada.backup_codes
        ada.login()
        who = ada.verb("whoami")
        assert who["user"] == "ada" and not who["locked"], who
        # the ticket is spent
        other = ll.User(house, "ada", ada.ticket, ada.seed)
        assert other.login(check=False).code != 0


def test_a_backup_code_stands_for_a_verification_code_once():
    house = ll.House()
    with house:
        ada = house.invite("ada")
        with ticket_login(ada) as screen:
            enrol(ada, screen, "seven grey otters sing")
        code = ada.backup_codes[3]
        ada.login(code=code)
        assert ada.verb("whoami")["user"] == "ada"
        assert ada.login(code=code, check=False).code != 0
        ada.login(code=ada.backup_codes[4])


def test_reset_with_the_recovery_code_keeps_the_mail():
    house = ll.House()
    with house:
        ada, bob = house.add_user("ada"), house.add_user("bob")
        bob.login()
        bob.send(["ada@house.example"], "before", "from before the reset")
        house.admin("user", "reset", "ada")
        ada.ticket = house_ticket(house, "ada")
        with ticket_login(ada) as screen:
            screen.wait("reset")
            screen.send("\r")
            screen.wait("Recovery code:")
            screen.line(ada.recovery_code)
            continue_after_old(screen)
            enrol_rest(ada, screen, "eight grey otters sing")
        ada.login()
        rows = ada.list()
        assert [r["subject"] for r in rows] == ["before"], rows
        shown = ada.verb(f"show {rows[0]['id']}")
        assert shown["body"].strip() == "from before the reset"


def house_ticket(house, name):
    return house.admin_json("user", "reset", name)["ticket"]


def continue_after_old(screen):
    if not re.search("Passphrase:", screen.text()):
        screen.wait("Passphrase:|choose your passphrase")
        if not re.search("Passphrase:", screen.text()):
            screen.send("\r")


def enrol_rest(user, screen, passphrase):
    screen.wait("Passphrase:")
    screen.line(passphrase)
    screen.wait("Again:")
    screen.line(passphrase)
    ll.until(lambda: blocks(screen), 20, "the QR code")
    screen.send("\r")
    found = screen.wait(r"^\s+((?:[A-Z2-7]{4} ?){8})\s*$")
    user.seed = found.group(1).replace(" ", "")
    screen.send("\r")
    screen.wait("Verification code:")
    code, user.last_step = totp_code(user.seed)
    screen.line(code)
    after_code(user, screen)
    user.passphrase = passphrase


def test_a_cut_line_during_enrolment_leaves_the_ticket_good():
    house = ll.House()
    with house:
        ada = house.invite("ada")
        screen = ticket_login(ada)
        screen.wait("Welcome ada")
        screen.send("\r")
        screen.wait("Passphrase:")
        screen.close()
        with ticket_login(ada) as screen:
            enrol(ada, screen, "seven grey otters sing")
        ada.login()


if __name__ == "__main__":
    ll.main()
