"""sink.py - an SMTP server in the test's own process.

What it has accepted stands in .mails, outside everything that a test kills.
.on_mail is called when a mail is whole and counts as accepted, before the 250
goes out: the place to kill the relay between hand-over and recording.
.answers maps an address to the reply its RCPT gets.

    sink.Sink(address=nets.address(25), port=25,
              tls=ca.context("mx1.partner.example"))

offers STARTTLS with that ssl.SSLContext; offer: more words for EHLO
("REQUIRETLS"); inject: bytes sent in clear right behind the "220 go ahead" of
STARTTLS, as somebody on the way would.  A mail has .rcpt, .sender (the line of
its MAIL), .raw, .tls (version or None); .talks has the verbs of each
connection, with "TLS" where it began.
"""
import email
import email.policy
import socket
import threading

import ll


class Sink:
    def __init__(self, address="127.0.0.1", port=0, tls=None, offer=(),
                 inject=b""):
        self.mails, self.answers, self.talks = [], {}, []
        self.tls, self.offer, self.inject = tls, list(offer), inject
        self.on_mail = None
        self.lock = threading.Lock()
        self.listener = socket.create_server((address, port))
        self.address, self.port = self.listener.getsockname()
        self.relay = f"smtp://{address}:{self.port}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()

    def close(self):
        # wakes the accept, so that the port is free at once
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
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
        self.talks.append([])
        try:
            with peer, peer.makefile("rb") as lines:
                again = self.talk(peer, lines)
            if again:
                self.serve_tls(again)
        except OSError:
            pass

    def serve_tls(self, peer):
        with self.tls.wrap_socket(peer, server_side=True) as safe:
            self.talks[-1].append("TLS")
            with safe.makefile("rb") as lines:
                self.talk(safe, lines, safe.version())

    def ehlo(self, secure):
        words = ["sink.example", "8BITMIME", "SIZE 100000000", "PIPELINING"]
        words += ["STARTTLS"] if self.tls and not secure else []
        words += self.offer
        return "\r\n".join("250" + ("-" if n + 1 < len(words) else " ") + w
                           for n, w in enumerate(words))

    def talk(self, peer, lines, secure=None):
        """Serves until QUIT; gives a socket that is to go on with TLS."""
        def say(text):
            peer.sendall(text.encode() + b"\r\n")
        if not secure:
            say("220 sink.example ESMTP")
        rcpt, sender, heard = [], "", self.talks[-1]
        while True:
            line = lines.readline(2000).decode("utf-8", "replace")
            verb = line[:4].upper()
            heard.append(line.split(":")[0].split(" ")[0].strip().upper())
            if not line or verb == "QUIT":
                if line:
                    say("221 bye")
                return None
            if verb == "EHLO":
                say(self.ehlo(secure))
            elif verb == "STAR" and self.tls and not secure:
                peer.sendall(b"220 go ahead\r\n" + self.inject)
                return peer.dup()
            elif verb == "MAIL":
                rcpt, sender = [], line.strip()
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
                self.take(lines, rcpt, sender, secure)
                say("250 queued")
            else:
                say("250 ok")

    def take(self, lines, rcpt, sender="", secure=None):
        data = []
        while True:
            line = lines.readline(100000)
            if not line:
                raise OSError("cut off in the middle of a mail")
            if line == b".\r\n":
                break
            data.append(line[1:] if line.startswith(b".") else line)
        raw = b"".join(data)
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        mail.rcpt, mail.sender = list(rcpt), sender
        mail.raw, mail.tls = raw, secure
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
