#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one query may use: each limit is an option, strikes with 422 and its
own name, is counted, and leaves the server serving. And what status/config
and status/flags say of them."""
import json
import pathlib
import time
import urllib.parse

from forewarn_e2e import Case, main, wait_until
from forewarn_wire import REMOTE_WRITE, series, snappy

NOW = int(time.time()) // 60 * 60
SERIES, SAMPLES = 200, 100
RELOAD = "/-/reload?actor=test&reason=new+limits"


class Limits(Case):
    def feed(self, server):
        body = b"".join(
            series({"__name__": "many", "i": str(i)},
                   [((NOW - 5 * (SAMPLES - k)) * 1000, float(i * k))
                    for k in range(SAMPLES)]) for i in range(SERIES))
        self.assertEqual(server.http("/api/v1/write", snappy(body),
                                     REMOTE_WRITE)[0], 204)

    def ask(self, server, path="/api/v1/query", **params):
        status, body = server.http(path + "?" + urllib.parse.urlencode(params))
        return status, json.loads(body)

    def answered(self, server, **params):
        got, answer = self.ask(server, **params)
        return answer if got == 200 else None

    def struck(self, server, limit):
        _, text = server.http("/metrics")
        head = 'forewarn_query_limit_struck_total{limit="%s"} ' % limit \
            if limit else "forewarn_regexes_too_long_total "
        return [int(float(line[len(head):])) for line in text.splitlines()
                if line.startswith(head)]

    def strikes(self, option, value, query, *, status=422, kind="execution",
                path="/api/v1/query", **params):
        server = self.serve("--collect", "off", "--" + option, value)
        limit = option.replace("-", "_")
        self.feed(server)
        self.assertEqual(self.struck(server, limit), [0])
        for n in (1, 2):
            got, answer = self.ask(server, path, query=query, **params)
            self.assertEqual((got, answer["errorType"]), (status, kind),
                             answer)
            self.assertIn(limit, answer["error"])
            self.assertEqual(self.struck(server, limit), [n])
        # A limit of time may strike a small one too, where the machine is busy.
        answer = wait_until(lambda: self.answered(
            server, query='many{i="7"}', time=NOW), "what is within the limit")
        self.assertEqual(answer["data"]["result"][0]["value"][1],
                         str(7 * (SAMPLES - 1)))
        server.stop()

    def test_samples(self):
        self.strikes("query-max-samples", "5000", "sum_over_time(many[1h])",
                     time=NOW)

    def test_series(self):
        self.strikes("query-max-series", "50", "sum(many)", time=NOW)

    def test_points(self):
        self.strikes("query-max-points", "3000", "many",
                     path="/api/v1/query_range", start=NOW - 500, end=NOW,
                     step=5)

    def test_memory(self):
        # Two hundred series of five hundred points are 1.6 MB.
        self.strikes("query-max-memory", "1MiB", "many",
                     path="/api/v1/query_range", start=NOW - 500,
                     end=NOW - 1, step=1)

    def test_time(self):
        self.strikes("query-timeout", "5ms",
                     "sum(quantile_over_time(0.5, many[1h:1s]))", status=503,
                     kind="timeout", path="/api/v1/query_range",
                     start=NOW - 7200, end=NOW, step=1)

    def test_what_is_refused_unread(self):
        server = self.serve("--collect", "off")
        self.feed(server)
        for limit, least, query in (
                ("query_depth", "(" * 63 + "1" + ")" * 63,
                 "(" * 64 + "1" + ")" * 64),
                ("query_operators", "1+" * 511 + "1", "1+" * 512 + "1"),
                (None, 'many{i=~"%s"}' % ("1" * 4096),
                 'many{i=~"%s"}' % ("1" * 4097)),
                (None, 'label_replace(many,"a","b","i","%s")' % ("1" * 4096),
                 'label_replace(many,"a","b","i","%s")' % ("1" * 4097))):
            before, = self.struck(server, limit)
            self.assertEqual(self.ask(server, query=least, time=NOW)[0], 200)
            self.assertEqual(self.struck(server, limit), [before])
            got, answer = self.ask(server, query=query, time=NOW)
            self.assertIn((got, answer["errorType"]),
                          ((400, "bad_data"), (422, "execution")))
            self.assertEqual(self.struck(server, limit), [before + 1], query)

    def test_lookback(self):
        server = self.serve("--collect", "off", "--query-lookback-delta", "20s")
        self.feed(server)
        for age, n in ((15, SERIES), (30, 0)):
            _, answer = self.ask(server, query="many", time=NOW - 5 + age)
            self.assertEqual(len(answer["data"]["result"]), n)
        _, flags = self.ask(server, "/api/v1/status/flags")
        self.assertEqual(flags["data"]["query.lookback-delta"], "20s")
        self.assertEqual(flags["data"]["query.timeout"], "2m")


class Explain(Case):
    """The same plan from the folder and from a server."""

    def test_both_ways(self):
        server = self.serve("--collect", "off")
        with server.line_client() as line:
            line.send("m,host=a value=1 1700000000000000000",
                      "m,host=b value=2 1700000000000000000")
            line.sync()
        url = "http://%s:%d" % server.addr("http")
        ask = ["explain", "sum by (host) (m_value) * 2", "--time", "1700000001"]
        plans = [self.cli(*ask, *more).out
                 for more in (["--data", server.data], ["--server", url])]
        for plan in plans:
            self.assertIn("sum, one pass over its input", plan)
            self.assertIn("read 2 series, 2 samples", plan)
            self.assertIn("2 series in the answer", plan)
        wrong = self.cli("explain", "sum(", "--server", url, rc=2)
        self.assertIn("1:5: parse error", wrong.err)


class InForce(Case):
    """status/config, status/runtimeinfo and /metrics name what was read."""

    def state(self, server):
        _, config = server.http("/api/v1/status/config")
        _, info = server.http("/api/v1/status/runtimeinfo")
        info = json.loads(info)["data"]
        _, metrics = server.http("/metrics")
        good = "forewarn_config_last_reload_successful 1\n" in metrics
        return json.loads(config)["data"]["yaml"], good, info["lastConfigTime"] \
            if good == info["reloadConfigSuccess"] else "in between"

    def test_it_follows_reloads_and_hides_secrets(self):
        text = ("collect: off\n"
                "query_timeout: 7s\n"
                "alerting:\n"
                "  alertmanagers:\n"
                "    - basic_auth: {username: us, password: hunter2}\n"
                "      static_configs: [{targets: ['127.0.0.1:1']}]\n"
                "notify:\n"
                "  webhooks:\n"
                "    - url: https://hooks.example.org/letmein\n")
        path = self.write("f.yml", text)
        server = self.serve("--config", path, "--retention", "7d",
                            "--enable-lifecycle")
        yaml, good, since = self.state(server)
        self.assertTrue(good)
        for part in ("query_timeout: 7s\n", "retention: 1w\n",
                     "username: us\n", "password: <secret>\n",
                     "url: https://hooks.example.org/<secret>\n"):
            self.assertIn(part, yaml)
        for part in ("hunter2", "letmein"):
            self.assertNotIn(part, yaml)

        pathlib.Path(path).write_text(text + "page_budget: many\n")
        self.assertEqual(server.http(RELOAD, b"")[0], 500)
        wait_until(lambda: self.state(server) == (yaml, False, since),
                   "the reload to have failed")

        pathlib.Path(path).write_text(text + "page_budget: 3\n")
        self.assertEqual(server.http(RELOAD, b"")[0], 200)
        wait_until(lambda: self.state(server)[1] and
                   self.state(server)[2] != "in between",
                   "the reload to count")
        fresh, _, later = self.state(server)
        self.assertIn("page_budget: 3\n", fresh)
        self.assertGreaterEqual(later, since)


if __name__ == "__main__":
    main()
