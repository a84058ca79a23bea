#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: labels=peers timeout=1800 cost=138 busy
"""test_promql_differential - the same data and the same expressions to
Forewarn and to a real Prometheus 3; the answers must be the same.

Expressions are made at random from a seed, over every function and operator,
half of them instant and half over a range. Values may differ by 1e-9 of their
size where the order of a summation is free (see `tolerance`), by 1e-12 else.
FOREWARN_SEED and FOREWARN_EXPRESSIONS choose which and how many;
FOREWARN_EXPR asks one expression and shows both answers.
"""
import json
import math
import os
import random
import re
import subprocess
import unittest
import urllib.error
import urllib.parse
import urllib.request

from forewarn_e2e import Case, free_port, main, peer, run, wait_until

T0 = 1700000000
STEP = 15
POINTS = 360  # an hour and a half
END = T0 + STEP * POINTS
SEED = int(os.environ.get("FOREWARN_SEED", "1"))
COUNT = int(os.environ.get("FOREWARN_EXPRESSIONS", "2000"))
FEATURE = "promql-experimental-functions"


# ---- Data -------------------------------------------------------------------

def series():
    """Yields (name, labels, [(ms, value)]): counters with resets, gauges with
    gaps, histograms, constants, values of every size."""
    rng = random.Random(42)

    def times(jitter=0, keep=1.0):
        for i in range(POINTS):
            if rng.random() < keep:
                yield (T0 + i * STEP) * 1000 + (
                    rng.randrange(-jitter, jitter + 1) if jitter else 0)

    for job in ("api", "web"):
        for host in ("a", "b", "c"):
            labels = {"job": job, "instance": host}
            total, points = float(rng.randrange(100)), []
            for t in times(200):
                total = 0.0 if rng.random() < 0.01 else \
                    total + rng.randrange(0, 50)
                points.append((t, total))
            yield "http_requests_total", {**labels, "code": "200"}, points
            points = [(t, round(rng.gauss(50, 20), 3))
                      for t in times(0, 0.9)]
            yield "temperature", labels, points
            points = [(t, float(rng.choice((0, 1, 2, 2, 5))))
                      for t in times(3000, 0.7)]
            yield "level", labels, points
    for host in ("a", "b"):
        points = [(t, float(i // 7)) for i, t in enumerate(times())]
        yield "http_requests_total", {"job": "api", "instance": host,
                                      "code": "500"}, points
        yield "capacity", {"instance": host}, [(t, 100.0) for t in times()]
        yield "build_info", {"instance": host, "version": "v" + host,
                             "zone": "z1"}, [(t, 1.0) for t in times()]
        # What a target says of itself changes once, and goes on without a gap.
        for i, version in enumerate(("1", "2")):
            yield "target_info", {
                "job": "api", "instance": host, "version": version,
                "env": "prod" if host == "a" else "dev"}, [
                    (t, 1.0) for t in times()
                    if (t < (T0 + 3000) * 1000) == (i == 0)]
    yield "target_info", {"job": "web", "instance": "c", "os": "x"}, [
        (t, 1.0) for t in times(0, 0.2)]
    # It begins late, stops early, and has a hole longer than the lookback.
    yield "short", {"instance": "a"}, [
        ((T0 + i * STEP) * 1000, i * 1.5) for i in range(100, 250)
        if not 140 <= i < 180]
    yield "sizes", {"kind": "huge"}, [
        (t, rng.choice((1e300, -1e300, 1e308))) for t in times(0, 0.5)]
    yield "sizes", {"kind": "tiny"}, [
        (t, rng.choice((1e-300, -3e-307, 1e-305))) for t in times(0, 0.5)]
    yield "sizes", {"kind": "mixed"}, [
        (t, rng.choice((1e16, 1.0, -1e16, 3.14159))) for t in times(0, 0.8)]
    yield "sizes", {"kind": "flat"}, [(t, 7.0) for t in times()]
    odd = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 2.0, 2.0, -3.5)
    for kind in ("x", "y"):
        yield "odd", {"kind": kind}, [(t, rng.choice(odd))
                                      for t in times(0, 0.8)]
    yield "odd", {"kind": "nan"}, [(t, math.nan) for t in times(0, 0.3)]
    for host in ("a", "b"):
        counts = [0.0] * 6
        rows = [[] for _ in counts]
        for t in times():
            for _ in range(rng.randrange(0, 8)):
                at = rng.expovariate(1.5)
                for k, le in enumerate((0.1, 0.5, 1, 2.5, 5, math.inf)):
                    if at <= le:
                        counts[k] += 1
            for k in range(6):
                rows[k].append((t, counts[k]))
        for k, le in enumerate(("0.1", "0.5", "1", "2.5", "5", "+Inf")):
            yield "latency_bucket", {"instance": host, "le": le}, rows[k]


def number(v):
    if v != v:
        return "NaN"
    return repr(v) if math.isfinite(v) else "+Inf" if v > 0 else "-Inf"


def openmetrics():
    names, out = {}, []
    for name, labels, points in series():
        names.setdefault(name, []).append((labels, points))
    for name, rows in names.items():
        for labels, points in rows:
            text = ",".join('%s="%s"' % kv for kv in labels.items())
            out += ["%s{%s} %s %d.%03d" % (name, text, number(v), t // 1000,
                                           t % 1000) for t, v in points]
    return "\n".join(out + ["# EOF", ""])


def exposition():
    for name, labels, points in series():
        text = ",".join('%s="%s"' % kv for kv in labels.items())
        for t, v in points:
            yield "%s{%s} %s %d\n" % (name, text, number(v), t)


# ---- Expressions ------------------------------------------------------------

METRICS = {"http_requests_total": ("job", "instance", "code"),
           "temperature": ("job", "instance"), "level": ("job", "instance"),
           "capacity": ("instance",), "short": ("instance",),
           "sizes": ("kind",), "build_info": ("instance", "version", "zone"),
           "target_info": ("job", "instance", "version"),
           "latency_bucket": ("instance", "le"), "odd": ("kind",),
           "nothing_there": ("a",)}
LABELS = ("job", "instance", "code", "kind", "le", "missing")
VALUES = {"job": ("api", "web"), "instance": ("a", "b", "c"),
          "code": ("200", "500"), "kind": ("huge", "tiny", "mixed", "flat", "x", "nan"),
          "le": ("1", "+Inf"), "version": ("va",), "zone": ("z1",),
          "a": ("b",), "missing": ("x",)}
MAPS = ("abs ceil floor exp sqrt ln log2 log10 sgn sin cos tan asin acos atan "
        "sinh cosh tanh asinh acosh atanh deg rad timestamp").split()
DATES = ("minute hour day_of_week day_of_month day_of_year month year "
         "days_in_month").split()
OVER = ("rate increase delta irate idelta deriv resets changes avg_over_time "
        "min_over_time max_over_time sum_over_time count_over_time "
        "last_over_time present_over_time stddev_over_time "
        "stdvar_over_time mad_over_time absent_over_time "
        "ts_of_max_over_time ts_of_min_over_time ts_of_last_over_time").split()
KEEP_NAMES = ("last_over_time(", "first_over_time(")
PLAIN_AGGREGATES = "sum avg min max count group stddev stdvar".split()


class Maker:
    """Random expressions; `depth` bounds how far they nest."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.pick = self.rng.choice

    def chance(self, p):
        return self.rng.random() < p

    def number(self):
        return self.pick(("0", "1", "2", "-1", "0.5", "3.7", "100", "1e3",
                          "0x1F", "1_000", "Inf", "-Inf", "NaN", "5m", "017"))

    def duration(self):
        return self.pick(("15s", "1m", "90s", "5m", "7m30s", "20m", "1h",
                          "300", "1ms"))

    def shift(self):
        out = ""
        if self.chance(0.12):
            out += " offset " + self.pick(("1m", "-1m", "10m", "37s", "-90"))
        if self.chance(0.12):
            out += " @ " + self.pick(
                ("start()", "end()", str(T0 + 2000), "%d.5" % (T0 + 3000),
                 "-10"))
        return out

    def matchers(self, metric):
        out = []
        for label in METRICS[metric] + ("missing",):
            if self.chance(0.15):
                value = self.pick(VALUES[label] + ("",))
                op = self.pick(("=", "!=", "=~", "!~"))
                if "~" in op and self.chance(0.5):
                    value = self.pick((value.replace("+", "\\\\+") + "|b",
                                       ".*", ".+", "(?i:A)"))
                elif "~" in op:
                    value = value.replace("+", "\\\\+")
                out.append('%s%s"%s"' % (label, op, value))
        return ",".join(out)

    def head(self):
        metric = self.pick(list(METRICS))
        matchers = self.matchers(metric)
        if self.chance(0.05):
            return '{__name__=~"%s|%s"}' % (
                metric, self.pick(list(METRICS)))
        if self.chance(0.03):
            return '{"%s"%s}' % (metric, matchers and "," + matchers)
        return metric + ("{%s}" % matchers if matchers else "")

    def selector(self):
        return self.head() + self.shift()

    def range(self, depth):
        if depth > 0 and self.chance(0.3):
            inner = self.vector(depth - 1)
            if not re.match(r"^[a-z_0-9]+\(.*\)$", inner):
                inner = "(%s)" % inner
            return "%s[%s:%s]%s" % (
                inner, self.pick(("1m", "5m", "20m")),
                self.pick(("", "15s", "1m", "2m")), self.shift())
        return "%s[%s]%s" % (self.head(), self.duration(), self.shift())

    def scalar(self, depth):
        if depth <= 0 or self.chance(0.6):
            return self.number()
        kind = self.rng.randrange(5)
        if kind == 0:
            return "time()"
        if kind == 1:
            return "scalar(%s)" % self.vector(depth - 1)
        if kind == 2:
            return "pi()"
        if kind == 3:
            return "-%s" % self.scalar(depth - 1)
        return "(%s %s %s)" % (self.scalar(depth - 1),
                               self.pick("+-*/%^"), self.scalar(depth - 1))

    def labels(self):
        return "(%s)" % ", ".join(
            self.rng.sample(LABELS, self.rng.randrange(0, 3)))

    def aggregate(self, depth):
        arg = self.vector(depth - 1)
        by = self.pick(("", " by " + self.labels(),
                        " without " + self.labels()))
        op, first = self.pick(PLAIN_AGGREGATES), ""
        if self.chance(0.15):
            # Which of equal values stay goes by the order of the series, and
            # only what is read from the store has one in Prometheus.
            arg = self.pick((self.selector(), "%s(%s[%s])" % (
                self.pick(OVER), self.head(), self.duration())))
            op = self.pick(("topk", "bottomk", "limitk", "limit_ratio"))
            first = self.pick(("1", "2", "3", "0", "10") if op != "limit_ratio"
                              else ("0.5", "-0.3", "0.9", "0", "1", "-2")) + ", "
        elif self.chance(0.3):
            op, first = "quantile", self.pick(
                ("0.5", "0.9", "0", "1", "-1", "2", "NaN")) + ", "
        elif self.chance(0.1):
            op, first, arg = "count_values", '"value", ', self.selector()
        if self.chance(0.5):
            return "%s%s (%s%s)" % (op, by, first, arg)
        return "%s(%s%s)%s" % (op, first, arg, by)

    def binary(self, depth):
        left, right = self.vector(depth - 1), self.vector(depth - 1)
        if self.chance(0.1):  # what is there twice is evaluated once
            right = self.pick((left, "%s + %s" % (self.parens(right),
                                                  self.parens(left))))
        kind = self.rng.randrange(4)
        if kind == 0:
            return "%s %s %s" % (self.parens(left), self.pick(
                ("and", "or", "unless")) + self.matching(False),
                self.parens(right))
        op = self.pick(("+", "-", "*", "/", "%", "^", "atan2", "==", "!=",
                        "<", "<=", ">", ">="))
        compares = op in ("==", "!=", "<", "<=", ">", ">=")
        if compares and self.chance(0.4):
            op += " bool"
        if kind == 1:
            return "%s %s %s" % (self.parens(left), op, self.scalar(depth - 1))
        if kind == 2:
            return "%s %s %s" % (self.scalar(depth - 1), op,
                                 self.parens(right))
        return "%s %s%s %s" % (self.parens(left), op, self.matching(True),
                               self.parens(right))

    def matching(self, groups):
        if self.chance(0.4):
            return ""
        out = " %s%s" % (self.pick(("on", "ignoring")), self.labels())
        if groups and self.chance(0.4):
            out += " " + self.pick(("group_left", "group_right"))
            if self.chance(0.3):
                out += "(%s)" % self.pick(("version", "zone", "missing"))
        return out

    @staticmethod
    def parens(text):
        return text if re.match(r"^[a-z_]+$", text) else "(%s)" % text

    def call(self, depth):
        kind = self.rng.randrange(12)
        if kind < 4:
            return "%s(%s)" % (self.pick(OVER), self.range(depth - 1))
        vector = self.vector(depth - 1)
        if kind == 4:
            return "%s(%s)" % (self.pick(MAPS), vector)
        if kind == 5 and self.chance(0.3):
            return self.info()
        if kind == 5:
            return self.pick((
                "quantile_over_time(%s, %s)" % (
                    self.pick(("0.5", "0.95", "0", "1", "1.5")),
                    self.range(depth - 1)),
                "predict_linear(%s, %s)" % (self.range(depth - 1),
                                            self.scalar(depth - 1)),
                "double_exponential_smoothing(%s, 0.3, 0.6)" %
                self.range(depth - 1)))
        if kind == 6:
            return self.pick((
                "clamp(%s, %s, %s)" % (vector, self.number(), self.number()),
                "clamp_min(%s, %s)" % (vector, self.number()),
                "clamp_max(%s, %s)" % (vector, self.scalar(depth - 1)),
                "round(%s)" % vector,
                "round(%s, %s)" % (vector, self.number())))
        if kind == 7:
            return self.pick((
                "%s(%s)" % (self.pick(DATES), vector),
                "%s()" % self.pick(DATES), "vector(%s)" %
                self.scalar(depth - 1), "absent(%s)" % vector))
        if kind == 8:
            return 'label_replace(%s, "%s", "%s", "%s", "%s")' % (
                vector, self.pick(("dst", "job", "__name__", "instance")),
                self.pick(("x-$1", "${1}y", "$1$2", "", "$$", "lit")),
                self.pick(("instance", "job", "missing")),
                self.pick(("(.*)", "(a|b)", "a(.?)(.*)", "", "z")))
        if kind == 9:
            return 'label_join(%s, "%s", "%s", %s)' % (
                vector, self.pick(("dst", "job")), self.pick((",", "", "-")),
                self.pick(('"instance"', '"job", "instance"', '"missing"')))
        if kind == 10:
            buckets = self.pick((
                "latency_bucket", "rate(latency_bucket[5m])",
                "sum by (le) (rate(latency_bucket[2m]))",
                'label_replace(latency_bucket, "le", "x$1", "le", "(1|5)")',
                "latency_bucket - on (le, instance) latency_bucket offset 2m",
                "-latency_bucket", vector))
            if self.chance(0.4):
                return "histogram_fraction(%s, %s, %s)" % (
                    # In the first bucket Prometheus 3.5 knows no lower bound.
                    self.pick(("0.2", "-Inf", "NaN", "3")),
                    self.pick(("0.7", "+Inf", "6", "NaN")), buckets)
            return "histogram_quantile(%s, %s)" % (self.pick(
                ("0.5", "0.99", "0", "1", "-1", "NaN", "0.001")), buckets)
        if self.chance(0.4):
            return "%s(%s, %s)" % (
                self.pick(("sort_by_label", "sort_by_label_desc")), vector,
                self.pick(('"instance"', '"job", "instance"', '"le"',
                           '"missing"')))
        return "%s(%s)" % (self.pick(("sort", "sort_desc")), vector)

    def info(self):
        """Only of what has a point at every step: elsewhere Prometheus before
        3.7 mixes up which series is which, and so of target_info only where
        it is left as it is. And only one info metric at a time: which of
        several a label comes from is not told."""
        if self.chance(0.1):
            return self.pick(("info(target_info)",
                              "info(target_info offset 1m)"))
        head = self.pick(("http_requests_total", "capacity", "build_info",
                          'latency_bucket{le="1"}'))
        vector = self.pick(("%s", "%s", "rate(%s[5m])", "max_over_time(%s[1m])",
                            "-%s", "%s offset 1m",
                            "sum by (instance, job) (%s)",
                            "max by (instance) (%s)")) % head
        return self.pick(("info(%s)", "info(%s)", 'info(%s, {version=~".+"})',
                          'info(%s, {env=~"prod|",version!=""})',
                          'info(%s, {os=~".*"})',
                          'info(%s, {__name__="build_info"})',
                          'info(%s, {__name__="build_info",zone="z1"})',
                          'info(%s, {__name__="target_info",env!="dev"})',
                          'sum by (version, os) (info(%s))',
                          'info(%s, {})', 'info(%s, {nothing="x"})')) % vector

    def vector(self, depth):
        if depth <= 0:
            return self.selector()
        kind = self.rng.randrange(10)
        if kind < 2:
            return self.selector()
        if kind < 5:
            return self.call(depth)
        if kind < 7:
            return self.aggregate(depth)
        if kind < 9:
            return self.binary(depth)
        return "-%s" % self.parens(self.vector(depth - 1))

    def expression(self):
        if self.chance(0.03):
            return self.scalar(3)
        if self.chance(0.03):
            return self.range(1)
        return self.vector(self.rng.randrange(1, 4))


# ---- Comparing --------------------------------------------------------------

def tolerance(expr):
    """How much values may differ, relative to their size."""
    free = ("std", "deriv", "predict", "quantile", "avg", "sum", "rate",
            "increase", "delta", "^", "exp", "sin", "cos", "tan", "log", "ln",
            "double")
    return 1e-9 if any(word in expr for word in free) else 1e-12


def amplified(expr):
    """The remainder of a large number that differs in its last bit, as the
    mathematical functions of Go and C do, may be anything."""
    return "%" in expr and re.search(r"sinh|cosh|exp\(|tan|\^", expr)


def close(a, b, rel):
    if a == b or (a != a and b != b):
        return True
    if math.isinf(a) or math.isinf(b):  # cosh() overflows a little earlier
        return a * b > 0 and min(abs(a), abs(b)) > 1e307
    if a != a or b != b:
        return False
    return abs(a - b) <= rel * max(abs(a), abs(b))


def points(item):
    return item["values"] if "values" in item else [item["value"]]


def difference(ours, theirs, rel):
    """A sentence about the first difference, or None."""
    if ours["resultType"] != theirs["resultType"]:
        return "types %s and %s" % (ours["resultType"], theirs["resultType"])
    if ours["resultType"] in ("scalar", "string"):
        a, b = ours["result"], theirs["result"]
        if ours["resultType"] == "string":
            return None if a == b else "%r and %r" % (a, b)
        return None if a[0] == b[0] and close(float(a[1]), float(b[1]), rel) \
            else "%r and %r" % (a, b)
    a = {json.dumps(x["metric"], sort_keys=True): x for x in ours["result"]}
    b = {json.dumps(x["metric"], sort_keys=True): x for x in theirs["result"]}
    if len(a) != len(ours["result"]):
        return "a series stands twice"
    if set(a) != set(b):
        return "series: only ours %s, only theirs %s" % (
            sorted(set(a) - set(b))[:3], sorted(set(b) - set(a))[:3])
    for key in a:
        p, q = points(a[key]), points(b[key])
        if [x[0] for x in p] != [x[0] for x in q]:
            return "%s: times differ: %d and %d points" % (key, len(p), len(q))
        for x, y in zip(p, q):
            if not close(float(x[1]), float(y[1]), rel):
                return "%s at %s: %s and %s" % (key, x[0], x[1], y[1])
    return None


def sorted_alike(expr, ours, theirs, rel):
    """Where the query orders its series, the values come in one order."""
    if re.match(r"^sort_by_label", expr) and ours["resultType"] == "vector":
        label = re.findall(r'"(\w+)"[^"]*$', expr)[0]
        if any(label not in x["metric"] for x in ours["result"]):
            return True  # Prometheus's order of what has no label is no order
        return [x["metric"] for x in ours["result"]] == \
            [x["metric"] for x in theirs["result"]]
    if not re.match(r"^(sort|sort_desc|topk|bottomk)[ (]", expr) or \
            ours["resultType"] != "vector" or " by " in expr or \
            "without" in expr:
        return True
    return all(close(float(x["value"][1]), float(y["value"][1]), rel)
               for x, y in zip(ours["result"], theirs["result"]))


def notes(answer):
    """Annotations without the list of what was cut off."""
    found = answer.get("warnings", []) + answer.get("infos", [])
    return {x for x in found if "annotations omitted" not in x}


# ---- The test ---------------------------------------------------------------

class ByName(Maker):
    """Expressions to which it matters when a metric name goes. Prometheus 3.5
    forgets that a name is to go in info(), and in subqueries of what keeps
    names (mended in its 3.11): they are left out."""

    def labels(self):
        return "(%s)" % ", ".join(self.rng.sample(
            LABELS + ("__name__", "__name__"), self.rng.randrange(0, 3)))

    def head(self):
        if self.chance(0.25):
            return '{__name__=~"%s|%s"}' % (self.pick(list(METRICS)),
                                            self.pick(list(METRICS)))
        return super().head()

    def info(self):
        return self.selector()

    def call(self, depth):
        made = super().call(depth)
        return self.selector() if made.startswith(KEEP_NAMES) and \
            re.search(r"\[\w+:\w*\]", made) else made


class Differential(Case):
    features = FEATURE

    def prometheus(self):
        binary = peer("prometheus", "sid")
        promtool = peer("promtool")  # blocks are the same in both suites
        data = self.tmp / "prometheus"
        text = self.write("data.om", openmetrics())
        subprocess.run([promtool, "tsdb", "create-blocks-from", "openmetrics",
                        text, str(data)], check=True, capture_output=True)
        config = self.write("prometheus.yml", "scrape_configs: []\n")
        port = free_port()
        self.start(binary, "--config.file", config, "--storage.tsdb.path",
                   data, "--storage.tsdb.retention.time=100y",
                   "--web.listen-address=127.0.0.1:%d" % port,
                   "--enable-feature=" + self.features)
        url = "http://127.0.0.1:%d" % port

        def ready():
            try:
                with urllib.request.urlopen(url + "/-/ready", timeout=5) as r:
                    return r.status == 200
            except OSError:
                return False
        wait_until(ready, "Prometheus")
        return url

    def forewarn(self):
        server = self.serve("--collect", "off", "--retention", "36500d")
        rows = list(exposition())
        for i in range(0, len(rows), 5000):
            status, said = server.http("/api/v1/import/prometheus",
                                       "".join(rows[i:i + 5000]).encode())
            self.assertEqual(status, 204, said)
        server.stop()
        return server.data

    def ask_prometheus(self, url, expr, times):
        form = {"query": expr}
        if len(times) == 1:
            form["time"] = times[0]
        else:
            form["start"], form["end"], form["step"] = times
        path = "/api/v1/query" if len(times) == 1 else "/api/v1/query_range"
        try:
            with urllib.request.urlopen(
                    url + path, urllib.parse.urlencode(form).encode(),
                    timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return json.load(answer)

    def ask_forewarn(self, data, expr, times):
        args = ["--time", times[0]] if len(times) == 1 else \
            ["--start", times[0], "--end", times[1], "--step",
             "%gs" % times[2]]
        got = run("query", "--data", data, "--format", "json",
                  "--enable-feature", self.features, *args, "--", expr)
        if got.rc == 0:
            return json.loads(got.out)
        return {"status": "error", "error": got.err.strip()}

    def compare(self, url, data, expr, times):
        theirs = self.ask_prometheus(url, expr, times)
        ours = self.ask_forewarn(data, expr, times)
        if "duplicate series for info metric" in theirs.get("error", ""):
            return None  # from 3.7 on the newer one counts, as with us
        if "ts_of_last_over_time" in expr and "@ -10" in expr:
            return None  # it says 0 for the times before 1970
        if theirs["status"] != ours["status"]:
            return "ours %.300s, theirs %.300s" % (
                ours.get("error", "an answer"),
                theirs.get("error", "an answer"))
        if theirs["status"] == "error":
            return None
        rel = tolerance(expr)
        why = difference(ours["data"], theirs["data"], rel)
        if why and " at " in why and amplified(expr):
            why = None
        if why is None and not sorted_alike(expr, ours["data"],
                                            theirs["data"], rel):
            why = "another order"
        if why is None and notes(ours) != notes(theirs) and \
                len(notes(theirs)) < 10:
            why = "annotations: only ours %s, only theirs %s" % (
                sorted(notes(ours) - notes(theirs))[:2],
                sorted(notes(theirs) - notes(ours))[:2])
        return why

    def ask_both(self, maker, count):
        url, data = self.prometheus(), self.forewarn()
        one, bad = os.environ.get("FOREWARN_EXPR"), []
        for i in range(1 if one else count):
            expr = one or maker.expression()
            instant = maker.chance(0.5) or re.search(r"\]( |$)[^)]*$", expr)
            times = (T0 + maker.rng.randrange(0, STEP * POINTS),) if instant \
                else (T0 + maker.rng.randrange(0, 3000), END - 600,
                      maker.pick((15, 60, 37, 300)))
            if one:
                for when in ((T0 + 3000,), (T0 + 600, END, 60)):
                    print(json.dumps(self.ask_prometheus(url, one, when)))
                    print(json.dumps(self.ask_forewarn(data, one, when)))
            why = self.compare(url, data, expr, times)
            if why:
                bad.append("%s %s\n    %s" % (expr, times, why))
                print("DIFFERS", bad[-1], flush=True)
        self.assertEqual(bad, [], "seed %d: %d of %d differ" %
                         (SEED, len(bad), count))

    def test_answers_are_those_of_prometheus(self):
        self.ask_both(Maker(SEED), COUNT)

    def test_names_that_go_late(self):
        self.features = FEATURE + ",promql-delayed-name-removal"
        self.ask_both(ByName(SEED), COUNT // 5)


if __name__ == "__main__":
    unittest  # the house's main() runs it
    main()
