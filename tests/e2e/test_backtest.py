# SPDX-License-Identifier: GPL-3.0-or-later
"""A backtest from outside: a disk that fills twice in twelve days, one that
never does."""
import math
import time

from forewarn_e2e import Case, main

WATCHES = """
watches:
  - watch: DiskFull
    expr: disk_free{host=~"a|b"}
    breach: "< 5"
    for: 10m
    horizon: 12h
    owner: storage@example.org
    reason: writes fail when the disk is full
  - watch: Nothing
    expr: no_such_metric
    breach: "< 5"
    horizon: 12h
    owner: storage@example.org
    reason: nobody sends it
"""
DAY = 86400
STEP = 900


def history(now):
    """Lines of twelve days: a falls by 20 a day from 90, b stays."""
    for t in range(now - 12 * DAY, now, STEP):
        days = (t - now) / DAY + 12
        a = 90 - 18 * (days % 5) + math.sin(t / 7000)
        ns = t * 10 ** 9
        yield "disk,host=a free=%.3f %d" % (max(a, 2), ns)
        yield "disk,host=b free=%.3f %d" % (50 + math.sin(t / 9000), ns)
        # c is used for two hours for something planned, three days ago.
        planned = 0 < t - (now - 3 * DAY) <= 7200
        yield "disk,host=c free=%.3f %d" % (
            (3 if planned else 30) + 0.1 * math.sin(t / 5000), ns)


class Backtest(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.now = int(time.time()) // STEP * STEP

    def folder(self):
        server = self.serve("--retention", "90d", listen=("line",))
        with server.line_client() as line:
            line.send(*history(self.now))
            line.sync()
        server.stop()
        return server.data

    def test_breaches_are_foretold_and_graded_over_the_past(self):
        data = self.folder()
        common = ("--data", data, "--history", "11d", "--step", "1h", "--at",
                  str(self.now))
        got = self.cli("backtest", 'disk_free{host=~"a|b"}', "< 5",
                       "--horizon", "12h", "--for", "10m", "--format", "json", *common).json()[0]
        self.assertEqual(got["series"], 2)
        self.assertIn(got["looks"], (264, 265))  # as the hour falls
        verdict = got["verdict"]
        # Two falls below 5 lie in the history; at most the first, with five
        # days known, may go unforeseen.
        self.assertGreaterEqual(verdict["right"], 1)
        self.assertEqual(verdict["right"] + verdict["missed"], 2)
        self.assertEqual(verdict["falseAlarms"], 0)
        self.assertGreater(verdict["medianLead"], 3600)
        self.assertGreater(got["predictions"], 400)
        self.assertLess(got["brier"], 0.05)
        self.assertEqual([t["probability"] for t in got["thresholds"]],
                         [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
        for claim in got["claims"]:
            self.assertEqual(claim["labels"]["host"], "a")

        config = self.write("new.yml", WATCHES)
        text = self.cli("watch", "test", "--config", config, *common).out
        self.assertIn("DiskFull < 5 within 12h", text)
        self.assertIn("%d right, 0 false" % verdict["right"], text)
        self.assertIn("the expression returned no data", text)

    def test_what_was_planned_is_known_at_each_look(self):
        data = self.folder()
        planned = time.strftime(
            "%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now - 3 * DAY + 1))
        args = ("backtest", 'disk_free{host="c"}', "< 5", "--horizon", "12h",
                "--data", data, "--history", "5d", "--step", "1h", "--at",
                str(self.now), "--format", "json")
        blind = self.cli(*args).json()[0]["verdict"]
        self.assertEqual((blind["right"], blind["missed"]), (0, 1))
        event = "at=%s,delta=-27,for=2h,why=load test" % planned
        told = self.cli(*args, "--event", event).json()[0]["verdict"]
        self.assertEqual((told["right"], told["missed"]), (1, 0))
        self.assertEqual(told["falseAlarms"], 0)
        self.assertGreater(told["medianLead"], 6 * 3600)
        bad = self.cli(*args, "--event", "delta=-27", rc=2)
        self.assertIn("at", bad.err)

    def test_mistakes_are_told(self):
        data = self.folder()
        for args, words in (
                (("backtest", "disk_free"), "an expression and a limit"),
                (("backtest", "disk_free", "< 5"), "--horizon is needed"),
                (("backtest", "disk_free", "five", "--horizon", "1h"), "five"),
                (("backtest", "disk_free", "< 5", "--horizon", "1h",
                  "--probability", "2"), "between 0 and 1"),
                (("watch", "tset"), "watch test")):
            bad = self.cli(*args, "--data", data, rc=2)
            self.assertIn(words, bad.err)
        none = self.cli("watch", "test", "--data", data, rc=1)
        self.assertIn("no watches", none.err)


if __name__ == "__main__":
    main()
