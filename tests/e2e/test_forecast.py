#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""forecast and breach: files, tasks, a store; what they print and exit with."""
import csv
import gzip
import io
import json
import math
import pathlib
import tempfile

from forewarn_e2e import Case, main


def ramp(n, slope=1.0, start=1700000000, step=60):
    return [(start + step * i, slope * i + 0.3 * math.sin(7.0 * i))
            for i in range(n)]


class Forecast(Case):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, name, rows, head="timestamp,value"):
        path = self.folder / name
        path.write_text(head + "\n" + "".join(
            ",".join(str(v) for v in row) + "\n" for row in rows))
        return str(path)

    def test_a_file_becomes_points_with_their_interval(self):
        path = self.file("a.csv", ramp(200))
        got = self.cli("forecast", "--input", path, "--horizon", "1h",
                       "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(got.out)))
        self.assertEqual(60, len(rows))
        self.assertAlmostEqual(259, float(rows[-1]["point"]), delta=3)
        for row in rows:
            self.assertLessEqual(float(row["lower"]), float(row["upper"]))

    def test_a_horizon_may_be_steps_of_the_file(self):
        path = self.file("a.csv", ramp(200))
        got = self.cli("forecast", "--input", path, "--horizon", "7",
                       "--format", "csv")
        self.assertEqual(8, len(got.out.splitlines()))

    def test_a_breach_is_foretold_with_its_time(self):
        path = self.file("a.csv", ramp(200))
        got = self.cli("breach", "--input", path, "> 230", "--horizon", "1h",
                       "--format", "json")
        answer = json.loads(got.out)[0]["answer"]
        self.assertGreater(answer["breach"]["probability"], 0.9)
        self.assertAlmostEqual(31 * 60, answer["breach"]["p50_s"], delta=200)

    def test_bad_rows_are_named_and_can_be_skipped(self):
        path = self.file("a.csv", ramp(50) + [("soon", 1), (1700009000, "x")])
        got = self.cli("forecast", "--input", path, "--horizon", "10m", rc=2)
        self.assertIn("a.csv:52: 'soon' is no timestamp", got.err)
        self.assertIn("a.csv:53: 'x' is no number", got.err)
        self.cli("forecast", "--input", path, "--horizon", "10m",
                 "--skip-bad", rc=0)

    def test_cannot_tell_is_an_answer_with_a_reason(self):
        path = self.file("a.csv", ramp(3))
        got = self.cli("forecast", "--input", path, "--horizon", "1h", rc=1)
        self.assertIn("cannot tell", got.out)

    def test_wrong_usage_says_what_is_right(self):
        path = self.file("a.csv", ramp(50))
        for args, words in (
                (("--horizon", "soon"), "not a duration"),
                (("--horizon", "1h", "--breach", "90"), "a limit begins with"),
                (("--horizon", "1h", "--level", "120"), "between 0 and 100"),
                (("--horizon", "1h", "--for", "5m"), "--for needs a limit"),
                ((), "--horizon")):
            got = self.cli("forecast", "--input", path, *args, rc=2)
            self.assertIn(words, got.err)
        self.cli("forecast", "--horizon", "1h", rc=2)

    def test_tasks_see_nothing_after_their_moment(self):
        rows = ramp(300)
        jump = [(t, v + (500 if i >= 200 else 0))
                for i, (t, v) in enumerate(rows)]
        tasks = self.file("t.csv", [
            ("q1", "a", rows[199][0], 230, "above", 3600),
            ("q2", "a", rows[199][0], 900, "above", 3600),
            ("q3", "nobody", rows[199][0], 900, "above", 3600)],
            "task,series,as_of,threshold,direction,horizon_s")
        said = []
        for name, data in (("a.csv", rows), ("b.csv", jump),
                           ("c.csv", rows[:200])):
            path = self.file(name, [("a", t, v) for t, v in data],
                             "series,timestamp,value")
            got = self.cli("breach", "--input", path, "--tasks", tasks,
                           "--format", "csv")
            said.append([(r["task"], r["probability"] and
                          round(float(r["probability"]), 3))
                         for r in csv.DictReader(io.StringIO(got.out))])
        self.assertEqual(said[0], said[1])
        self.assertEqual(said[0], said[2])
        self.assertGreater(said[0][0][1], 0.9)
        self.assertLess(said[0][1][1], 0.1)
        self.assertEqual("", said[0][2][1])

    def test_an_expression_is_read_from_the_store(self):
        server = self.serve("--collect", "off")
        with server.line_client() as line:
            for t, v in ramp(120):
                line.send("disk,host=a used=%r %d" % (v, t * 10**9))
            line.sync()
        got = self.cli("breach", "disk_used", "> 140", "--horizon", "1h",
                       "--at", "1700007140", "--format", "json", "--data",
                       server.data)
        row = json.loads(got.out)[0]
        self.assertIn('host="a"', row["series"])
        self.assertGreater(row["answer"]["breach"]["probability"], 0.9)

    def test_a_counter_is_named_wherever_it_is_asked(self):
        path = self.file("a.csv", [(1700000000 + 60 * i, 7 * i + i % 3)
                                   for i in range(200)])
        words = "this looks like a counter; use rate()"
        flat = lambda text: " ".join(text.split())
        got = self.cli("forecast", "--input", path, "--horizon", "1h")
        self.assertIn(words, flat(got.out))
        got = self.cli("breach", "--input", path, "> 9000", "--horizon", "1h",
                       "--format", "csv")
        self.assertIn(words, got.err)
        got = self.cli("breach", "--input", path, "> 9000", "--horizon", "1h",
                       "--format", "json")
        self.assertIn(words, json.loads(got.out)[0]["answer"]["hint"])

    def test_a_gzipped_file_is_read_as_it_is(self):
        path = pathlib.Path(self.file("a.csv", ramp(200)))
        packed = self.folder / "a.csv.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()[:900]) +
                           gzip.compress(path.read_bytes()[900:]))
        ask = ("--horizon", "1h", "--format", "csv")
        plain = self.cli("forecast", "--input", str(path), *ask)
        self.assertEqual(plain.out, self.cli("forecast", "--input",
                                             str(packed), *ask).out)
        packed.write_bytes(packed.read_bytes()[:200])
        got = self.cli("forecast", "--input", str(packed), *ask, rc=2)
        self.assertIn("gzip", got.err)

    def test_what_is_planned_counts(self):
        rows = [(1700000000 + 3600 * i, 100 + (7 * i) % 5)
                for i in range(336)]
        path = self.file("a.csv", rows)
        ask = ("breach", "--input", path, "> 130", "--horizon", "2d",
               "--format", "json")
        event = "at=%d,delta=+40,why=a move, of all" % (rows[-1][0] + 86400)
        file = self.folder / "events.json"
        file.write_text(json.dumps([{"at": rows[-1][0] + 86400, "delta": 40,
                                     "why": "a move, of all"}]))
        before = json.loads(self.cli(*ask).out)[0]["answer"]["breach"]
        self.assertLess(before["probability"], 0.1)
        for more in (("--event", event), ("--events", str(file))):
            after = json.loads(self.cli(*ask, *more).out)[0]["answer"]
            self.assertGreater(after["breach"]["probability"], 0.9)
            self.assertAlmostEqual(86400, after["breach"]["p50_s"], delta=7200)
            self.assertIn("because a move, of all", after["known"])
        got = self.cli(*ask, "--event", "delta=3", rc=2)
        self.assertIn("an event needs at and delta", got.err)
        got = self.cli(*ask, "--exclude", "yesterday", rc=2)
        self.assertIn("FROM/TO", got.err)
        self.cli(*ask, "--exclude", "1700000000/1700007200,every=1d,why=backup",
                 "--time-zone", "Europe/Berlin")
        got = self.cli(*ask, "--time-zone", "Mars/Olympus", rc=2)
        self.assertIn("no time zone", got.err)

    def test_a_limit_may_be_another_series(self):
        server = self.serve("--collect", "off")
        with server.line_client() as line:
            for t, v in ramp(120):
                for host, room in (("a", 130), ("b", 900), ("c", 0)):
                    line.send("disk,host=%s used=%r %d" % (host, v, t * 10**9))
                    if room:
                        line.send("disk,host=%s room=%d %d" %
                                  (host, room, t * 10**9))
            line.sync()
        ask = ("--horizon", "1h", "--at", "1700007140", "--format", "json",
               "--data", server.data)
        rows = json.loads(self.cli("breach", "disk_used", "> disk_room",
                                   *ask).out)
        self.assertEqual([130, 900], [row["limit"] for row in rows])
        chances = [row["answer"]["breach"]["probability"] for row in rows]
        self.assertGreater(chances[0], 0.9)
        self.assertLess(chances[1], 0.1)
        rows = json.loads(self.cli("breach", "disk_used",
                                   "> on() (min(disk_room) + 5)", *ask).out)
        self.assertEqual([135] * 3, [row["limit"] for row in rows])
        got = self.cli("breach", "disk_used", "> disk_room(", *ask, rc=2)
        self.assertIn("the limit 'disk_room('", got.err)
        path = self.file("a.csv", ramp(50))
        got = self.cli("breach", "--input", path, "> disk_room", "--horizon",
                       "1h", rc=2)
        self.assertIn("the limit of a file is a number", got.err)

    def test_a_rule_is_better_by_one_word(self):
        server = self.serve("--collect", "off")
        with server.line_client() as line:
            for i, (t, v) in enumerate(ramp(120)):
                wild = v + (1000 if i in (50, 90) else 0)
                line.send("disk used=%r %d" % (wild, t * 10**9))
                line.send("few used=%r %d" % (v, t * 10**9) if i >= 117
                          else "work done=%di %d" % (i * 7, t * 10**9))
            line.sync()
        ask = ("--time", "1700007140", "--format", "json", "--data",
               server.data)
        def value(text):
            out = json.loads(self.cli("query", text, *ask).out)
            return float(out["data"]["result"][0]["value"][1])
        robust = value("predict_robust(disk_used[2h], 600)")
        self.assertAlmostEqual(129, robust, delta=1.5)
        self.assertGreater(abs(value("predict_linear(disk_used[2h], 600)") -
                               129), 5)
        self.assertAlmostEqual(value("predict_linear(few_used[2h], 600)"),
                               value("predict_robust(few_used[2h], 600)"),
                               places=6)
        self.cli("query", "predict_robust(few_used[30s], 600)", *ask)
        out = json.loads(self.cli("query", "forecast(work_done[2h], 600)",
                                  *ask).out)
        self.assertIn("this looks like a counter; use rate()",
                      json.dumps(out["infos"]))


if __name__ == "__main__":
    main()
