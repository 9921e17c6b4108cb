"""letterlock-intake beside a real Postfix: what it takes over, what it leaves
alone, and what becomes of mail while something is away.

    main.cf has what contrib/postfix.txt tells; mail that is not taken over is
    in Postfix's Maildir.
"""
import contextlib
import os
import shutil
import smtplib
import tempfile
import time

import ll
import mta

GATE = """
smtpd_milters = {at}
non_smtpd_milters = {at}
milter_default_action = tempfail
milter_protocol = 6
in_flow_delay = 0
enable_long_queue_ids = yes
message_size_limit = 40000000
"""

ARMOUR = ("-----BEGIN PGP MESSAGE-----\r\n\r\n"
          "hF4DAAAAAAAAAAASAQdAxxxxxxxxxxxxxxxxxxxxxxxx\r\n"
          "-----END PGP MESSAGE-----\r\n")


def head(to, subject="sealed", **more):
    lines = ["From: Carol Outside <carol@out.example>", f"To: {to}",
             f"Subject: {subject}",
             "Date: Mon, 02 Feb 2026 10:00:00 +0000"]
    lines += [f"{name.replace('_', '-')}: {value}"
              for name, value in more.items()]
    return "\r\n".join(lines) + "\r\n"


def pgp_mime(to, text=ARMOUR, **more):
    return (head(to, MIME_Version="1.0", Content_Type="multipart/encrypted; "
                 'protocol="application/pgp-encrypted"; boundary="b"', **more)
            + "\r\n--b\r\nContent-Type: application/pgp-encrypted\r\n\r\n"
            "Version: 1\r\n--b\r\nContent-Type: application/octet-stream\r\n"
            "\r\n" + text + "\r\n--b--\r\n")


@contextlib.contextmanager
def place(config=None, users=("ada",), **options):
    """A house and the Postfix before it."""
    folder = tempfile.mkdtemp(prefix="ll-milter-")
    os.chmod(folder, 0o711)
    port = ll.free_port()
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        house = stack.enter_context(ll.House(config=dict(
            config or {}, intake_listen=f"inet:{port}@127.0.0.1"),
            **options))
        post = stack.enter_context(mta.Postfix(
            more=GATE.format(at=f"inet:127.0.0.1:{port}")))
        yield house, post, [house.add_user(name) for name in users]


def give(post, to, mail, sender="carol@out.example", check=True):
    """One SMTP transaction; the server's (code, words)."""
    to = [to] if isinstance(to, str) else to
    mail = mail.encode() if isinstance(mail, str) else mail
    with smtplib.SMTP(post.address, post.port, timeout=120) as s:
        s.ehlo()
        s.mail(sender)
        for address in to:
            code, words = s.rcpt(address)
            if code != 250:
                return code, words.decode()
        code, words = s.data(mail)
    if check:
        assert code == 250, (code, words)
    return code, words.decode()


def test_encrypted_is_taken_and_clear_passes():
    with place() as (house, post, (ada,)):
        give(post, "ada@house.example", pgp_mime(
            "ada@house.example", Message_ID="<one@out.example>"))
        give(post, "ada@house.example", head("ada@house.example", "clear") +
             "\r\nplain words\r\n")
        clear = post.wait_mail("ada@house.example")
        assert clear["Subject"] == "clear", clear
        ada.login()
        rows = ada.list()
        assert [r["subject"] for r in rows] == ["sealed"], rows
        assert rows[0]["from"] == "carol@out.example", rows
        assert len(post.mails("ada@house.example")) == 1


if __name__ == "__main__":
    ll.main()
