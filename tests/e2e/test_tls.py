"""Enforced TLS: MTA-STS, DANE and the administration's word, against mail
servers, a signed DNS and a web server of the test's own.  What cannot be proven
is put off and told, and never goes in clear."""
import contextlib
import hashlib
import os
import re
import time

import dnskit
import httpskit
import ll
import mta
import nets
import sink
import tlskit

DOMAIN = "partner.example"
MX = "mx1.partner.example"
BOB = "bob@partner.example"


class World:
    """DNS, web server and CA, and what stands between them and a House."""

    def __init__(self, stack):
        self.ca = stack.enter_context(tlskit.Authority())
        self.dns = stack.enter_context(dnskit.Dns())
        self.web = stack.enter_context(httpskit.Web(self.ca))
        self.stack = stack

    def zone(self, domain=DOMAIN, mx=MX, address=None, **how):
        zone = self.dns.zone(domain, **how)
        if address:
            zone.mail(mx, address)
        return zone

    def sts(self, *mx, domain=DOMAIN, record="v=STSv1; id=1;", **how):
        """The domain's policy, on the web and in DNS."""
        self.web.sts(domain, *(mx or (MX,)), **how)
        zone = self.dns.zone(domain)
        zone.remove("_mta-sts").remove("mta-sts")
        zone.txt("_mta-sts", record)
        zone.add("mta-sts", "A", self.web.address)

    def sink(self, *names, secure=True, **how):
        """A mail server; names its certificate is for."""
        cert = {k: how.pop(k) for k in ("expired", "self_signed")
                if k in how}
        context = self.ca.context(*(names or (MX,)), **cert) if secure \
            else None
        return self.stack.enter_context(sink.Sink(
            address=nets.address(25), port=25, tls=context, **how))

    def house(self, relay="dir", **config):
        self.dns.start()
        house = self.stack.enter_context(ll.House(relay=relay, config={
            **self.dns.config, "key_search": "tls",
            "find_ca": self.ca.pem, **config}))
        ada = house.add_user("ada")
        ada.login()
        return house, ada


@contextlib.contextmanager
def world():
    with contextlib.ExitStack() as stack:
        yield World(stack)


def route_of(sent, address=BOB):
    return [r for r in sent["recipients"] if r["address"] == address][0][
        "route"]


def send(ada, *to):
    sent = ada.send(list(to or (BOB,)), "Subject 4711", "body 4711")
    return sent


def proof_of(ada, sent, address=BOB, secs=20):
    row = ada.wait_state(sent["id"], address, "relayed", "failed", secs=secs)
    assert row["state"] == "relayed", row
    return row["events"][-1]["detail"]


def reason_of(ada, sent, address=BOB, secs=20):
    row = ada.wait_state(sent["id"], address, "deferred", "relayed", "failed",
                         secs=secs)
    assert row["state"] == "deferred", row
    return row["events"][-1]["detail"]


def test_mta_sts_into_postfix():
    with world() as w:
        cert, key = w.ca.issue(MX)
        post = w.stack.enter_context(mta.Postfix(
            name=MX, domains=[DOMAIN], address=nets.address(25), port=25,
            cert=(cert, key)))
        w.zone(address=post.address, signed=False)
        w.sts()
        house, ada = w.house()
        sent = send(ada)
        assert route_of(sent) == "tls", sent
        proof = proof_of(ada, sent)
        assert "queued as" in proof and MX in proof, proof
        assert "TLSv1.3" in proof and "policy sts" in proof, proof
        assert tlskit.fingerprint(cert) in proof, proof
        mail = post.wait_mail(BOB)
        assert "ESMTPS" in str(mail["Received"]), mail["Received"]
        assert "body 4711" in mail.as_string()
        assert house.mails() == []



