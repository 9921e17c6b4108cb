"""Unknown user, wrong passphrase, unknown key, unknown locator: the same words
and, within noise, the same time as the other kind.  The words are compared in
every run; the times only in `make soak`, with 2,000 samples of each kind,
because a timed assertion has no place on a shared machine.

limit: 3600
"""
import http.client
import random
import socket
import statistics
import time
import urllib.parse

import ll

SAMPLES = 2000 if ll.SOAK else 12
PER_ACCOUNT = 4            # below the five failures that start delays
CODE = "0000-0000-0000"


def medians_agree(known, unknown, what):
    a, b = statistics.median(known), statistics.median(unknown)
    print(f"# {what}: medians {a * 1e3:.3f} and {b * 1e3:.3f} ms of "
          f"{len(known)} and {len(unknown)}")
    if ll.SOAK:
        assert abs(a - b) < max(0.001, 0.02 * max(a, b)), \
            f"{what} tells the known from the unknown: {a} and {b} s"


def attempt(house, user, key=None):
    """One refused login: (seconds, what the server said)."""
    import paramiko
    sock = socket.create_connection(("127.0.0.1", house.ssh_port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(sock)
    try:
        transport.start_client(timeout=20)
        began = time.perf_counter()
        try:
            if key:
                transport.auth_publickey(user, key)
            else:
                transport.auth_password(user, "a wrong passphrase, long",
                                        fallback=False)
            raise ll.Failure("a wrong login was let in")
        except paramiko.AuthenticationException as error:
            took = time.perf_counter() - began
            return took, f"{type(error).__name__}: {error}"
    finally:
        transport.close()


def compare_logins(what, key=None):
    with ll.House({"kdf_memory_mib": 1, "kdf_passes": 1}) as house:
        accounts = [house.add_user(f"{what}{n}").name
                    for n in range(max(1, SAMPLES // PER_ACCOUNT))]
        times = {True: [], False: []}
        words = {True: set(), False: set()}
        turns = [(True, a) for a in accounts] * PER_ACCOUNT + \
            [(False, f"no{a}") for a in accounts] * PER_ACCOUNT
        random.Random(1).shuffle(turns)
        for known, name in turns:
            took, said = attempt(house, name, key)
            times[known].append(took)
            words[known].add(said)
        assert words[True] == words[False], words
        assert len(words[True]) == 1, words
        medians_agree(times[True], times[False], what)


def test_unknown_user_looks_like_a_wrong_passphrase():
    compare_logins("password")


def test_unknown_user_looks_like_an_unknown_key():
    import paramiko
    with ll.House(start=False) as house:
        key = paramiko.Ed25519Key.from_private_key_file(ll.make_key(house))
    compare_logins("key", key)


def post_code(link, origin):
    parts = urllib.parse.urlsplit(link)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    headers = {"X-Forwarded-For": origin}
    try:
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        page = ll.Page(answer.read().decode())
        cookie = answer.headers.get("Set-Cookie")
        if cookie:
            headers["Cookie"] = cookie.split(";")[0]
        fields = dict(page.form_with("code")["fields"], code=CODE)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers["Origin"] = f"http://{parts.netloc}"
        target = page.form_with("code")["action"] or parts.path
        began = time.perf_counter()
        connection.request("POST", urllib.parse.urljoin(parts.path, target),
                           urllib.parse.urlencode(fields), headers)
        answer = connection.getresponse()
        text = ll.Page(answer.read().decode()).text
        return time.perf_counter() - began, (answer.status, text)
    finally:
        connection.close()


def test_unknown_locator_looks_like_a_wrong_code():
    with ll.House({"trusted_proxy": "127.0.0.1",
                   "muc_kdf_memory_mib": 1}) as house:
        ada = house.add_user("ada")
        ada.login()
        links = []
        for n in range(max(1, SAMPLES // PER_ACCOUNT)):
            ada.send([f"t{n}@outside.example"], "s", "b")
            links.append(house.wait_link(f"t{n}@outside.example"))
        turns = []
        for link in links:
            head, locator, secret = link.rsplit("/", 2)
            other = "".join(random.sample(locator[1:], 25))
            turns += [(True, link)] * PER_ACCOUNT
            turns += [(False, f"{head}/{locator[0]}{other}/{secret}")] \
                * PER_ACCOUNT
        random.Random(2).shuffle(turns)
        times = {True: [], False: []}
        said = {}
        for n, (known, link) in enumerate(turns):
            origin = f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
            took, words = post_code(link, origin)
            assert words[0] == 403, words
            times[known].append(took)
            said.setdefault(link.rsplit("/", 1)[1], set()).add(words)
        for words in said.values():
            assert len(words) == 1, words
        medians_agree(times[True], times[False], "locator")


if __name__ == "__main__":
    ll.main()
