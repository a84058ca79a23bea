#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: timeout=1800 cost=24 busy
"""What was acknowledged is there: after kill -9 at any moment, after the n-th
write or sync failed, on a full disk. A ledger outside the server knows what was
sent and what was acknowledged; after each accident the folder is opened again
and compared with it, bit by bit."""
import math
import os
import random
import re
import struct
import threading
import time
import unittest

import forewarn_e2e as e2e
from forewarn_e2e import LineClient, main, wait_until

SEED = int(os.environ.get("FOREWARN_SEED", "1"))
LONG = os.environ.get("FOREWARN_LONG") == "1"
KILLS = 200 if LONG else 15
WRITERS = 3


def bits(value):
    return struct.pack("<d", value)


class Ledger:
    """One series: what was sent, and how much of it was acknowledged."""

    def __init__(self, name, rng):
        self.name = name
        self.rng = rng
        self.sent = []  # (ms, value) in order of time
        self.acked = 0  # that many from the front are durable
        self.next_ms = int(time.time() * 1000) - 3600 * 1000

    def lines(self, count):
        """New samples, as lines; times rise by one millisecond."""
        out = []
        for _ in range(count):
            value = self.rng.choice((
                float(len(self.sent)), self.rng.uniform(-1e6, 1e6),
                self.rng.random() * 10.0 ** self.rng.randrange(-300, 300),
                0.1 * self.rng.randrange(100000), -0.0))
            self.sent.append((self.next_ms, value))
            out.append("crash,w=%s seq=%r %d" %
                       (self.name, value, self.next_ms * 1000000))
            self.next_ms += 1
        return out

    def write_until_it_fails(self, addr, stop):
        """Lines and syncs until `stop` or an error; what the server said."""
        said = None
        try:
            with LineClient(addr) as line:
                while not stop.is_set():
                    line.send(*self.lines(self.rng.randrange(1, 200)))
                    count = len(self.sent)
                    line.sync()
                    self.acked = count
        except (OSError, AssertionError, e2e.Refused) as error:
            said = error
        return said