def test_dane():
    """A certificate of nobody's, named by the signed zone: usage 3 asks for
    neither a name in it nor a date."""
    with world() as w:
        mx = w.stack.enter_context(sink.Sink(
            address=nets.address(25), port=25))
        cert, key = w.ca.issue("elsewhere.example", expired=True,
                               self_signed=True)
        mx.tls = w.ca.context("unused.example")
        mx.tls.load_cert_chain(cert, key)
        zone = w.zone(address=mx.address)
        zone.add("_25._tcp.mx1", "TLSA", tlskit.tlsa(cert))
        _, ada = w.house()
        sent = send(ada)
        assert route_of(sent) == "tls", sent
        proof = proof_of(ada, sent)
        assert "policy dane" in proof and tlskit.fingerprint(cert) in proof
        assert mx.mails[0].tls and b"body 4711" in mx.mails[0].raw


def test_dane_by_authority():
    """Usage 2: a chain to that authority, and the server's name in it."""
    with world() as w:
        mx = w.sink()
        zone = w.zone(address=mx.address)
        zone.add("_25._tcp.mx1", "TLSA", tlskit.tlsa(w.ca.pem, usage=2))
        other = w.sink("mx9.partner.example")
        zone = w.zone("other.example", "mx1.other.example", other.address)
        zone.add("_25._tcp.mx1", "TLSA", tlskit.tlsa(w.ca.pem, usage=2))
        _, ada = w.house()
        sent = send(ada, BOB, "bob@other.example")
        assert "policy dane" in proof_of(ada, sent)
        reason = reason_of(ada, sent, "bob@other.example")
        assert "certificate" in reason and "mx1.other.example" in reason, \
            reason
        assert not other.mails


def test_dane_beats_sts():
    """The right certificate by MTA-STS is not enough where DANE names
    another; and records that do not hold are not taken for none."""
    with world() as w:
        mx = w.sink()
        zone = w.zone(address=mx.address)
        w.sts()
        wrong, _ = w.ca.issue(MX)
        zone.add("_25._tcp.mx1", "TLSA", tlskit.tlsa(wrong))
        _, ada = w.house()
        sent = send(ada)
        assert "certificate" in reason_of(ada, sent)
        assert not mx.mails


def test_false_dns_defers():
    with world() as w:
        mx = w.sink()
        w.zone(address=mx.address, broken=True)
        w.sts()
        _, ada = w.house(tls_domains=DOMAIN)
        sent = send(ada)
        assert route_of(sent) == "tls", sent
        assert "DNSSEC" in reason_of(ada, sent)
        assert not mx.talks


def test_only_unusable_tlsa_is_none():
    """Usages 0 and 1 say nothing in mail (RFC 7672 3.1.3)."""
    with world() as w:
        mx = w.sink()
        zone = w.zone(address=mx.address)
        zone.add("_25._tcp.mx1", "TLSA", tlskit.tlsa(w.ca.pem, usage=0))
        w.sts()
        _, ada = w.house()
        assert "policy sts" in proof_of(ada, send(ada))


# what is wrong with the server: what the sender reads
WRONG = {
    "expired": (dict(expired=True), "expired"),
    "self signed": (dict(self_signed=True), "self-signed"),
    "no starttls": (dict(secure=False), "STARTTLS"),
    "injected": (dict(inject=b"250 injected\r\n"), ""),
}


def test_wrong_servers_get_nothing():
    with world() as w:
        servers = {}
        for name, (how, words) in WRONG.items():
            domain = name.replace(" ", "-") + ".example"
            mx = w.sink("mx1." + domain, **how)
            w.zone(domain, "mx1." + domain, mx.address, signed=False)
            w.sts("mx1." + domain, domain=domain)
            servers["bob@" + domain] = (mx, words)
        # a good certificate, for another name
        mx = w.sink("mx1.elsewhere.example")
        w.zone("mismatch.example", "mx1.mismatch.example", mx.address)
        w.sts("mx1.mismatch.example", domain="mismatch.example")
        servers["bob@mismatch.example"] = (mx, "certificate")
        _, ada = w.house()
        sent = send(ada, *servers)
        for address, (mx, words) in servers.items():
            assert route_of(sent, address) == "tls", sent
            reason = reason_of(ada, sent, address)
            assert words in reason, (address, reason)
            assert not mx.mails, address
            assert not [t for t in mx.talks if "MAIL" in t], address


