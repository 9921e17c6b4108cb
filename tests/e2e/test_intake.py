"""letterlock-intake beside a real Postfix: what it takes over, what it leaves
alone, and what becomes of mail while something is away.

    main.cf has what contrib/postfix.txt tells; mail that is not taken over is
    in Postfix's Maildir.
"""
# limit: 240
import base64
import contextlib
import grp
import os
import random
import re
import shutil
import signal
import smtplib
import stat
import subprocess
import tempfile
import threading
import time

import keykit
import ll
import mta

GATE = """
smtpd_milters = {at}
non_smtpd_milters = {at}
milter_default_action = tempfail
milter_protocol = 6
in_flow_delay = 0
local_header_rewrite_clients =
enable_long_queue_ids = yes
internal_mail_filter_classes = bounce
transport_maps = inline:{{ gone@out.example=error:5.1.1_mailbox_is_gone }}
message_size_limit = 40000000
smtpd_authorized_xclient_hosts = 127.0.0.0/8
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
        post = stack.enter_context(mta.Postfix(
            more=GATE.format(at=f"inet:127.0.0.1:{port}")))
        if options.get("relay") == "smtp":
            options["relay"] = post.relay
        house = stack.enter_context(ll.House(config=dict(
            config or {}, intake_listen=f"inet:{port}@127.0.0.1"),
            **options))
        yield house, post, [house.add_user(name) for name in users]


def give(post, to, mail, sender="carol@out.example", check=True, login=None):
    """One SMTP transaction; the server's (code, words).  login: as whom the
    client has logged in (Postfix takes our word for it, XCLIENT)."""
    to = [to] if isinstance(to, str) else to
    mail = mail.encode() if isinstance(mail, str) else mail
    with smtplib.SMTP(post.address, post.port, timeout=120) as s:
        s.ehlo()
        if login:
            assert s.docmd("XCLIENT", f"LOGIN={login}")[0] == 220
            s.ehlo()
        code, words = s.mail(sender)
        if code != 250:
            return code, words.decode()
        for address in to:
            code, words = s.rcpt(address)
            if code != 250:
                return code, words.decode()
        code, words = s.data(mail)
    if check:
        assert code == 250, (code, words)
    return code, words.decode()


def subjects(user):
    return sorted(row["subject"] for row in user.list())


def refused(post, to, mail, **how):
    code, words = give(post, to, mail, check=False, **how)
    assert code == 451, (code, words)


def test_encrypted_is_taken_and_clear_passes():
    with place() as (house, post, (ada,)):
        to = "ada@house.example"
        give(post, to, pgp_mime(to, Message_ID="<one@out.example>"))
        give(post, to, head(to, "clear") + "\r\nplain words\r\n")
        clear = post.wait_mail(to)
        assert clear["Subject"] == "clear", clear
        assert clear.get_content() == "plain words\n"
        ada.login()
        rows = ada.list()
        assert [r["subject"] for r in rows] == ["sealed"], rows
        assert rows[0]["from"] == "carol@out.example", rows
        assert len(post.mails(to)) == 1


INLINE = [
    ("text", head("x") + "\r\nSee below\r\n" + ARMOUR),
    ("base64", head("x", Content_Transfer_Encoding="base64",
                    Content_Type="text/plain") + "\r\n" +
     base64.encodebytes(("Hi\n" + ARMOUR).encode()).decode()),
    ("html", head("x", Content_Type="text/html") + "\r\n<pre>" + ARMOUR),
    ("exchange", head("x", Content_Type='multipart/mixed; boundary="b"') +
     "\r\n--b\r\nContent-Type: text/plain\r\n\r\n\r\n--b\r\n"
     "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"
     "--b--\r\n"),
    ("file", head("x", Content_Type='multipart/mixed; boundary="b"') +
     '\r\n--b\r\nContent-Type: application/octet-stream; name="a.asc"'
     "\r\n\r\n" + ARMOUR + "--b--\r\n"),
    ("outlook", head("x", Content_Type="application/octet-stream; "
                     'name="smime.p7m"', Content_Transfer_Encoding="base64")
     + "\r\n" + base64.encodebytes(bytes.fromhex(
         "3082010006092a864886f70d010703a08201")).decode()),
]
CLEAR = [
    ("quoted", head("x") + "\r\nLook for -----BEGIN PGP MESSAGE in it\r\n"),
    ("signed", head("x") + "\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n"),
    ("opaque", head("x", Content_Type="application/pkcs7-mime; "
                    "smime-type=signed-data; name=smime.p7m",
                    Content_Transfer_Encoding="base64") + "\r\n" +
     base64.encodebytes(bytes.fromhex(
         "3082010006092a864886f70d010702a08201")).decode()),
    ("late", head("x") + "\r\n" + "line\r\n" * 20000 + ARMOUR),
]


def test_forms_of_encryption():
    with place() as (house, post, (ada,)):
        to = "ada@house.example"
        for name, mail in INLINE + CLEAR:
            give(post, to, mail.replace("Subject: sealed", "Subject: " + name))
        post.wait_mail(to, len(CLEAR))
        ada.login()
        assert subjects(ada) == sorted(row[0] for row in INLINE)
        assert sorted(m["Subject"] for m in post.mails(to)) == \
            sorted(row[0] for row in CLEAR)


def test_clear_passes_byte_for_byte():
    """Also what looks like an answer, and what no header parser likes."""
    with place() as (house, post, (ada,)):
        to = "ada@house.example"
        body = bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"")
        mail = (head(to, "odd", References="<nobody@knows.example>",
                     In_Reply_To="<" + "x" * 3000 + ">").encode() +
                b"X-Odd:\tfolded\r\n \xff\xfe <\r\n\r\n" + body + b"\r\n")
        give(post, to, mail)
        post.wait_mail(to)
        folder = os.path.join(post.mail, "all", "new")
        with open(os.path.join(folder, os.listdir(folder)[0]), "rb") as f:
            got = f.read()
        assert b"X-Odd:\tfolded\n \xff\xfe <\n" in got
        assert body in got
        ada.login()
        assert ada.list() == []


def test_mixed_recipients():
    with place(users=("ada", "bob")) as (house, post, (ada, bob)):
        mail = pgp_mime("ada@house.example", Message_ID="<mixed@out.example>")
        give(post, ["ADA@House.example", "carol@other.example",
                    "bob@house.example", "nobody@house.example"], mail)
        post.wait_mail("carol@other.example")
        post.wait_mail("nobody@house.example")
        for user in (ada, bob):
            user.login()
            assert subjects(user) == ["sealed"], user.name
        # Bob was a blind one: nothing that ada gets names him
        message = ada.list()[0]["id"]
        assert b"bob" not in ada.ssh(f"show {message} --json").out.encode()
        assert not post.mails("ada@house.example")
        assert not post.mails("bob@house.example")


def test_given_twice_kept_once():
    """A sender that did not hear the answer gives the mail again; servers on
    the way have added other lines, and recipients come in another order."""
    with place(users=("ada", "bob")) as (house, post, (ada, bob)):
        to = ["ada@house.example", "bob@house.example"]
        for extra in ("one", "two"):
            for mail_id in ("<twice@out.example>", None):
                more = {"Message_ID": mail_id} if mail_id else {}
                if mail_id:
                    more["X_Way"] = extra
                give(post, to, pgp_mime("ada@house.example", **more))
            to.reverse()
        give(post, to, pgp_mime("ada@house.example", ARMOUR + "other",
                                Message_ID="<twice@out.example>"))
        for user in (ada, bob):
            user.login()
            assert len(user.list()) == 3, user.list()


def test_nothing_is_lost_while_the_store_is_away():
    with place() as (house, post, (ada,)):
        to = "ada@house.example"
        store = house.procs("letterlock-store")[0]
        os.kill(store.pid, signal.SIGSTOP)
        began = time.monotonic()
        refused(post, to, pgp_mime(to, Message_ID="<away@out.example>"))
        refused(post, to, head(to, "clear") + "\r\nplain\r\n")
        assert time.monotonic() - began < 60
        os.kill(store.pid, signal.SIGCONT)
        give(post, to, pgp_mime(to, Message_ID="<away@out.example>"))
        intake = house.procs("letterlock-intake")[0]
        intake.kill()
        ll.until(lambda: give_code(post, to, pgp_mime(
            to, Message_ID="<back@out.example>")) == 250, 20,
            "intake is there again")
        ada.login()
        assert len(ada.list()) == 2
        house.stop()
        refused(post, to, head(to, "clear") + "\r\nplain\r\n")
        assert not post.mails(to)


def give_code(post, to, mail):
    try:
        return give(post, to, mail, check=False)[0]
    except (OSError, smtplib.SMTPException):
        return 0


def test_killed_in_the_middle():
    """Intake and store die at any time: what was answered 250 is there, once;
    what was not comes again, as from a mail server."""
    with place() as (house, post, (ada,)):
        to = "ada@house.example"
        big = ARMOUR + "A" * 70 + "\r\n" + "B" * 76 * 2000
        stop, lock, accepted = threading.Event(), threading.Lock(), set()

        def send(worker):
            for n in range(12):
                mail = pgp_mime(to, big if n % 2 else ARMOUR, Message_ID=
                                f"<k{worker}.{n}@out.example>", X_N=n)
                mail = mail.replace("Subject: sealed",
                                    f"Subject: k{worker}.{n}")
                ll.until(lambda mail=mail: give_code(post, to, mail) == 250,
                         60, "accepted")
                with lock:
                    accepted.add(f"k{worker}.{n}")

        def kill():
            rng = random.Random(5)
            while not stop.wait(rng.uniform(0.1, 0.5)):
                found = house.procs("letterlock-" + rng.choice(
                    ["intake", "store"]))
                if found:
                    found[0].kill()

        killer = threading.Thread(target=kill)
        workers = [threading.Thread(target=send, args=(n,)) for n in range(3)]
        for t in workers + [killer]:
            t.start()
        for t in workers:
            t.join()
        stop.set()
        killer.join()
        assert len(accepted) == 36
        ll.until(lambda: house.procs("letterlock-store"), 20, "the store")

        def all_there():
            with contextlib.suppress(ll.Failure):
                ada.login()
                return subjects(ada) == sorted(accepted)
            return False
        ll.until(all_there, 40, "every mail once", 0.5)
        assert not post.mails(to)


def test_sizes():
    with place(config={"attachment_max": "30M"}) as (house, post, (ada,)):
        to = "ada@house.example"
        line = b"A" * 76 + b"\r\n"
        mail = pgp_mime(to, "@@", Message_ID="<big@out.example>").encode()
        intake = house.procs("letterlock-intake")[0]
        give(post, to, mail.replace(b"@@", line * (25 * 1024 * 1024 // 78)))
        code, words = give(post, to, mail.replace(b"@@", line * 450000),
                           check=False)
        assert code == 552 and "5.3.4" in words, (code, words)
        long = pgp_mime(to, Message_ID="<long@out.example>",
                        X_Long="\r\n ".join(["x" * 900] * 70))
        give(post, to, long.replace("sealed", "long"))
        many = "".join(f"X-Many-{n}: {'y' * 900}\r\n" for n in range(1100))
        give(post, to, many + pgp_mime(to).replace("sealed", "many"))
        odd = pgp_mime(to, "zero\0 and \x01 controls" + ARMOUR,
                       Message_ID="<nul@out.example>", X_Nul="a\0b")
        give(post, to, odd.replace("sealed", "nul"))
        with open(f"/proc/{intake.pid}/status", encoding="ascii") as f:
            peak = int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))
        assert peak < 40000, f"{peak} KiB for a mail of 25 MB"
        ada.login()
        assert subjects(ada) == ["long", "many", "nul", "sealed"], \
            subjects(ada)


def test_bare_line_ends():
    """Smuggling sequences stay within the one mail, or are refused."""
    with place() as (house, post, (ada,)):
        to = "ada@house.example"
        with smtplib.SMTP(post.address, post.port, timeout=60) as s:
            s.ehlo()
            s.mail("carol@out.example")
            s.rcpt(to)
            s.putcmd("data")
            assert s.getreply()[0] == 354
            s.send(pgp_mime(to, Message_ID="<bare@out.example>").encode() +
                   b"a\nb\rc\n.\rd\r.\r\r\n.\r\n")
            code, words = s.getreply()
            assert code == 250, (code, words)
        ada.login()
        assert subjects(ada) == ["sealed"]


def test_who_is_no_reader():
    """Disabled, not enrolled, no staff: their mail is Postfix's."""
    with place(users=("ada", "bob")) as (house, post, (ada, bob)):
        house.invite("eve")
        house.add_user("root", role="admin")
        house.admin("user", "disable", "bob")
        for name in ("bob", "eve", "root"):
            to = f"{name}@house.example"
            give(post, to, pgp_mime(to))
            post.wait_mail(to)


