"""Notifications on their way out: a real Postfix with and without TLS, what it
refuses, what it defers, and what a mail looks like."""
import contextlib
import email.utils
import os
import re
import threading

import ll
import mta
import sink


@contextlib.contextmanager
def house_with(relay, **config):
    house = ll.House(relay=relay, config=config)
    with house:
        ada = house.add_user("ada")
        ada.login()
        yield house, ada


def send(ada, *to, subject="Subject 4711"):
    return ada.send(list(to), subject, "body 4711")


def test_mail_is_plain_and_says_nothing_of_the_message():
    with mta.Postfix() as post, house_with(post.relay) as (_, ada):
        sent = send(ada, "carol@out.example")
        mail = post.wait_mail("carol@out.example")
        assert ll.link_of(mail)
        assert mail.get_content_type() == "text/plain"
        assert mail["Content-Transfer-Encoding"] == "7bit"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert "center@house.example" in mail["From"]
        assert "House of Tests" in mail["From"]
        assert mail["Message-ID"].endswith(">")
        assert email.utils.parsedate_to_datetime(mail["Date"])
        text = mail.as_string()
        assert "4711" not in text
        assert sent["recipients"][0]["code"] not in text
        for word in sent["recipients"][0]["site_words"]:
            assert not re.search(rf"\b{word}\b", mail.get_content(), re.I)
        assert "Ada Tester" in text and "ada@house.example" in text
        assert all(len(line) < 200 for line in text.splitlines())
        ada.wait_state(sent["id"], "carol@out.example", "notified")


def test_tls_is_demanded_and_checked():
    with mta.Postfix(tls=True) as post:
        with house_with(post.relay, relay_tls="required",
                        relay_ca=post.cert) as (_, ada):
            send(ada, "carol@out.example")
            mail = post.wait_mail("carol@out.example")
            assert "TLS" in mail["Received"] or "ESMTPS" in mail["Received"]
        # another authority: held back, with the reason
        folder = os.path.join(post.base, "other")
        os.mkdir(folder)
        other, _ = mta.certificate(folder)
        with house_with(post.relay, relay_tls="required",
                        relay_ca=other) as (_, ada):
            sent = send(ada, "dora@out.example")
            state = ada.wait_state(sent["id"], "dora@out.example", "deferred")
            assert "certificate" in str(state["events"]).lower() or \
                "SSL" in str(state["events"]), state
            assert not post.mails("dora@out.example")


def test_no_mail_goes_without_the_tls_that_is_demanded():
    with mta.Postfix() as post, \
            house_with(post.relay, relay_tls="required") as (_, ada):
        sent = send(ada, "carol@out.example")
        ada.wait_state(sent["id"], "carol@out.example", "deferred")
        assert not post.mails("carol@out.example")


def test_implicit_tls():
    with mta.Postfix(tls=True) as post, \
            house_with(post.smtps, relay_ca=post.cert) as (_, ada):
        send(ada, "carol@out.example")
        assert post.wait_mail("carol@out.example")


def test_the_other_servers_words_are_kept():
    with mta.Postfix(access={
            "nobody@out.example": "550 5.1.1 no such person here",
            "later@out.example": "450 4.2.1 mailbox busy, come again"}) \
            as post, house_with(post.relay) as (_, ada):
        sent = send(ada, "nobody@out.example", "later@out.example",
                    "carol@out.example")
        gone = ada.wait_state(sent["id"], "nobody@out.example", "failed")
        assert "no such person here" in str(gone["events"]), gone
        later = ada.wait_state(sent["id"], "later@out.example", "deferred")
        assert "come again" in str(later["events"]), later
        # The others are not held up by them.
        assert post.wait_mail("carol@out.example")
        ada.wait_state(sent["id"], "carol@out.example", "notified")


def test_user_and_password():
    seen = []

    class Auth(sink.Sink):
        def talk(self, peer, lines):
            peer.sendall(b"220 sink.example ESMTP\r\n")
            while True:
                line = lines.readline(2000)
                if line.upper().startswith(b"EHLO"):
                    peer.sendall(b"250-sink.example\r\n250 AUTH PLAIN\r\n")
                elif line.upper().startswith(b"AUTH"):
                    peer.sendall(b"334 \r\n")
                    seen.append(lines.readline(2000))
                    peer.sendall(b"535 5.7.8 wrong\r\n")
                elif not line or line.upper().startswith(b"QUIT"):
                    return
                else:
                    peer.sendall(b"250 ok\r\n")

    import base64
    post = Auth()
    house = ll.House(relay=post.relay, start=False)
    with house:
        path = house.write("relay.pass", "s3cret\n")
        house.write_config(relay_user="post", relay_password_file=path)
        house.start()
        ada = house.add_user("ada")
        ada.login()
        sent = send(ada, "carol@out.example")
        state = ada.wait_state(sent["id"], "carol@out.example", "deferred")
        # A wrong login is the admin's to mend, not the recipient's fault.
        assert "5.7.8" in str(state["events"]) or \
            "denied" in str(state["events"]).lower(), state
        assert base64.b64decode(seen[0]) == b"\0post\0s3cret", seen
        assert "s3cret" not in house.all_logs()
    post.close()


def test_kill_between_hand_over_and_recording():
    post = sink.Sink()
    with house_with(post.relay) as (house, ada):
        killed = threading.Event()

        def kill(*_):
            if not killed.is_set():
                killed.set()
                house.procs("letterlock-relay")[0].kill()
        post.on_mail = kill
        sent = send(ada, "carol@out.example")
        ada.wait_state(sent["id"], "carol@out.example", "notified", secs=60)
        ids = {str(m["Message-ID"]) for m in post.mails}
        assert killed.is_set() and len(ids) == 1, ids
    post.close()


def test_a_directory_gets_whole_files():
    with house_with("dir") as (house, ada):
        for n in range(3):
            send(ada, f"c{n}@out.example")
        ll.until(lambda: len(house.mails()) == 3, what="three files")
        names = os.listdir(house.outbox)
        assert all(re.fullmatch(r"[0-9A-Z]{26}\.eml", n) for n in names), names
        for name in names:
            with open(os.path.join(house.outbox, name), "rb") as f:
                assert b"\r" not in f.read()


if __name__ == "__main__":
    ll.main()
