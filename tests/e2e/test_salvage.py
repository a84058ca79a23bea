#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: timeout=300
"""A page of the journal is damaged while the server is down: it starts, serves
the rest, keeps the damaged file and says so wherever somebody may look."""
import json
import os
import struct
import time
import unittest

import forewarn_e2e as e2e
from forewarn_e2e import main

PAGE = 4096
SERIES = 40
RECORDS = 6
PER_RECORD = 60  # times of each series


class Salvage(e2e.Case):
    def setUp(self):
        super().setUp()
        self.data = self.tmp / "data"
        self.first_ms = int(time.time() * 1000) - 3600 * 1000

    def value(self, series, k):
        return float(((series * 7919 + k * 104729) % 1000003) / 7)

    def write_and_die(self):
        server = self.serve(data=self.data)
        with server.line_client() as line:
            for record in range(RECORDS):
                for k in range(record * PER_RECORD, (record + 1) * PER_RECORD):
                    line.send(*["salvage,s=%d v=%r %d" % (
                        s, self.value(s, k), (self.first_ms + k) * 1000000)
                        for s in range(SERIES)])
                line.sync()
        server.kill9()

    def damage(self):
        """The last large value's page in the middle; the commit's heads too."""
        path = self.data / "journal" / "data.mdb"
        pages = bytearray(path.read_bytes())
        runs = []
        for at in range(2 * PAGE, len(pages) - PAGE, PAGE):
            number, flags, count = struct.unpack_from("<QxxHI", pages, at)
            if number * PAGE == at and flags & 0xFF == 4 and count >= 2:
                runs.append((struct.unpack_from("<Q", pages, at + 24)[0], at))
        self.assertGreater(len(runs), 2)
        _, at = sorted(runs)[len(runs) // 2]
        for i in range(100, 164):
            pages[at + PAGE + i] ^= 0x5A
        pages[0:PAGE] = bytes(PAGE)
        path.write_bytes(bytes(pages))

    def rows(self, server):
        """{(series, ms): value} of all there is."""
        out = {}
        status, body = server.http(
            "/api/v1/query?query=salvage_v%%5B2h%%5D&time=%f" %
            (self.first_ms / 1000 + 3600))
        self.assertEqual(status, 200, body)
        for one in json.loads(body)["data"]["result"]:
            for t, v in one["values"]:
                out[int(one["metric"]["s"]), round(t * 1000)] = float(v)
        return out

    def test_the_rest_is_served_and_the_loss_is_told(self):
        self.write_and_die()
        self.damage()
        server = self.serve(data=self.data)
        status, body = server.http("/-/ready")
        self.assertEqual(status, 200)
        self.assertIn("journal was damaged", body)
        metrics = server.http("/metrics")[1]
        self.assertIn("forewarn_journal_salvaged 1", metrics)
        self.assertRegex(metrics, r"forewarn_journal_records_lost [1-9]")
        self.assertRegex(metrics, r"forewarn_quarantine_files [1-9]")
        self.assertRegex("\n".join(server.log), r"damaged: .*journal.* made anew")
        kept = os.listdir(self.data / "quarantine")
        self.assertTrue(any(n.startswith("journal-data-") for n in kept), kept)
        rows = self.rows(server)
        times = RECORDS * PER_RECORD
        self.assertGreater(len(rows), SERIES * PER_RECORD)
        self.assertLess(len(rows), SERIES * times)
        for (series, ms), value in rows.items():
            self.assertEqual(value, self.value(series, ms - self.first_ms))


if __name__ == "__main__":
    main()