def test_many_recipients_come_in_several_mails():
    with place() as (house, post, (ada,)):
        to = [f"r{n}@other.example" for n in range(199)] + \
            ["ada@house.example", "last@other.example"]
        with smtplib.SMTP(post.address, post.port, timeout=60) as s:
            s.ehlo()
            s.mail("carol@out.example")
            codes = [s.rcpt(address)[0] for address in to]
            assert codes == [250] * 200 + [452], codes[-3:]
            assert s.data(pgp_mime("ada@house.example").encode())[0] == 250
        post.wait_mail("r198@other.example")
        ada.login()
        assert subjects(ada) == ["sealed"]


def letter(house, post, ada, to, world):
    """A message of ada's that goes out as PGP/MIME; its id and Message-ID."""
    key = world.person(to).public
    ada.ssh(f"key add --for {to}", stdin=key)
    sent = ada.send([to], "Results", "The results are in.\n")
    assert sent["recipients"][0]["route"] == "openpgp", sent
    return sent["id"]


@contextlib.contextmanager
def corresponding(users=("ada",)):
    with place(users=users, relay="smtp") as (house, post, people), \
            keykit.Pgp() as world:
        people[0].login()
        yield house, post, people, world


def test_answer_comes_into_its_thread():
    with corresponding(("ada", "bob")) as (house, post, (ada, bob), world):
        message = letter(house, post, ada, "dora@out.example", world)
        mail = post.wait_mail("dora@out.example")
        mail_id = mail["Message-ID"].strip()
        answer = head("ada@house.example", "Re: Results",
                      Message_ID="<answer@out.example>",
                      References=f"<other@x.example> {mail_id}"
                      ).replace("carol", "dora") + "\r\nThank you.\r\n"
        give(post, ["ada@house.example", "bob@house.example"], answer,
             sender="dora@out.example")
        post.wait_mail("bob@house.example")      # whom it answers nothing
        assert not post.mails("ada@house.example")
        row = ada.list()[0]
        assert row["subject"] == "Re: Results", row
        assert row["thread"] == message, (row, message)
        state = ada.status(message, "dora@out.example")["state"]
        assert state == "replied", state


