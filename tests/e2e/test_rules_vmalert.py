# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: labels=peers cost=29
"""test_rules_vmalert - the same plain rule file on the same data, evaluated by
Forewarn and by a real vmalert, which reads from a second Forewarn and writes
what it finds back there: the same alerts, the same series of ALERTS, the same
moments of change, the same words for Alertmanager.

All samples are stored before the first of them is due, so neither engine can
see less than the other. vmalert evaluates at whole multiples of the interval,
Forewarn (as Prometheus) at a fixed place within it: what is compared is the
interval. If a busy machine kept one of them from an evaluation (the rule `tick`
tells), the story is told anew.
"""
import calendar
import json
import time
import unittest

from forewarn_e2e import (Case, Sleeper, Webhook, free_port, main, peer,
                          wait_until)
from forewarn_wire import REMOTE_WRITE, series, snappy

EVERY = 2  # seconds between two evaluations
SLOTS = 11
TRIES = 4
STALE = 0x7FF0000000000002

RULES = """
groups:
  - name: plain
    interval: 2s
    rules:
      - record: tick
        expr: vector(1)
      - record: job:story:sum
        expr: sum by (job) (story)
        labels: {kind: sum}
      - alert: High
        expr: sum by (job) (story) > 10
        for: 4s
        keep_firing_for: 4s
        labels: {severity: '{{ if gt $value 50.0 }}page{{ else }}ticket{{ end }}'}
        annotations:
          summary: '{{ $labels.job }} has {{ $value | humanize }}'
      - alert: Now
        expr: story{job="b"} > 5
        annotations: {share: '{{ $value | humanizePercentage }}'}
      - alert: Waiting
        expr: story{job="a"} > 0
        for: 1h
"""

# What each series has in each interval of the story; None: it has ended.
STORY = {
    ("a", "1"): [1] + [20] * 5 + [1] * 9,
    ("a", "2"): [2] * 9 + [60] * 6,
    ("b", "1"): [0, 9, 9, None, None, 9, 9, 3, 3, 9, 9, 9, 9, 9, 9],
}


def slot(seconds):
    return int(float(seconds) // EVERY)


def labels_of(row):
    return json.dumps({k: v for k, v in row.items() if k != "alertgroup"},
                      sort_keys=True)


class SameStory(Case):
    def load(self, server, began):
        body = b""
        for (job, i), values in STORY.items():
            rows = [((began + EVERY * k) * 1000, STALE if v is None else v)
                    for k, v in enumerate(values)]
            rows = [(t, v if isinstance(v, int) and v == STALE else float(v))
                    for t, v in rows]
            body += series({"__name__": "story", "job": job, "i": i}, rows)
        status, text = server.http("/api/v1/write", snappy(body), REMOTE_WRITE)
        self.assertIn(status, (200, 204), text)

    def begin(self, folder):
        """Both engines, each with a store and an Alertmanager of its own."""
        rules = self.write("rules.yml", RULES)
        heard = [Webhook(), Webhook()]
        for hook in heard:
            self.addCleanup(hook.close)
        config = self.write("fw.yml", json.dumps({
            "rule_files": [rules], "collect": "off",
            "rules_resend_delay": "1s",
            "alerting": {"alertmanagers": [{"static_configs": [
                {"targets": [heard[0].url.split("/")[2]]}]}]}}))
        own = self.serve("--config", config, data=folder / "own",
                         listen=["http"])
        base = self.serve("--collect", "off", data=folder / "base",
                          listen=["http"])
        url = "http://%s:%d" % base.addr("http")
        listen = "127.0.0.1:%d" % free_port()
        self.start(
            peer("vmalert", "sid"), "-rule", rules, "-datasource.url", url,
            "-remoteWrite.url", url, "-remoteWrite.flushInterval", "200ms",
            "-rule.evalDelay", "0s", "-disableAlertgroupLabel",
            "-rule.resendDelay", "1s", "-httpListenAddr", listen,
            "-notifier.url", "http://" + heard[1].url.split("/")[2])
        return own, base, heard

    def ticks(self, server):
        """The intervals in which the rules were evaluated."""
        return {slot(t) for rows in self.read(server, "tick").values()
                for t, _ in rows}

    def read(self, server, name):
        """{labels: [(time, value)]} of one metric, as it was stored."""
        answer = json.loads(server.http(
            "/api/v1/query?query=%s%%5B10m%%5D" % name)[1])
        return {labels_of(row["metric"]): row["values"]
                for row in answer["data"]["result"]}

    def tell(self, folder):
        """One story; True if neither engine missed a moment of it."""
        own, base, heard = self.begin(folder)
        wait_until(lambda: self.ticks(own) and self.ticks(base),
                   "the first evaluations", 60)
        began = (int(time.time()) // EVERY + 2) * EVERY
        self.load(own, began)
        self.load(base, began)
        if time.time() > began:
            return False
        want = set(range(slot(began), slot(began) + SLOTS))
        last = max(want)

        def over():
            return max(self.ticks(own)) > last and max(self.ticks(base)) > last

        wait_until(over, "the end of the story", 60 + EVERY * SLOTS, 0.3)
        if not want <= self.ticks(own) or not want <= self.ticks(base):
            return False
        self.compare_series(own, base, want)
        self.compare_words(heard, want)
        return True

    def compare_series(self, own, base, want):
        for name in ("job:story:sum", "ALERTS", "ALERTS_FOR_STATE"):
            def story(server, name=name):
                rows = {}
                for labels, values in self.read(server, name).items():
                    one = [(slot(t), slot(v) if name.endswith("STATE") else v)
                           for t, v in values if slot(t) in want]
                    if one:
                        rows[labels] = one
                return rows

            # vmalert writes side by side: the last of it may still come.
            try:
                wait_until(lambda: story(own) == story(base), name, 60, 0.3)
            except AssertionError:
                self.assertEqual(story(own), story(base), name)
            self.assertGreater(len(story(own)), 1, name)

    def compare_words(self, heard, want):
        def news(hook):
            """{(labels, interval in which it began): {annotations}}"""
            out = {}
            for path, _, body in list(hook.got):
                self.assertEqual(path, "/api/v2/alerts")
                for a in json.loads(body):
                    at = slot(calendar.timegm(time.strptime(
                        a["startsAt"][:19], "%Y-%m-%dT%H:%M:%S")))
                    if at in want:
                        out.setdefault((labels_of(a["labels"]), at), set()).add(
                            json.dumps(a["annotations"], sort_keys=True))
            return out

        def same():
            own, peers = map(news, heard)
            return set(own) == set(peers)

        wait_until(same, "the same news for both Alertmanagers", 60, 0.3)
        own, peers = map(news, heard)
        self.assertGreater(len(own), 3)
        for key, words in own.items():
            # Each resend has the value of its moment; not all need arrive.
            self.assertTrue(words & peers[key], (key, words, peers[key]))

    def test_vmalert_and_forewarn_tell_the_same_story(self):
        for _ in range(TRIES):
            sleeper = Sleeper()
            try:
                if self.tell(self.tmp):
                    return
            except AssertionError:
                if sleeper.worst < 1:
                    raise
                print("what should run each second came %.1f s late; again" %
                      sleeper.worst, flush=True)
            finally:
                sleeper.stop.set()
            self.doCleanups()
            self.setUp()
        raise unittest.SkipTest("this machine is too busy to evaluate each "
                                "%d s" % EVERY)


if __name__ == "__main__":
    main()
