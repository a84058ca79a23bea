#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=13 busy
"""test_query - the commands query, series, labels and explain from outside:
on a folder, through a running server, and where something is wrong."""
import csv
import io
import json

from forewarn_e2e import Case, main, run

T0 = 1700000000


class Query(Case):
    def fill(self):
        """A folder with two metrics; the server that filled it has ended."""
        server = self.serve("--collect", "off", "--retention", "36500d")
        with server.line_client() as line:
            for i in range(40):
                t = T0 + 15 * i
                line.send("put requests_total %d %d host=a" % (t, 30 * i),
                          "put requests_total %d %d host=b" % (t, 60 * i),
                          "put free_bytes %d %d disk=sda" % (t, 1000 - i))
            self.assertEqual(line.sync(), [])
        server.stop()
        return server.data

    def ask(self, data, *args, rc=0):
        got = run("query", "--data", data, *args)
        self.assertEqual(got.rc, rc, got)
        return got

    def test_instants_and_ranges_in_every_format(self):
        data = self.fill()
        at = ("--time", T0 + 600)
        got = self.ask(data, "sum(rate(requests_total[5m]))", *at)
        self.assertEqual(got.out, "{} 6\n")
        got = self.ask(data, "rate(requests_total[5m])", *at, "-f", "json")
        self.assertEqual(
            [(x["metric"], x["value"]) for x in got.json()["data"]["result"]],
            [({"host": "a"}, [T0 + 600, "2"]),
             ({"host": "b"}, [T0 + 600, "4"])])
        got = self.ask(data, "free_bytes", "--start", T0, "--end", T0 + 60,
                       "--step", "30s", "--format", "csv")
        rows = list(csv.reader(io.StringIO(got.out)))
        self.assertEqual(rows[1:], [
            ['free_bytes{disk="sda"}', str(T0 + 30 * i), str(1000 - 2 * i)]
            for i in range(3)])
        for locale, ascii_only in (("C", True), ("C.UTF-8", False)):
            got = run("query", "--data", data, "free_bytes", "--start", T0,
                      "--end", T0 + 600, "--format", "chart",
                      env={"LC_ALL": locale})
            self.assertIn("free_bytes", got.out)
            self.assertIn("last", got.out)
            self.assertEqual(got.out.isascii(), ascii_only)

    def test_a_server_answers_the_same(self):
        data = self.fill()
        args = ("requests_total * 2", "--time", T0 + 300, "-f", "json")
        alone = self.ask(data, *args)
        self.serve("--collect", "off", "--retention", "36500d",
                   data=data)
        self.assertEqual(self.ask(data, *args).out, alone.out)

    def test_a_query_that_does_not_parse_is_underlined(self):
        got = self.ask(self.fill(), "sum(rte(requests_total[5m]))", rc=2)
        self.assertEqual(got.out, "")
        lines = got.err.splitlines()
        self.assertEqual(lines[0], "forewarn query: 1:5: parse error: unknown "
                         'function with name "rte"')
        self.assertEqual(lines[1:], ["  sum(rte(requests_total[5m]))",
                                     "      ^~~", "  did you mean rate()?"])

    def test_wrong_usage_says_what_to_do(self):
        data = self.fill()
        for args, words in (
                ((), "an expression is needed"),
                (("a", "+", "b"), "put it in quotes"),
                (("up", "--time", "yesterdayish"), "--time"),
                (("up", "--step", "5m"), "--start"),
                (("up", "--start", "-1h", "--time", "now"), "one of them"),
                (("up", "--start", "-1h", "--step", "0s"), "more than 0"),
                (("up", "--start", "now", "--end", "-1h"), "before --start"),
                (("up", "--format", "xml"), "table, csv, json"),
                (("up", "--frmat", "csv"), "format"),
                (("up", "--enable-feature", "magic"), "unknown feature"),
                (("up[5m]", "--start", "-1h"), "range query")):
            got = self.ask(data, *args, rc=2)
            self.assertIn(words, got.err, args)
            self.assertEqual(got.out, "")

    def test_no_data_is_explained(self):
        data = self.fill()
        for args, words in (
                (("request_total",), "did you mean 'requests_total'?"),
                (("zzzzzzzzz",), "there is no metric 'zzzzzzzzz'"),
                (('requests_total{host="z"}',), "no series matches"),
                (("requests_total",), "no sample within the lookback"),
                (("requests_total > 1e9", "--time", T0), "leaves none"),
                (("requests_total", "--start", T0 + 9000, "--end",
                  T0 + 9060), "has no sample from")):
            got = self.ask(data, *args)
            self.assertIn(words, got.err, args)
            self.assertEqual(got.out, "")
            self.ask(data, "--fail-empty", *args, rc=1)
        self.ask(data, "--fail-empty", "requests_total", "--time", T0)

    def test_an_empty_store_and_a_wrong_folder(self):
        empty = self.serve("--collect", "off", "--retention", "36500d")
        empty.stop()
        got = self.ask(empty.data, "up")
        self.assertIn("holds no series yet", got.err)
        got = self.ask(str(self.tmp / "nowhere"), "up", rc=3)
        self.assertIn("nowhere", got.err)

    def test_annotations_go_to_stderr(self):
        got = self.ask(self.fill(), "rate(free_bytes[5m])", "--time",
                       T0 + 300)
        self.assertIn("PromQL info: metric might not be a counter", got.err)
        self.assertEqual(len(got.out.splitlines()), 1)

    def test_an_error_while_running_is_a_sentence(self):
        got = self.ask(self.fill(), "requests_total + on() requests_total",
                       "--time", T0, rc=2)
        self.assertIn("found duplicate series for the match group {}",
                      got.err)

    def test_series_and_labels(self):
        data = self.fill()
        got = run("series", "--data", data, 'requests_total{host=~"a|c"}')
        self.assertEqual((got.rc, got.out),
                         (0, 'requests_total{host="a"}\n'))
        got = run("series", "--data", data, "nothing", "--fail-empty")
        self.assertEqual((got.rc, got.out), (1, ""))
        got = run("series", "--data", data, "a + b")
        self.assertEqual(got.rc, 2)
        got = run("labels", "--data", data)
        self.assertEqual(got.out, "__name__\ndisk\nhost\n")
        got = run("labels", "--data", data, "host")
        self.assertEqual(got.out, "a\nb\n")
        got = run("labels", "--data", data, "nope")
        self.assertIn("no series has a label 'nope'", got.err)

    def test_values_of_some_series(self):
        data = self.fill()
        got = run("values", "--data", data, "host")
        self.assertEqual((got.rc, got.out), (0, "a\nb\n"))
        got = run("values", "--data", data, "host", "--match", '{host=~"b|c"}')
        self.assertEqual((got.rc, got.out), (0, "b\n"))
        got = run("values", "--data", data, "host", "--match", "nothing",
                  "--fail-empty")
        self.assertEqual((got.rc, got.out), (1, ""))
        got = run("values", "--data", data, "hots")
        self.assertEqual((got.rc, got.out), (0, ""))
        self.assertIn("did you mean 'host'?", got.err)
        got = run("values", "--data", data)
        self.assertEqual(got.rc, 2)
        self.assertIn("a label name is expected", got.err)

    def test_another_server_is_asked_with_the_same_answer(self):
        data = self.fill()
        server = self.serve("--collect", "off", data=data)
        url = "%s:%d" % server.addr("http")
        here, there = ["--data", data], ["--server", url]
        at = ["--time", T0 + 600]
        span = ["--start", T0, "--end", T0 + 600, "--step", "60s"]
        for words in (["query", "requests_total", *at],
                      ["query", "rate(requests_total[5m])", *span],
                      ["query", "requests_total[2m]", *at],
                      ["query", "scalar(sum(requests_total)) / 7", *at],
                      ["query", "'text'", *at],
                      ["series", "requests_total"],
                      ["series", "{host=~'.+'}", "--start", T0],
                      ["labels"], ["labels", "--match", "requests_total"],
                      ["values", "host"], ["labels", "host"],
                      ["values", "host", "--match", "{host=~'b.*'}"]):
            for form in (["--format", "csv"], ["--format", "json"], []):
                if form and words[0] != "query":
                    continue
                a = run(*words, *form, *here)
                b = run(*words, *form, *there)
                self.assertEqual((b.rc, b.out), (a.rc, a.out), words)
        got = run("query", "sum(", *there)
        self.assertEqual(got.rc, 2)
        self.assertIn("the server says", got.err)
        got = run("query", "nothing", "--fail-empty", *there)
        self.assertEqual((got.rc, got.out), (1, ""))
        server.stop()
        got = run("query", "1", *there)
        self.assertEqual(got.rc, 3)
        self.assertIn(url, got.err)

    def test_explain_shows_what_was_read(self):
        got = run("explain", "--data", self.fill(),
                  "sum(rate(requests_total[5m]))", "--time", T0 + 600)
        self.assertEqual(got.rc, 0, got)
        self.assertIn("read 2 series, 38 samples in 2 blocks", got.out)
        self.assertIn("1 series in the answer", got.out)

    def test_a_deep_query_fails_fast(self):
        got = self.ask(self.fill(), "(" * 20000 + "1" + ")" * 20000, rc=2)
        self.assertIn("nested more than", got.err)

    def test_experimental_functions_are_switched_on(self):
        data = self.fill()
        args = ("mad_over_time(free_bytes[5m])", "--time", T0 + 300)
        got = self.ask(data, *args, rc=2)
        self.assertIn("--enable-feature", got.err)
        got = self.ask(data, *args, "--enable-feature",
                       "promql-experimental-functions", "-f", "json")
        self.assertEqual(json.loads(got.out)["status"], "success")


if __name__ == "__main__":
    main()
