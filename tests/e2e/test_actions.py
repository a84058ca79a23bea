# SPDX-License-Identifier: GPL-3.0-or-later
"""test_actions - what a watch starts by itself: a real program, once, after
somebody's word, written down; and what is refused in the configuration."""
import json
import pathlib
import time

from forewarn_e2e import PATIENCE, Case, main, run, wait_until


class Actions(Case):
    def config(self, **action):
        self.out = self.tmp / "got"
        script = pathlib.Path(self.write(
            "clean.sh", '#!/bin/sh\ncat > "%s.part"\nmv "%s.part" "%s"\n' %
            (self.out, self.out, self.out)))
        script.chmod(0o755)
        return self.write("fw.yml", json.dumps({
            "collect": "off",
            "actions": [{"action": "clean", "command": [str(script), "--all"],
                         "owner": "ops@example.org",
                         "reason": "old files may go", **action}],
            "watches": [{"watch": "Filling", "expr": "fill_bytes",
                         "breach": "> 1000", "horizon": "60s",
                         "history": "5m", "interval": "1s",
                         "owner": "storage@example.org",
                         "reason": "writes fail", "actions": ["clean"]}]}))

    def breach(self, server):
        """A value that is beyond its limit, and was not before."""
        with server.line_client() as line:
            line.send("fill,host=a bytes=10")
            line.sync()
            end = time.monotonic() + PATIENCE
            seen = False
            while time.monotonic() < end and not seen:
                seen = "fill" in self.cli("watches", "--data", server.data,
                                          rc=None).out
                line.send("fill,host=a bytes=10")
                line.sync()
                time.sleep(0.3)
            line.send("fill,host=a bytes=2000")
            line.sync()

    def acts(self, server):
        return [e["act"] for e in self.cli(
            "audit", "list", "--format", "json", "--data", server.data).json()
            if e["act"].startswith("action-")]

    def row(self, server):
        return self.cli("actions", "--format", "json", "--data",
                        server.data).json()[0]

    def test_it_runs_once_after_an_acknowledgement(self):
        server = self.serve("--config",
                            self.config(needs_acknowledgement=True))
        self.assertEqual(self.row(server)["state"], "ready")
        self.breach(server)
        wait_until(lambda: self.acts(server) == ["action-held"],
                   "that it waits", every=0.3)
        self.assertFalse(self.out.exists())
        self.cli("ack", "Filling", "--actor", "ann", "--reason", "do it",
                 "--data", server.data)
        wait_until(self.out.exists, "the program")
        got = json.loads(self.out.read_text())
        self.assertEqual(got["alerts"][0]["labels"]["alertname"], "Filling")
        self.assertEqual(got["forecast"]["state"], "breached")
        wait_until(lambda: self.acts(server) == [
            "action-held", "action-run", "action-ended"], "its end", every=0.3)
        row = self.row(server)
        self.assertEqual((row["runs"], row["held"], row["last"]),
                         (1, 1, "it succeeded"))
        self.assertIn("2 an hour", row["limits"])
        metrics = server.http("/metrics")[1]
        self.assertIn('forewarn_action_runs_total{action="clean"} 1', metrics)
        why = self.cli("why", "Filling", "--data", server.data).out
        self.assertIn("It starts clean (", why.replace("\n      ", " "))
        self.cli("audit", "verify", "--data", server.data)
        server.stop()

    def test_a_dry_run_is_written_down_and_nothing_starts(self):
        server = self.serve("--config", self.config(dry_run=True))
        self.breach(server)
        wait_until(lambda: self.acts(server) == ["action-run"], "the entry",
                   every=0.3)
        row = self.row(server)
        self.assertEqual((row["state"], row["last"]), ("dry run", "dry run"))
        self.assertFalse(self.out.exists())
        server.stop()

    def test_what_makes_no_sense_is_refused(self):
        for action, words in (
                ({"command": ["clean.sh"]}, "full path"),
                ({"expires": "tomorrow"}, "takes a time such as"),
                ({"quiet_hours": [{"from": "8"}]}, "08:30"),
                ({"quiet_hours": [{"days": ["monday"]}]}, "no day 'monday'"),
                ({"action": "other"}, "names the action 'clean'"),
                ({"per_hour": "many"}, "whole number")):
            got = run("config", "check", self.config(**action))
            self.assertNotEqual(got.rc, 0, action)
            self.assertIn(words, got.err)


if __name__ == "__main__":
    main()
