#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: labels=peers cost=31
"""test_rules_live - the same rule file on the same data, evaluated by Forewarn
and by a real Prometheus 3: the same series at the same instants; and real
Alertmanagers, old and new, that are told by both and notify once.

Prometheus scrapes a page of this test and sends what it got to Forewarn by
remote_write, time stamps and all. The groups look back by a query_offset, so
that neither sees a moment the other has not. Both choose the instants of a
group by the same hash of its file and name.
"""
import http.server
import json
import os
import pathlib
import re
import subprocess
import threading
import time
import unittest
import urllib.parse
import urllib.request

from forewarn_e2e import (PATIENCE, TOP, Case, Sleeper, Webhook, free_port,
                          main, peer, wait_until)

SECONDS = 14  # of the story the page tells
BACK = 6  # seconds by which the rules look back

RULES = """
groups:
  - name: differential
    interval: 1s
    query_offset: 6s
    rules:
      - record: tick
        expr: vector(1)
      - record: job:story:sum
        expr: sum by (job) (story)
        labels: {kind: sum}
      - alert: High
        expr: job:story:sum > 10
        for: 3s
        keep_firing_for: 2s
        labels: {severity: '{{ if gt $value 50.0 }}page{{ else }}ticket{{ end }}'}
        annotations: {summary: '{{ $labels.job }} has {{ $value | humanize }} of {{ $externalLabels.dc }}'}
      - alert: Now
        expr: story{job="b"} > 5
      - alert: Firing
        expr: ALERTS{alertname="Now",alertstate="firing"}
        labels: {alertstate: ""}
      - alert: Twice
        expr: story > 0
        labels: {job: same}
      - record: gone
        expr: story == 3
"""

# What each series has in each second of the story; None: it is not there.
STORY = {
    ("a", "1"): [1] * 2 + [20] * 8 + [1] * 30,
    ("a", "2"): [2] * 9 + [60] * 2 + [2] * 30,
    ("b", "1"): [0] * 3 + [9] * 3 + [None] * 3 + [9] * 2 + [3] * 30,
}


def get(url):
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return json.loads(answer.read())


class Page:
    """The page that is scraped."""

    def __init__(self):
        self.began = None
        page = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = page.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def text(self):
        if self.began is None:
            self.began = time.monotonic()
        second = int(time.monotonic() - self.began)
        rows = ["# TYPE story gauge"]
        for (job, i), values in STORY.items():
            value = values[min(second, len(values) - 1)]
            if value is not None:
                rows.append('story{job="%s",i="%s"} %d' % (job, i, value))
        return "\n".join(rows) + "\n"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def alertmanager(case, suite, config):
    """A real Alertmanager; its URL. Debian's looks for its templates under
    /usr/share: a copy of it is told to look where it is started."""
    binary = pathlib.Path(peer("prometheus-alertmanager", suite)).read_bytes()
    share = TOP / "build/peers" / suite / "usr/share/prometheus/alertmanager"
    old = b"/usr/share/prometheus/alertmanager"
    new = b"/proc/self/cwd" + b"/." * 10
    case.assertEqual(len(old), len(new))
    if not share.is_dir():
        raise unittest.SkipTest("%s is not there" % share)
    copy = case.tmp / ("alertmanager-" + suite)
    copy.write_bytes(binary.replace(old, new))
    copy.chmod(0o755)
    url = "127.0.0.1:%d" % free_port()
    case.start(str(copy), "--config.file", config, "--storage.path",
               str(case.tmp / ("am-" + suite)), "--web.listen-address", url,
               "--cluster.listen-address=", cwd=str(share))

    def ready():
        try:
            with urllib.request.urlopen("http://%s/-/ready" % url, timeout=2):
                return True
        except OSError:
            return False

    wait_until(ready, "Alertmanager of " + suite)
    return url