def test_bounce_is_told():
    """By this Postfix itself, of mail it had accepted."""
    with corresponding() as (house, post, (ada,), world):
        message = letter(house, post, ada, "gone@out.example", world)
        row = ada.wait_state(message, "gone@out.example", "failed")
        assert "mailbox" in str(row), row
        assert not post.mails("center@house.example")


def report(mail_id, action="failed", address="dora@out.example"):
    return (head("center@house.example", "Delivery Status",
                 MIME_Version="1.0", Content_Type="multipart/report; "
                 'report-type=delivery-status; boundary="b"') +
            "\r\n--b\r\n\r\nWords.\r\n--b\r\nContent-Type: message/"
            "delivery-status\r\n\r\nReporting-MTA: dns; mx.evil.example\r\n"
            f"\r\nFinal-Recipient: rfc822; {address}\r\nAction: {action}\r\n"
            "Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 no \x1b[2Jsuch\r\n"
            "\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
            f"Message-ID: {mail_id}\r\nSubject: Results\r\n\r\n--b--\r\n")


def test_reports_of_others():
    with corresponding() as (house, post, (ada,), world):
        message = letter(house, post, ada, "dora@out.example", world)
        mail_id = post.wait_mail("dora@out.example")["Message-ID"].strip()
        ada.wait_state(message, "dora@out.example", "relayed")
        # forged: about nothing we know; it passes and changes nothing
        give(post, "center@house.example", report("<forged@x.example>"),
             sender="")
        give(post, "center@house.example", report("<>"), sender="")
        broken = report(mail_id).split("Status: ")[0]
        give(post, "center@house.example", broken, sender="")
        post.wait_mail("center@house.example", 3)
        row = ada.status(message, "dora@out.example")
        assert row["state"] == "relayed", row
        give(post, "center@house.example", report(mail_id, "delayed"),
             sender="")
        ada.wait_state(message, "dora@out.example", "deferred")
        give(post, "center@house.example", report(mail_id), sender="")
        row = ada.wait_state(message, "dora@out.example", "failed")
        assert "550 no" in str(row) and "\x1b" not in str(row), row


