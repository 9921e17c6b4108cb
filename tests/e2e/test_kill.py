"""kill -9 of any program at any moment, under a mixed load.

What was acknowledged is written down here, in the test's own process: it must
be there at the end, once.  200 kills, each program at least 15 times, 5 of
them between a mail's hand-over and its recording.
"""
# limit: 660
# alone
import contextlib
import os
import random
import sqlite3
import statistics
import subprocess
import threading
import time

import ll
import sink

EACH = 15
KILLS = 195 * (10 if ll.SOAK else 1)
HANDOVERS = 5
PEOPLE = 60
PROGRAMS = ["letterlockd", "letterlock-store", "letterlock-relay",
            "letterlock-portal", "letterlock-gate", "letterlock-session",
            "letterlock-tui", "letterlock-sftp"]
SERVICES = ("letterlockd", "letterlock-store", "letterlock-portal")


class Book:
    """What was acknowledged."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = {}        # subject -> (user, message id)
        self.uploads = {}     # (user, name) -> content
        self.replies = {}     # text -> user
        self.codes = []       # (user, address, code), not visited yet
        self.tried = 0


class Person:
    """A user in the load; relogin() takes the next one when the connection
    went, for a code works once."""

    def __init__(self, pool):
        self.pool, self.user = pool, None

    def ready(self):
        while not self.pool.stopping:
            if self.user and self.user.logged_in():
                return True
            if self.user:
                self.pool.give_back(self.user)
            self.user = self.pool.take()
            if self.user is None:
                time.sleep(0.1)
                continue
            with contextlib.suppress(Exception):
                self.user.login(check=False)
        return False


class Pool:
    def __init__(self, users):
        self.lock = threading.Lock()
        self.free = list(users)
        self.stopping = False

    def take(self):
        """Somebody who has a code that was not used."""
        step = int(time.time()) // 30
        with self.lock:
            for user in self.free:
                if user.last_step < step:
                    self.free.remove(user)
                    return user
        return None

    def give_back(self, user):
        with self.lock:
            self.free.append(user)


def sender(house, pool, book, number):
    person, count = Person(pool), 0
    while person.ready():
        count += 1
        subject = f"s{number}-{count}-{os.urandom(4).hex()}"
        address = f"{subject}@out.example"
        user = person.user
        with book.lock:
            book.tried += 1
        with contextlib.suppress(Exception):
            done = user.ssh(f"send --to bob@house.example --to {address} "
                            f"--subject {subject} --json", "body " + subject,
                            check=False, timeout=40)
            if done.code == 0:
                answer = done.json()
                code = next(r["code"] for r in answer["recipients"]
                            if r["route"] == "portal-muc")
                with book.lock:
                    book.sent[subject] = (user, answer["id"])
                    book.codes.append((user, address, code))


def uploader(house, pool, book):
    person, count = Person(pool), 0
    while person.ready():
        count += 1
        name = f"u{count}-{os.urandom(4).hex()}.bin"
        path = os.path.join(house.base, name)
        content = os.urandom(random.choice((100, 70000, 900000)))
        with open(path, "wb") as f:
            f.write(content)
        user = person.user
        with contextlib.suppress(Exception):
            if user.scp(path, ":/", check=False, timeout=40).code == 0:
                with book.lock:
                    book.uploads[(user, name)] = content
        os.unlink(path)


def visitor(house, pool, book, post):
    while not pool.stopping:
        with book.lock:
            row = book.codes.pop(random.randrange(len(book.codes))) \
                if book.codes else None
        mails = post.to(row[1]) if row else []
        if not mails:
            if row:
                with book.lock:
                    book.codes.append(row)
            time.sleep(0.05)
            continue
        text = "reply " + os.urandom(6).hex()
        with contextlib.suppress(Exception):
            page = ll.Visitor(ll.link_of(mails[0]))
            if page.unlock(row[2]) == 200 and page.page.form_with("reply"):
                if page.reply(text) == 200:
                    with book.lock:
                        book.replies[text] = row[0]


def watcher(house, pool):
    """Keeps a screen open and types into it now and then."""
    person = Person(pool)
    while person.ready():
        with contextlib.suppress(Exception):
            screen = person.user.screen()
            try:
                while not pool.stopping and not screen.ended:
                    screen.pump(0.3)
            finally:
                screen.close()


def plan_of_kills():
    rest = [p for p in PROGRAMS if p != "letterlockd"]
    plan = PROGRAMS * EACH
    plan += random.choices(rest, k=max(0, KILLS - len(plan)))
    random.shuffle(plan)
    return plan


def kill_one(house, name):
    """Kills a process of that program at a random moment; False when none was
    there in time."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if name == "letterlockd":
            found = [ll.process(house.daemon.pid)]
        else:
            found = house.procs(name)
        if found and found[0]:
            victim = random.choice(found)
            time.sleep(random.uniform(0, 0.06))
            if victim.alive():
                victim.kill()
                return True
        time.sleep(0.01)
    return False


def serving(house):
    with contextlib.suppress(Exception):
        page = ll.Visitor()
        link = f"{house.portal_url}/m/{'0' * 26}/{'0' * 26}"
        return page.get(link) is not None
    return False


def back_again(house, name):
    """Restarts what a supervisor would, and says how long it took."""
    began = time.monotonic()
    if name == "letterlockd":
        house.daemon.wait(10)
        house.start(wait=False)
        house.wait_ready(20)
    ll.until(lambda: serving(house), 20, f"serving again after {name}")
    return time.monotonic() - began


