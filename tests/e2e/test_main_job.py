"""The main job: staff write to a colleague and to an outsider behind a message
unlock code, and the reply comes back."""
# limit: 420
import json
import os
import time

import ll
import mta


def two_staff(**options):
    house = ll.House(**options)
    ada, bob = house.add_user("ada"), house.add_user("bob")
    ada.login()
    bob.login()
    return house, ada, bob


def test_help_and_whoami_over_one_connection():
    house, ada, bob = two_staff()
    with house:
        who = ada.verb("whoami")
        assert who["user"] == "ada" and who["role"] == "staff", who
        assert who["email"] == "ada@house.example", who
        assert who["locked"] is False, who
        assert "password" in who["factors"] and "totp" in who["factors"], who
        assert "send" in ada.ssh("help").out
        # the prompts are the contract's
        asked = ada.prompts()
        assert asked[0].rstrip().endswith("password:"), asked
        assert asked[1].rstrip().endswith("Verification code:"), asked


def test_exit_codes_and_silence_on_failure():
    house, ada, bob = two_staff()
    with house:
        rows = [("no-such-verb", 2), ("send --subject x", 2),
                ("show 0000ZZZZ", 3), ("status 0000ZZZZ", 3),
                ("withdraw 0000ZZZZ", 3), ("user list", 1)]
        for command, code in rows:
            done = ada.ssh(command, check=False)
            assert done.code == code, (command, done.code, done.err)
            assert done.out == "" and done.err.strip(), (command, done.out)
        # another user's message does not exist
        sent = ada.send(["bob@house.example"], "mine", "text")
        carol = house.add_user("carol")
        carol.login()
        for verb in ("show", "status", "withdraw"):
            assert carol.ssh(f"{verb} {sent['id']}", check=False).code == 3


def test_a_colleague_reads_and_replies():
    house, ada, bob = two_staff()
    with house:
        body = "First line\n\nzweite Zeile: äöü €\n"
        sent = ada.send(["bob@house.example"], "Budget & plan", body)
        row = sent["recipients"][0]
        assert row["route"] == "internal", row
        assert row["state"] in ("pending", "delivered"), row
        got = ll.until(bob.list, what="bob's message")
        assert len(got) == 1, got
        assert got[0]["subject"] == "Budget & plan" and got[0]["unread"]
        assert got[0]["from"] == "ada@house.example", got
        shown = bob.verb(f"show {got[0]['id'][:8]}")
        assert shown["body"] == body, shown
        assert shown["signature"]["valid"] is True, shown
        assert "ada" in shown["signature"]["by"], shown
        assert not bob.list()[0]["unread"]
        state = ada.wait_state(sent["id"], "bob@house.example", "read")
        names = [e["event"] for e in state["events"]]
        assert names.index("opened") <= names.index("read"), names
        assert all(e["time"].endswith("Z") for e in state["events"]), state
        bob.send(["ada@house.example"], "Re: Budget & plan", "fine",
                 "--reply", got[0]["id"])
        ada.wait_state(sent["id"], "bob@house.example", "replied")
        answer = ll.until(ada.list, what="the reply")[0]
        assert answer["thread"] == sent["thread"], (answer, sent)
        assert ada.verb(f"show {answer['id']}")["body"].rstrip() == "fine"


def test_a_message_arrives_on_an_open_screen():
    house, ada, bob = two_staff()
    with house, bob.screen() as screen:
        screen.wait("Inbox")
        while screen.pump(0.3):
            pass
        quiet = screen.text()
        ada.send(["bob@house.example"], "Heads up 4711", "now")
        screen.wait("Heads up 4711")
        assert "Heads up 4711" not in quiet


