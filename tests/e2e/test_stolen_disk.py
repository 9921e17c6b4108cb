"""Who steals the disk of a stopped server, root secret and all, reads no
message.

The thief knows the construction: every label, every id in the database, the
ciphers.  From the root secret it derives whatever can be derived in two steps,
tries each of those keys on each wrapped key, and what comes out on each
message.  The same thief with a passphrase succeeds, which shows that it
searches rightly.
"""
# limit: 300
import ctypes
import hashlib
import os
import re
import sqlite3

import ll

sodium = ctypes.CDLL("libsodium.so.23")
SECRET = "the thief must not read this 7319"
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def labels():
    """Every label, from the one table."""
    with open(os.path.join(ll.TOP, "keys", "derive.c"),
              encoding="utf-8") as f:
        found = re.findall(r"\[(LABEL_\w+)\]\s*=\s*\"([^\"]+)\"", f.read())
    assert len(found) > 30
    return {name: text.encode().ljust(16, b"\0") for name, text in found}


LABELS = labels()


def derive(label, key, data=b""):
    return hashlib.blake2b(data, digest_size=32, key=key,
                           person=label).digest()


def field(tag, data):
    return bytes([tag]) + len(data).to_bytes(4, "big") + data


def decrypt(key, sealed, most=None):
    """XChaCha20 without looking at the tag: suite, nonce, text, tag."""
    nonce, text = sealed[1:25], sealed[25:-16][:most]
    out = ctypes.create_string_buffer(len(text))
    sodium.crypto_stream_xchacha20_xor_ic(
        out, text, ctypes.c_ulonglong(len(text)), nonce,
        ctypes.c_uint64(1), key)
    return out.raw


class Loot:
    """What lies on the disk."""

    def __init__(self, data):
        path = os.path.join(data, "db", "letterlock.db")
        db = sqlite3.connect(path)
        self.users = [r[0] for r in db.execute("SELECT user FROM users")]
        self.slots = db.execute("SELECT user, slot, wrap, salt, memory_mib,"
                                " passes, kind FROM slots").fetchall()
        self.headers = db.execute("SELECT message, header FROM messages"
                                  ).fetchall()
        self.wraps, self.ids = set(), set()
        for table, in db.execute("SELECT name FROM sqlite_master"
                                 " WHERE type = 'table'").fetchall():
            for row in db.execute(f"SELECT * FROM {table}").fetchall():
                for value in row:
                    if isinstance(value, bytes) and len(value) in (16, 32):
                        self.ids.add(value)
                    elif isinstance(value, bytes) and \
                            73 <= len(value) <= 400:
                        self.wraps.add(value)
        db.close()
        with open(os.path.join(data, "root.key"), encoding="ascii") as f:
            number = 0
            for c in f.read():
                if c in SYMBOLS:
                    number = number << 5 | SYMBOLS.index(c)
        self.root = number.to_bytes(32, "big")


def opens_message(loot, key):
    """True when key is a message's: its header shows the subject."""
    for message, header in loot.headers:
        inner = derive(LABELS["LABEL_HEADER"], key, field(1, message))
        if SECRET.encode() in decrypt(inner, header, 2048):
            return True
    return False


def unwrapped(loot, key):
    """What key makes of every wrapped key, with and without a commitment
    before it."""
    for wrap in loot.wraps:
        if len(wrap) == 32 + 41 + 32:
            yield decrypt(key, wrap[32:])
        elif len(wrap) == 41 + 32:
            yield decrypt(key, wrap)


def children(loot, key, ids=True):
    for label in LABELS.values():
        yield derive(label, key)
        for value in loot.ids if ids else ():
            yield derive(label, key, field(1, value))


def thief(loot, keys):
    """Tries keys and what they open as message keys."""
    for key in keys:
        if opens_message(loot, key):
            return True
        for inner in unwrapped(loot, key):
            if opens_message(loot, inner):
                return True
    return False


def a_disk():
    house = ll.House()
    ada, bob = house.add_user("ada"), house.add_user("bob")
    ada.login()
    bob.login()
    sent = ada.send(["bob@house.example", "carol@out.example"], SECRET,
                    SECRET)
    code = next(r["code"] for r in sent["recipients"] if r.get("code"))
    page = ll.Visitor(house.wait_link("carol@out.example"))
    assert page.unlock(code) == 200
    bob.verb(f"show {bob.list()[0]['id']}")
    house.stop()
    return house, ada


def test_root_secret_and_every_file_open_no_message():
    house, ada = a_disk()
    with house:
        loot = Loot(house.data)
        assert len(loot.headers) == 1 and len(loot.wraps) >= 6
        first = [loot.root] + list(children(loot, loot.root))
        direct = [derive(label, loot.root) for label in LABELS.values()]
        second = [k for key in direct for k in children(loot, key)]
        print(f"# {len(first) + len(second)} keys on {len(loot.wraps)} wraps")
        assert not thief(loot, first)
        assert not thief(loot, second)
        # and nothing lies there in plain sight
        for folder, _, names in os.walk(house.data):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    assert SECRET.encode() not in f.read(), name


def test_the_same_thief_with_the_passphrase_succeeds():
    house, ada = a_disk()
    with house:
        loot = Loot(house.data)
        pepper = derive(LABELS["LABEL_ROOT_PEPPER"], loot.root)
        opened = False
        for user, slot, wrap, salt, memory, passes, kind in loot.slots:
            if kind != 1:
                continue
            stretched = ctypes.create_string_buffer(32)
            word = ada.passphrase.encode()
            assert sodium.crypto_pwhash(
                stretched, ctypes.c_ulonglong(32), word,
                ctypes.c_ulonglong(len(word)), salt,
                ctypes.c_ulonglong(passes),
                ctypes.c_size_t(memory << 20), 2) == 0
            own = derive(LABELS["LABEL_USER_PEPPER"], pepper, field(1, user))
            kek = derive(LABELS["LABEL_PW_KEK"], own, field(
                1, stretched.raw) + field(2, user) + field(3, slot))
            vault = decrypt(kek, wrap[32:])
            generation = (1).to_bytes(8, "big")
            keys = [derive(label, vault, field(1, user) +
                           field(2, generation)) for label in LABELS.values()]
            opened = opened or thief(loot, keys)
        assert opened, "the search itself is wrong"


if __name__ == "__main__":
    ll.main()
