"""The web pages: seen in Chromium and lynx without scripts, attacked by curl
and by a thousand parallel guesses."""
# limit: 420
import collections
import concurrent.futures
import hashlib
import http.client
import os
import re
import signal
import socket
import ssl
import time

import ll
from test_main_job import other_code

TEXT = ("Dear Carol,\n\nthe offer is attached. Please look at page 2 and tell "
        "me by Friday\nwhether the dates suit you.\n\nKind regards\nAda\n")


class Sent:
    """A house with one message on its way to carol@out.example."""

    def __init__(self, body=TEXT, subject="Your offer", files=(), **options):
        self.house = ll.House(**options)
        self.ada = self.house.add_user("ada")
        self.ada.login()
        more = []
        for name, content in files:
            path = os.path.join(self.house.base, name)
            with open(path, "wb") as f:
                f.write(content)
            self.ada.scp(path, ":/")
            more = ["--draft", self.ada.list("drafts")[0]["id"]]
        self.id = None
        self.send(body, subject, more)

    def send(self, body=TEXT, subject="Your offer", more=()):
        count = len(self.house.links("carol@out.example"))
        sent = self.ada.send(["carol@out.example"], subject, body, *more)
        self.id = sent["id"]
        self.row = sent["recipients"][0]
        self.code = self.row["code"]
        self.link = self.house.wait_link("carol@out.example", count + 1)

    def opened(self, **options):
        page = ll.Visitor(self.link, **options)
        assert page.unlock(self.code) == 200, page.page.text
        return page

    def __enter__(self):
        self.house.__enter__()
        return self

    def __exit__(self, *what):
        self.house.__exit__(*what)


def emulate(web, width, height, dark=False):
    web.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{
        "name": "prefers-color-scheme", "value": "dark" if dark else
        "light"}]})
    web.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1,
        "mobile": False})


def content_width(web):
    size = web.execute_cdp_cmd("Page.getLayoutMetrics", {})
    return size["cssContentSize"]["width"]


def picture(web, name):
    """LL_PICTURES=DIR keeps what the browser showed."""
    folder = os.environ.get("LL_PICTURES")
    if folder:
        web.save_screenshot(os.path.join(folder, name + ".png"))


def complaints(web):
    return [row["message"] for row in web.get_log("browser")
            if "Failed to load resource" not in row["message"]]


def test_pages_fit_and_break_no_policy():
    from selenium.webdriver.common.by import By
    with Sent("x" * 500 + "\n" + TEXT, files=[
            ("a very long name " * 5 + ".pdf", b"%PDF")]) as s, \
            ll.chromium() as web:
        web.get(s.link)
        for width, dark in ((900, False), (900, True), (320, False),
                            (320, True)):
            emulate(web, width, 1000, dark)
            assert content_width(web) <= width, (width, content_width(web))
            picture(web, f"code-{width}-{'dark' if dark else 'light'}")
        web.find_element(By.ID, "code").send_keys("7KQ4-M9XH")
        ll.submit(web, web.find_element(By.ID, "code"))
        field = web.find_element(By.ID, "code")
        assert field.get_attribute("value") == "7KQ4-M9XH"
        assert "no try" in web.find_element(By.ID, "alarm").text
        field.clear()
        field.send_keys(s.code)
        ll.submit(web, field)
        assert "/o/" in web.current_url and "/m/" not in web.current_url
        assert "Your offer" not in web.title
        for width, dark in ((900, False), (320, True)):
            emulate(web, width, 1400, dark)
            assert content_width(web) <= width, (width, content_width(web))
            picture(web, f"message-{width}-{'dark' if dark else 'light'}")
        assert len(web.page_source) < 30000
        assert not complaints(web), complaints(web)
        s.ada.wait_state(s.id, "carol@out.example", "read")


def test_picture_for_the_manual():
    from selenium.webdriver.common.by import By
    with Sent(files=[("offer.pdf", b"%PDF-1.7 " * 4000)],
              config={"org_name": "Example Clinic"}) as s, \
            ll.chromium() as web:
        web.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        emulate(web, 780, 620)
        web.get(s.link)
        web.find_element(By.ID, "code").send_keys(s.code)
        picture(web, "portal")
        ll.submit(web, web.find_element(By.ID, "code"))
        text = web.find_element(By.ID, "signature").text
        assert text.startswith("Valid."), text
        picture(web, "portal-message")