def test_unix_socket():
    """For Postfix's group and nobody else; a new process takes it over."""
    folder = tempfile.mkdtemp(prefix="ll-milter-")
    path = os.path.join(folder, "milter")
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        house = stack.enter_context(ll.House(
            config={"intake_listen": f"unix:{path}"}))
        post = stack.enter_context(mta.Postfix(
            more=GATE.format(at=f"unix:{path}")))
        ada = house.add_user("ada")
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        group = grp.getgrnam("postfix").gr_gid
        os.chmod(folder, 0o711)
        old = house.procs("letterlock-intake")[0]
        made = os.stat(path).st_ctime_ns
        old.kill()
        ll.until(lambda: os.path.exists(path) and
                 os.stat(path).st_ctime_ns != made, 20, "a new socket")
        os.chown(path, -1, group)
        to = "ada@house.example"
        ll.until(lambda: give_code(post, to, pgp_mime(to)) == 250, 20,
                 "the mail is taken")
        ada.login()
        assert len(ada.list()) == 1
        assert not post.mails(to)


SUBMIT = {"intake_marked": "yes", "intake_hold": "yes"}
SEND = {"intake_marked": "yes"}


def submit(post, to, mail, login="ada", check=True):
    return give(post, to, mail, sender="ada@house.example", check=check,
                login=login)