class Crash(e2e.Case):
    def setUp(self):
        super().setUp()
        print("seed: FOREWARN_SEED=%d" % SEED, flush=True)
        self.rng = random.Random(SEED)
        self.data = self.tmp / "data"

    def samples(self, ledger, data):
        """All that the folder holds of a series: [(ms, value)]."""
        if not ledger.sent:
            return []
        end = ledger.sent[-1][0]
        span = end - ledger.sent[0][0] + 1
        got = self.cli("query", 'crash_seq{w="%s"}[%dms]' %
                       (ledger.name, span), "--time", "%.3f" % (end / 1000),
                       "--format", "json", "--data", data).json()
        found = got["data"]["result"]
        self.assertLessEqual(len(found), 1, "a series was stored twice")
        return [(round(at * 1000), float(value))
                for row in found for at, value in row["values"]]

    def compare(self, ledger, data):
        """Nothing acknowledged is missing, nothing is there that was not sent
        and nothing twice, and each bit is as it was."""
        got = self.samples(ledger, data)
        sent = {ms: bits(value) for ms, value in ledger.sent}
        times = [ms for ms, _ in got]
        self.assertEqual(times, sorted(set(times)), "disorder or duplicates")
        for ms, value in got:
            self.assertIn(ms, sent, "a sample nobody sent")
            self.assertEqual(bits(value), sent[ms], "at %d" % ms)
        have = set(times)
        lost = [ms for ms, _ in ledger.sent[:ledger.acked] if ms not in have]
        self.assertEqual(lost, [], "%d of %d acknowledged samples are lost" %
                         (len(lost), ledger.acked))

    def forget_lost(self, ledger, data):
        """After an accident the next samples go on from what is stored, since
        what was never acknowledged may or may not be there."""
        have = {ms for ms, _ in self.samples(ledger, data)}
        ledger.sent = [row for row in ledger.sent if row[0] in have]
        ledger.acked = len(ledger.sent)

    def test_kill_at_any_moment_loses_nothing_acknowledged(self):
        ledgers = [Ledger(str(i), random.Random(SEED * 100 + i))
                   for i in range(WRITERS)]
        for turn in range(KILLS):
            server = self.serve("--collect", "off", data=self.data)
            stop = threading.Event()
            threads = [threading.Thread(target=ledger.write_until_it_fails,
                                        args=(server.addr(), stop))
                       for ledger in ledgers]
            for thread in threads:
                thread.start()
            # Two of three kills strike what has written for a while already.
            before = sum(ledger.acked for ledger in ledgers)
            if turn % 3:
                wait_until(lambda: sum(x.acked for x in ledgers) > before + 300,
                           "something acknowledged")
            time.sleep(self.rng.uniform(0, 0.8))
            server.kill9()
            stop.set()
            for thread in threads:
                thread.join(e2e.PATIENCE)
                self.assertFalse(thread.is_alive())
            for ledger in ledgers:
                self.compare(ledger, self.data)
                self.forget_lost(ledger, self.data)

    def test_a_kill_while_it_starts_loses_nothing(self):
        ledger = Ledger("start", self.rng)
        server = self.serve("--collect", "off", data=self.data)
        with server.line_client() as line:
            line.send(*ledger.lines(5000))
            line.sync()
        ledger.acked = len(ledger.sent)
        server.kill9()
        for place in range(KILLS):
            process = e2e.Server(self.data, "--collect", "off", listen=["line"])
            self.addCleanup(process.kill9)
            e2e.Process.start(process)
            time.sleep(0.004 * place)
            process.kill9()
        self.compare(ledger, self.data)

    def test_a_clean_stop_loses_nothing_at_all(self):
        ledger = Ledger("stop", self.rng)
        server = self.serve("--collect", "off", data=self.data)
        with server.line_client() as line:
            line.send(*ledger.lines(3000))
            line.sync()
        ledger.acked = len(ledger.sent)
        server.stop()
        self.compare(ledger, self.data)
        self.assertEqual(len(self.samples(ledger, self.data)), 3000)

    def test_the_nth_write_or_sync_fails(self):
        """Fails once and for ever; a run without a fault ends the loop."""
        for text in ("write,sync,resize %d once EIO",
                     "write,sync,resize %d forever ENOSPC"):
            nth, step = 1, 1 if LONG else 3
            while nth < (2000 if LONG else 60):
                if not self.with_fault(text % nth):
                    break
                nth += step

    def with_fault(self, text):
        """True if the fault struck. The server may refuse to start, refuse to
        write or go on; it may not crash, nor acknowledge what is not there."""
        data = self.tmp / text.replace(" ", "-").replace(",", "-")
        ledger = Ledger("f", random.Random(SEED))
        server = e2e.Server(data, "--collect", "off", listen=["line"],
                            env=e2e.fault(text))
        self.addCleanup(server.kill9)
        try:
            server.start()
        except AssertionError as error:
            self.assertIn(server.child.poll(), (3,), "%s: %s" % (text, error))
        else:
            stop = threading.Event()
            timer = threading.Timer(0.5, stop.set)
            timer.start()
            ledger.write_until_it_fails(server.addr(), stop)
            timer.cancel()
            time.sleep(0.05)
            self.assertTrue(server.running(), "%s: it ended with %s:\n%s" % (
                text, server.child.poll(), "\n".join(server.log)))
        struck = any("fault: given" in line for line in server.log)
        server.kill9()
        if ledger.acked:
            self.compare(ledger, data)
        # Without the fault it opens, and takes new samples.
        again = self.serve("--collect", "off", data=data, listen=["line"])
        with again.line_client() as line:
            line.send(*ledger.lines(10))
            line.sync()
        again.stop()
        return struck

    def test_a_full_disk_of_8_mib_is_refused_and_left_by_itself(self):
        self.full_disk(8)

    def test_a_full_disk_of_16_mib_is_refused_and_left_by_itself(self):
        self.full_disk(16)

    def test_a_full_disk_of_64_mib_is_refused_and_left_by_itself(self):
        self.full_disk(64)

    def say(self, server, full):
        """Whether the disk is full is on /-/ready and in the metrics."""
        def said():
            status, body = server.http("/-/ready")
            metrics = server.http("/metrics")[1]
            word = status == 503 and re.search("(?i)disk|space|full", body) \
                if full else status == 200
            return word and re.search(r"(?m)^forewarn_read_only\S* %d$" % full,
                                      metrics)

        wait_until(said, "it to say that the disk is %s" %
                   ("full" if full else "not full"))

    def full_disk(self, mib):
        disk = self.small_disk(mib)
        data = disk / "data"
        ledger = Ledger("full", self.rng)
        server = self.serve("--collect", "off", "--disk-floor", "%d" %
                            (mib * 65536), data=data, listen=["line", "http"])
        with server.line_client() as line:
            line.send(*ledger.lines(1000))
            line.sync()
            ledger.acked = len(ledger.sent)
        self.say(server, full=False)
        ballast = e2e.fill(disk, leave=(mib << 20) // 8)
        refused = None
        for _ in range(400):
            with server.line_client() as line:
                line.send(*ledger.lines(2000))
                count = len(ledger.sent)
                try:
                    line.sync()
                except e2e.Refused as error:
                    refused = str(error)
                    break
                ledger.acked = count
        self.assertTrue(refused, "it took everything on a full disk")
        self.assertRegex(refused, "(?i)disk|space|full")
        self.assertTrue(server.running())
        self.say(server, full=True)
        self.compare(ledger, data)  # reads go on
        # A copy of it has no room either, and is not begun.
        copy = self.cli("backup", disk / "copy", "--data", data, rc=3)
        self.assertRegex(copy.err, "(?i)needs|space")
        self.assertEqual([p.name for p in disk.iterdir()
                          if p.name.startswith("copy")], [])
        ballast.unlink()

        def takes_again():
            with server.line_client() as line:
                line.send(*ledger.lines(10))
                count = len(ledger.sent)
                try:
                    line.sync()
                except e2e.Refused:
                    return False
                return count

        ledger.sent = [row for row in ledger.sent[:ledger.acked]]
        wait_until(takes_again, "it to write again", every=0.2)
        self.say(server, full=False)
        server.kill9()
        got = dict(self.samples(ledger, data))
        for ms, value in ledger.sent[:ledger.acked]:
            self.assertEqual(bits(got.get(ms, math.nan)), bits(value))

    def test_a_backup_has_all_that_was_acknowledged_before(self):
        ledger = Ledger("copy", self.rng)
        server = self.serve("--collect", "off", data=self.data,
                            listen=["line"])
        stop = threading.Event()
        writer = threading.Thread(target=ledger.write_until_it_fails,
                                  args=(server.addr(), stop))
        writer.start()
        acked = 0
        for i in range(3):
            # At least one more batch than the copy before has.
            acked = wait_until(lambda more=acked: ledger.acked > more and
                               ledger.acked, "something acknowledged")
            # A path is taken from where the command stands.
            said = self.cli("backup", "copy%d" % i, "--data", self.data,
                            cwd=self.tmp)
            self.assertIn("a backup", said.out)
            self.cli("restore", "copy%d" % i, "--data", "back%d" % i,
                     cwd=self.tmp)
            self.cli("verify", "--data", self.tmp / ("back%d" % i))
            before = Ledger("copy", self.rng)
            before.sent, before.acked = list(ledger.sent), acked
            self.compare(before, self.tmp / ("back%d" % i))
        stop.set()
        writer.join(e2e.PATIENCE)
        self.assertFalse(writer.is_alive())
        self.assertGreater(acked, 0)

    def test_a_kill_in_a_backup_or_a_rewrite_harms_neither(self):
        ledger = Ledger("both", self.rng)
        for i in range(20 if LONG else 4):
            server = self.serve("--collect", "off", data=self.data,
                                listen=["line"])
            with server.line_client() as line:
                line.send(*ledger.lines(3000))
                line.sync()
            ledger.acked = len(ledger.sent)
            copy = self.tmp / ("copy%d" % i)
            other = self.start(e2e.BIN, *(("backup", str(copy)) if i % 2
                                          else ("compact",)),
                               "--data", str(self.data))
            time.sleep(self.rng.uniform(0, 0.05))
            server.kill9()
            other.wait()
            if copy.exists():
                self.cli("restore", "--check", copy)
            self.compare(ledger, self.data)


if __name__ == "__main__":
    main()
