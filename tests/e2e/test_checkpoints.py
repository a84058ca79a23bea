#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=10
"""How much a start after a kill has to replay is what --journal-bytes and
--journal-samples say, and /metrics tells which of them struck."""
import json
import random
import re
import time
import urllib.parse

from forewarn_e2e import Case, main, wait_until

SERIES = 200
ROWS = 400  # fewer than a block: nothing is sealed meanwhile
NOW = int(time.time()) // 60 * 60
REASONS = ("journal_bytes", "journal_samples", "head")


class Checkpoints(Case):
    def metrics(self, server):
        text = server.http("/metrics")[1]
        return {name: float(v) for name, v in
                re.findall(r'(?m)^forewarn_(\S+) (\S+)$', text)}

    def struck(self, server):
        metrics = self.metrics(server)
        return {reason for reason in REASONS
                if metrics['checkpoints_total{reason="%s"}' % reason] > 0}

    def feed(self, server, value):
        """Returns what all values add up to."""
        total = 0
        with server.line_client() as line:
            for row in range(ROWS):
                values = [value() for _ in range(SERIES)]
                total += sum(values)
                line.send(*("fed,i=%d v=%r %d" % (i, v, NOW - ROWS + row)
                            for i, v in enumerate(values)))
                if row % 50 == 49:
                    line.sync()
        return total

    def settle(self, server, metric, limit):
        """What a checkpoint let go of is deleted with the next commit."""
        with server.line_client() as line:
            def small():
                line.send("nudge v=1")
                line.sync()
                return self.metrics(server)[metric] < limit
            wait_until(small, "checkpoints", every=0.1)

    def ask(self, server, query):
        answer = json.loads(server.http(
            "/api/v1/query?" + urllib.parse.urlencode(
                {"query": query, "time": NOW}))[1])
        self.assertEqual(answer["status"], "success", answer)
        return float(answer["data"]["result"][0]["value"][1])

    def expect_all(self, server, total):
        self.assertEqual(self.ask(server, "sum(count_over_time(fed_v[1h]))"),
                         SERIES * ROWS)
        self.assertAlmostEqual(
            self.ask(server, "sum(sum_over_time(fed_v[1h]))"), total, 3)

    def restart(self, server):
        """After a kill. Returns how many samples were replayed."""
        server.kill9()
        server.start()
        return self.metrics(server)["replayed_samples"]

    def test_samples_past_the_limit_are_not_replayed(self):
        limit = 20000
        server = self.serve("--collect", "off", "--journal-samples", limit)
        total = self.feed(server, lambda: random.randrange(10))
        self.settle(server, "journal_samples", limit)
        self.assertEqual(self.struck(server), {"journal_samples"})
        self.assertGreater(self.metrics(server)["checkpoint_bytes_total"], 0)
        self.expect_all(server, total)
        self.assertLess(self.restart(server), limit)
        self.expect_all(server, total)

    def test_bytes_past_the_limit_are_not_replayed(self):
        limit = 128 << 10
        server = self.serve("--collect", "off", "--journal-bytes", limit)
        total = self.feed(server, random.random)
        self.settle(server, "journal_bytes", limit)
        self.assertEqual(self.struck(server), {"journal_bytes"})
        self.expect_all(server, total)
        self.assertLess(self.restart(server), SERIES * ROWS / 2)
        self.expect_all(server, total)

    def test_so_little_has_none(self):
        server = self.serve("--collect", "off")
        total = self.feed(server, random.random)
        metrics = self.metrics(server)
        self.assertEqual(metrics["journal_samples"], SERIES * ROWS)
        self.assertGreater(metrics["journal_bytes"], 8 * SERIES * ROWS / 2)
        self.assertEqual(self.struck(server), set())
        self.assertEqual(self.restart(server), SERIES * ROWS)
        self.expect_all(server, total)

    def test_too_small_limits_are_refused(self):
        for option, value, least in (("--journal-bytes", "1KiB", "65536"),
                                     ("--journal-samples", "10", "1000")):
            done = self.cli("serve", "--data", self.tmp / "none", option,
                            value, rc=2)
            self.assertIn(option.strip("-"), done.err.replace("_", "-"))
            self.assertIn(least, done.err)


if __name__ == "__main__":
    main()