def test_lynx_reads_and_answers():
    import pexpect
    with Sent() as s:
        lynx = pexpect.spawn("lynx", ["-accept_all_cookies", "-nocolor",
                                      s.link],
                             env=dict(ll.ENV, TERM="vt100", LC_ALL="C.UTF-8"),
                             dimensions=(60, 80), timeout=20)
        lynx.expect(s.row["site_words"][0])
        lynx.expect("Open the message")
        lynx.send(s.code + "\t\r")
        lynx.expect("the offer is attached")
        s.ada.wait_state(s.id, "carol@out.example", "read")
        lynx.send("Answer from lynx\t\t\r")
        lynx.expect("Your reply has been sent")
        lynx.terminate(force=True)
        answer = ll.until(s.ada.list, what="the reply")[0]
        assert s.ada.verb(f"show {answer['id']}")["body"].strip() == \
            "Answer from lynx"


def test_headers_stand_on_every_answer():
    must = {"content-security-policy": "default-src 'none'",
            "referrer-policy": "no-referrer", "x-robots-tag": "noindex",
            "x-content-type-options": "nosniff",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin"}
    with Sent() as s:
        page = s.opened()
        for url in (s.link, page.url, "/", "/nothing", "/m/x/y",
                    "/m/" + "0" * 26 + "/" + "0" * 26):
            page.get(url)
            for name, value in must.items():
                assert value in page.headers[name], (url, name)
            assert "no-store" in page.headers["cache-control"], url
            assert "<script" not in page.raw.decode().lower(), url
            assert len(page.raw) < 30000, url
        assert re.fullmatch(r"ll=[0-9A-Z]{52}; Path=/; HttpOnly; "
                            r"SameSite=Strict", cookie_of(s)), cookie_of(s)


def cookie_of(s):
    page = ll.Visitor(s.link)
    page.unlock(s.code, follow=False)
    assert page.code == 303 and page.headers["Location"].startswith("/o/")
    return page.headers["Set-Cookie"]


def test_https_has_its_own_cookie_and_no_old_versions():
    with Sent(https=True) as s:
        assert re.fullmatch(r"__Host-ll=[0-9A-Z]{52}; Path=/; HttpOnly; "
                            r"SameSite=Strict; Secure", cookie_of(s))
        page = s.opened()
        assert "max-age" in page.headers["Strict-Transport-Security"]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1",
                                       s.house.portal_port)) as raw:
            try:
                context.wrap_socket(raw)
                raise AssertionError("TLS 1.1 was accepted")
            except (ssl.SSLError, ConnectionError):
                pass


