"""Mail that comes in encrypted or signed: read, its files fetched, its
signature judged; and what hostile senders try.

    ada's keys are made at enrolment; gpg, gpgsm and openssl write to her
    through a real Postfix with letterlock-intake.
"""
# limit: 300
import contextlib
import os

import keykit
import ll
import parsekit as kit
from test_intake import give, place

ADA = "ada@house.example"
DORA = "dora@out.example"


class Desk:
    """ada logged in behind a Postfix, and a sender with keys."""

    def __init__(self, stack, **config):
        self.house, self.post, (self.ada,) = stack.enter_context(
            place(config))
        self.world = stack.enter_context(keykit.Pgp())
        self.ada.login()
        self.key = ll.until(self.own_key, 20, "ada's key")
        self.dora = self.world.person(DORA)
        self.seen = set()

    def own_key(self):
        got = self.ada.ssh("key export --openpgp", check=False)
        return got.raw if got.code == 0 else None

    def trust(self, person):
        self.ada.ssh(f"key add --for {person.address}", stdin=person.public)

    def take(self, mail, sender=DORA):
        """Gives the mail in; its id."""
        give(self.post, ADA, mail, sender)

        def new():
            for row in self.ada.list():
                if row["id"] not in self.seen:
                    self.seen.add(row["id"])
                    return row
            return None
        row = ll.until(new, 20, "the mail in the list")
        assert row["mail"] is True, row
        return row["id"]

    def show(self, mail, sender=DORA):
        """The mail as show --json has it, and its id."""
        return self.ada.verb("show " + self.take(mail, sender))


@contextlib.contextmanager
def desk(**config):
    with contextlib.ExitStack() as stack:
        yield Desk(stack, **config)


def fetch(d, path):
    name = os.path.join(d.world.dir, "fetched")
    d.ada.scp(":" + path, name)
    with open(name, "rb") as f:
        return f.read()


def test_openpgp_from_gpg():
    with desk() as d:
        mail = d.dora.write(ADA, d.key, "Meet at nine.\n", "Plans",
                            files=[("plan.pdf", b"\0\1" * 70000)],
                            Message_ID="<one@out.example>")
        got = d.show(mail)
        sign = got["signature"]
        assert got["body"] == "Meet at nine.\n", got
        assert got["subject"] == "Plans" and got["subject_protected"], got
        assert not sign["valid"] and sign["encrypted"].startswith("OpenPGP")
        assert "not known" in sign["reason"], sign
        assert [a["name"] for a in got["attachments"]] == ["plan.pdf"], got
        assert fetch(d, got["attachments"][0]["path"]) == b"\0\1" * 70000
        d.trust(d.dora)
        got = d.ada.verb("show " + got["id"])
        sign = got["signature"]
        assert sign["valid"] and sign["by"] == DORA, sign
        assert sign["parts"] == "all", sign
        assert sign["fingerprint"].lower() == d.dora.fingerprint.lower()
        text = d.ada.ssh("show " + got["id"]).out
        assert "Signature: good, by " + DORA in text.split("---")[0], text
        assert text.index("Signature:") < text.index("Meet at nine")


if __name__ == "__main__":
    ll.main()
