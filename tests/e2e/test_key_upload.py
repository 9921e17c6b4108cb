"""A reader outside gives the sender a key, on the page of an opened message:
in Chromium without scripts, and by what no browser would send."""
# limit: 240
import os

import keykit
import ll
from test_find import revoked
from test_portal import Sent, complaints, content_width, emulate, picture

CAROL = "carol@out.example"


def keys_of(ada, address=CAROL):
    return [k for k in ada.verb("key list")["keys"]
            if k["address"] == address]


def give(page, key="", file=None):
    """The form as a browser sends it; the page that came."""
    page.submit("key", {"key": key}, {
        "keyfile": [("key.asc", file)] if file is not None else [("", b"")]})
    return page


def alarm(page):
    return page.page.ids["key-alarm"]


def test_in_a_browser_without_scripts():
    from selenium.webdriver.common.by import By
    with Sent() as s, keykit.Pgp() as world, ll.chromium() as web:
        carol = world.person(CAROL)
        other = world.person("mallory@else.example")
        web.get(s.link)
        web.find_element(By.ID, "code").send_keys(s.code)
        ll.submit(web, web.find_element(By.ID, "code"))
        emulate(web, 780, 1900)
        picture(web, "key-folded")
        web.find_element(By.TAG_NAME, "summary").click()
        picture(web, "key-form")
        path = os.path.join(s.house.base, "other.asc")
        with open(path, "wb") as f:
            f.write(other.public)
        for size in (1 << 20, 30 << 20):
            big = os.path.join(s.house.base, "big.asc")
            with open(big, "wb") as f:
                f.truncate(size)
            web.find_element(By.ID, "keyfile").send_keys(big)
            ll.submit(web, web.find_element(By.ID, "keyfile"))
            assert "larger" in web.find_element(By.ID, "key-alarm").text
        web.find_element(By.ID, "keyfile").send_keys(path)
        ll.submit(web, web.find_element(By.ID, "keyfile"))
        said = web.find_element(By.ID, "key-alarm").text
        assert "not taken" in said and "that address" in said, said
        assert f"for {CAROL}" in web.find_element(By.ID, "key-hint").text
        picture(web, "key-refused")
        emulate(web, 320, 1400, dark=True)
        assert content_width(web) <= 320, content_width(web)
        picture(web, "key-refused-320-dark")
        assert not keys_of(s.ada)
        emulate(web, 780, 1400)
        web.find_element(By.ID, "key").send_keys(
            carol.world.ring.gpg("--armor", "--export",
                                 carol.fingerprint).stdout.decode())
        ll.submit(web, web.find_element(By.ID, "key"))
        assert "has been taken" in web.find_element(By.ID, "key-taken").text
        picture(web, "key-taken")
        assert not complaints(web), complaints(web)
        row, = keys_of(s.ada)
        assert row["fingerprint"].lower() == carol.fingerprint.lower(), row
        assert row["source"] == "portal" and not row["changed"], row
        line, = s.ada.verb(f"plan --to {CAROL}")["recipients"]
        assert line["route"] == "openpgp", line


def test_what_is_no_key_for_that_address():
    with Sent() as s, keykit.Pgp() as world, keykit.Pgp() as second:
        page = s.opened()
        carol = world.person(CAROL)
        weak = second.person(CAROL, "rsa1024")
        both = world.person("mallory@else.example")
        secret = world.ring.gpg("--armor", "--export-secret-keys",
                                carol.fingerprint).stdout
        binary = world.ring.gpg("--export-secret-keys",
                                carol.fingerprint).stdout
        for file, code, words in (
                (b"", 400, "choose a file"), (b" \n\n", 400, "choose a file"),
                (b"Dear Ada, here is my key.\n", 400, "neither"),
                (bytes(range(256)) * 20, 400, "neither"),
                (carol.public[:200], 400, "neither"),
                (both.public, 422, "that address"), (weak.public, 422, "weak"),
                (secret, 400, "private key"), (binary, 400, "private key"),
                (b"\xc6" * (1 << 20), 413, "larger")):
            give(page, file=file)
            assert page.code == code, (page.code, file[:40], page.page.text)
            assert words in alarm(page), (words, alarm(page))
        assert not keys_of(s.ada)
        give(page, key=world.ring.gpg("--armor", "--export",
                                      carol.fingerprint).stdout.decode())
        assert page.code == 200 and page.page.ids["key-taken"], page.page.text
        assert len(keys_of(s.ada)) == 1


def test_another_key_waits_for_the_sender():
    with Sent() as s, keykit.Pgp() as old, keykit.Pgp() as new:
        page = s.opened()
        first, second = old.person(CAROL), new.person(CAROL, "nistp256")
        give(page, file=first.public)
        assert "From now on" in page.page.ids["key-taken"]
        give(page, file=second.public)
        assert "made sure" in page.page.ids["key-taken"]
        rows = {k["fingerprint"].lower(): k for k in keys_of(s.ada)}
        assert rows[second.fingerprint.lower()]["changed"], rows
        assert not rows[first.fingerprint.lower()]["changed"], rows
        seen = [e["event"] for e in s.ada.status(s.id, CAROL)["events"]]
        assert seen.count("peer-key") == 2, seen
        for _ in range(3):
            give(page, file=first.public)
        assert page.code == 200
        give(page, file=first.public)
        assert page.code == 429 and "hour" in alarm(page), page.page.text


def test_a_revoked_key_is_taken_back():
    with Sent() as s, keykit.Pgp() as world:
        carol = world.person(CAROL)
        page = s.opened()
        give(page, file=carol.public)
        assert len(keys_of(s.ada)) == 1
        give(page, file=revoked(carol))
        assert page.code == 422 and "revoked" in alarm(page), page.page.text
        assert not keys_of(s.ada)
        events = [e["event"] for e in s.ada.status(s.id, CAROL)["events"]]
        assert events[-1] == "peer-key-gone", events


def test_a_certificate():
    with Sent() as s, keykit.Smime() as world:
        carol = world.person(CAROL)
        other = world.person("mallory@else.example")
        page = s.opened()
        give(page, file=other.public)
        assert page.code == 422, page.page.text
        give(page, file=carol.public)
        assert page.code == 200 and page.page.ids["key-taken"], page.page.text
        row, = keys_of(s.ada)
        assert row["format"] == "S/MIME" and not row["trusted"], row


def test_forged_and_closed_forms():
    with Sent() as s, keykit.Pgp() as world:
        carol = world.person(CAROL)
        page = s.opened()
        form = page.page.form_with("key")
        form["fields"]["csrf"] = "0" * 26
        give(page, file=carol.public)
        assert page.code == 403, page.code
        page.get(page.url.rsplit("/", 1)[0])
        stranger = ll.Visitor()
        stranger.url, stranger.page = page.url, page.page
        give(stranger, file=carol.public)
        assert stranger.code == 403, stranger.code
        assert not keys_of(s.ada)
        # a browser that has the message open no more
        closed = ll.Visitor()
        closed.url, closed.page = page.url, page.page
        give(closed, file=b"A" * 1000000)
        assert closed.code == 403, closed.code
        give(page, file=carol.public)
        assert page.code == 200, page.page.text
        assert len(keys_of(s.ada)) == 1


if __name__ == "__main__":
    ll.main()