def test_mixed_recipients_postfix_and_a_browser_without_scripts():
    from selenium.webdriver.common.by import By
    with mta.Postfix() as post:
        house, ada, bob = two_staff(relay=post.relay)
        with house:
            path = os.path.join(house.base, "offer.txt")
            content = os.urandom(5000).hex()
            with open(path, "w", encoding="ascii") as f:
                f.write(content)
            ada.scp(path, ":/")
            draft = ada.list("drafts")[0]["id"]
            sent = ada.send(["bob@house.example", "carol@out.example"],
                            "Your offer", "Dear Carol,\nsee attachment.\n",
                            "--draft", draft)
            routes = {r["address"]: r for r in sent["recipients"]}
            assert routes["bob@house.example"]["route"] == "internal"
            outside = routes["carol@out.example"]
            assert outside["route"] == "portal-muc", outside
            assert len(outside["code"]) == 14, outside
            assert outside["phonetic"] and len(outside["site_words"]) == 2
            link = ll.link_of(post.wait_mail("carol@out.example"))
            # queued and notified are seen before anybody opened it
            ada.wait_state(sent["id"], "carol@out.example", "notified")
            with ll.chromium() as web:
                web.get(link)
                words = web.find_element(By.ID, "site-words").text.lower()
                for word in outside["site_words"]:
                    assert word.lower() in words, (word, words)
                # a typo is caught by its check symbol and costs no try
                code = outside["code"]
                wrong = ("Z" if code[0] != "Z" else "Y") + code[1:]
                field = web.find_element(By.NAME, "code")
                field.send_keys(wrong)
                ll.submit(web, field)
                assert "Dear Carol" not in web.page_source
                field = web.find_element(By.NAME, "code")
                field.clear()
                field.send_keys(code.lower().replace("-", " "))
                ll.submit(web, field)
                assert "Dear Carol" in web.page_source
                web.find_element(By.PARTIAL_LINK_TEXT, "offer.txt").click()
                target = os.path.join(web.downloads, "offer.txt")
                ll.until(lambda: os.path.exists(target), what="the download")
                with open(target, encoding="ascii") as f:
                    assert f.read() == content
                back = os.path.join(house.base, "signed.txt")
                with open(back, "w", encoding="ascii") as f:
                    f.write("signed " + content)
                web.find_element(By.NAME, "reply").send_keys("I agree.\nC.")
                web.find_element(By.NAME, "file").send_keys(back)
                ll.submit(web, web.find_element(By.NAME, "reply"))
            state = ada.wait_state(sent["id"], "carol@out.example", "replied")
            names = [e["event"] for e in state["events"]]
            order = ["queued", "notified", "opened", "read", "replied"]
            assert [n for n in names if n in order] == order, names
            answer = ll.until(ada.list, what="the reply")[0]
            assert answer["thread"] == sent["thread"], answer
            shown = ada.verb(f"show {answer['id']}")
            assert shown["body"].startswith("I agree."), shown
            assert shown["from"] == "carol@out.example", shown
            file = shown["attachments"][0]
            assert file["name"] == "signed.txt", file
            ada.scp(":" + file["path"], house.base + "/got")
            with open(house.base + "/got", encoding="ascii") as f:
                assert f.read() == "signed " + content


def test_wrong_codes_freeze_and_a_new_link_is_issued():
    house, ada, bob = two_staff(config={"trusted_proxy": "127.0.0.1"})
    with house:
        sent = ada.send(["eve@out.example"], "secret", "the secret body")
        row = sent["recipients"][0]
        link = house.wait_link("eve@out.example")
        wrong = other_code(row["code"])
        answers = []
        for origin in ("192.0.2.1", "192.0.2.2"):
            for _ in range(7):
                page = ll.Visitor(link, origin=origin)
                if page.code == 200:
                    page.unlock(wrong)
                answers.append(page.code)
        assert answers[:5] == [403] * 5 and answers[5:7] == [429] * 2, answers
        assert answers[7:11] == [403] * 4, answers
        assert answers[11] in (403, 423), answers
        assert answers[12:] == [423] * 2, answers
        page = ll.Visitor(link, origin="192.0.2.3")
        if page.code == 200:
            page.unlock(row["code"])
        assert page.code == 423 and "the secret body" not in page.page.text
        ada.wait_state(sent["id"], "eve@out.example", "frozen")
        again = ada.verb(f"reissue {sent['id']} --to eve@out.example")
        fresh = again["recipients"][0]
        assert fresh["code"] != row["code"], again
        new = house.wait_link("eve@out.example", 2)
        assert new != link
        page = ll.Visitor(new, origin="192.0.2.3")
        assert page.unlock(fresh["code"]) == 200
        assert "the secret body" in page.page.text
        old = ll.Visitor(link, origin="192.0.2.4")
        if old.code == 200:
            old.unlock(row["code"])
        assert old.code in (403, 410), old.code
        assert "the secret body" not in old.page.text