def hand_over_kills(house, post, count):
    """Kills the relay when a mail is accepted and not recorded yet."""
    seen, done = [], threading.Event()

    def on_mail(mail):
        with post.lock:
            if len(seen) >= count or mail["Message-ID"] in seen:
                return
        for p in house.procs("letterlock-relay"):
            p.kill()
            seen.append(mail["Message-ID"])
        if len(seen) >= count:
            done.set()
    post.on_mail = on_mail
    assert done.wait(90), f"only {len(seen)} hand-overs were hit"
    post.on_mail = None
    return seen


def steadily(user, action):
    """action(), once more when the user's connection had been dying of the
    last kill; a failure on a living connection is a failure."""
    try:
        return action()
    except ll.Failure as failure:
        if user.logged_in():
            raise
        print(f"# {user.name} logs in again after: {failure}")
        login_again(user)
        return action()


def check_mailbox(bob, book):
    subjects = [m["subject"] for m in bob.list()]
    lost = [s for s in book.sent if s not in subjects]
    doubled = {s for s in subjects if subjects.count(s) > 1}
    assert not lost, f"{len(lost)} acknowledged messages lost: {lost[:5]}"
    assert not doubled, f"doubled: {list(doubled)[:5]}"


def login_again(user):
    if not user.logged_in():
        ll.until(lambda: user.login(check=False).code == 0, 90,
                 f"{user.name}'s login", 0.2)


def check_replies(book):
    for user in set(book.replies.values()):
        login_again(user)
        bodies = []
        for row in steadily(user, user.list):
            bodies.append(steadily(user, lambda: user.verb(
                f"show {row['id']}"))["body"].strip())
        assert len(set(bodies)) == len(bodies), "a reply is there twice"
        for text, owner in book.replies.items():
            if owner is user:
                assert bodies.count(text) == 1, (text, bodies.count(text))


def check_uploads(book):
    for user in {u for u, _ in book.uploads}:
        login_again(user)
        folders = [f"/d/{row['id']}" for row in user.list("drafts")]
        listed = []
        for folder in folders:
            out = steadily(user, lambda: user.sftp(
                f"ls -1 {folder}\n")).out.splitlines()
            listed += [(folder, line.strip().split("/")[-1]) for line in out
                       if not line.startswith("sftp>")]
        for (owner, name), content in book.uploads.items():
            if owner is not user:
                continue
            where = [f for f, n in listed if n == name]
            assert len(where) == 1, (name, where, len(listed))
            path = os.path.join(user.dir, "check")
            steadily(user, lambda: user.scp(f":{where[0]}/{name}", path))
            with open(path, "rb") as f:
                assert f.read() == content, name


def check_mail(post, book, seen):
    def missing():
        return [s for s in book.sent if not post.to(f"{s}@out.example")]
    ll.until(lambda: not missing(), 150, "every notification", 0.5)
    for subject in book.sent:
        mails = post.to(f"{subject}@out.example")
        assert len({m["Message-ID"] for m in mails}) == 1, subject
        assert len({ll.link_of(m) for m in mails}) == 1, subject
    again = [m["Message-ID"] for m in post.mails]
    for mail_id in seen:
        assert again.count(mail_id) >= 2, "the hand-over was not repeated"


def check_database(house):
    path = os.path.join(house.data, "db", "letterlock.db")
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        db.close()


def load(house, pool, book, post):
    jobs = [(sender, (house, pool, book, 1)), (sender, (house, pool, book, 2)),
            (uploader, (house, pool, book)), (watcher, (house, pool)),
            (visitor, (house, pool, book, post))]
    threads = [threading.Thread(target=f, args=a, daemon=True)
               for f, a in jobs]
    for thread in threads:
        thread.start()
    return threads


def kill_through(house, plan, counts, times):
    for name in plan:
        if not kill_one(house, name):
            continue
        counts[name] = counts.get(name, 0) + 1
        if name in SERVICES:
            times.append(back_again(house, name))


def test_nothing_acknowledged_is_lost_or_doubled():
    post = sink.Sink()
    house = ll.House(relay=post.relay, config={"kdf_memory_mib": 1})
    with house:
        bob = house.add_user("bob")
        pool = Pool([house.add_user(f"p{n}") for n in range(PEOPLE)])
        book, counts, times = Book(), {}, []
        threads = load(house, pool, book, post)
        began = time.monotonic()
        ll.until(lambda: len(book.sent) > 2 and book.uploads, 60, "a load")
        seen = hand_over_kills(house, post, HANDOVERS)
        counts["letterlock-relay"] = len(seen)
        kill_through(house, plan_of_kills(), counts, times)
        pool.stopping = True
        for thread in threads:
            thread.join(60)
        total = sum(counts.values())
        print(f"# {total} kills {counts} in "
              f"{time.monotonic() - began:.0f} s; {len(book.sent)} of "
              f"{book.tried} sends acknowledged, {len(book.uploads)} uploads,"
              f" {len(book.replies)} replies; serving again after "
              f"{statistics.median(times):.2f} s (median), "
              f"{max(times):.2f} s (most)")
        assert total >= KILLS + HANDOVERS - 20, counts
        assert all(counts.get(p, 0) >= EACH for p in PROGRAMS), counts
        assert len(book.sent) > 30, "too little load to mean anything"
        ll.until(lambda: serving(house), 20, "serving")
        login_again(bob)
        check_mailbox(bob, book)
        check_replies(book)
        check_uploads(book)
        check_mail(post, book, seen)
        house.stop()
        check_database(house)
    post.close()


test_nothing_acknowledged_is_lost_or_doubled.limit = 640 * (
    10 if ll.SOAK else 1)

if __name__ == "__main__":
    ll.main()
