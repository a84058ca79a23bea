# SPDX-License-Identifier: GPL-3.0-or-later
"""test_silences - alerts, silences and acknowledgements by our own commands and
by Alertmanager's amtool, old and new; each act is in the audit."""
import json
import os
import subprocess

from forewarn_e2e import PATIENCE, TOP, Case, main, run, wait_until

RULES = """
groups:
  - name: g
    interval: 1s
    rules:
      - {alert: Always, expr: vector(3), labels: {severity: page, job: db}}
      - {alert: Other, expr: vector(4), labels: {severity: ticket}}
"""


class Silences(Case):
    def setUp(self):
        super().setUp()
        self.write("rules.yml", RULES)
        config = self.write("fw.yml", json.dumps(
            {"rule_files": ["rules.yml"], "collect": "off"}))
        self.server = self.serve("--config", config, listen=["http"])
        wait_until(lambda: len(self.alerts()) == 2, "two alerts")

    def ask(self, *words):
        return run(*words, "--data", self.server.data)

    def alerts(self):
        got = self.ask("alerts", "--format", "json")
        self.assertEqual(got.rc, 0, got)
        return {a["labels"]["alertname"]: a for a in json.loads(got.out)}

    def silences(self):
        return json.loads(self.ask("alerts", "--silences", "--format",
                                    "json").out)

    def acts(self):
        got = self.ask("audit", "list", "--format", "json")
        return [(e["act"], e["actor"], e["reason"])
                for e in json.loads(got.out)]

    def test_alerts_are_listed(self):
        got = self.ask("alerts")
        self.assertRegex(got.out, r"Always +\{job=.db.,severity=.page.\} +"
                                  r"firing")
        self.assertEqual(self.alerts()["Always"]["value"], 3)

    def test_a_silence_comes_and_goes(self):
        got = self.ask("silence", "Always", "job=~d.", "--for", "10m",
                        "--actor", "ann", "--reason", "moving house")
        self.assertEqual(got.rc, 0, got)
        silence = got.out.strip()
        self.assertTrue(self.alerts()["Always"]["silenced"])
        self.assertFalse(self.alerts()["Other"]["silenced"])
        got = self.ask("unsilence", silence, "--actor", "bob", "--reason",
                        "moved")
        self.assertEqual(got.rc, 0, got)
        self.assertFalse(self.alerts()["Always"]["silenced"])
        self.assertEqual(self.silences()[0]["state"], "expired")
        self.assertEqual(self.acts()[-2:], [("silence", "ann", "moving house"),
                                            ("unsilence", "bob", "moved")])

    def test_an_ack_is_shown_with_its_name(self):
        got = self.ask("ack", "Always", "--actor", "ann", "--reason",
                        "on it")
        self.assertEqual((got.rc, got.out), (0, "1 alert acknowledged\n"), got)
        self.assertEqual(self.alerts()["Always"]["acknowledgedBy"], "ann")
        self.assertIsNone(self.alerts()["Other"]["acknowledgedBy"])
        self.assertIn(("ack", "ann", "on it"), self.acts())

    def test_what_is_wrong_is_refused(self):
        before = self.acts()
        for rc, words in (
                (2, ["silence", "Always", "--reason", "x"]),
                (2, ["silence", "Always", "--actor", "x"]),
                (2, ["silence", "--actor", "x", "--reason", "y"]),
                (2, ["silence", "a=~(", "--actor", "x", "--reason", "y"]),
                (2, ["silence", "a=~.*", "--actor", "x", "--reason", "y"]),
                (2, ["ack", "Always"]),
                (1, ["ack", "Nothing", "--actor", "x", "--reason", "y"]),
                (1, ["unsilence", "nope", "--actor", "x", "--reason", "y"])):
            got = self.ask(*words)
            self.assertEqual(got.rc, rc, got)
            self.assertEqual(got.out, "")
        self.assertEqual(self.acts(), before)

    def post(self, body, kind="application/json"):
        return self.server.http("/api/v2/silences",
                                json.dumps(body).encode(),
                                {"Content-Type": kind})

    def test_the_api_refuses_what_alertmanager_refuses(self):
        good = {"matchers": [{"name": "a", "value": "b", "isRegex": False}],
                "startsAt": "2026-01-01T00:00:00Z",
                "endsAt": "2099-01-01T00:00:00.000Z",
                "createdBy": "x", "comment": "y \"\\ \u00e9"}
        status, body = self.post(good)
        self.assertEqual(status, 200, body)
        silence = json.loads(body)["silenceID"]
        self.assertEqual(self.silences()[0]["comment"], good["comment"])
        for key, value in (("matchers", []), ("createdBy", ""),
                           ("comment", ""),
                           ("endsAt", "2020-01-01T00:00:00Z")):
            status, body = self.post({**good, key: value})
            self.assertEqual(status, 400, body)
        self.assertEqual(self.post(good, "text/plain")[0], 415)
        self.assertEqual(
            self.server.http("/api/v2/silence/" + silence)[0], 200)
        self.assertEqual(self.server.http("/api/v2/silence/nope")[0], 404)

    def test_amtool_manages_ours(self):
        tools = [str(TOP / "build/peers" / suite / "usr/bin/amtool")
                 for suite in ("sid", "bookworm")]
        tools = [tool for tool in tools if os.access(tool, os.X_OK)]
        if not tools:
            self.skipTest("there is no amtool: tests/e2e/peers fetches it")
        for tool in tools:
            self.amtool(tool)

    def amtool(self, tool):
        def ask(*words):
            done = subprocess.run(
                [tool, "--alertmanager.url=http://%s:%d" %
                 self.server.addr("http"), *words], text=True, timeout=PATIENCE,
                capture_output=True, stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 0, done)
            return done.stdout

        listed = json.loads(ask("alert", "query", "-o", "json"))
        self.assertEqual({a["labels"]["alertname"] for a in listed},
                         {"Always", "Other"})
        listed = json.loads(ask("alert", "query", "severity=page", "-o",
                                "json"))
        self.assertEqual(len(listed), 1)
        silence = ask("silence", "add", "alertname=Always", "-a", "ann", "-c",
                      "by amtool", "-d", "30m").strip()
        rows = json.loads(ask("silence", "query", "-o", "json"))
        self.assertEqual([row["id"] for row in rows], [silence])
        self.assertEqual(rows[0]["createdBy"], "ann")
        self.assertTrue(self.alerts()["Always"]["silenced"])
        self.assertEqual(json.loads(ask("alert", "query", "-o", "json"))[0]
                         ["labels"]["alertname"], "Other")
        ask("silence", "expire", silence)
        self.assertFalse(self.alerts()["Always"]["silenced"])
        ask("config", "show")


if __name__ == "__main__":
    main()