def staff_mail(to, subject, body="Hello there.\r\n", **more):
    return head(to, subject, **more).replace(
        "Carol Outside <carol@out.example>", "Ada <ada@house.example>"
    ) + "\r\n" + body


def parts(text, *files):
    """Text, its HTML, and files."""
    import email.message
    m = email.message.EmailMessage()
    m.set_content(text)
    m.add_alternative("<p>" + text + "</p>", subtype="html")
    for name, data in files:
        m.add_attachment(data, maintype="application",
                         subtype="octet-stream", filename=name)
    raw = m.as_bytes(policy=m.policy.clone(linesep="\r\n"))
    fields, body = raw.split(b"\r\n\r\n", 1)
    return fields.decode() + "\r\n", body.decode()


def test_marked_mail_becomes_a_draft():
    with place(config=dict(SUBMIT, undo_seconds=0),
               users=("ada", "bob")) as (house, post, people):
        ada, bob = people
        big = os.urandom(700000)
        fields, body = parts("Grüße\nfrom my mail program\n",
                             ("small.bin", b"123"), ("bîg.bin", big))
        mail = staff_mail("dora@out.example, Bob <bob@house.example>",
                          "[Secure+Confidential] Results", body,
                          X_Letterlock="expires=12")
        mail = fields + mail
        to = ["dora@out.example", "bob@house.example", "blind@out.example"]
        submit(post, to, mail)
        submit(post, to, mail)                  # its program repeats it
        ada.login()
        drafts = sorted(ada.list("drafts"), key=lambda d: len(d["to"]))
        assert [d["subject"] for d in drafts] == ["Results"] * 2, drafts
        assert drafts[0]["to"] == ["blind@out.example"], drafts
        assert sorted(drafts[1]["to"]) == ["bob@house.example",
                                           "dora@out.example"], drafts
        said = line_mode(ada, "drafts", "edit 1", "send", "yes") + \
            line_mode(ada, "drafts", "edit 1", "send", "yes")
        assert said.count("Grüße\nfrom my mail program") == 2, said
        assert said.count("class: confidential") == 2, said
        for words in ("small.bin, 3 bytes", "bîg.bin, 700000 bytes",
                      "bob@house.example: internal",
                      "blind@out.example: portal-muc"):
            assert words in said, (words, said)
        assert said.count("Sent: ") == 2, said
        assert not post.mails("dora@out.example")
        bob.login()
        row = ll.until(lambda: bob.list(), 60, "the message")[0]
        assert "blind" not in bob.ssh(f"show {row['id']} --json").out
        files = {a["name"]: a["size"]
                 for a in bob.verb(f"show {row['id']}")["attachments"]}
        assert files["small.bin"] == 3 and files["bîg.bin"] == 700000, files