def test_bytes_behind_starttls():
    """They are neither taken for the server's answer nor lost silently."""
    with world() as w:
        mx = w.sink(inject=b"250-injected\r\n250 REQUIRETLS\r\n")
        w.zone(address=mx.address)
        w.sts()
        _, ada = w.house()
        sent = send(ada)
        reason = reason_of(ada, sent)
        assert "clear" in reason or "TLS" in reason, reason
        assert not mx.mails and not [t for t in mx.talks if "MAIL" in t]


def policies(w):
    """Domains whose policy says nothing that could be enforced."""
    def host(domain):
        mx = w.sink("mx1." + domain)
        w.zone(domain, "mx1." + domain, mx.address)
        return "mx1." + domain
    for domain in ("testing", "none"):
        domain += ".example"
        w.sts(host(domain), domain=domain, mode=domain.split(".")[0])
        yield domain
    w.sts(host("two.example"), domain="two.example")
    w.zone("two.example").txt("_mta-sts", "v=STSv1; id=2;")
    yield "two.example"
    w.sts(host("bad.example"), domain="bad.example", record="v=STSv1; id=!;")
    yield "bad.example"
    w.sts(host("html.example"), domain="html.example")
    w.web.put("mta-sts.html.example", "/.well-known/mta-sts.txt",
              httpskit.STS.format(mode="enforce",
                                  mx="mx: mx1.html.example\r\n", age=86400),
              content_type="text/html")
    yield "html.example"
    w.sts(host("moved.example"), domain="moved.example")
    w.web.put("mta-sts.moved.example", "/.well-known/mta-sts.txt", "",
              status=302, location="https://mta-sts.good.example/"
              ".well-known/mta-sts.txt", content_type="text/plain")
    yield "moved.example"
    w.sts(host("cert.example"), domain="cert.example",
          cert=w.ca.issue("mta-sts.cert.example", self_signed=True))
    yield "cert.example"
    w.sts(host("late.example"), domain="late.example",
          cert=w.ca.issue("mta-sts.late.example", expired=True))
    yield "late.example"
    w.sts(host("name.example"), domain="name.example",
          cert=w.ca.issue("mta-sts.other.example"))
    yield "name.example"
    host("plain.example")
    yield "plain.example"


def test_no_policy_no_tls_route():
    """Not taken for a promise: such a recipient gets a notification."""
    with world() as w:
        domains = list(policies(w))
        mx = w.sink("mx1.good.example")
        w.zone("good.example", "mx1.good.example", mx.address)
        w.sts("mx1.good.example", domain="good.example")
        house, ada = w.house()
        sent = send(ada, "bob@good.example",
                    *("bob@" + d for d in domains))
        found = {r["address"].split("@")[1]: r["route"]
                 for r in sent["recipients"]}
        assert found.pop("good.example") == "tls", found
        assert set(found.values()) == {"portal-muc"}, found


def test_policy_names_other_servers():
    with world() as w:
        mx = w.sink("mx1.partner.example", "mx1.other.example")
        w.zone(address=mx.address)
        w.sts("mx2.partner.example", "*.mx1.partner.example",
              "*.partner.example.example")
        w.zone("wild.example", "mx1.wild.example", w.sink(
            "mx1.wild.example").address)
        w.sts("*.wild.example", domain="wild.example")
        _, ada = w.house()
        sent = send(ada, BOB, "bob@wild.example")
        assert route_of(sent) == "portal-muc", sent
        assert "policy sts" in proof_of(ada, sent, "bob@wild.example")
        assert not mx.talks


