"""sink.py - an SMTP server in the test's own process.

What it has accepted stands in .mails, outside everything that a test kills.
.on_mail is called when a mail is whole and counts as accepted, before the 250
goes out: the place to kill the relay between hand-over and recording.
.answers maps an address to the reply its RCPT gets.
"""
import email
import email.policy
import socket
import threading

import ll


class Sink:
    def __init__(self):
        self.mails, self.answers = [], {}
        self.on_mail = None
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.relay = f"smtp://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.close()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,),
                             daemon=True).start()

    def serve(self, peer):
        peer.settimeout(60)
        try:
            with peer, peer.makefile("rb") as lines:
                self.talk(peer, lines)
        except OSError:
            pass

    def talk(self, peer, lines):
        def say(text):
            peer.sendall(text.encode() + b"\r\n")
        say("220 sink.example ESMTP")
        rcpt = []
        while True:
            line = lines.readline(2000).decode("utf-8", "replace")
            verb = line[:4].upper()
            if not line or verb == "QUIT":
                if line:
                    say("221 bye")
                return
            if verb == "EHLO":
                say("250-sink.example\r\n250-8BITMIME\r\n250 SIZE 10000000")
            elif verb == "MAIL":
                rcpt = []
                say("250 ok")
            elif verb == "RCPT":
                address = line[line.index("<") + 1:line.index(">")]
                reply = self.answers.get(address, "250 ok")
                if reply.startswith("2"):
                    rcpt.append(address)
                say(reply)
            elif verb == "DATA":
                if not rcpt:
                    say("554 no valid recipients")
                    continue
                say("354 go on")
                self.take(lines, rcpt)
                say("250 queued")
            else:
                say("250 ok")

    def take(self, lines, rcpt):
        data = b""
        while True:
            line = lines.readline(100000)
            if not line:
                raise OSError("cut off in the middle of a mail")
            if line == b".\r\n":
                break
            data += line[1:] if line.startswith(b"..") else line
        mail = email.message_from_bytes(data, policy=email.policy.default)
        mail.rcpt = list(rcpt)
        with self.lock:
            self.mails.append(mail)
        if self.on_mail:
            self.on_mail(mail)

    def to(self, address):
        with self.lock:
            return [m for m in self.mails if address in m.rcpt]

    def wait_mail(self, address, count=1, secs=20):
        return ll.until(lambda: (self.to(address) if len(self.to(address))
                                 >= count else None), secs,
                        f"{count} mail(s) for {address}")[-1]