def line_mode(user, *lines):
    return ll.run(["ssh"] + user.ssh_words("-T") + [user.target],
                  stdin="".join(f"{line}\n" for line in lines + ("quit",)
                                ).encode(),
                  check=False, env=user.house.env).out


def test_marks_without_a_login_are_refused():
    with place(config=SUBMIT, users=("ada", "bob")) as (house, post, _):
        marked = staff_mail("dora@out.example", "[secure] Results")
        for login in (None, "bob", "bob@house.example"):
            code, words = submit(post, "dora@out.example", marked, login,
                                 check=False)
            assert code == 550 and "log in" in words, (login, code, words)
        wrong = staff_mail("dora@out.example", "x", X_Letterlock="class=top")
        code, words = submit(post, "dora@out.example", wrong, check=False)
        assert code == 550 and "class is normal" in words, (code, words)
        pgp = pgp_mime("dora@out.example").replace(
            "Subject: sealed", "Subject: [secure] x").replace(
            "carol@out", "ada@house")
        code, words = submit(post, "dora@out.example", pgp, check=False)
        assert code == 550, (code, words)
        # what is meant to be safe never goes in the clear by mistake
        for subject in ("[secure+secret] Results", "[Secure + regstered] x",
                        "[secure+registered Results"):
            code, words = submit(post, "dora@out.example", staff_mail(
                "dora@out.example", subject), check=False)
            assert code == 550 and "the marks are" in words, (code, words)
        for sender in ("", "From: Ada <ada@house.example>, bob@house.example"
                       "\r\n", "From: Temp <temp@house.example>\r\n"):
            code, words = submit(post, "dora@out.example", marked.replace(
                "From: Ada <ada@house.example>\r\n", sender), check=False)
            assert code == 550 and "its From" in words, (code, words)
        # an outsider's answer has our mark in its subject
        give(post, "carol@other.example", head("carol@other.example",
                                               "Re: [secure] Results"))
        post.wait_mail("carol@other.example")
        submit(post, "dora@out.example", staff_mail("dora@out.example", "a"),
               login=None)
        post.wait_mail("dora@out.example")


def test_what_policy_names():
    config = dict(SUBMIT, secure_to="partner.example", secure_rules="iban",
                  secure_from="lawyer@house.example")
    with place(config=config) as (house, post, (ada,)):
        ada.login()
        iban = "Pay to CH93 0076 2011 6238 5295 7 please.\r\n"
        coded = base64.encodebytes(iban.encode()).decode().replace(
            "\n", "\r\n")
        for subject, to, body, more in (
                ("partner", "x@partner.example", "Hello\r\n", {}),
                ("iban", "dora@out.example", iban, {}),
                ("coded", "dora@out.example", coded,
                 {"Content_Transfer_Encoding": "base64"}),
                ("none", "dora@out.example", "CH94 0076 2011\r\n", {}),
                ("late", "dora@out.example", "a\r\n" * 70000 + iban, {})):
            submit(post, to, staff_mail(to, subject, body, **more))
        post.wait_mail("dora@out.example", 2)
        assert sorted(d["subject"] for d in ada.list("drafts")) == [
            "coded", "iban", "partner"]
        give(post, "ada@house.example", head("ada@house.example", "in") +
             "\r\n" + iban)
        post.wait_mail("ada@house.example")


def house_key(house):
    """The organisation's OpenPGP key, as partners get it."""
    return subprocess.run([os.path.join(ll.BUILD, "letterlock"), "--data",
                           house.data, "key", "export"], check=True,
                          capture_output=True).stdout


