"""httpskit.py - a web server with TLS on a loopback address, for what
letterlock fetches itself (MTA-STS policies, WKD, keyservers).

    with httpskit.Web(ca) as web:
        web.sts("partner.example", "mx1.partner.example")
        web.host("openpgpkey.partner.example")       # a name it answers for
        web.put("openpgpkey.partner.example", "/.well-known/...", key)
        dns.zone("partner.example").add("mta-sts", "A", web.address)

Each name gets a certificate of the authority (other words: host(name,
cert=ca.issue(...))); a name it does not know gets one for the first.  What was
asked stands in .asked as (host, path).  .answers maps (host, path) to (status,
headers, body), or to a function that is given the handler.
"""
import http.server
import ssl
import threading

import nets

STS = "version: STSv1\r\nmode: {mode}\r\n{mx}max_age: {age}\r\n"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        web = self.server.web
        host = self.headers.get("Host", "").split(":")[0]
        with web.lock:
            web.asked.append((host, self.path))
        answer = web.answers.get((host, self.path)) or \
            web.answers.get((host, self.path.split("?")[0])) or \
            (404, {}, b"not here\n")
        if callable(answer):
            answer = answer(self)
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass                    # a client that went away is no news


class Web:
    def __init__(self, ca, port=443):
        self.ca, self.port = ca, port
        self.address = nets.address(port)
        self.answers, self.asked, self.contexts = {}, [], {}
        self.lock = threading.Lock()
        self.server = None

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def host(self, name, cert=None):
        """Answers for that name, with that (certificate, key)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(cert or self.ca.issue(name)))
        self.contexts[name] = context
        if self.server is None:
            self.start(context)
        return self

    def start(self, context):
        def choose(sock, name, first):
            sock.context = self.contexts.get(name, first)
        context.sni_callback = choose
        self.server = Server((self.address, self.port), Handler)
        self.server.web = self
        accept = self.server.get_request

        def get_request():
            peer, where = accept()
            peer.settimeout(20)
            return context.wrap_socket(peer, server_side=True,
                                       do_handshake_on_connect=False), where
        self.server.get_request = get_request
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.05}, daemon=True).start()

    def put(self, host, path, body, status=200, **headers):
        """headers: content_type="text/plain" and so on."""
        if host not in self.contexts:
            self.host(host)
        self.answers[(host, path)] = (
            status, {k.replace("_", "-"): v for k, v in headers.items()},
            body.encode() if isinstance(body, str) else body)

    def sts(self, domain, *mx, mode="enforce", age=86400, cert=None):
        """The MTA-STS policy of a domain; its TXT record is DNS's matter:
        zone.txt("_mta-sts", "v=STSv1; id=1;")."""
        host = "mta-sts." + domain
        self.host(host, cert)
        self.put(host, "/.well-known/mta-sts.txt", STS.format(
            mode=mode, mx="".join(f"mx: {m}\r\n" for m in mx), age=age),
            content_type="text/plain")

    def count(self, host):
        with self.lock:
            return len([a for a in self.asked if a[0] == host])
