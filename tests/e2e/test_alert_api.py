# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=9
"""Watches through Prometheus's /api/v1/rules and /api/v1/alerts."""
import json
import time
import urllib.error
import urllib.parse
import urllib.request

from forewarn_e2e import PATIENCE, Case, main, wait_until


class AlertApi(Case):
    CONFIG = """
collect: off
watches:
  - watch: DiskFull
    expr: climb_value
    breach: "> 100"
    for: 20s
    horizon: 10m
    history: 1h
    interval: 1s
    owner: a@example.org
    reason: "it fills \\"up\\""
    runbook: https://example.org/disk
    labels: {team: storage}
  - watch: Nothing
    expr: not_there
    breach: "< 1"
    horizon: 10m
    owner: b@example.org
    reason: it is gone
"""

    def setUp(self):
        super().setUp()
        self.server = self.serve(
            "--config", self.write("forewarn.yml", self.CONFIG),
            listen=("line", "http"))

    def data(self, path):
        url = "http://%s/api/v1/%s" % (self.server.ready["http"], path)
        with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
            got = json.load(reply)
        self.assertEqual(got["status"], "success")
        return got["data"]

    def fill(self):
        now = time.time()
        with self.server.line_client() as line:
            for ago in range(1800, 0, -10):
                line.send("climb,host=a value=%.3f %d" % (
                    95 - ago / 30 + (ago * 7 % 11) / 20,
                    int((now - ago) * 1e9)))
            line.sync()

    def test_watches_are_rules_before_there_is_anything_to_see(self):
        rules = [group["rules"][0] for group in self.data("rules")["groups"]]
        self.assertEqual(sorted(rule["name"] for rule in rules),
                         ["DiskFull", "Nothing"])
        for rule in rules:
            self.assertEqual(rule["type"], "alerting")
            self.assertEqual((rule["state"], rule["alerts"]), ("inactive", []))
        self.assertEqual(self.data("alerts"), {"alerts": []})

    def test_a_predicted_breach_is_a_firing_alert(self):
        self.fill()
        alert = wait_until(lambda: [a for a in self.data("alerts")["alerts"]
                                    if a["state"] == "firing"], "an alert")[0]
        self.assertEqual(alert["labels"], {
            "alertname": "DiskFull", "host": "a", "record": "unproven",
            "team": "storage"})
        self.assertEqual(alert["annotations"]["owner"], "a@example.org")
        self.assertEqual(alert["annotations"]["reason"], 'it fills "up"')
        self.assertIn("predicted: > 100", alert["annotations"]["summary"])
        low, middle, high = (
            float(alert["annotations"]["forecast_value_p%d" % q])
            for q in (10, 50, 90))
        self.assertTrue(low <= middle <= high, (low, middle, high))
        self.its_series_shows(alert)
        self.assertLess(float(alert["value"]), 100)
        self.assertRegex(alert["activeAt"], r"^20\d\d-.*Z$")
        rule = [group["rules"][0] for group in self.data("rules")["groups"]
                if group["name"] == "DiskFull"][0]
        self.assertEqual(rule["query"], "(climb_value) > 100")
        self.assertEqual(rule["duration"], 20)
        self.assertEqual(rule["state"], "firing")
        self.assertEqual(rule["health"], "ok")
        self.assertEqual([a["labels"] for a in rule["alerts"]],
                         [alert["labels"]])
        self.its_card_answers(alert)

    def its_series_shows(self, alert):
        query = urllib.parse.quote(
            'ALERTS{alertname="DiskFull",alertstate="firing"}')
        got = wait_until(lambda: self.data("query?query=" + query)["result"],
                         "ALERTS of the watch")[0]
        labels = dict(got["metric"], **alert["labels"])
        self.assertEqual(got["metric"], labels, "the alert's and more")
        self.assertIn(got["metric"]["state"], ("predicted", "breached"))
        self.assertEqual(got["value"][1], "1")
        query = urllib.parse.quote('ALERTS_FOR_STATE{alertname="DiskFull"}')
        since = self.data("query?query=" + query)["result"][0]
        self.assertNotIn("alertstate", since["metric"])
        self.assertGreater(float(since["value"][1]), 1.7e9)

    def its_card_answers(self, alert):
        got = self.data("why?alert=DiskFull%7Bhost%3D%22a%22%7D")
        self.assertEqual(len(got), 1)
        self.assertGreaterEqual(got[0]["probability"], 0.5)
        self.assertEqual(got[0]["wrongIf"]["side"], "below")
        self.assertEqual([part["key"] for part in got[0]["card"]],
                         ["claim", "assumptions", "wrongIf", "record",
                          "alternatives", "unknown", "duty"])
        text = self.cli("why", "DiskFull", "--data", self.server.data).out
        for words in ("What would prove us wrong, and by when?",
                      "will be > 100 for at least 20 s", 'it fills "up"',
                      "Owner: a@example.org", "https://example.org/disk"):
            self.assertIn(words, text)
        self.cli("why", "DiskFull{host=\"z\"}", "--data", self.server.data,
                 rc=1)
        near = self.cli("why", "DiskFul", "--data", self.server.data, rc=1)
        self.assertIn("did you mean 'DiskFull'", near.err)
        with self.assertRaises(urllib.error.HTTPError) as bad:
            self.data("why?alert=Other")
        bad.exception.close()
        self.assertEqual(bad.exception.code, 404)
        self.assertEqual(self.data("record?watch=DiskFull")[0]["watch"],
                         "DiskFull")
        self.assertEqual(len(self.data("record")), 2)


if __name__ == "__main__":
    main()
