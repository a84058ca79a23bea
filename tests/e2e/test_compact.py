#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""forewarn compact, put to a running server and to a folder at rest: the same
samples in fewer bytes, and `forewarn verify` finds nothing."""
import json
import os
import re
import tempfile
import time
import unittest
import urllib.parse

from forewarn_e2e import Server, main, run

SERIES = 20
SAMPLES = 3000


class Compact(unittest.TestCase):
    def samples(self, server):
        query = urllib.parse.urlencode(
            {"query": "compact_v[2d]", "time": self.end})
        answer = json.loads(server.http("/api/v1/query?" + query)[1])
        return {s["metric"]["n"]: s["values"] for s in answer["data"]["result"]}

    def metric(self, server, name):
        text = server.http("/metrics")[1]
        return float(re.search("(?m)^%s (.*)$" % name, text).group(1))

    def test_the_same_samples_in_fewer_bytes(self):
        self.end = int(time.time()) - 60
        start = self.end - SAMPLES * 10
        with tempfile.TemporaryDirectory() as data:
            server = Server(data, "--collect", "off")
            self.addCleanup(server.kill9)
            server.start()
            with server.line_client() as line:
                for i in range(SAMPLES):
                    at = (start + i * 10) * 1000000000
                    line.send(*("compact,n=%d v=%g %d" %
                                (n, (i * (n + 1)) % 97 / 10, at)
                                for n in range(SERIES)))
                line.sync("all")
            before = self.samples(server)
            self.assertEqual(sum(map(len, before.values())), SERIES * SAMPLES)
            done = run("compact", "--data", data)
            self.assertEqual(done.rc, 0, done)
            self.assertRegex(done.out, r"^[1-9]\d* partitions rewritten")
            parts = os.listdir(os.path.join(data, "part"))
            self.assertTrue(any(p.endswith(".sealed") for p in parts), parts)
            self.assertFalse(any(p.endswith(".hot") for p in parts), parts)
            self.assertEqual(self.samples(server), before)
            sealed = self.metric(server, "forewarn_samples_sealed_total")
            self.assertEqual(
                sealed + self.metric(server, "forewarn_head_samples"),
                SERIES * SAMPLES)
            self.assertGreater(
                self.metric(server, "forewarn_seal_cpu_seconds_total"), 0)
            server.stop()
            done = run("compact", "--data", data)
            self.assertEqual(done.rc, 0, done)
            done = run("verify", "--data", data)
            self.assertEqual(done.rc, 0, done)
            server.start()
            self.assertEqual(self.samples(server), before)

    def test_nonsense_is_refused(self):
        with tempfile.TemporaryDirectory() as data:
            self.assertNotEqual(run("compact", "x", "--data", data).rc, 0)
            self.assertNotEqual(run("compact", "--data", data + "/no").rc, 0)


if __name__ == "__main__":
    main()
