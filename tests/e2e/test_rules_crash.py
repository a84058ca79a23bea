# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=24
"""test_rules_crash - kill -9 while an alert of a rule is pending, firing, or
queued for Alertmanager: waiting goes on, nothing is lost, and nothing is told
as new twice."""
import datetime
import json
import threading
import time

from forewarn_e2e import Case, Webhook, main, wait_until

RULES = """
groups:
  - name: crash
    interval: 1s
    rules:
      - {alert: Long, expr: x > 5, for: 1h}
      - {alert: Short, expr: x > 5, for: 2s}
      - {alert: Queued, expr: y > 5}
"""


AFTER = """
groups: [{name: after, interval: 1s, rules: [{alert: After, expr: y > 5}]}]
"""


def seconds(text):
    return datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp()


class Crash(Case):
    def begin(self, rules):
        self.manager = Webhook()
        self.addCleanup(self.manager.close)
        self.write("rules.yml", rules)
        self.config = self.write("fw.yml", json.dumps({
            "rule_files": ["rules.yml"], "collect": "off",
            "alerting": {"alertmanagers": [{"static_configs": [
                {"targets": [self.manager.url.split("/")[2]]}]}]},
            "rules_resend_delay": "1s", "rules_for_grace_period": "1s"}))
        self.server = None
        self.lines = {"x": 9}
        self.stop = threading.Event()
        self.addCleanup(self.stop.set)
        self.up()
        threading.Thread(target=self.feed, daemon=True).start()

    def up(self):
        self.server = self.serve("--config", self.config, listen=["http"])

    def feed(self):
        while not self.stop.wait(0.3):
            body = "".join("%s %d\n" % row for row in self.lines.items())
            try:
                self.server.http("/api/v1/import/prometheus",
                                 body.encode(), seconds=5)
            except Exception:  # it is down: that is the test
                pass

    def alert(self, name):
        got = json.loads(self.server.http("/api/v1/alerts")[1])
        for row in got["data"]["alerts"]:
            if row["labels"]["alertname"] == name:
                return row
        return None

    def told(self, name):
        """What Alertmanager heard of an alert and took."""
        rows = []
        for path, _, body in list(self.manager.got):
            self.assertEqual(path, "/api/v2/alerts")
            rows += [row for row in json.loads(body)
                     if row["labels"]["alertname"] == name]
        return rows

    def test_what_is_pending_goes_on_waiting(self):
        self.begin(RULES)
        before = wait_until(lambda: self.alert("Long"), "a pending alert")
        time.sleep(4.5)
        self.server.kill9()
        self.up()
        restarted = time.time()
        wait_until(lambda: self.alert("Long"), "the alert after the restart")

        def restored():
            return seconds(self.alert("Long")["activeAt"]) < restarted - 1

        wait_until(restored, "its start from before")
        self.assertGreaterEqual(seconds(self.alert("Long")["activeAt"]),
                                seconds(before["activeAt"]) // 1)

    def test_what_fires_goes_on_firing_as_the_same(self):
        self.begin(RULES)
        wait_until(lambda: self.told("Short"), "a firing alert")
        for _ in range(2):
            self.server.kill9()
            heard = len(self.told("Short"))
            self.up()
            wait_until(lambda: len(self.told("Short")) >= heard + 2,
                       "the same alert again")
        rows = self.told("Short")
        self.assertEqual(len({row["startsAt"] for row in rows}), 1, rows)
        for row in rows:
            self.assertGreater(row["endsAt"], row["startsAt"])
        self.lines["x"] = 1

        def resolved():
            last = self.told("Short")[-1]
            return seconds(last["endsAt"]) < time.time() and last

        self.assertEqual(wait_until(resolved, "the news that it is over")
                         ["startsAt"], rows[0]["startsAt"])

    def test_what_is_queued_is_delivered_after_all(self):
        self.begin(RULES)
        self.manager.answers[:] = [503]
        self.lines["y"] = 9
        wait_until(lambda: self.told("Queued"), "an attempt")
        self.server.kill9()
        heard = len(self.manager.got)
        # Its rule is gone: only what was queued can tell of it.
        self.write("rules.yml", AFTER)
        self.manager.answers[:] = [200]
        self.up()

        def names(since):
            return [row["labels"]["alertname"]
                    for _, _, body in list(self.manager.got)[since:]
                    for row in json.loads(body)]

        wait_until(lambda: "Queued" in names(heard), "the delivery")
        # Delivered, it is not sent once more by the next process. A delivery
        # is noted before the next one begins, and what waits goes out before
        # or with what comes after.
        heard = len(self.manager.got)
        wait_until(lambda: "After" in names(heard), "another alert")
        self.server.kill9()
        heard = len(self.manager.got)
        self.up()
        wait_until(lambda: "After" in names(heard), "another alert")
        self.assertNotIn("Queued", names(heard))


if __name__ == "__main__":
    main()
