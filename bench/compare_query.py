#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""compare_query - the same queries to Forewarn, Prometheus and VictoriaMetrics.

    bench/compare_query.py [--hosts 200] [--hours 12] [--counters 10000]
                           [--seconds 2] [--only TEXT] [--peers build/peers/sid/usr/bin]

The same remote_write bodies (bench_writes) go into each server, then each
query goes to each of them over HTTP, one at a time on one connection. The
queries are those of the Time Series Benchmark Suite, and of dashboards.
Reported for each server:

  median, p99  of the time from the request to the last byte of the answer
  cpu          of the server process for one query, milliseconds (its user and
               system time over all runs of the query, divided by their number)

and the samples a query has to look at, a second of Forewarn's CPU time. The
last columns are how many times the CPU time of Forewarn the others take. The
answers are compared too: with Prometheus value by value, with VictoriaMetrics
by the number of series (its functions are not quite PromQL's).
"""
import argparse
import http.client
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.parse

from compare_ingest import TOP, cpu_seconds, free_port

PATIENCE = 600
HOUR = 3600
WRITE = {"Content-Type": "application/x-protobuf",
         "Content-Encoding": "snappy",
         "X-Prometheus-Remote-Write-Version": "0.1.0"}

# name, expression, seconds before the end (0: an instant), step
QUERIES = [
    ("single host max, 1 h",
     'max_over_time(cpu_usage_user{hostname="host_7"}[1m])', HOUR, 60),
    ("5 metrics x 8 hosts max, 1 h",
     'max by (field) (max_over_time({__name__=~"cpu_usage_'
     '(user|system|idle|nice|irq)",hostname=~"host_[0-7]"}[1m]))', HOUR, 60),
    ("double group-by, 1 metric, 12 h",
     "avg by (hostname) (avg_over_time(cpu_usage_user[1h]))", 12 * HOUR, HOUR),
    ("double group-by, 10 metrics, 12 h",
     'avg by (hostname, field) (avg_over_time({__name__=~"cpu_.*"}[1h]))',
     12 * HOUR, HOUR),
    ("high cpu, 1 host, 12 h",
     'max_over_time(cpu_usage_user{hostname="host_7"}[1m]) > 90',
     12 * HOUR, 60),
    ("high cpu, all hosts, 12 h",
     "max_over_time(cpu_usage_user[1m]) > 90", 12 * HOUR, 60),
    ("last point", "cpu_usage_user", 0, 0),
    ("last point, all metrics", '{__name__=~"cpu_.*"}', 0, 0),
    ("full scan, sum", 'sum(sum_over_time({__name__=~"cpu_.*"}[12h]))', 0, 0),
    ("full scan, max", 'max(max_over_time({__name__=~"cpu_.*"}[12h]))', 0, 0),
    ("full scan, stddev",
     'sum(stddev_over_time({__name__=~"cpu_.*"}[12h]))', 0, 0),
    ("rate, 10k series, 1 h",
     "sum by (job, code) (rate(http_requests_total[5m]))", HOUR, 60),
    ("rate, 10k series, instant",
     "sum by (job, code) (rate(http_requests_total[5m]))", 0, 0),
    ("rate over all, 12 h",
     'sum(rate({__name__=~"cpu_.*"}[5m]))', 12 * HOUR, 300),
    ("quantile over time, 12 h",
     "quantile_over_time(0.95, cpu_usage_user[1h])", 12 * HOUR, 300),
    ("quantile over hosts, 12 h",
     "quantile(0.95, cpu_usage_user)", 12 * HOUR, 300),
    ("top 5 hosts, 1 h", "topk(5, avg_over_time(cpu_usage_user[5m]))",
     HOUR, 60),
    ("join, 12 h", "cpu_usage_user / on (hostname) (cpu_usage_user "
     "+ on (hostname) cpu_usage_idle)", 12 * HOUR, 300),
    ("plain series, 1 h", "cpu_usage_user", HOUR, 10),
]


class Server:
    """One server process on a folder of its own, and one connection to it."""

    write_path = "/api/v1/write"

    def __init__(self, folder, args):
        self.port = free_port()
        self.folder = folder
        self.log = open(folder + ".log", "wb")
        self.process = subprocess.Popen(self.command(folder, args),
                                        stdout=self.log, stderr=self.log,
                                        cwd=folder)
        end = time.monotonic() + PATIENCE
        while True:
            if self.process.poll() is not None:
                raise SystemExit("%s ended at once; see %s.log" %
                                 (self.name, folder))
            try:
                self.connection = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=PATIENCE)
                if self.ask("GET", self.ready)[0] == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > end:
                raise SystemExit("%s does not become ready" % self.name)
            time.sleep(0.05)

    def ask(self, method, path, body=None, headers=None):
        self.connection.request(method, path, body, headers or {})
        reply = self.connection.getresponse()
        return reply.status, reply.read()

    def query(self, expression, start, end, step):
        if step:
            path = "/api/v1/query_range?" + urllib.parse.urlencode(
                {"query": expression, "start": start, "end": end,
                 "step": step, **self.more})
        else:
            path = "/api/v1/query?" + urllib.parse.urlencode(
                {"query": expression, "time": end, **self.more})
        status, body = self.ask("GET", path)
        if status != 200:
            raise SystemExit("%s: %s: %d %r" % (self.name, expression, status,
                                                body[:500]))
        return body

    def settle(self):
        pass

    def stop(self):
        self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Forewarn(Server):
    name = "Forewarn"
    ready = "/-/ready"
    more = {}

    def command(self, folder, args):
        return [args.forewarn, "serve", "--data", folder, "--collect", "off",
                "--listen-line", "off", "--retention", "100y",
                "--listen-http", "127.0.0.1:%d" % self.port]


class Prometheus(Server):
    name = "Prometheus"
    ready = "/-/ready"
    more = {}

    def command(self, folder, args):
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w") as out:
            out.write("scrape_configs: []\n")
        return [str(args.peers / "prometheus"), "--config.file=" + config,
                "--storage.tsdb.path=" + os.path.join(folder, "data"),
                "--storage.tsdb.retention.time=100y",
                "--web.listen-address=127.0.0.1:%d" % self.port,
                "--web.enable-remote-write-receiver",
                "--query.max-samples=500000000", "--log.level=warn"]


class VictoriaMetrics(Server):
    name = "VictoriaMetrics"
    ready = "/health"
    more = {"nocache": 1}

    def command(self, folder, args):
        return [str(args.peers / "victoria-metrics"),
                "-storageDataPath=" + os.path.join(folder, "data"),
                "-retentionPeriod=100y",
                "-httpListenAddr=127.0.0.1:%d" % self.port,
                "-search.latencyOffset=0s", "-search.disableCache=true",
                "-search.maxSamplesPerQuery=2000000000"]

    def settle(self):
        self.ask("GET", "/internal/force_flush")
        time.sleep(2)
        self.ask("GET", "/internal/force_merge")
        time.sleep(5)


def load(servers, args, end):
    """Posts what bench_writes makes; returns the number of bodies."""
    make = subprocess.Popen([args.writes, str(args.hosts), str(args.hours),
                             str(args.counters), str(end)],
                            stdout=subprocess.PIPE)
    bodies = 0
    while length := make.stdout.read(8):
        body = make.stdout.read(int.from_bytes(length, "little"))
        for server in servers:
            status, said = server.ask("POST", server.write_path, body, WRITE)
            if status not in (200, 204):
                raise SystemExit("%s refuses a write: %d %r" %
                                 (server.name, status, said[:500]))
        bodies += 1
    if make.wait() != 0:
        raise SystemExit("bench_writes failed")
    for server in servers:
        server.settle()
    return bodies


def series_of(body):
    """Labels -> points of an answer."""
    result = json.loads(body)["data"]["result"]
    return {tuple(sorted(s["metric"].items())):
            [(t, float(v)) for t, v in s.get("values", [s.get("value")])]
            for s in result}


def same(a, b):
    if a.keys() != b.keys():
        return "%d and %d series" % (len(a), len(b))
    for labels, left in a.items():
        right = b[labels]
        if len(left) != len(right):
            return "%r: %d and %d points" % (labels, len(left), len(right))
        for (t, v), (u, w) in zip(left, right):
            alike = math.isnan(v) and math.isnan(w) or math.isclose(
                v, w, rel_tol=1e-9, abs_tol=1e-9)
            if t != u or not alike:
                return "%r: %r and %r" % (labels, (t, v), (u, w))
    return None


def compare(name, answers):
    ours = series_of(answers["Forewarn"])
    if "Prometheus" in answers:
        differs = same(ours, series_of(answers["Prometheus"]))
        if differs:
            raise SystemExit("%s: Prometheus answers otherwise: %s" %
                             (name, differs))
    if "VictoriaMetrics" in answers:
        theirs = len(series_of(answers["VictoriaMetrics"]))
        if theirs != len(ours):
            print("  (%s: VictoriaMetrics has %d series, not %d)" %
                  (name, theirs, len(ours)))


def measure(server, query, end, seconds):
    """(median ms, p99 ms, CPU ms, answer)"""
    _, expression, span, step = query
    answer = server.query(expression, end - span, end, step)
    server.query(expression, end - span, end, step)
    took = []
    cpu = cpu_seconds(server.process.pid)
    began = time.monotonic()
    while len(took) < 5 or (time.monotonic() - began < seconds and
                            len(took) < 2000):
        at = time.perf_counter()
        server.query(expression, end - span, end, step)
        took.append((time.perf_counter() - at) * 1000)
    cpu = (cpu_seconds(server.process.pid) - cpu) * 1000 / len(took)
    took.sort()
    return (statistics.median(took), took[min(len(took) - 1,
                                              int(len(took) * 0.99))],
            cpu, answer)


def samples_of(server, query, end):
    """How many samples the query reads, as Forewarn counts them."""
    _, expression, span, step = query
    server.more = {"stats": "all"}
    said = json.loads(server.query(expression, end - span, end, step))
    server.more = {}
    return said["data"]["stats"]["samples"]["totalQueryableSamples"]


def report(rows, names):
    print("%-34s %10s" % ("", "samples") +
          "".join("%31s" % n for n in names))
    print("%-34s %10s" % ("", "") + "%10s %9s %10s" * len(names) %
          (("median ms", "p99 ms", "cpu ms") * len(names)) +
          "%9s" % "M/s cpu" + "".join("%8s" % ("/" + n[0]) for n in names[1:]))
    for name, samples, figures in rows:
        line = "%-34s %10d" % (name, samples)
        for n in names:
            line += "%10.2f %9.2f %10.3f" % figures[n]
        own = figures[names[0]][2]
        line += "%9.0f" % (samples / own / 1000) if own > 0 else "        -"
        for n in names[1:]:
            line += "%8.1f" % (figures[n][2] / own) if own > 0 else "       -"
        print(line)


def main():
    args = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--hosts", type=int, default=200)
    args.add_argument("--hours", type=int, default=12)
    args.add_argument("--counters", type=int, default=10000)
    args.add_argument("--seconds", type=float, default=2)
    args.add_argument("--only", default="")
    args.add_argument("--servers", default="fpv", help="some of f, p, v")
    args.add_argument("--forewarn", default=str(TOP / "build/release/forewarn"))
    args.add_argument("--writes",
                      default=str(TOP / "build/release/bench/bench_writes"))
    args.add_argument("--peers", type=pathlib.Path,
                      default=TOP / "build/peers/sid/usr/bin")
    args.add_argument("--scratch", default=None)
    args = args.parse_args()

    kinds = [Forewarn]
    for kind, program in ((Prometheus, "prometheus"),
                          (VictoriaMetrics, "victoria-metrics")):
        if kind.name[0].lower() not in args.servers:
            continue
        if (args.peers / program).exists():
            kinds.append(kind)
        else:
            print("no %s in %s: 'tests/e2e/peers' fetches it" % (kind.name,
                                                                 args.peers))
    end = int(time.time()) // 600 * 600
    top = tempfile.mkdtemp(prefix="query-", dir=args.scratch)
    servers = []
    try:
        for kind in kinds:
            folder = os.path.join(top, kind.name)
            os.mkdir(folder)
            servers.append(kind(folder, args))
        bodies = load(servers, args, end)
        print("%d series, %d samples in %d bodies, to each of %d servers" % (
            args.hosts * 10 + args.counters,
            args.hosts * 10 * args.hours * 360 + args.counters * 360, bodies,
            len(servers)), flush=True)
        rows = []
        for query in QUERIES:
            if args.only not in query[0]:
                continue
            figures, answers = {}, {}
            for server in servers:
                *numbers, answers[server.name] = measure(server, query, end,
                                                         args.seconds)
                figures[server.name] = tuple(numbers)
            compare(query[0], answers)
            rows.append((query[0], samples_of(servers[0], query, end), figures))
            report(rows[-1:], [s.name for s in servers])
        print()
        report(rows, [s.name for s in servers])
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    main()
