#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: labels=peers timeout=600
"""Wrong requests, to Forewarn and to a real Prometheus 3: status, errorType and
the shape of the reply must be the same. Fifty for each endpoint, put together
at random from good and bad values of each parameter; FOREWARN_SEED chooses."""
import http.client
import json
import os
import random
import subprocess
import urllib.parse

from forewarn_e2e import Case, free_port, main, peer, wait_until

SEED = int(os.environ.get("FOREWARN_SEED", "1"))
COUNT = int(os.environ.get("FOREWARN_REQUESTS", "50"))
T = 1700000000

# Not NaN, Inf and -2^63: Prometheus takes them, for whatever time that may be.
TIMES = [str(T), str(T + 600), "%d.5" % T, "2023-11-14T22:13:20Z", "", "now",
         "-1", "1.7e9", "x", "2023-11-14", "2023-11-14T22:13:20",
         "2023-11-14T22:13:20+02:00", "2023-11-14 22:13:20Z",
         " 1", "1700000000s", "0x10"]
EXPRESSIONS = ["up", "up[5m]", "sum(up", "up{", "1+1", "'text'", "", "foo(up)",
               "sum(1)", "rate(up)", "up + on", "up{a=~'('}", "{}", "up @ x",
               "1 +* 2", "up offset", "{__name__=''}", "up[5m:", "\"", "\x00",
               "label_replace(up, 'a', 'b', 'c', '(')", "up == bool 1",
               "up and 1", "topk('a', up)", "{a='b', c}", "ä", "up[0s]",
               "count_values('~', up)", "label_join(up, '', ',')", "-'x'",
               "up * on (x) group_left up", "quantile_over_time(up[1m])"]
MATCHES = ["up", "{a='b'}", "", "{}", "up{", "1", "sum(up)", "{a=~'('}",
           "up[5m]", "{a=''}", "up offset 5m", "\"", "{__name__=~'.*'}"]
# Below a millisecond Prometheus 3.5 divides by zero.
STEPS = ["15", "15s", "1m", "0", "-1", "", "x", "NaN", "0.001", "1y",
         "1700000000", "Inf", "1e30", "+5"]
# With 0 or less Prometheus gives up here or there, each time elsewhere.
TIMEOUTS = ["5s", "5", "1m", "x", "", "1e30"]
LIMITS = ["0", "1", "-1", "x", "", "1.5", "99999999999999999999"]
NAMES = ["instance", "__name__", "a-b", "1", "%ff", "U__a_2e_b", "%00", "a b"]

QUERY = {"query": EXPRESSIONS, "timeout": TIMEOUTS, "limit": LIMITS,
         "lookback_delta": TIMEOUTS, "stats": ["all", "x", ""]}
# What Prometheus takes for all series here, and we refuse.
FEWER = [m for m in MATCHES if m not in ("{}", "{a=''}", "{__name__=~'.*'}")]
SELECT = {"match[]": MATCHES, "start": TIMES, "end": TIMES, "limit": LIMITS}
# Ours keeps an audit log, and wants to know.
WHO = {"actor": ["test"], "reason": ["wrong requests"]}
ENDPOINTS = {
    "/api/v1/query": {**QUERY, "time": TIMES},
    "/api/v1/query_range": {**QUERY, "start": TIMES, "end": TIMES,
                            "step": STEPS},
    "/api/v1/series": SELECT,
    "/api/v1/labels": SELECT,
    "/api/v1/label/%s/values": SELECT,
    # Of an expression without a selector Prometheus answers 204.
    "/api/v1/query_exemplars": {"query": [x for x in EXPRESSIONS
                                          if "up" in x or "{" in x], "start": TIMES,
                                "end": TIMES},
    "/api/v1/format_query": {"query": EXPRESSIONS},
    "/api/v1/parse_query": {"query": EXPRESSIONS},
    "/api/v1/metadata": {"limit": LIMITS, "metric": ["up", "", "{"],
                         "limit_per_metric": LIMITS},
    "/api/v1/targets": {"state": ["active", "dropped", "any", "x", ""],
                        "scrapePool": ["x", ""]},
    "/api/v1/targets/metadata": {"limit": LIMITS, "metric": ["up", ""],
                                 "match_target": FEWER},
    "/api/v1/rules": {"type": ["alert", "record", "x", ""],
                      "group_limit": LIMITS, "group_next_token": ["x", ""],
                      "match[]": MATCHES, "exclude_alerts": ["true", "x"]},
    "/api/v1/alerts": {"x": ["y"]},
    "/api/v1/status/tsdb": {"limit": LIMITS},
    "/federate": {"match[]": FEWER},
    "/api/v1/admin/tsdb/delete_series": {"match[]": FEWER, "start": TIMES[:1],
                                         "end": TIMES[1:2] + ["", "x"], **WHO},
    "/api/v1/admin/tsdb/snapshot": {"skip_head": ["true", "x", ""], **WHO},
    "/api/v1/nothing": {"a": ["b"]},
}
METHODS = ("GET", "GET", "GET", "POST", "POST", "PUT", "OPTIONS")