class Story(Case):
    @staticmethod
    def where(server):
        return "%s:%d" % server.addr("http")

    def amtool(self, suite, url, *words):
        return subprocess.run(
            [peer("amtool", suite), "--alertmanager.url=http://" + url,
             *words], text=True, timeout=PATIENCE, capture_output=True,
            stdin=subprocess.DEVNULL)

    def begin(self):
        """Prometheus, two Forewarns and two Alertmanagers on one story."""
        self.hook = Webhook()
        self.addCleanup(self.hook.close)
        config = self.write("am.yml", json.dumps({
            "route": {"receiver": "hook", "group_by": ["alertname"],
                      "group_wait": "1s", "group_interval": "1s"},
            "receivers": [{"name": "hook", "webhook_configs": [
                {"url": self.hook.url, "send_resolved": True}]}]}))
        # Only the new one notifies: what it hears is counted.
        self.new = alertmanager(self, "sid", config)
        self.old = alertmanager(self, "bookworm", self.write(
            "mute.yml", "route: {receiver: none}\nreceivers: [{name: none}]"))
        rules = self.write("rules.yml", RULES)
        own = {"global": {"external_labels": {"dc": "d1"}},
               "rule_files": [rules],
               "alerting": {"alertmanagers": [
                   {"static_configs": [{"targets": [self.new, self.old]}]}]},
               "rules_resend_delay": "2s", "collect": "off"}
        self.forewarn = [self.serve("--config",
                                    self.write("fw.yml", json.dumps(own)),
                                    data=self.tmp / name, listen=["http"])
                         for name in ("one", "two")]
        self.page = Page()
        self.addCleanup(self.page.close)
        prometheus = self.write("prometheus.yml", json.dumps({
            "global": {"scrape_interval": "1s",
                       "external_labels": {"dc": "d1"}},
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "page", "honor_labels": True,
                "static_configs": [
                    {"targets": ["127.0.0.1:%d" % self.page.port]}]}],
            "remote_write": [{
                "url": "http://%s/api/v1/write" % self.where(server),
                "write_relabel_configs": [
                    {"source_labels": ["__name__"], "regex": "story",
                     "action": "keep"}],
                "queue_config": {"batch_send_deadline": "100ms"}}
                for server in self.forewarn]}))
        url = "127.0.0.1:%d" % free_port()
        self.start(peer("prometheus", "sid"), "--config.file", prometheus,
                   "--storage.tsdb.path", str(self.tmp / "tsdb"),
                   "--web.listen-address", url)
        return url

    def series(self, url, name, seconds, end):
        """{labels: [(time, value)]} of one metric, as it was stored."""
        answer = get("http://%s/api/v1/query?%s" % (
            url, urllib.parse.urlencode({"query": "%s[%ds]" % (name, seconds),
                                         "time": end})))
        return {json.dumps({k: v for k, v in row["metric"].items()
                            if k != "dc"}, sort_keys=True): row["values"]
                for row in answer["data"]["result"]}

    def compare(self, prometheus, began):
        """Every series of both, but for the first seconds, in which one may
        have begun before the other."""
        end = int(time.time()) - BACK - 4
        seconds = end - (began + 3)
        self.assertGreater(seconds, 10)
        for name in ("tick", "job:story:sum", "ALERTS", "ALERTS_FOR_STATE",
                     "gone"):
            want = self.series(prometheus, name, seconds, end)
            self.assertTrue(want, name)
            for server in self.forewarn:
                got = self.series(self.where(server), name, seconds, end)
                self.assertEqual(got, want, name)

    def check_api(self, prometheus):
        """Both show the same groups, rules and alerts, but for timings."""
        def shape(url):
            groups = get("http://%s/api/v1/rules" % url)["data"]["groups"]
            for group in groups:
                for row in [group, *group["rules"]]:
                    row.pop("evaluationTime")
                    row.pop("lastEvaluation")
                    for alert in row.get("alerts", []):
                        # remote_write adds it to what it sends.
                        alert["labels"].pop("dc", None)
                    row.get("alerts", []).sort(key=json.dumps)
            return groups

        def stamp(groups):
            """Go writes nanoseconds where there are any."""
            text = json.dumps(groups, sort_keys=True, indent=1)
            return re.sub(r'(T\d\d:\d\d:\d\d)(\.\d{1,3})?\d*Z', r"\1", text)

        for server in self.forewarn:
            end = time.monotonic() + PATIENCE
            while True:
                want, got = shape(prometheus), shape(self.where(server))
                if stamp(want) == stamp(got) or time.monotonic() > end:
                    break
                time.sleep(0.3)
            self.assertEqual(stamp(got), stamp(want))

    def test_prometheus_and_forewarn_tell_the_same_story(self):
        """Both look each second, by the machine's clock. Where the machine
        does not let anything run each second, they cannot be compared."""
        for turn in range(3):
            sleeper = Sleeper()
            try:
                self.tell_the_story()
                return
            except AssertionError:
                if sleeper.worst < 0.7:
                    raise
                print("what should run each second came %.1f s late; again" %
                      sleeper.worst, flush=True)
            finally:
                sleeper.stop.set()
            self.doCleanups()
            self.setUp()
        self.skipTest("this machine is too busy for what runs each second")

    def tell_the_story(self):
        prometheus = self.begin()
        wait_until(lambda: self.page.began, "the first scrape")
        began = int(time.time())
        time.sleep(10)
        self.check_alertmanagers()
        time.sleep(max(0, began + SECONDS + BACK + 4 - time.time()))
        self.compare(prometheus, began)
        self.check_api(prometheus)
        self.check_hook()

    def check_alertmanagers(self):
        for suite, url in (("sid", self.new), ("bookworm", self.old)):
            def listed():
                got = self.amtool(suite, url, "alert", "query", "-o", "json")
                names = [a["labels"]["alertname"] for a in
                         json.loads(got.stdout or "[]")]
                return got.returncode == 0 and "High" in names

            wait_until(listed, "one High in Alertmanager of " + suite)
        rows = json.loads(self.amtool("sid", self.new, "alert", "query",
                                      "-o", "json").stdout)
        high = [a for a in rows if a["labels"]["alertname"] == "High"][0]
        self.assertEqual(high["labels"]["dc"], "d1")
        self.assertRegex(high["annotations"]["summary"], "^a has .* of d1$")
        self.assertIn("/graph?g0.expr=", high["generatorURL"])

    def check_hook(self):
        """Two servers, one notification of each change."""
        def changes():
            told = []
            for _, _, body in list(self.hook.got):
                for alert in json.loads(body)["alerts"]:
                    if alert["labels"]["alertname"] == "High":
                        row = (alert["labels"]["severity"], alert["status"],
                               alert["startsAt"])
                        told.append(row)
            return told

        wait_until(lambda: any(r[1] == "resolved" for r in changes()),
                   "the news that it is over")
        told = changes()
        self.assertTrue(any(row[1] == "firing" for row in told), told)
        for row in told:
            self.assertEqual(told.count(row), 1, told)


if __name__ == "__main__":
    main()
