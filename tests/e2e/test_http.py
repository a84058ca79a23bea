#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=19 busy
"""HTTP from outside: every endpoint once, and clients that mean harm."""
import gzip
import json
import os
import pathlib
import threading
import time
import urllib.parse

from forewarn_e2e import PATIENCE, Case, Server, main, run, wait_until
from forewarn_wire import REMOTE_WRITE, Raw, request, series, snappy, statuses

NOW = int(time.time()) // 60 * 60


class Http(Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve("--collect", "off")
        self.addr = self.server.addr("http")

    def ask(self, path, form=False, **params):
        """(status, JSON) of a GET, or of a POST of a form."""
        pairs = []
        for name, value in params.items():
            name = "match[]" if name == "match" else name
            values = value if isinstance(value, list) else [value]
            pairs += [(name, x) for x in values]
        text = urllib.parse.urlencode(pairs)
        if form:
            status, body = self.server.http(path, text.encode())
        else:
            status, body = self.server.http(path + ("?" + text if text else ""))
        return status, json.loads(body)

    def data(self, path, **params):
        status, answer = self.ask(path, **params)
        self.assertEqual((status, answer["status"]), (200, "success"), answer)
        return answer["data"]

    def fails(self, status, kind, text, path, **params):
        got, answer = self.ask(path, **params)
        self.assertEqual((got, answer["errorType"]), (status, kind), answer)
        self.assertIn(text, answer["error"])

    def feed(self):
        body = b""
        for i in range(5):
            body += series({"__name__": "reqs", "host": "h%d" % i,
                            "job": "ab"[i % 2]},
                           [((NOW - 600 + k * 15) * 1000, float(k * (i + 1)))
                            for k in range(40)])
        body += series({"__name__": "my.metric", "l.1": "x y"},
                       [((NOW - 60) * 1000, 1.0)])
        got = self.server.http("/api/v1/write", snappy(body), REMOTE_WRITE)
        self.assertEqual(got, (204, ""))


class Endpoints(Http):
    def test_instant_and_range_queries(self):
        self.feed()
        for form in (False, True):
            self.assertEqual(
                self.data("/api/v1/query", form=form, query="1+1", time=4),
                {"resultType": "scalar", "result": [4, "2"]})
            got = self.data("/api/v1/query", form=form, query="sum(reqs)",
                            time=NOW)
            self.assertEqual(got["result"],
                             [{"metric": {}, "value": [NOW, "585"]}])
            got = self.data("/api/v1/query_range", form=form,
                            query="max_over_time(reqs{host='h1'}[1m])",
                            start=NOW - 120, end=NOW - 60, step=30)
            self.assertEqual(
                [v for _, v in got["result"][0]["values"]],
                ["64", "68", "72"])
        self.assertEqual(
            self.data("/api/v1/query", query='"a\u00e9"', time="1.5"),
            {"resultType": "string", "result": [1.5, "a\u00e9"]})
        got = self.data("/api/v1/query", query="reqs{host='h0'}[31s]", time=NOW)
        self.assertEqual(got["resultType"], "matrix")
        self.assertEqual(got["result"][0]["values"],
                         [[NOW - 30, "38"], [NOW - 15, "39"]])

    def test_a_limit_cuts_and_warns(self):
        self.feed()
        status, answer = self.ask("/api/v1/query", query="reqs", time=NOW,
                                  limit=2)
        self.assertEqual(status, 200)
        self.assertEqual(len(answer["data"]["result"]), 2)
        self.assertEqual(answer["warnings"],
                         ["results truncated due to limit"])

    def test_tsdb_status_tells_how_far_the_store_reaches(self):
        head = self.data("/api/v1/status/tsdb")["headStats"]
        self.assertEqual(head, {"numSeries": 0, "numLabelPairs": 0,
                                "chunkCount": 0, "minTime": 2**63 - 1,
                                "maxTime": -2**63})
        self.feed()
        head = self.data("/api/v1/status/tsdb")["headStats"]
        self.assertEqual(
            [head[x] for x in ("numSeries", "chunkCount", "minTime", "maxTime")],
            [6, 6, (NOW - 600) * 1000, (NOW - 15) * 1000])

    def test_series_labels_values(self):
        self.feed()
        got = self.data("/api/v1/series", match=['reqs{job="b"}', "my_nothing",
                                                 'reqs{host="h1"}'])
        self.assertEqual([x["host"] for x in got], ["h1", "h3"])
        self.assertEqual(self.data("/api/v1/labels"),
                         ["__name__", "host", "job", "l.1"])
        self.assertEqual(self.data("/api/v1/labels", form=True, match="reqs"),
                         ["__name__", "host", "job"])
        self.assertEqual(self.data("/api/v1/label/job/values"), ["a", "b"])
        self.assertEqual(
            self.data("/api/v1/label/host/values", match='reqs{job="b"}'),
            ["h1", "h3"])
        for name in ("l.1", "l%2E1", "U__l_2e_1"):
            self.assertEqual(self.data("/api/v1/label/%s/values" % name),
                             ["x y"])
        self.assertEqual(self.data("/api/v1/label/none/values"), [])

    def test_expressions_printed_and_taken_apart(self):
        for form in (False, True):
            self.assertEqual(self.data("/api/v1/format_query", form=form,
                                       query="sum by(a)(x)/2"),
                             "sum by (a) (x) / 2")
            tree = self.data("/api/v1/parse_query", form=form,
                             query="sum by(a)(x)/2")
            self.assertEqual((tree["type"], tree["op"]), ("binaryExpr", "/"))
            self.assertEqual(tree["lhs"]["grouping"], ["a"])
        self.fails(400, "bad_data", "parse error", "/api/v1/parse_query",
                   query="x{")

    def test_wrong_parameters_are_400_with_the_reason(self):
        query, many = "/api/v1/query", "/api/v1/query_range"
        for path, params, text in (
                (query, {}, "no expression found"),
                (query, {"query": "sum("}, "1:5: parse error"),
                (query, {"query": "up", "time": "x"}, "valid timestamp"),
                (query, {"query": "up", "timeout": "x"}, "valid duration"),
                (query, {"query": "up", "limit": "-1"}, "non-negative"),
                (many, {"query": "up"}, 'parameter "start"'),
                (many, {"query": "up", "start": 2, "end": 1, "step": 1},
                 "end timestamp must not be before start"),
                (many, {"query": "up", "start": 1, "end": 2, "step": 0},
                 "zero or negative"),
                (many, {"query": "up", "start": 0, "end": 11001, "step": 1},
                 "11,000 points"),
                (many, {"query": "up[1m]", "start": 1, "end": 2, "step": 1},
                 "must be Scalar or instant Vector"),
                ("/api/v1/series", {}, "no match[] parameter"),
                ("/api/v1/series", {"match": "{}"}, "non-empty matcher")):
            self.fails(400, "bad_data", text, path, **params)

    def test_what_cannot_be_executed_is_422(self):
        self.feed()
        self.fails(422, "execution", "many-to-many", "/api/v1/query",
                   query="reqs + on(job) reqs", time=NOW)

    def test_a_timeout_is_503(self):
        body = b"".join(series({"__name__": "many", "i": str(i)},
                               [((NOW - 600 + k * 5) * 1000, float(k))
                                for k in range(100)]) for i in range(1000))
        self.assertEqual(self.server.http("/api/v1/write", snappy(body),
                                          REMOTE_WRITE)[0], 204)
        self.fails(503, "timeout", "", "/api/v1/query_range",
                   query="sum(sum_over_time(many[10m:1s]))", start=NOW - 600,
                   end=NOW, step=1, timeout="0.001")

    def test_federation(self):
        self.server.http("/api/v1/import/prometheus",
                         b'fed{q="a\\"b"} 1.5\n{"dotted.name"} 2\n')
        status, text = self.server.http('/federate?match[]={__name__=~".%2B"}')
        self.assertEqual(status, 200)
        self.assertRegex(text, r'(?m)^# TYPE fed untyped\n'
                               r'fed\{q="a\\"b",instance=""\} 1.5 \d+$')
        self.assertRegex(text, r'(?m)^dotted_name\{instance=""\} 2 \d+$')
        status, text = self.server.http(
            '/federate?match[]={__name__=~".%2B"}',
            headers={"Accept": "text/plain;version=1.0.0;escaping=allow-utf-8"})
        self.assertIn('{"dotted.name",instance=""} 2 ', text)

    def test_own_metrics_in_both_forms(self):
        status, text = self.server.http("/metrics")
        self.assertEqual(status, 200)
        self.assertIn("# TYPE forewarn_http_connections_total counter\n", text)
        self.assertRegex(text, r"(?m)^forewarn_http_connections_total [1-9]")
        self.assertNotIn("# EOF", text)
        status, text = self.server.http(
            "/metrics", headers={"Accept": "application/openmetrics-text"})
        self.assertIn("# TYPE forewarn_http_connections counter\n", text)
        self.assertTrue(text.endswith("# EOF\n"))

    def test_health_version_and_what_is_shut(self):
        self.assertEqual(self.server.http("/-/healthy")[0], 200)
        self.assertEqual(self.server.http("/-/ready")[0], 200)
        self.assertEqual(json.loads(self.server.http("/version")[1])["name"],
                         "forewarn")
        self.assertEqual(self.server.http("/-/reload", b"")[0], 403)
        for what in ("snapshot", "delete_series", "clean_tombstones"):
            self.assertEqual(
                self.server.http("/api/v1/admin/tsdb/" + what, b"")[0], 403)
        for switch in ("admin-api", "lifecycle"):
            self.assertEqual(self.data("/api/v1/status/flags")
                             ["web.enable-" + switch], "false")
        for path in ("/nope", "/api/v1/", "//metrics", "/metrics/",
                     "/../metrics", "/%6detrics", "/api/v1/label//values"):
            self.assertEqual(self.server.http(path)[0], 404, path)

    def test_gzip_comes_to_who_asks(self):
        self.feed()
        with Raw(self.addr) as raw:
            raw.send(request("GET", "/api/v1/query?query=reqs[10m]&time=%d" %
                             NOW, Accept_Encoding="gzip", Connection="close"))
            head, _, body = raw.until_closed().partition(b"\r\n\r\n")
        self.assertIn(b"Content-Encoding: gzip", head)
        answer = json.loads(gzip.decompress(body))
        self.assertEqual(len(answer["data"]["result"]), 5)

    def test_a_long_reply_is_streamed_whole(self):
        body = b"".join(series({"__name__": "many", "i": str(i)},
                               [((NOW - 600 + k * 5) * 1000, k / 3)
                                for k in range(100)]) for i in range(500))
        self.assertEqual(self.server.http("/api/v1/write", snappy(body),
                                          REMOTE_WRITE)[0], 204)
        with Raw(self.addr) as raw:
            raw.send(request("GET", "/api/v1/query?query=many[20m]&time=%d" %
                             NOW, Connection="close"))
            head, _, rest = raw.until_closed().partition(b"\r\n\r\n")
        self.assertIn(b"Transfer-Encoding: chunked", head)
        text = b""
        while True:
            size, _, rest = rest.partition(b"\r\n")
            size = int(size, 16)
            if size == 0:
                break
            text, rest = text + rest[:size], rest[size + 2:]
        self.assertEqual(rest, b"\r\n")
        result = json.loads(text)["data"]["result"]
        self.assertEqual(len(result), 500)
        self.assertTrue(all(len(x["values"]) == 100 for x in result))
        self.assertEqual(float(result[0]["values"][1][1]), 1 / 3)

    def test_a_port_in_use_is_said(self):
        other = Server(self.tmp / "other", "--listen-http",
                       "%s:%d" % self.addr, listen=("line",))
        self.addCleanup(other.kill9)
        with self.assertRaises(AssertionError) as caught:
            other.start()
        self.assertIn("in use", str(caught.exception))
        self.assertEqual(other.wait(), 3)

    def test_off_closes_it(self):
        quiet = Server(self.tmp / "quiet", "--listen-http", "off",
                       listen=("line",))
        self.addCleanup(quiet.kill9)
        quiet.start()
        self.assertEqual(quiet.ready["http"], "off")


BAD_FRAMING = {
    "two lengths": b"Content-Length: 1\r\nContent-Length: 2\r\n",
    "the same length twice": b"Content-Length: 1\r\nContent-Length: 1\r\n",
    "length and chunks": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    "gzip, chunked": b"Transfer-Encoding: gzip, chunked\r\n",
    "+4": b"Content-Length: +4\r\n",
    "-1": b"Content-Length: -1\r\n",
    "2^64+1": b"Content-Length: 18446744073709551617\r\n",
    "hex": b"Content-Length: 0x4\r\n",
    "blank before colon": b"Content-Length : 4\r\n",
    "folded": b"A: b\r\n c\r\n",
    "bare LF": b"A: b\nC: d\r\n",
    "bare CR": b"A: b\rC: d\r\n",
    "NUL": b"A: b\0\r\n",
    "second Host": b"Host: b\r\n",
}


class Admin(Http):
    """What --enable-admin-api opens; everything in it is accounted for."""

    def setUp(self):
        Case.setUp(self)
        self.server = self.serve("--collect", "off", "--enable-admin-api",
                                 "--enable-feature",
                                 "promql-experimental-functions")
        self.addr = self.server.addr("http")

    def test_a_snapshot_is_a_backup_and_is_written_down(self):
        self.feed()
        path = "/api/v1/admin/tsdb/snapshot"
        self.fails(400, "bad_data", "actor", path, form=True, reason="weekly")
        self.fails(400, "bad_data", "reason", path, form=True, actor="ann")
        name = self.data(path, form=True, actor="ann",
                         reason="weekly")["name"]
        copy = pathlib.Path(self.server.data, "snapshots", name)
        self.assertTrue((copy / "MANIFEST").is_file())
        got = run("query", "--data", copy, "--format", "csv", "--time",
                  str(NOW), "count(reqs)")
        self.assertEqual(got.out.splitlines()[-1].rsplit(",", 1)[1], "5")
        said = run("audit", "list", "--data", self.server.data)
        self.assertIn("backup-taken", said.out)
        self.assertIn("weekly", said.out)

    def test_series_are_deleted(self):
        self.feed()
        path = "/api/v1/admin/tsdb/delete_series"
        self.fails(400, "bad_data", "actor", path, form=True, match="reqs")
        self.fails(400, "bad_data", "match", path, form=True, actor="ann",
                   reason="test")
        status, said = self.server.http(path, urllib.parse.urlencode(
            {"match[]": 'reqs{host="h1"}', "actor": "ann",
             "reason": "a test host"}).encode())
        self.assertEqual((status, said), (204, ""))
        self.assertEqual(self.data("/api/v1/query", query="count(reqs)",
                                   time=NOW)["result"][0]["value"][1], "4")
        said = run("audit", "list", "--data", self.server.data)
        self.assertIn("data-deleted", said.out)

    def test_compacting_over_http(self):
        self.feed()
        path = "/api/v1/admin/tsdb/clean_tombstones"
        self.assertEqual(self.server.http(path, b"actor=ann&reason=test")[0],
                         204)
        self.assertEqual(self.data("/api/v1/query", query="count(reqs)",
                                   time=NOW)["result"][0]["value"][1], "5")

    def test_features_are_switched_on_by_name(self):
        self.feed()
        self.data("/api/v1/query", query="limitk(1, reqs)", time=NOW)
        got = run("serve", "--data", self.tmp / "x", "--enable-feature",
                  "promql-everything")
        self.assertEqual(got.rc, 2)
        self.assertIn("promql-everything", got.err)


class Hostile(Http):
    def one_refusal(self, data, status, what):
        with Raw(self.addr) as raw:
            raw.send(data)
            self.assertEqual(statuses(raw.until_closed()), [status], what)

    def test_framing_in_doubt_gets_one_reply_and_the_end(self):
        smuggled = request("GET", "/-/healthy")
        for what, fields in BAD_FRAMING.items():
            self.one_refusal(b"POST /write HTTP/1.1\r\nHost: a\r\n" + fields +
                             b"\r\n0\r\n\r\n" + smuggled,
                             501 if what == "gzip, chunked" else 400, what)
        self.one_refusal(b"GET / HTTP/1.1\r\n\r\n" + smuggled, 400, "no Host")
        self.one_refusal(b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "NUL")
        self.one_refusal(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/2")
        self.one_refusal(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400,
                         "TLS")
        for what, body in (("LF", b"5;a\nb\r\nabcde\r\n0\r\n\r\n"),
                           ("2^64", b"10000000000000000\r\n"),
                           ("no size", b"\r\n0\r\n\r\n"),
                           ("extension", b"5;" + b"a" * (1 << 20)),
                           ("trailers", b"0\r\n" + b"A: b\r\n" * 100000)):
            self.one_refusal(b"POST /write HTTP/1.1\r\nHost: a\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n" + body +
                             smuggled, 400, what)

    def test_nothing_may_be_too_large(self):
        self.one_refusal(b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n", 414,
                         "URL")
        self.one_refusal(b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 65536,
                         431, "head")
        self.one_refusal(b"GET / HTTP/1.1\r\nHost: a\r\n" +
                         b"A: b\r\n" * 10000, 431, "fields")
        self.one_refusal(b"POST /write HTTP/1.1\r\nHost: a\r\n"
                         b"Content-Length: 99999999999\r\n\r\n", 413, "length")
        self.one_refusal(request("POST", "/api/v1/query",
                                 b"query=" + b"1" * (2 << 20)), 413, "form")
        chunk = b"100000\r\n" + b"#" * (1 << 20) + b"\r\n"
        self.one_refusal(b"POST /write HTTP/1.1\r\nHost: a\r\n"
                         b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 40,
                         413, "chunks")

    def test_one_byte_at_a_time(self):
        with Raw(self.addr) as raw:
            for byte in request("GET", "/-/healthy"):
                raw.send(bytes([byte]))
            self.assertEqual(raw.replies(1), [200])

    def test_a_thousand_pipelined_requests(self):
        with Raw(self.addr) as raw:
            sender = threading.Thread(target=raw.send, args=(
                request("GET", "/-/healthy") * 500 +
                request("GET", "/api/v1/query?query=1") * 500,))
            sender.start()
            got = raw.replies(1000)
            sender.join()
        self.assertEqual(got, [200] * 1000)
        self.assertEqual(raw.got.count(b"Forewarn is Healthy"), 500)

    def rss(self):
        text = pathlib.Path("/proc/%d/status" % self.server.pid).read_text()
        return int(text.split("VmRSS:")[1].split()[0])

    def test_bombs_do_not_fill_memory(self):
        zeros = b"\0" * (1 << 20)
        bomb = gzip.compress(zeros * 64, 9)
        before = self.rss()
        for _ in range(5):
            self.one_refusal(request("POST", "/write", bomb,
                                     Content_Encoding="gzip"), 413, "gzip")
        claim = request("POST", "/api/v1/write",
                        b"\xff\xff\xff\xff\x0f\0\0",
                        Content_Type="application/x-protobuf",
                        Content_Encoding="snappy")
        with Raw(self.addr) as raw:
            raw.send(claim * 1000)
            self.assertEqual(set(raw.replies(1000)), {413})
        cut = gzip.compress(b"a b=1")[:-3]
        self.one_refusal(request("POST", "/write", cut,
                                 Content_Encoding="gzip"), 400, "cut")
        self.one_refusal(request("POST", "/write", b"x",
                                 Content_Encoding="zstd"), 415, "zstd")
        self.assertLess(self.rss() - before, 40 * 1024)

    def test_slow_clients_are_closed_in_time(self):
        def headers(raw):
            raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
            while raw.send(b"A: b\r\n") and time.monotonic() < end:
                time.sleep(0.5)

        def body(raw):
            raw.send(b"POST /write HTTP/1.1\r\nHost: a\r\n"
                     b"Content-Length: 100000\r\n\r\n")
            while raw.send(b"#") and time.monotonic() < end:
                time.sleep(0.5)

        took = {}

        def run(name, slow):
            began = time.monotonic()
            with Raw(self.addr, seconds=PATIENCE) as raw:
                threading.Thread(target=slow, args=(raw,), daemon=True).start()
                try:
                    took[name] = (statuses(raw.until_closed()),
                                  time.monotonic() - began)
                except AssertionError as error:
                    took[name] = str(error)

        end = time.monotonic() + PATIENCE
        threads = [threading.Thread(target=run, args=x)
                   for x in (("headers", headers), ("body", body))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, (codes, seconds) in took.items():
            self.assertEqual(codes, [408], name)
            self.assertGreaterEqual(seconds, 10, name)

    def cpu(self):
        """Seconds of CPU the server has used."""
        text = pathlib.Path("/proc/%d/stat" % self.server.pid).read_text()
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_of(self, seconds):
        before = self.cpu()
        time.sleep(seconds)
        return self.cpu() - before

    def test_newcomers_past_the_limit_take_the_place_of_the_silent(self):
        self.server.stop()
        server = self.serve("--collect", "off", "--max-connections", "4",
                            "--listen-line", "off")
        clients = []
        for _ in range(40):
            raw = Raw(server.addr("http"), PATIENCE)
            self.addCleanup(raw.sock.close)
            raw.send(request("GET", "/version"))
            self.assertEqual(raw.replies(1), [200])
            clients.append(raw)
        for raw in clients[:-4]:
            raw.until_closed()
        for raw in clients[-4:]:
            raw.got = b""
            raw.send(request("GET", "/version"))
            self.assertEqual(raw.replies(1), [200])
        server.stop()

    def test_a_client_that_goes_cancels_its_query(self):
        body = b"".join(series({"__name__": "many", "i": str(i)},
                               [((NOW - 600 + k * 5) * 1000, float(k))
                                for k in range(100)]) for i in range(3000))
        self.assertEqual(self.server.http("/api/v1/write", snappy(body),
                                          REMOTE_WRITE)[0], 204)
        heavy = "/api/v1/query?time=%d&query=%s" % (NOW, urllib.parse.quote(
            "sum(quantile_over_time(0.9, quantile_over_time(0.5, "
            "many[10m:50ms])[10m:50ms]))"))
        with Raw(self.addr) as raw:
            raw.send(request("GET", heavy))
            wait_until(lambda: self.cpu_of(0.5) > 0.05, "the query to run")
        wait_until(lambda: self.cpu_of(1) < 0.05, "the query to stop")


if __name__ == "__main__":
    main()
