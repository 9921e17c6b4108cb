"""web.py - the person outside: a browser without scripts.

Visitor is a cookie jar and the page in front of it, quick enough for hundreds
of visits; chromium() is the real thing.
"""
import contextlib
import html.parser
import http.cookiejar
import random
import re
import shutil
import ssl
import string
import tempfile
import urllib.error
import urllib.parse
import urllib.request


class Page(html.parser.HTMLParser):
    """What a browser without scripts makes of a page: text, forms, links."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.links, self.ids, self.words = [], [], {}, []
        self.open_ids, self.hidden = [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag in ("script", "style", "title"):
            self.hidden += tag != "title"
        if "id" in a:
            self.ids[a["id"]] = ""
            self.open_ids.append((tag, a["id"], 1))
        elif self.open_ids and self.open_ids[-1][0] == tag:
            t, i, n = self.open_ids[-1]
            self.open_ids[-1] = (t, i, n + 1)
        if tag == "form":
            self.forms.append({"action": a.get("action", ""), "fields": {},
                               "method": a.get("method", "get").lower(),
                               "names": set(), "enctype": a.get("enctype")})
        elif tag in ("input", "textarea", "button") and self.forms:
            name = a.get("name")
            if name:
                self.forms[-1]["names"].add(name)
                if a.get("type") == "hidden":
                    self.forms[-1]["fields"][name] = a.get("value", "")
        elif tag == "a" and a.get("href"):
            self.links.append(a["href"])

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.hidden -= 1
        if self.open_ids and self.open_ids[-1][0] == tag:
            t, i, n = self.open_ids.pop()
            if n > 1:
                self.open_ids.append((t, i, n - 1))

    def handle_data(self, data):
        if self.hidden:
            return
        self.words.append(data)
        for _, name, _ in self.open_ids:
            self.ids[name] += data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def form_with(self, field):
        for form in self.forms:
            if field in form["names"]:
                return form
        raise AssertionError(f"no form with a field {field!r} on: {self.text[:500]}")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


class Visitor:
    """The person outside: a cookie jar and the page in front of them."""

    def __init__(self, link=None, origin=None):
        self.jar = http.cookiejar.CookieJar()
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.opener = urllib.request.build_opener(
            NoRedirect(), urllib.request.HTTPCookieProcessor(self.jar),
            urllib.request.HTTPSHandler(context=context),
            urllib.request.ProxyHandler({}))
        self.origin = origin
        self.url = self.page = self.code = self.headers = None
        if link:
            self.get(link)

    def request(self, url, data=None, content_type=None, follow=True):
        headers = {}
        if content_type:
            headers["Content-Type"] = content_type
        if self.origin:
            headers["X-Forwarded-For"] = self.origin
        if data is not None:
            parts = urllib.parse.urlsplit(url)
            headers["Origin"] = f"{parts.scheme}://{parts.netloc}"
        ask = urllib.request.Request(url, data, headers)
        try:
            answer = self.opener.open(ask, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        self.raw = answer.read()
        self.code, self.headers, self.url = answer.status, answer.headers, url
        if follow and self.code in (301, 302, 303):
            self.redirected = self.code
            target = urllib.parse.urljoin(url, self.headers["Location"])
            return self.request(target)
        if "html" in (self.headers.get("Content-Type") or ""):
            self.page = Page(self.raw.decode("utf-8"))
        return self.code

    def get(self, url, follow=True):
        return self.request(urllib.parse.urljoin(self.url or "", url),
                            follow=follow)

    def submit(self, field, values, files=None, follow=True):
        """Sends the form that has that field."""
        form = self.page.form_with(field)
        target = urllib.parse.urljoin(self.url, form["action"])
        fields = dict(form["fields"], **values)
        if files is not None or (form["enctype"] or "").startswith("multi"):
            data, kind = multipart(fields, files or {})
        else:
            data = urllib.parse.urlencode(fields).encode()
            kind = "application/x-www-form-urlencoded"
        return self.request(target, data, kind, follow)

    def site_words(self):
        return re.findall(r"\w+", self.page.ids["site-words"])

    def unlock(self, code, follow=True):
        return self.submit("code", {"code": code}, follow=follow)

    def reply(self, text, files=None):
        """files: {name: bytes}"""
        return self.submit("reply", {"reply": text}, {
            "file": list(files.items())} if files else None)


def multipart(fields, files):
    border = "ll" + "".join(random.choices(string.ascii_letters, k=24))
    out = b""
    for name, value in fields.items():
        out += (f'--{border}\r\nContent-Disposition: form-data; '
                f'name="{name}"\r\n\r\n{value}\r\n').encode()
    for name, rows in files.items():
        for filename, content in rows:
            out += (f'--{border}\r\nContent-Disposition: form-data; '
                    f'name="{name}"; filename="{filename}"\r\n'
                    "Content-Type: application/octet-stream\r\n\r\n"
                    ).encode() + content + b"\r\n"
    return (out + f"--{border}--\r\n".encode(),
            f"multipart/form-data; boundary={border}")


@contextlib.contextmanager
def chromium():
    """A headless Chromium with scripts switched off."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--no-proxy-server",
                 "--ignore-certificate-errors", "--window-size=1000,900"):
        options.add_argument(flag)
    downloads = tempfile.mkdtemp(prefix="ll-downloads-")
    options.add_experimental_option("prefs", {
        "profile.managed_default_content_settings.javascript": 2,
        "download.default_directory": downloads,
        "download.prompt_for_download": False})
    home = tempfile.mkdtemp(prefix="ll-chromium-")
    options.add_argument(f"--user-data-dir={home}")
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"),
                              options=options)
    driver.downloads = downloads
    driver.set_page_load_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(downloads, ignore_errors=True)


def submit(driver, element):
    """Sends the element's form and waits for the next page."""
    from selenium.webdriver.support.expected_conditions import staleness_of
    from selenium.webdriver.support.wait import WebDriverWait
    element.submit()
    WebDriverWait(driver, 30).until(staleness_of(element))
