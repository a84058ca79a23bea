#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hourly summaries on the real binary: days are written, closed and asked
about; then retention takes their samples, and the same questions over whole
hours have the same answers, after a kill and in a backup as well."""
import json
import os
import time
import unittest
import urllib.parse

from forewarn_e2e import Case, main, wait_until

HOUR = 3600
DAY = 24 * HOUR
STEP = 60
SERIES = 5
QUESTIONS = [
    "count_over_time(roll_v[1h])", "sum_over_time(roll_v[1h])",
    "min_over_time(roll_v[2h])", "max_over_time(roll_v[1d])",
    "avg_over_time(roll_v[6h])", "sum by (n) (sum_over_time(roll_v[1h]))",
]
RATES = ["increase(roll_v[6h])", "rate(roll_v[1d])"]


class Rollups(Case):
    def ask(self, server, query, start, end, step):
        answer = json.loads(server.http(
            "/api/v1/query_range?" + urllib.parse.urlencode(
                {"query": query, "start": start, "end": end,
                 "step": step}))[1])
        self.assertEqual(answer["status"], "success", answer)
        return {json.dumps(s["metric"], sort_keys=True):
                [(t, float(v)) for t, v in s["values"]]
                for s in answer["data"]["result"]}

    def instant(self, server, query, at):
        answer = json.loads(server.http(
            "/api/v1/query?" + urllib.parse.urlencode(
                {"query": query, "time": at}))[1])
        return answer["data"]["result"]

    def metric(self, server, name):
        page = server.http("/metrics")[1]
        for line in page.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError("%s is not in /metrics" % name)

    def questions(self, server):
        got = {}
        for query in QUESTIONS + RATES:
            got[query] = self.ask(server, query, self.first + DAY,
                                  self.last - HOUR, HOUR)
            self.assertNotEqual(got[query], {}, query)
        return got

    def agree(self, before, after, tolerance):
        for query, series in before.items():
            self.assertEqual(set(series), set(after[query]), query)
            for name, points in series.items():
                is_now = after[query][name]
                self.assertEqual([t for t, _ in points],
                                 [t for t, _ in is_now], query)
                within = 0 if query in QUESTIONS else tolerance
                for (t, a), (_, b) in zip(points, is_now):
                    self.assertLessEqual(abs(a - b), within * abs(a) + 1e-9,
                                         (query, name, t, a, b))

    def send(self, server):
        """Three whole days, five days ago."""
        now = int(time.time())
        self.first = (now // DAY - 5) * DAY
        self.last = self.first + 3 * DAY
        with server.line_client() as line:
            for at in range(self.first, self.last, STEP):
                i = (at - self.first) // STEP
                line.send(*("roll,n=%d v=%g %d" %
                            (n, 8 * (i % 200) * (n + 1), at * 1000000000)
                            for n in range(SERIES)))
            line.sync("all")

    def test_they_answer_for_samples_that_are_gone(self):
        server = self.serve("--collect", "off", "--rollup-retention", "400d")
        self.send(server)
        self.cli("compact", "--data", server.data)
        parts = os.listdir(os.path.join(server.data, "part"))
        self.assertFalse(any(p.endswith(".rollup") for p in parts), parts)
        before = self.questions(server)
        at = self.last - 12 * HOUR
        self.assertEqual(len(self.instant(server, "roll_v[1h]", at)), SERIES)
        with server.line_client() as line:  # retention counts from the newest
            line.send("now v=1 %d" % (int(time.time()) * 1000000000))
            line.sync("now")
        server.stop()
        self.cli("verify", "--data", server.data)

        server = self.serve("--collect", "off", "--retention", "1d",
                            "--rollup-retention", "400d", data=server.data)
        wait_until(lambda: self.metric(
            server, "forewarn_partitions_dropped_total") > 0,
            "retention to take the days, once they have summaries")
        wait_until(lambda: self.instant(server, "roll_v[1h]", at) == [],
                   "the samples to be gone")
        self.agree(before, self.questions(server), 1e-12)
        self.cli("verify", "--data", server.data)
        copy = str(self.tmp / "copy")
        self.cli("backup", copy, "--data", server.data)
        server.kill9()

        server = self.serve("--collect", "off", "--retention", "1d",
                            "--rollup-retention", "400d", data=server.data)
        self.agree(before, self.questions(server), 1e-12)
        server.stop()
        self.cli("verify", "--data", server.data)
        there = str(self.tmp / "there")
        self.cli("restore", copy, "--data", there)
        server = self.serve("--collect", "off", "--retention", "1d",
                            "--rollup-retention", "400d", data=there)
        self.agree(before, self.questions(server), 1e-12)
        server.stop()


if __name__ == "__main__":
    main()