def test_policy_lost_between_plan_and_delivery():
    """What was planned as proven is not sent when it no longer is."""
    with world() as w:
        mx = w.sink()
        w.zone(address=mx.address)
        w.sts()
        house, ada = w.house()
        assert "policy sts" in proof_of(ada, send(ada))
        # a new relay knows nothing; the domain says nothing any more
        w.zone().remove("_mta-sts")
        w.dns.start()
        house.procs("letterlock-relay")[0].kill()
        ll.until(lambda: house.procs("letterlock-relay"), what="a new relay")
        sent = send(ada)
        assert route_of(sent) == "tls", sent
        assert "policy" in reason_of(ada, sent)
        assert len(mx.mails) == 1


def test_policy_is_kept_over_failures():
    """Neither a dead web server nor a missing record ends it (RFC 8461
    5.1)."""
    with world() as w:
        mx = w.sink()
        w.zone(address=mx.address)
        w.sts()
        _, ada = w.house()
        assert "policy sts" in proof_of(ada, send(ada))
        w.web.close()
        w.zone().remove("_mta-sts").txt("_mta-sts", "v=STSv1; id=2;")
        w.dns.start()
        time.sleep(6)           # a route is looked up again after 5 s
        assert "policy sts" in proof_of(ada, send(ada))
        w.zone().remove("_mta-sts")
        w.dns.start()
        time.sleep(6)
        assert "policy sts" in proof_of(ada, send(ada))
        assert len(mx.mails) == 3


def test_administrations_word():
    """tls_domains: a server in the domain, or the named certificate; else the
    certificate must be the domain's own."""
    with world() as w:
        mx = w.sink()
        w.zone(address=mx.address, signed=False)
        named = w.sink("mail.hoster.example")
        w.zone("named.example", signed=False).add(
            "@", "MX", "10 mx7.hoster.example.")
        w.zone("hoster.example", signed=False).add(
            "mx7", "A", named.address)
        w.zone("taken.example", signed=False).add(
            "@", "MX", "10 mx7.hoster.example.")
        _, ada = w.house(key_search="off", tls_domains=
                         f"{DOMAIN} named.example=mail.hoster.example "
                         "taken.example")
        sent = send(ada, BOB, "bob@named.example", "bob@taken.example")
        assert "policy list" in proof_of(ada, sent)
        assert "policy list" in proof_of(ada, sent, "bob@named.example")
        assert "certificate" in reason_of(ada, sent, "bob@taken.example")
        assert len(named.mails) == 1


def test_next_server_of_the_domain():
    """The best one is gone: the next one, which proves itself too."""
    with world() as w:
        mx = w.sink("mx2.partner.example")
        zone = w.zone(mx="mx1.partner.example", address=nets.address(25))
        zone.mail("mx2.partner.example", mx.address, 20)
        w.sts("*.partner.example")
        _, ada = w.house()
        assert "mx2.partner.example" in proof_of(ada, send(ada))


def test_domains_that_take_no_mail():
    """A null MX (RFC 7505) and a domain that is not there are refused at once,
    proven or not; what DNS cannot answer is put off."""
    signs = {"null": True, "null-plain": False}
    with world() as w:
        for name, signed in signs.items():
            w.zone(name + ".example", signed=signed).add("@", "MX", "0 .")
        w.zone("bogus.example", broken=True).add("@", "MX", "0 .")
        w.zone("parent.example")
        w.zone("plain.example", signed=False)
        gone = ["gone.parent.example", "gone.plain.example"]
        _, ada = w.house(key_search="off", tls_domains=" ".join(
            [n + ".example" for n in [*signs, "bogus", "quiet"]] + gone))
        sent = send(ada, "bob@bogus.example",
                    *("bob@" + d + ".example" for d in signs),
                    *("bob@" + d for d in gone))
        for domain in [d + ".example" for d in signs] + gone:
            row = ada.wait_state(sent["id"], "bob@" + domain, "deferred",
                                 "relayed", "failed", secs=20)
            words = row["events"][-1]["detail"]
            assert row["state"] == "failed", row
            assert domain in words and ("not exist" if domain in gone else
                                        "no mail") in words, words
        assert "DNSSEC" in reason_of(ada, sent, "bob@bogus.example")
        w.dns.stop()
        reason_of(ada, send(ada, "bob@quiet.example"), "bob@quiet.example",
                  secs=60)