def test_marked_mail_is_sent_by_the_house():
    """Each recipient by the best way; nobody is logged in."""
    with place(config=SEND, users=("ada", "bob"), relay="smtp") as (
            house, post, (ada, bob)), keykit.Pgp() as world:
        ada.login()
        dora = world.person("dora@out.example")
        ada.ssh("key add --for dora@out.example", stdin=dora.public)
        ada.logout()
        fields, body = parts("Grüße\nby the house\n", ("a.bin", b"123"))
        to = ["dora@out.example", "bob@house.example", "new@out.example",
              "blind@out.example"]
        submit(post, to, fields + staff_mail(
            ", ".join(to[:3]), "[secure] Results", body,
            Message_ID="<sent@house.example>"))
        mail = post.wait_mail("dora@out.example")
        opened = dora.open(mail.as_bytes(policy=mail.policy.clone(
            linesep="\r\n")), "gpg", [house_key(house)])
        assert opened.good, opened.said
        assert opened.text() == "Grüße\nby the house\n", opened.text()
        assert opened.mail["Subject"] == "Results"
        assert mail["Sender"] and "center@house.example" in mail["Sender"]
        assert "ada@house.example" in mail["From"], mail["From"]
        assert mail["Autocrypt"] is None, mail["Autocrypt"]
        assert "ada@house.example" in mail["From"], mail["From"]
        assert "center@house.example" in mail["Sender"], mail["Sender"]
        bob.login()
        row = ll.until(bob.list, 30, "the message")[0]
        shown = bob.verb(f"show {row['id']}")
        assert shown["body"] == "Grüße\nby the house\n", shown
        assert shown["from"] == "ada@house.example", shown
        assert shown["signature"] == {"valid": True, "by":
            "ada@house.example (submitted by mail program)"}, shown
        page = ll.Visitor(ll.link_of(post.wait_mail("new@out.example")))
        ada.login()
        assert ada.list("drafts") == []
        sent = {len(r["to"]): r for r in ada.list("sent")}
        assert sorted(sent) == [1, 3], sent
        assert ada.verb(f"show {sent[3]['id']}")["body"] == shown["body"]
        rows = {r["address"]: r for r in ada.status(sent[3]["id"])}
        assert rows["dora@out.example"]["route"] == "openpgp", rows
        assert rows["bob@house.example"]["route"] == "internal", rows
        code = rows["new@out.example"]["code"]
        for m in post.mails("out.example"):
            assert code not in m.as_string()
        page.unlock(code)
        text = page.page.text
        assert "by the house" in text and "submitted by mail" in text, text


def test_handed_in_while_programs_die():
    """What was answered 250 is with its reader, or a draft of its author;
    never lost, never twice."""
    with place(config=SEND, users=("ada", "bob")) as (house, post,
                                                      (ada, bob)):
        stop, rng = threading.Event(), random.Random(3)

        def kill():
            while not stop.wait(rng.uniform(0.05, 0.6)):
                found = house.procs("letterlock-" + rng.choice(
                    ["intake", "store", "tui", "parse"]))
                if found:
                    found[0].kill()

        def hand_in(mail):
            with contextlib.suppress(OSError, smtplib.SMTPException):
                return submit(post, "bob@house.example", mail,
                              check=False)[0] == 250
            return False

        killer = threading.Thread(target=kill)
        killer.start()
        names = sorted(f"m{n}" for n in range(12))
        for name in names:
            mail = staff_mail("bob@house.example", f"[secure] {name}",
                              Message_ID=f"<{name}@house.example>")
            ll.until(lambda mail=mail: hand_in(mail), 60, "accepted", 0.1)
        stop.set()
        killer.join()
        ll.until(lambda: house.procs("letterlock-store"), 20, "the store")

        def all_there():
            with contextlib.suppress(ll.Failure):
                ada.login()
                bob.login()
                return sorted(subjects(bob) + [
                    d["subject"] for d in ada.list("drafts")]) == names
            return False
        ll.until(all_there, 30, "every mail once", 0.5)


def test_unsafe_mail_is_refused_with_the_reason():
    config = dict(SEND, trust_normal="120")
    with place(config=config) as (house, post, (ada,)):
        mail = staff_mail("x@out.example", "[secure+registered] Results")
        with_key = staff_mail("x@out.example", "[secure] Results")
        code, words = submit(post, ["x@out.example", "\"a b\"@out.example"],
                             with_key, check=False)
        assert code == 550, (code, words)
        ada.login()
        assert ada.list("drafts") == [] and ada.list("sent") == []
        del mail


if __name__ == "__main__":
    ll.main()