def shape(value, depth=2):
    """The keys and types of a JSON value, lists by their first element."""
    if isinstance(value, dict):
        return {k: shape(v, depth - 1) for k, v in sorted(value.items())} \
            if depth else "{}"
    if isinstance(value, list):
        return "[]"
    return type(value).__name__


class Maker:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def request(self, path, params):
        """(method, target, form): mostly two or three parameters wrong."""
        method = self.rng.choice(METHODS)
        if method == "OPTIONS" and path in ("/federate", "/api/v1/nothing"):
            method = "GET"
        pairs = []
        for name, values in params.items():
            roll = self.rng.random()
            if roll < 0.12 and name not in WHO:
                continue  # left out
            # The first values are good ones.
            pairs.append((name, values[0] if roll < 0.6
                          else self.rng.choice(values)))
        if "%s" in path:
            path = path % self.rng.choice(NAMES).replace(" ", "%20")
        form = urllib.parse.urlencode(pairs)
        if method == "POST" and self.rng.random() < 0.8:
            return method, path, form
        return method, path + ("?" + form if form else ""), None


def ask(address, method, target, form):
    connection = http.client.HTTPConnection(*address, timeout=60)
    headers = {} if form is None else {
        "Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, target, form, headers)
    reply = connection.getresponse()
    body = reply.read()
    kind = (reply.getheader("Content-Type") or "").split(";")[0]
    connection.close()
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    return reply.status, kind, answer


def summary(path, got):
    """What must be the same."""
    status, kind, answer = got
    if status in (404, 405) or path == "/federate" and status != 200:
        return status,  # where Prometheus says it as plain text, if at all
    if not isinstance(answer, dict):
        # Text of errors is free; that of pages and of nothing is not looked at.
        return status, kind if status == 200 else ""
    told = answer.get("data")
    if status == 200 and isinstance(told, dict) and "/query" in path:
        told = {"resultType": told.get("resultType")}
    return status, kind, answer.get("status"), answer.get("errorType"), \
        shape(told, 1) if status == 200 else None


RULES = """groups:
- name: g
  labels: {team: a}
  rules:
  - {alert: Page, expr: up, labels: {severity: page}}
  - {alert: Warn, expr: up, labels: {severity: warn, team: b}}
  - {alert: Shaped, expr: up, labels: {severity: "{{ $value }}"}}
  - {record: r, expr: up, labels: {kind: recorded}}
- name: h
  rules:
  - {alert: Bare, expr: up}
"""


class Errors(Case):
    def prometheus(self):
        config = self.write("prometheus.yml", "scrape_configs: []\n"
                            "rule_files: [rules.yml]\n")
        port = free_port()
        self.start(peer("prometheus", "sid"), "--config.file", config,
                   "--storage.tsdb.path", self.tmp / "prometheus",
                   "--web.enable-admin-api",
                   "--web.listen-address=127.0.0.1:%d" % port)

        def ready():
            try:
                return ask(("127.0.0.1", port), "GET", "/-/ready",
                           None)[0] == 200
            except OSError:
                return False
        wait_until(ready, "Prometheus")
        return "127.0.0.1", port

    def test_rules_are_chosen_alike_by_their_labels(self):
        rules = self.write("rules.yml", RULES)
        theirs = self.prometheus()
        server = self.serve("--collect", "off", "--config", self.write(
            "forewarn.yml", "rule_files: ['%s']\n" % rules))
        for match in ("", '{severity="page"}', '{severity=~".+"}',
                      '{severity!~".+",team!=""}', '{team="a"}', "up",
                      '{kind="recorded"}', '{severity="{{ $value }}"}',
                      '{severity="page"}|{team="b"}'):
            path = "/api/v1/rules?" + urllib.parse.urlencode(
                [("match[]", m) for m in match.split("|") if m])
            ours, wanted = (
                [(group["name"], [rule["name"] for rule in group["rules"]])
                 for group in ask(address, "GET", path, None)[2]["data"]
                 ["groups"]] for address in (server.addr("http"), theirs))
            self.assertEqual(ours, wanted, match)
        server.stop()

    def test_wrong_requests_are_refused_alike(self):
        self.write("rules.yml", "groups: []\n")
        theirs = self.prometheus()
        server = self.serve("--collect", "off", "--enable-admin-api")
        ours, maker, bad = server.addr("http"), Maker(SEED), []
        for path, params in ENDPOINTS.items():
            for _ in range(COUNT):
                request = maker.request(path, params)
                a, b = ask(ours, *request), ask(theirs, *request)
                if summary(path, a) != summary(path, b):
                    bad.append("%s\n    ours   %s %s\n    theirs %s %s" % (
                        request, summary(path, a), (a[2] or {}).get("error"),
                        summary(path, b), (b[2] or {}).get("error")))
                    print("DIFFERS", bad[-1], flush=True)
        server.stop()
        self.assertEqual(bad, [], "seed %d" % SEED)


if __name__ == "__main__":
    main()