def test_private_addresses_are_no_mail_servers():
    with world() as w:
        mx = w.sink()
        w.zone(address=mx.address)
        _, ada = w.house(tls_domains=DOMAIN, find_networks="10.9.0.0/16")
        assert "public" in reason_of(ada, send(ada))
        assert not mx.talks


def test_smarthost_with_requiretls():
    with world() as w:
        mx = w.sink()
        w.zone(address=mx.address)
        w.sts()
        smart = w.sink("127.0.0.1", "localhost", offer=["REQUIRETLS"])
        cert = w.ca.context(smart.address)
        smart.tls = cert
        _, ada = w.house(f"smtp://{smart.address}:25", relay_tls="required",
                         relay_ca=w.ca.pem)
        sent = send(ada, BOB, "carol@out.example")
        assert "policy requiretls" in proof_of(ada, sent)
        ada.wait_state(sent["id"], "carol@out.example", "notified")
        asked = {m.rcpt[0]: "REQUIRETLS" in m.sender for m in smart.mails}
        assert asked == {BOB: True, "carol@out.example": False}, asked
        assert not mx.talks


def test_smarthost_without_requiretls_is_passed_by():
    with world() as w:
        mx = w.sink()
        w.zone(address=mx.address)
        w.sts()
        smart = w.sink("unused.example")
        smart.tls = w.ca.context(smart.address)
        _, ada = w.house(f"smtp://{smart.address}:25", relay_tls="required",
                         relay_ca=w.ca.pem)
        sent = send(ada, BOB, "carol@out.example")
        assert "policy sts" in proof_of(ada, sent)
        ada.wait_state(sent["id"], "carol@out.example", "notified")
        assert [m.rcpt for m in smart.mails] == [["carol@out.example"]]
        assert [m.rcpt for m in mx.mails] == [[BOB]]


def test_a_slow_server_holds_up_nobody():
    class Slow(sink.Sink):
        def talk(self, peer, lines, secure=None):
            time.sleep(60)

    with world() as w:
        slow = w.stack.enter_context(Slow(address=nets.address(25), port=25))
        w.zone("slow.example", "mx1.slow.example", slow.address)
        w.sts("mx1.slow.example", domain="slow.example")
        mx = w.sink()
        w.zone(address=mx.address)
        w.sts()
        house, ada = w.house()
        stuck = [send(ada, "bob@slow.example") for _ in range(3)]
        start = time.monotonic()
        sent = send(ada, BOB, "carol@out.example")
        proof_of(ada, sent)
        ada.wait_state(sent["id"], "carol@out.example", "notified")
        assert time.monotonic() - start < 6, time.monotonic() - start
        assert route_of(stuck[0], "bob@slow.example") == "tls"



def peak_kib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


def test_a_large_mail_takes_no_more_memory():
    """The bytes that arrive are those whose hash stands in the event."""
    with world() as w:
        mx = w.sink()
        w.zone(address=mx.address)
        w.sts()
        house, ada = w.house()
        proof_of(ada, send(ada))
        relay = house.procs("letterlock-relay")[0]
        before = peak_kib(relay)
        path = os.path.join(house.base, "large.bin")
        with open(path, "wb") as f:
            f.write(os.urandom(25 << 20))
        ada.scp(path, f"{ada.target}:/")
        draft = ada.list("drafts")[0]["id"]
        sent = ada.send([BOB], "large", "b", "--draft", draft)
        proof = proof_of(ada, sent, secs=90)
        raw = mx.mails[1].raw
        assert len(raw) > 33 << 20
        assert "sha256:" + hashlib.sha256(raw).hexdigest() in proof, proof
        if not ll.SANITIZED:    # which keeps what was freed
            grown = peak_kib(relay) - before
            assert grown < 4096, (before, grown)


if __name__ == "__main__":
    ll.main()
