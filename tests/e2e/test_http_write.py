#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes over HTTP: what got a 2xx is there, also after kill -9; what is
refused is named, and the rest is stored."""
import gzip
import json
import struct
import time
import urllib.parse
import zlib

from forewarn_e2e import Case, main
from forewarn_wire import (REMOTE_WRITE, Raw, field, request, series, snappy,
                           statuses, varint)

NOW = int(time.time()) // 60 * 60
STALE = 0x7ff0000000000002


class Write(Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve("--collect", "off")

    def ask(self, query, at=NOW):
        status, body = self.server.http("/api/v1/query?" +
                                        urllib.parse.urlencode(
                                            {"query": query, "time": at}))
        self.assertEqual(status, 200, body)
        return json.loads(body)["data"]["result"]

    def value(self, query, at=NOW):
        got = self.ask(query, at)
        self.assertEqual(len(got), 1, (query, got))
        return got[0]["value"][1]

    def samples(self, query, at=NOW):
        return [tuple(x) for x in self.ask(query, at)[0]["values"]]

    def write(self, *messages, headers=None, more=b""):
        return self.server.http("/api/v1/write",
                                snappy(b"".join(messages) + more),
                                {**REMOTE_WRITE, **(headers or {})})


class RemoteWrite(Write):
    def test_any_order_before_1970_and_after_a_crash(self):
        times = [(NOW - 5) * 1000, (NOW - 9) * 1000, (NOW - 7) * 1000]
        self.assertEqual(self.write(
            series({"__name__": "m", "a": "b"},
                   [(t, t / 1000) for t in times]),
            series({"__name__": "old"}, [(-86400000, -1.5), (-1, 2.5)])),
            (204, ""))
        self.server.kill9()
        self.server.start()
        self.assertEqual(self.samples("m[1m]"),
                         [(NOW - 9, str(NOW - 9)), (NOW - 7, str(NOW - 7)),
                          (NOW - 5, str(NOW - 5))])
        self.assertEqual(self.samples("old[2d]", at=0),
                         [(-86400, "-1.5"), (-0.001, "2.5")])

    def test_bits_are_kept_and_a_stale_marker_ends_a_series(self):
        signalling = 0x7ff8dead0000beef
        self.assertEqual(self.write(
            series({"__name__": "gone"},
                   [((NOW - 20) * 1000, 1.0), ((NOW - 10) * 1000, STALE)]),
            series({"__name__": "odd"},
                   [((NOW - 20) * 1000, signalling),
                    ((NOW - 10) * 1000, -0.0)])), (204, ""))
        self.assertEqual(self.ask("gone"), [])
        self.assertEqual(self.value("gone", NOW - 15), "1")
        self.assertEqual(self.samples("odd[1m]"),
                         [(NOW - 20, "NaN"), (NOW - 10, "-0")])
        # The same bits again are a duplicate, other bits are a conflict.
        again = series({"__name__": "odd"}, [((NOW - 20) * 1000, signalling)])
        self.assertEqual(self.write(again), (204, ""))
        other = series({"__name__": "odd"}, [((NOW - 20) * 1000,
                                              signalling + 1)])
        status, text = self.write(other)
        self.assertEqual(status, 400, text)
        self.assertIn("0 stored, 1 refused", text)

    def test_known_series_again_with_zeros_and_with_a_broken_end(self):
        names = ["m%d" % i for i in range(300)]

        def all_at(t, value):
            return [series({"__name__": name, "x": "y"},
                           [((NOW - t) * 1000, value + i)])
                    for i, name in enumerate(names)]
        for t in (30, 20):
            self.assertEqual(self.write(*all_at(t, 1000.0 - t)), (204, ""))
        # As Prometheus writes a zero: without its value.
        zero = field(1, field(1, field(1, b"__name__") + field(2, b"m7")) +
                     field(1, field(1, b"x") + field(2, b"y")) +
                     field(2, b"\x10" + varint((NOW - 10) * 1000)))
        self.assertEqual(self.write(zero), (204, ""))
        # All series are known, but the last one is cut short.
        status, _ = self.write(*all_at(5, 1.0), more=b"\x0a\x20\x0a")
        self.assertEqual(status, 400)
        self.assertEqual(self.samples("m7[1m]"),
                         [(NOW - 30, "977"), (NOW - 20, "987"),
                          (NOW - 10, "0")])
        self.assertEqual(self.samples("m299[1m]"),
                         [(NOW - 30, "1269"), (NOW - 20, "1279")])
        # One new series among known ones.
        self.assertEqual(self.write(
            *all_at(4, 1.0), series({"__name__": "new"}, [(NOW * 1000, 5.0)])),
            (204, ""))
        self.assertEqual(self.value("new"), "5")
        self.assertEqual(self.value("m299"), "300")

    def test_histograms_are_refused_by_name_and_the_rest_stored(self):
        status, text = self.write(
            series({"__name__": "h", "x": "y"}, [], field(4, b"\x08\x01")),
            series({"__name__": "good"}, [(NOW * 1000, 5.0)],
                   field(3, b"")))
        self.assertEqual(status, 400)
        self.assertIn("native histograms are not stored yet", text)
        self.assertIn('h{x="y"}', text)
        self.assertIn("1 stored, 1 refused", text)
        self.assertEqual(self.value("good"), "5")
        metrics = self.server.http("/metrics")[1]
        self.assertIn("\nforewarn_remote_write_histograms_total 1\n", metrics)
        self.assertIn("\nforewarn_remote_write_exemplars_total 1\n", metrics)

    def test_too_new_and_too_old_are_400_and_the_rest_stored(self):
        status, text = self.write(series(
            {"__name__": "m"}, [((NOW + 3600) * 1000, 1.0), (NOW * 1000, 2.0)]))
        self.assertEqual(status, 400, text)
        self.assertIn("1 stored, 1 refused", text)
        self.assertEqual(self.value("m"), "2")

    def test_wrong_labels_are_400_and_the_rest_stored(self):
        twice = field(1, field(1, field(1, b"a") + field(2, b"1")) * 2 +
                      field(2, b"\x09" + struct.pack("<d", 1) + b"\x10\x01"))
        status, text = self.write(twice, series({"__name__": "good"},
                                                [(NOW * 1000, 5.0)]))
        self.assertEqual(status, 400, text)
        self.assertIn("1 stored, 1 refused", text)
        self.assertEqual(self.value("good"), "5")

    def test_what_is_no_write_request_stores_nothing(self):
        good = series({"__name__": "m"}, [(NOW * 1000, 1.0)])
        self.assertEqual(self.write(good, more=b"\x0a\x05x")[0], 400)
        self.assertEqual(self.ask("m"), [])
        bad = self.server.http("/api/v1/write", b"\x05\x00", REMOTE_WRITE)
        self.assertEqual(bad[0], 400)
        for headers in ({"Content-Type": "text/plain"},
                        {"Content-Encoding": "gzip"},
                        {"Content-Type": "application/x-protobuf;"
                         "proto=io.prometheus.write.v2.Request"}):
            body = snappy(good)
            if headers.get("Content-Encoding") == "gzip":
                body = gzip.compress(good)
            got = self.server.http("/api/v1/write", body,
                                   {**REMOTE_WRITE, **headers})
            self.assertEqual(got[0], 415, got)
        self.assertEqual(self.ask("m"), [])

    def test_a_large_request_is_stored_whole(self):
        body = b"".join(series({"__name__": "many", "i": str(i)},
                               [((NOW - 600 + k) * 1000, float(k))
                                for k in range(500)]) for i in range(500))
        self.assertEqual(self.server.http("/api/v1/write", snappy(body),
                                          REMOTE_WRITE), (204, ""))
        self.assertEqual(self.value("sum(count_over_time(many[20m]))"),
                         "250000")


class Limits(Case):
    def test_series_past_the_limit_are_429(self):
        server = self.serve("--collect", "off", "--max-series", "2")
        body = b"".join(series({"__name__": "m", "i": str(i)},
                               [(NOW * 1000, float(i))]) for i in range(5))
        status, text = server.http("/api/v1/write", snappy(body), REMOTE_WRITE)
        self.assertEqual(status, 429, text)
        self.assertIn("2 stored, 3 refused", text)


class Influx(Write):
    def test_both_paths_with_every_precision(self):
        units = {"ns": 10 ** 9, "us": 10 ** 6, "ms": 1000, "s": 1}
        for name, path in (("v1", "/write"), ("v2", "/api/v2/write")):
            for unit, factor in units.items():
                line = "%s%s,t=x\\ y f=1.5,i=2i,b=t,s=\"text\" %d\n" % (
                    name, unit, NOW * factor)
                self.assertEqual(self.server.http(
                    "%s?precision=%s" % (path, unit), line.encode()),
                    (204, ""))
                self.assertEqual(self.value('%s%s_f{t="x y"}' % (name, unit)),
                                 "1.5")
        self.assertEqual(self.server.http(
            "/write?precision=m&db=", b"minutes f=3 %d" % (NOW // 60)),
            (204, ""))
        self.assertEqual(self.value("minutes_f"), "3")
        hour = NOW // 3600
        self.server.http("/write?precision=h&db=mine", b"hours f=4 %d" % hour)
        self.assertEqual(self.value('hours_f{db="mine"}', hour * 3600), "4")
        self.assertEqual(self.server.http("/write?precision=y", b"a b=1")[0],
                         400)

    def test_as_the_npm_client_sends_it(self):
        text = gzip.compress(b"# comment\r\n\r\ncpu,host=a usage=0.5\r\n")
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(text[i:i + 10]),
                                             text[i:i + 10])
                          for i in range(0, len(text), 10))
        with Raw(self.server.addr("http")) as raw:
            raw.send(b"POST /api/v2/write?org=o&bucket=b&precision=ns HTTP/1.1"
                     b"\r\nHost: a\r\nAuthorization: Token tok\r\n"
                     b"Content-Encoding: gzip\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n" + chunks +
                     b"0\r\n\r\n")
            self.assertEqual(raw.replies(1), [204])
        self.assertEqual(self.value('cpu_usage{host="a"}', time.time()), "0.5")

    def test_bad_lines_are_named_and_the_rest_stored(self):
        for path, key in (("/write", "error"), ("/api/v2/write", "message")):
            status, text = self.server.http(
                path, b"good f=1\nbad line\nworse,x f=1\nbetter f=2\n")
            self.assertEqual(status, 400)
            self.assertIn("line 2: ", json.loads(text)[key])
            self.assertIn("2 stored, 2 refused", json.loads(text)[key])
        self.assertEqual(self.value("better_f", time.time()), "2")

    def test_deflate_in_both_forms(self):
        raw = zlib.compressobj(wbits=-15)
        for i, body in enumerate((zlib.compress(b"z0 f=1"),
                                  raw.compress(b"z1 f=1") + raw.flush())):
            self.assertEqual(self.server.http(
                "/write", body, {"Content-Encoding": "deflate"}), (204, ""))
            self.assertEqual(self.value("z%d_f" % i, time.time()), "1")

    def test_ping(self):
        self.assertEqual(self.server.http("/ping"), (204, ""))


class Exposition(Write):
    def test_what_metrics_pages_look_like(self):
        page = ("# HELP a b\n# TYPE a counter\n"
                'a_total{x="1",y="q\\"\\\\\\n"} 1.5 %d\n'
                'b 2\n{"dotted.name", "l 1"="v"} +Inf\nc NaN\n' % (NOW * 1000))
        self.assertEqual(self.server.http("/api/v1/import/prometheus",
                                          page.encode()), (204, ""))
        self.assertEqual(self.value('a_total{y="q\\"\\\\\\n"}'), "1.5")
        later = time.time() + 1
        self.assertEqual(self.value("b", later), "2")
        self.assertEqual(self.value('{"dotted.name", "l 1"="v"}', later),
                         "+Inf")
        self.assertEqual(self.value("c", later), "NaN")
        own = self.server.http("/metrics")[1]
        self.assertEqual(self.server.http("/api/v1/import/prometheus",
                                          own.encode()), (204, ""))
        self.assertEqual(
            len(self.ask("forewarn_http_replies_total", time.time() + 1)), 4)

    def test_bad_lines_are_named(self):
        status, text = self.server.http("/api/v1/import/prometheus",
                                        b'good 1\nbad{x="y 1\nalso bad\n')
        self.assertEqual(status, 400)
        self.assertIn("1 stored, 2 refused: line 2: it does not parse", text)


class Order(Write):
    def test_pipelined_writes_are_answered_in_order(self):
        lines = b"".join(request("POST", "/write", b"p f=%d %d" %
                                 (i, (NOW - 100 + i) * 10 ** 9))
                         for i in range(50))
        with Raw(self.server.addr("http")) as raw:
            raw.send(lines + request("GET", "/api/v1/query?query=" +
                                     urllib.parse.quote("p_f[2m]") +
                                     "&time=%d" % NOW))
            self.assertEqual(raw.replies(51), [204] * 50 + [200])
            self.assertEqual(raw.got.count(b'"49"]'), 1)
            self.assertEqual(statuses(raw.got)[-1], 200)


if __name__ == "__main__":
    main()
