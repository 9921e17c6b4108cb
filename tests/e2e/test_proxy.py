"""The portal behind the nginx that contrib/proxy shows: plain HTTP on loopback,
TLS in front, the client's address by X-Forwarded-For."""
# limit: 120
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess

import ll
import mta
from test_main_job import other_code

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


def plain_parts(text, house, port, cert, key):
    """contrib/proxy/nginx.conf for this machine: ports and paths only."""
    text = text[:text.index("\nserver {\n\tlisten 80;")]
    text = re.sub(r"listen \[::\]:443.*\n", "", text)
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}")
    text = re.sub(r"ssl_certificate_key .*;", f"ssl_certificate_key {key};",
                  text)
    text = re.sub(r"ssl_certificate  .*;", f"ssl_certificate {cert};", text)
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{house.portal_port}")
    return text.replace("/var/log/nginx", house.base)


@contextlib.contextmanager
def nginx(house, port):
    if not os.path.exists(NGINX):
        raise ll.Skip("nginx is not installed")
    cert, key = mta.certificate(house.base)
    with open(os.path.join(ll.TOP, "contrib/proxy/nginx.conf"),
              encoding="utf-8") as f:
        server = plain_parts(f.read(), house, port, cert, key)
    base = os.path.join(house.base, "nginx")
    os.mkdir(base)
    temporary = "".join(f"{n}_temp_path {base}/{n};\n" for n in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    path = house.write("nginx.conf", f"""
daemon off; pid {base}/pid; error_log {base}/log; user root;
events {{ }}
http {{ access_log {base}/access; {temporary} {server} }}
""")
    process = subprocess.Popen([NGINX, "-p", base, "-c", path],
                               stderr=subprocess.DEVNULL)
    try:
        def serving():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            return process.poll() is not None
        ll.until(serving, 10, "nginx")
        yield base
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def test_the_nginx_of_the_manual():
    port = ll.free_port()
    house = ll.House(start=False)
    with house:
        house.write_config(portal_url=f"https://127.0.0.1:{port}",
                           portal_plain="yes", trusted_proxy="127.0.0.1",
                           attachment_max="2M")
        house.start()
        ada = house.add_user("ada")
        ada.login()
        with nginx(house, port) as base:
            sent = ada.send(["carol@out.example"], "Behind", "a proxy")
            code = sent["recipients"][0]["code"]
            link = house.wait_link("carol@out.example")
            assert link.startswith(f"https://127.0.0.1:{port}/m/"), link
            page = ll.Visitor(link)
            assert page.unlock(code, follow=False) == 303
            assert "__Host-ll=" in page.headers["Set-Cookie"]
            assert "Secure" in page.headers["Set-Cookie"]
            page.get(page.headers["Location"])
            assert "a proxy" in page.page.text
            assert len(page.headers.get_all("Strict-Transport-Security")) == 1
            # What a client claims of its address is not believed.
            more = ada.send(["dora@out.example"], "Other", "text")
            wrong = other_code(more["recipients"][0]["code"])
            where = house.wait_link("dora@out.example")
            codes = [ll.Visitor(where, origin=f"192.0.2.{n}").unlock(wrong)
                     for n in range(6)]
            assert codes == [403] * 5 + [429], codes
            assert page.reply("over the proxy", {
                "a.bin": os.urandom(1 << 20)}) == 200, page.page.text
            ll.until(ada.list, what="the reply")
            # Too much is refused by us, and the text comes back.
            page.get(page.url.split("?")[0])
            assert page.reply("keep this text", {
                "b.bin": bytes(8 << 20)}) == 413
            assert "keep this text" in page.page.text
            for name in os.listdir(base):
                path = os.path.join(base, name)
                if os.path.isfile(path):
                    with open(path, encoding="utf-8") as f:
                        assert "/m/" not in f.read(), name


if __name__ == "__main__":
    ll.main()
