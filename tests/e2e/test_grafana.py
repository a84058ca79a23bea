#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Grafana, promtool and the npm client prometheus-query ask, as they ask
it."""
# ctest: labels=peers
import json
import os
import shutil
import subprocess
import time
import unittest

from forewarn_e2e import PATIENCE, Case, main, peer
from forewarn_wire import REMOTE_WRITE, series, snappy

NOW = int(time.time()) // 60 * 60

CLIENT = """
const {PrometheusDriver} = require("prometheus-query");
const prom = new PrometheusDriver({endpoint: process.argv[2]});
(async () => {
  const at = new Date(Number(process.argv[3]) * 1000);
  const from = new Date(at - 300000);
  const out = {};
  const instant = await prom.instantQuery("sum(reqs)", at);
  out.instant = instant.result.map(x => x.value.value);
  const range = await prom.rangeQuery("reqs{host='h1'}", from, at, 60);
  out.range = range.result[0].values.map(x => x.value);
  const found = await prom.series(['reqs'], from, at);
  out.series = found.map(x => x.labels.host).sort();
  out.labels = await prom.labelNames();
  out.values = await prom.labelValues("host");
  out.rules = (await prom.rules()).length;
  out.alerts = (await prom.alerts()).length;
  out.status = await prom.status();
  out.targets = (await prom.targets()).activeTargets.length;
  console.log(JSON.stringify(out));
})().catch(e => { console.error(e); process.exit(1); });
"""


class Fed(Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve("--collect", "off")
        self.url = "http://%s:%d" % self.server.addr("http")
        body = b"".join(series(
            {"__name__": "reqs", "host": "h%d" % i, "job": "ab"[i % 2]},
            [((NOW - 600 + k * 15) * 1000, float(k * (i + 1)))
             for k in range(41)]) for i in range(3))
        self.assertEqual(self.server.http("/api/v1/write", snappy(body),
                                          REMOTE_WRITE)[0], 204)


class Grafana(Fed):
    """The calls of its data source of the type Prometheus, with curl: by POST
    first, since it tries GET only where POST fails."""

    def setUp(self):
        super().setUp()
        if shutil.which("curl") is None:
            raise unittest.SkipTest("no curl")

    def curl(self, path, *args):
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--compressed", "--max-time",
             "20", "--write-out", "\n%{http_code}", self.url + path, *args],
            capture_output=True, text=True, check=True)
        body, _, code = done.stdout.rpartition("\n")
        self.assertEqual(code, "200", body)
        answer = json.loads(body)
        self.assertEqual(answer["status"], "success")
        return answer["data"]

    def post(self, path, *fields):
        args = []
        for one in fields:
            args += ["--data-urlencode", one]
        return self.curl(path, "--header", "X-Datasource-Uid: x", *args)

    def test_the_sequence_of_a_new_data_source_and_a_dashboard(self):
        got = self.post("/api/v1/query", "query=1+1", "time=4")
        self.assertEqual(got, {"resultType": "scalar", "result": [4, "2"]})
        info = self.curl("/api/v1/status/buildinfo")
        self.assertTrue(info["version"])
        self.assertNotIn("features", info)

        start, end = "start=%d" % (NOW - 3600), "end=%d" % NOW
        self.assertIn("reqs", self.curl(
            "/api/v1/label/__name__/values?%s&%s" % (start, end)))
        self.assertEqual(self.post("/api/v1/labels", start, end, "match[]=reqs"),
                         ["__name__", "host", "job"])
        self.assertEqual(
            self.curl("/api/v1/label/host/values?%s&%s&match[]=reqs" %
                      (start, end), "--globoff"), ["h0", "h1", "h2"])
        self.assertEqual(len(self.post("/api/v1/series", start, end,
                                       "match[]=reqs{job=\"a\"}")), 2)
        self.assertEqual(self.curl("/api/v1/metadata?limit=5000"), {})

        got = self.post("/api/v1/query_range",
                        "query=sum by (job) (rate(reqs[1m0s]))",
                        "start=%d.285" % (NOW - 300), "end=%d.285" % NOW,
                        "step=15")
        self.assertEqual(got["resultType"], "matrix")
        self.assertEqual([x["metric"] for x in got["result"]],
                         [{"job": "a"}, {"job": "b"}])
        self.assertEqual(len(got["result"][0]["values"]), 21)
        self.assertEqual(got["result"][0]["values"][0][0], NOW - 300 + 0.285)
        got = self.post("/api/v1/query", "query=reqs", "time=%d.285" % NOW)
        self.assertEqual(got["result"][0]["value"], [NOW + 0.285, "40"])
        self.assertEqual(self.post("/api/v1/query_exemplars", "query=reqs",
                                   start, end), [])

        self.assertEqual(self.curl("/api/v1/rules")["groups"], [])
        self.assertEqual(self.curl("/api/v1/alerts")["alerts"], [])
        self.assertIn("activeAlertmanagers",
                      self.curl("/api/v1/alertmanagers"))
        for name in ("config", "flags", "runtimeinfo", "tsdb"):
            self.curl("/api/v1/status/" + name)

    def ahead(self, expr, **range_):
        """Of one series: {seconds from NOW: value}, as a panel asks for it."""
        got = self.post("/api/v1/query_range", "query=" + expr,
                        "start=%d" % (NOW + range_["start"]),
                        "end=%d" % (NOW + range_["end"]), "step=60")
        self.assertEqual(got["resultType"], "matrix")
        self.assertEqual(len(got["result"]), 1)
        return {int(t) - NOW: float(v) for t, v in got["result"][0]["values"]}

    def test_forecasts_on_a_panel(self):
        # h1 rises by 2 every 15 s and is 80 at NOW.
        got = self.ahead('forecast(reqs{host="h1"}[10m], 300)',
                         start=-120, end=0)
        self.assertEqual(sorted(got), [-120, -60, 0])
        for at, value in got.items():
            self.assertAlmostEqual(value, 80 + (at + 300) * 2 / 15, delta=1)
        # A panel that reaches past now: what comes, from now on.
        got = self.ahead('forecast(reqs{host="h1"}[10m] @ %d, time() - %d)'
                         % (NOW, NOW), start=-120, end=600)
        self.assertEqual(sorted(got), list(range(60, 601, 60)))
        for at, value in got.items():
            self.assertAlmostEqual(value, 80 + at * 2 / 15, delta=2)
        low, high = (self.ahead(
            'forecast_quantile(%s, reqs{host="h1"}[10m] @ %d, time() - %d)'
            % (q, NOW, NOW), start=60, end=600) for q in (0.05, 0.95))
        for at in range(60, 601, 60):
            self.assertLessEqual(low[at], got[at] + 1e-6)
            self.assertGreaterEqual(high[at], got[at] - 1e-6)
        got = self.ahead('breach_probability(reqs{host="h1"}[10m], "> 100", '
                         '600)', start=-60, end=0)
        self.assertGreater(got[0], 0.5)
        got = self.ahead('time_to_breach(0.5, reqs{host="h1"}[10m], "> 100", '
                         '600)', start=0, end=0)
        self.assertAlmostEqual(got[0], 150, delta=60)


class Promtool(Fed):
    def setUp(self):
        super().setUp()
        self.promtool = peer("promtool")

    def run_it(self, *args):
        done = subprocess.run([self.promtool, "query", *args],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_instant_range_series_labels(self):
        got = self.run_it("instant", "--time=%d" % NOW, self.url, "reqs")
        self.assertIn('reqs{host="h2", job="a"} => 120 @[%d' % NOW, got)
        got = self.run_it("range", "--start=%d" % (NOW - 60), "--end=%d" % NOW,
                          "--step=30s", self.url, "sum(reqs)")
        self.assertIn("240 @[%d" % NOW, got)
        self.assertEqual(len(got.strip().split("\n")), 4)
        got = self.run_it("series", "--match=reqs{job='a'}",
                          "--start=%d" % (NOW - 60), "--end=%d" % NOW,
                          self.url)
        self.assertEqual(len(got.strip().split("\n")), 2)
        got = self.run_it("labels", self.url, "host")
        self.assertEqual(got.split(), ["h0", "h1", "h2"])


class Npm(Fed):
    def test_prometheus_query(self):
        if shutil.which("npm") is None or shutil.which("node") is None:
            raise unittest.SkipTest("no npm")
        try:
            subprocess.run(["npm", "install", "--silent", "--no-audit",
                            "--no-fund", "--ignore-scripts",
                            "prometheus-query@3.5.1"],
                           cwd=self.tmp, check=True, timeout=90,
                           capture_output=True,
                           env={**os.environ, "npm_config_cache":
                                str(self.tmp / "cache")})
        except (subprocess.SubprocessError, OSError):
            raise unittest.SkipTest("npm cannot be reached") from None
        self.write("client.js", CLIENT)
        done = subprocess.run(["node", "client.js", self.url, str(NOW)],
                              cwd=self.tmp, capture_output=True, text=True,
                              timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        got = json.loads(done.stdout)
        self.assertEqual(got["instant"], [240])
        self.assertEqual(got["range"], [40, 48, 56, 64, 72, 80])
        self.assertEqual(got["series"], ["h0", "h1", "h2"])
        self.assertEqual(got["values"], ["h0", "h1", "h2"])
        self.assertEqual(got["labels"], ["__name__", "host", "job"])


if __name__ == "__main__":
    main()