class Guesser:
    """Sends the code form as fast as the server takes it."""

    def __init__(self, s, code):
        page = ll.Visitor(s.link)
        form = page.page.form_with("code")
        self.port = s.house.portal_port
        self.path = "/m/" + s.link.split("/m/")[1]
        self.body = f"csrf={form['fields']['csrf']}&code={code}"

    def __call__(self, origin):
        for _ in range(20):
            try:
                return self.once(origin)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        raise ll.Failure("the portal answers no more")

    def once(self, origin):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            c.request("POST", self.path, self.body, {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Forwarded-For": origin})
            return c.getresponse().status
        finally:
            c.close()


def test_a_thousand_parallel_guesses():
    with Sent(config={"trusted_proxy": "127.0.0.1"}) as s:
        guess = Guesser(s, other_code(s.code))
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            one = collections.Counter(pool.map(guess, ["192.0.2.1"] * 500))
            assert one[403] == 5 and one[403] + one[429] == 500, one
            # Whoever had the code is not hindered by a stranger's guesses.
            many = collections.Counter(pool.map(guess, [
                f"198.51.{n // 250}.{n % 250 + 1}" for n in range(500)]))
        assert many[403] == 5, (one, many)
        assert many[423] + many[429] + many[403] == 500, many
        page = ll.Visitor(s.link, origin="203.0.113.1")
        if page.code == 200:
            page.unlock(s.code)
        assert page.code == 423, page.code
        state = s.ada.wait_state(s.id, "carol@out.example", "frozen")
        assert sum(e["event"] == "muc-failed" or "wrong" in e["event"]
                   for e in state["events"]) <= 10, state


def test_looking_and_typos_cost_nothing():
    with Sent() as s:
        for _ in range(30):
            page = ll.Visitor(s.link)
            assert page.code == 200
            typo = ("2" if s.code[0] != "2" else "3") + s.code[1:]
            assert page.unlock(typo) == 403
            assert page.unlock("") == 403
        assert page.unlock(s.code.lower().replace("-", "")) == 200


def test_an_unknown_link_looks_like_a_known_one():
    with Sent() as s:
        known, unknown = ll.Visitor(s.link), ll.Visitor(
            s.link.split("/m/")[0] + "/m/" + "0" * 26 + "/" + "1" * 26)
        wrong = other_code(s.code)
        texts = []
        for page in (known, unknown):
            words = " ".join(page.site_words())
            assert page.unlock(wrong) == 403
            texts.append(page.page.text.replace(words, ""))
        assert texts[0] == texts[1], texts


def test_too_large_a_reply_is_refused_before_it_comes():
    refuse_large(False)


def test_too_large_a_reply_is_refused_over_tls_as_well():
    refuse_large(True)


def refuse_large(https):
    from selenium.webdriver.common.by import By
    with Sent(config={"attachment_max": "2M"}, https=https) as s, \
            ll.chromium() as web:
        path = os.path.join(s.house.base, "big.bin")
        with open(path, "wb") as f:
            f.truncate(300 << 20)
        web.get(s.link)
        web.find_element(By.ID, "code").send_keys(s.code)
        ll.submit(web, web.find_element(By.ID, "code"))
        web.find_element(By.ID, "reply").send_keys("Text to be <kept>")
        web.find_element(By.ID, "file").send_keys(path)
        begun = time.monotonic()
        ll.submit(web, web.find_element(By.ID, "reply"))
        assert time.monotonic() - begun < 15
        assert web.find_element(By.ID, "reply").get_attribute(
            "value").strip() == "Text to be <kept>"
        assert "too large" in web.find_element(By.ID, "alarm").text
        ll.submit(web, web.find_element(By.ID, "reply"))
        assert "has been sent" in web.find_element(By.ID, "sent").text
        answer = ll.until(s.ada.list, what="the reply")[0]
        assert s.ada.verb(f"show {answer['id']}")["body"].strip() == \
            "Text to be <kept>"


def memory_kb(house):
    pid = house.procs("letterlock-portal")[0].pid
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


def test_files_stream_both_ways_in_constant_memory():
    size = 40 << 20
    with Sent(config={"attachment_max": "64M"}) as s:
        page = s.opened()
        before = memory_kb(s.house)
        content = os.urandom(1 << 20) * (size >> 20)
        assert page.reply("big", {"../../etc/pass wd": content}) == 200, \
            page.page.text
        answer = ll.until(s.ada.list, what="the reply")[0]
        file = s.ada.verb(f"show {answer['id']}")["attachments"][0]
        assert file["size"] == size and "/" not in file["name"], file
        got = os.path.join(s.house.base, "got")
        s.ada.scp(":" + file["path"], got)
        with open(got, "rb") as f:
            assert hashlib.sha256(f.read()).digest() == \
                hashlib.sha256(content).digest()
        s.ada.scp(got, ":/")
        s.send(more=["--draft", s.ada.list("drafts")[0]["id"]])
        page = s.opened()
        link = next(x for x in page.page.links if "/f/" in x)
        page.get(link)
        assert hashlib.sha256(page.raw).digest() == \
            hashlib.sha256(content).digest()
        assert page.headers["Content-Disposition"].startswith("attachment;")
        assert memory_kb(s.house) - before < 12000, (before,
                                                     memory_kb(s.house))


def test_a_repeated_form_is_one_reply():
    with Sent() as s:
        page = s.opened()
        form = page.page.form_with("reply")
        fields = dict(form["fields"], reply="only once")
        import web
        data, kind = web.multipart(fields, {})
        target = s.link.split("/m/")[0] + form["action"]
        for _ in range(3):
            assert page.request(target, data, kind, follow=False) == 303
        ll.until(s.ada.list, what="the reply")
        time.sleep(0.5)
        assert len(s.ada.list()) == 1


def test_another_browser_has_no_key():
    with Sent() as s:
        page = s.opened()
        other = ll.Visitor(page.url)
        assert other.code == 403 and "the offer" not in other.page.text
        own = page.url.split("?")[0]
        close = next(f for f in page.page.forms
                     if f["action"].endswith("/close"))
        page.request(s.link.split("/m/")[0] + close["action"],
                     ("csrf=" + close["fields"]["csrf"]).encode(),
                     "application/x-www-form-urlencoded")
        assert page.code == 200
        assert page.get(own) == 403


def test_one_open_message_opens_no_other():
    with Sent() as s:
        first = s.opened()
        s.send("for another day", "Second")
        second = s.opened()
        where = [p.url.split("/o/")[1][:26] for p in (first, second)]
        assert where[0] != where[1]
        for tail in ("", "/f/1"):
            assert first.get("/o/" + where[1] + tail) == 403
        form = first.get("/o/" + where[0]) and first.page.form_with("reply")
        import web
        data, kind = web.multipart(dict(form["fields"], reply="x"), {})
        base = s.link.split("/m/")[0]
        assert first.request(base + "/o/" + where[1] + "/reply", data,
                             kind) == 403
        # One browser may have both open.
        first.get(s.link)
        assert first.unlock(s.code) == 200
        assert first.get("/o/" + where[0]) == 200
        assert first.get("/o/" + where[1]) == 200


def test_the_host_header_is_nobodys_word():
    with Sent() as s:
        c = http.client.HTTPConnection("127.0.0.1", s.house.portal_port)
        path = "/m/" + s.link.split("/m/")[1]
        c.request("GET", path, headers={"Host": "evil.example",
                                        "X-Forwarded-Host": "evil.example"})
        assert b"evil.example" not in c.getresponse().read()
        page = ll.Visitor(s.link)
        form = page.page.form_with("code")
        c.request("POST", path, f"csrf={form['fields']['csrf']}&code="
                  + s.code, {"Host": "evil.example", "Content-Type":
                             "application/x-www-form-urlencoded"})
        answer = c.getresponse()
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/o/")


def test_hostile_text_is_shown_as_text():
    body = ("<script>alert(1)</script>\x1b[2J\u202egnp.exe\u202c "
            "a\u200bb &amp; \"quoted\"\n")
    with Sent(body, "<img src=x> \u202etxt") as s:
        page = s.opened()
        raw = page.raw.decode("utf-8")
        assert "<script" not in raw and "<img" not in raw
        for char in "\x1b\u202e\u202c\u200b":
            assert char not in raw, hex(ord(char))
        assert "U+202E" in raw and "&amp;amp;" in raw


def test_a_reload_takes_up_the_new_name():
    with Sent() as s:
        assert "House of Tests" in ll.Visitor(s.link).page.text
        s.house.write_config(org_name="New Name")
        s.house.daemon.send_signal(signal.SIGHUP)

        def renamed():
            try:
                return "New Name" in ll.Visitor(s.link).page.text
            except OSError:
                return False
        ll.until(renamed, 20, "the new name")
        s.send()


def test_the_page_survives_its_programs():
    with Sent() as s:
        page = s.opened()
        s.house.procs("letterlock-store")[0].kill()
        assert page.get(page.url) == 200, page.page.text
        assert "the offer" in page.page.text
        s.house.procs("letterlock-portal")[0].kill()

        def again():
            try:
                return ll.Visitor(s.link)
            except OSError:
                return None
        fresh = ll.until(again, what="the portal again")
        # What was open is closed: keys were in memory only.
        assert page.get(page.url) == 403
        assert fresh.unlock(s.code) == 200


def test_slow_clients_keep_nobody_waiting():
    with Sent() as s:
        where = ("127.0.0.1", s.house.portal_port)
        slow = []
        for _ in range(200):
            c = socket.create_connection(where, 5)
            c.sendall(b"POST /m/x HTTP/1.1\r\nHost: x\r\nX-")
            slow.append(c)
        begun = time.monotonic()
        for source in ("127.0.0.1", "127.0.0.2"):
            c = http.client.HTTPConnection(*where, timeout=5,
                                           source_address=(source, 0))
            c.request("GET", "/")
            assert c.getresponse().status == 200
        assert time.monotonic() - begun < 2
        # They are cut off although each sends a byte now and then.
        deadline = time.monotonic() + 40
        while slow and time.monotonic() < deadline:
            time.sleep(1)
            for one in list(slow):
                try:
                    one.sendall(b"a")
                    one.settimeout(0.01)
                    if one.recv(1) == b"":
                        slow.remove(one)
                except TimeoutError:
                    pass
                except OSError:
                    slow.remove(one)
        assert not slow, len(slow)


def test_nothing_of_a_link_stands_in_the_logs():
    with Sent() as s:
        page = s.opened()
        page.reply("answer 4711")
        s.house.stop()
        logs = s.house.all_logs()
        locator, secret = s.link.split("/m/")[1].split("/")
        for word in (locator, secret, s.code, s.code.replace("-", ""),
                     "4711", "/m/", "/o/"):
            assert word not in logs, word


if __name__ == "__main__":
    ll.main()
