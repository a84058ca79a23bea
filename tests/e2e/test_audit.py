# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=9
"""The audit log from outside: what is written, shown, verified and exported."""
import os
import pathlib
import re
import signal

from forewarn_e2e import Case, main

WATCH = """
watches:
  - watch: DiskFull
    expr: disk_free
    breach: "< 5"
    for: 1m
    horizon: 1h
    owner: storage@example.org
    reason: writes fail when the disk is full
"""


class Audit(Case):
    def run_once(self, text):
        path = self.write("forewarn.yml", text)
        server = self.serve("--config", path, data=self.data)
        self.addCleanup(server.kill9)
        return server

    def setUp(self):
        super().setUp()
        self.data = self.tmp / "data"

    def audit(self, *args, rc=0):
        return self.cli("audit", *args, "--data", self.data, rc=rc)

    def test_watches_leave_entries_and_the_chain_is_whole(self):
        self.run_once(WATCH).stop()
        self.run_once(WATCH.replace("< 5", "< 10")).stop()
        server = self.run_once("watches: []\n")
        acts = [(e["act"], e["what"], e["actor"], e["owner"])
                for e in self.audit("list", "--format", "json").json()]
        who = ("DiskFull", "forewarn", "storage@example.org")
        self.assertEqual(acts, [("watch-added", *who),
                                ("watch-changed", *who),
                                ("watch-removed", *who)])
        changed = self.audit("list", "--act", "watch-changed", "--format",
                             "json").json()[0]
        self.assertIn('"< 5"', changed["before"])
        self.assertIn('"< 10"', changed["after"])
        self.assertIn("forewarn.yml:", changed["reason"])
        table = self.audit("list")
        self.assertIn("watch-removed", table.out)
        whole = self.audit("verify")
        self.assertIn("whole: 3 entries", whole.out)
        head = self.audit("head").out.strip()
        self.assertRegex(head, r"^3:[0-9a-f]{64}$")
        self.assertIn('forewarn_audit_head_info{head="%s"} 1' % head,
                      server.http("/metrics")[1])
        self.audit("verify", "--head", head)
        server.stop()

    def test_a_reload_names_who_asked_for_it(self):
        path = self.write("forewarn.yml", "enable_lifecycle: true\n")
        server = self.serve("--config", path, data=self.data)
        server.signal(signal.SIGHUP)
        server.wait_log("configuration read again")
        code, text = server.http("/-/reload", b"")[:2]
        self.assertEqual(code, 400, "nobody, and for no reason")
        self.assertIn("who does this and why is kept", text)
        self.assertEqual(server.http("/-/reload?actor=ann", b"")[0], 400)
        self.assertEqual(
            server.http("/-/reload?actor=ann&reason=new+limits", b"")[0], 200)
        self.cli("reload", "--data", self.data, "--actor", "bob", rc=2)
        self.cli("reload", "--data", self.data, "--actor", "bob",
                 "--reason", "a tool is named")
        pathlib.Path(path).write_text(
            "enable_lifecycle: true\nlifecycle_actor: config-reloader\n"
            "lifecycle_reason: the config map changed\n")
        server.stop()
        server = self.serve("--config", path, data=self.data)
        self.assertEqual(server.http("/-/reload", b"")[0], 200)
        pathlib.Path(path).write_text("enable_lifecycle: perhaps\n")
        bad = self.cli("reload", "--data", self.data, "--actor", "bob",
                       "--reason", "will not do", rc=2)
        self.assertIn("enable_lifecycle", bad.err)
        acts = self.audit("list", "--act", "config-reloaded", "--format",
                          "json").json()
        self.assertTrue(acts[0]["actor"].endswith("(uid %d)" % os.getuid()),
                        acts[0])
        self.assertIn("by SIGHUP from process %d" % os.getpid(),
                      acts[0]["after"])
        self.assertEqual(
            [(a["actor"], a["reason"], a["after"].split(":")[0])
             for a in acts[1:]],
            [("ann", "new limits", "by POST /-/reload"),
             ("bob", "a tool is named", "by forewarn reload"),
             ("config-reloader", "the config map changed",
              "by POST /-/reload")])
        server.stop()
        gone = self.cli("reload", "--data", self.data, "--actor", "bob",
                        "--reason", "nobody is there", rc=3)
        self.assertIn("no server runs", gone.err)

    def test_a_foreign_head_is_told(self):
        self.run_once(WATCH).stop()
        head = self.audit("head").out.strip()
        other = head[:-1] + ("0" if head[-1] != "0" else "1")
        bad = self.audit("verify", "--head", other, rc=1)
        self.assertRegex(bad.out, r"BAD: entry 1: it is not the entry")
        later = self.audit("verify", "--head", re.sub("^1", "5", head),
                           rc=1)
        self.assertIn("entry 2: it is missing, as all up to 5", later.out)
        wrong = self.audit("verify", "--head", "5", rc=2)
        self.assertIn("is not a head", wrong.err)

    def test_an_empty_log_says_so(self):
        self.run_once("watches: []\n").stop()
        empty = self.audit("list", rc=1)
        self.assertIn("no entries", empty.err)
        self.audit("verify")
        self.assertIn("audit verify", self.audit("verifi", rc=2).err)


if __name__ == "__main__":
    main()