def other_code(code):
    """Another code whose check symbol is right."""
    symbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    values = [symbols.index(c) for c in code.replace("-", "")[:11]]
    values[0] ^= 1
    check, power = 0, 1
    for value in values:
        power = times(power, 2)
        check ^= times(power, value)
    text = "".join(symbols[v] for v in values + [check])
    return "-".join((text[:4], text[4:8], text[8:]))


def times(a, b):
    """Product in GF(32) with a^5 = a^2 + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 32:
            a ^= 0b100101
        b >>= 1
    return product


def test_the_pair_keeps_its_code_and_has_a_new_link():
    house, ada, bob = two_staff()
    with house:
        first = ada.send(["carol@out.example"], "one", "body one")
        code = first["recipients"][0]["code"]
        page = ll.Visitor(house.wait_link("carol@out.example"))
        assert page.unlock(code) == 200
        second = ada.send(["carol@out.example"], "two", "body two")
        assert second["recipients"][0]["code"] == code
        link = house.wait_link("carol@out.example", 2)
        page = ll.Visitor(link)
        assert page.unlock(code) == 200 and "body two" in page.page.text
        # another sender is another pair
        other = bob.send(["carol@out.example"], "three", "body three")
        assert other["recipients"][0]["code"] != code


def test_withdraw_destroys_what_was_not_opened():
    house, ada, bob = two_staff()
    with house:
        sent = ada.send(["carol@out.example", "bob@house.example"],
                        "mistake", "must not be read")
        code = next(r["code"] for r in sent["recipients"]
                    if r["route"] == "portal-muc")
        link = house.wait_link("carol@out.example")
        gone = ada.verb(f"withdraw {sent['id']}")["recipients"]
        assert {r["state"] for r in gone} == {"withdrawn"}, gone
        assert not any(r["was_read"] for r in gone), gone
        page = ll.Visitor(link)
        if page.code == 200:
            page.unlock(code)
        assert page.code == 410, page.code
        assert "withdrawn" in page.page.text.lower(), page.page.text
        assert all(m["subject"] != "mistake" for m in bob.list())
        assert ada.status(sent["id"])[0]["state"] == "withdrawn"


def test_an_admin_runs_the_place_and_reads_nothing():
    house, ada, bob = two_staff()
    with house:
        root = house.add_user("root1", role="admin")
        root.login()
        sent = ada.send(["bob@house.example"], "private", "private words")
        rows = root.ssh("user list --json").json()
        users = {u["user"]: u for u in (rows.get("users") or rows)}
        assert set(users) == {"ada", "bob", "root1"}, users
        for command in ("server-status", "queue", "log"):
            out = root.ssh(command).out
            assert "private" not in out, out
        for command in (f"show {sent['id']}", f"status {sent['id']}"):
            assert root.ssh(command, check=False).code != 0
        ticket = root.ssh("user add dora --email dora@house.example --json"
                          ).json()["ticket"]
        assert len(ticket) == 24, ticket
        root.ssh("user disable bob")
        ll.until(lambda: not bob.logged_in(), what="bob's connection to end")
        assert bob.login(check=False).code != 0
        root.ssh("user enable bob")
        bob.login()
        assert bob.list()


def test_backup_while_running_and_restore():
    house, ada, bob = two_staff()
    with house:
        sent = ada.send(["bob@house.example"], "kept", "in the backup")
        backup = os.path.join(house.base, "backup")
        house.admin("backup", backup)
        later = ada.send(["bob@house.example"], "later", "not in it")
        house.stop()
        target = os.path.join(house.base, "restored")
        # the root secret is in no backup: it comes from the safe
        ll.run([ll.BUILD + "/letterlock", "--data", target, "restore",
                backup, "--root-key", house.data + "/root.key"])
        os.rename(house.data, house.base + "/lost")
        house.data = target
        house.start()
        bob.login()
        ids = {m["id"] for m in bob.list()}
        assert sent["id"] in ids and later["id"] not in ids, ids
        assert bob.verb(f"show {sent['id']}")["body"].strip() == \
            "in the backup"


def test_drafts_survive_and_a_retried_send_is_one_message():
    house, ada, bob = two_staff()
    with house:
        sent = ada.send(["bob@house.example"], "once", "only once")
        house.restart()
        ada.login()
        bob.login()
        assert [m["id"] for m in bob.list()] == [sent["id"]]
        assert json.dumps(ada.status(sent["id"]))


if __name__ == "__main__":
    ll.main()
