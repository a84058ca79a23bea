#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""compare_stall - how long writers wait while heavy queries run.

    bench/compare_stall.py [--queries 0,1,4] [--rate 100000] [--seconds 15]
                           [--series 10000] [--history 1000] [--rounds 1]

A server gets HISTORY samples of each of SERIES series. Then, with so many heavy
queries running at every moment (each asked again as soon as it is answered):

  lines         two connections send RATE samples a second over TCP, every 10 ms
                and each time with a `#sync`; the time until `#synced`
  remote_write  one connection sends requests of 2,000 samples, as many as make
                RATE, each when its time has come or the one before is answered;
                the time from the first byte sent to the reply

Both are acknowledged when they are durable, so what the same disk needs for
64 KiB and fdatasync() is printed beside them, and how many queries were
answered meanwhile with how much CPU.
"""
import argparse
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.parse

from compare_ingest import TOP, Forewarn, cpu_seconds

HEAVY = ("sum(quantile_over_time(0.9, cpu_usage_user[1h]))",
         "stddev(rate(cpu_usage_nice[10m]) * 2)",
         "sum(deriv(cpu_usage_system[30m]) > 0)",
         "count(max_over_time((cpu_usage_idle * 2)[30m:10s]) > 5)")
REQUEST_SAMPLES = 2000


def waits(pid):
    """Seconds that threads of a name were ready to run and had no core."""
    out = {}
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            at = "/proc/%d/task/%s/" % (pid, task)
            name = open(at + "comm").read().strip()
            waited = int(open(at + "schedstat").read().split()[1]) / 1e9
        except OSError:
            continue  # it ended meanwhile
        out[name] = out.get(name, 0) + waited
    return out


class Asker(threading.Thread):
    """Asks one heavy query after the other until it is told to stop."""

    def __init__(self, number, server, start, end):
        super().__init__()
        self.number, self.server = number, server
        self.start_s, self.end_s = start, end
        self.enough, self.answered = threading.Event(), 0
        self.failed = None

    def run(self):
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.http_port, timeout=600)
        while not self.enough.is_set():
            connection.request("GET", "/api/v1/query_range?" +
                               urllib.parse.urlencode({
                                   "query": HEAVY[(self.number + self.answered)
                                                  % len(HEAVY)],
                                   "start": self.start_s, "end": self.end_s,
                                   "step": 30}))
            reply = connection.getresponse()
            body = reply.read()
            if reply.status != 200:
                self.failed = "query: %d %r" % (reply.status, body[:300])
                break
            self.answered += 1
        connection.close()


def feed(args, server, rate, samples, start, folder):
    command = [args.feed]
    if rate:
        command += ["-r", str(rate), "-d", folder]
    return subprocess.run(
        command + [str(server.line_port), str(args.series), str(samples),
                   str(start), "10"], check=True, stdout=subprocess.PIPE,
        text=True).stdout


def requests(args, samples, start):
    made = subprocess.run(
        [args.lines, "-w", str(REQUEST_SAMPLES), "cpu", str(args.series),
         str(samples), str(start), "10"], check=True,
        stdout=subprocess.PIPE).stdout
    at = 0
    while at < len(made):
        end = at + 4 + int.from_bytes(made[at:at + 4], "little")
        yield made[at + 4:end]
        at = end


def write_all(args, server, bodies):
    """Latencies in ms of requests at a steady rate."""
    out = []
    every = REQUEST_SAMPLES / args.rate
    with socket.create_connection(("127.0.0.1", server.http_port)) as to:
        to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = time.monotonic()
        for number, body in enumerate(bodies):
            wait = begun + number * every - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            sent, answer = time.monotonic(), b""
            to.sendall(body)
            while b"\r\n\r\n" not in answer:
                got = to.recv(4096)
                if not got:
                    raise SystemExit("the server closed: %r" % answer)
                answer += got
            if not re.match(rb"HTTP/1.1 20[04] ", answer):
                raise SystemExit("the server answered %r" % answer)
            out.append((time.monotonic() - sent) * 1000)
    return out


def percentiles(ms):
    ms = sorted(ms)
    return "p50 %.2f p90 %.2f p99 %.2f max %.2f ms (%d)" % (
        statistics.median(ms), ms[len(ms) * 9 // 10], ms[len(ms) * 99 // 100],
        ms[-1], len(ms))


def under_load(args, server, count, history, work):
    """Runs work() while `count` queries run; returns what it made, the number
    of queries answered and the server's CPU seconds a second."""
    askers = [Asker(i, server, *history) for i in range(count)]
    for asker in askers:
        asker.start()
    time.sleep(1 if count else 0)
    pid = server.process.pid
    cpu, begun, before = cpu_seconds(pid), time.monotonic(), waits(pid)
    try:
        made = work()
    finally:
        cpu = cpu_seconds(pid) - cpu
        after = waits(pid)
        took = time.monotonic() - begun
        for asker in askers:
            asker.enough.set()
        for asker in askers:
            asker.join()
            if asker.failed:
                raise SystemExit(asker.failed)
    print("    waited for a core, ms a second: " + ", ".join(
        "%s %.0f" % (name, (after[name] - before.get(name, 0)) / took * 1000)
        for name in sorted(after)))
    return made, sum(a.answered for a in askers), cpu / took


def one_round(args, counts):
    folder = tempfile.mkdtemp(prefix="stall-", dir=args.scratch)
    server = Forewarn(folder, args)
    try:
        now = int(time.time())
        begin = now - args.history * 10 - 90000
        feed(args, server, 0, args.history, begin, folder)
        history = (begin + 600, begin + args.history * 10)
        ticks = args.rate * args.seconds // args.series
        at = history[1]
        for count in counts:
            text, answered, cpu = under_load(
                args, server, count, history,
                lambda: feed(args, server, args.rate, ticks, at, folder))
            at += ticks * 10
            print("%d queries (%d answered, %.2f cores), load %.1f" % (
                count, answered, cpu, os.getloadavg()[0]))
            print("  lines         " + "\n                ".join(
                line for line in text.splitlines() if "p50" in line))
            bodies = list(requests(args, ticks, at))
            at += ticks * 10
            made, answered, cpu = under_load(
                args, server, count, history,
                lambda: write_all(args, server, bodies))
            print("  remote_write  acknowledged: %s; %d queries, %.2f cores" % (
                percentiles(made), answered, cpu), flush=True)
        server.stop()
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    args = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--queries", default="0,1,4")
    args.add_argument("--rate", type=int, default=100000)
    args.add_argument("--seconds", type=int, default=15)
    args.add_argument("--series", type=int, default=10000)
    args.add_argument("--history", type=int, default=1000)
    args.add_argument("--rounds", type=int, default=1)
    args.add_argument("--scratch", default=None)
    args.add_argument("--forewarn", default=str(TOP / "build/release/forewarn"))
    for name in ("feed", "lines"):
        args.add_argument("--" + name, default=str(
            TOP / "build/release/bench" / ("bench_" + name)))
    args = args.parse_args()
    for number in range(args.rounds):
        print("round %d of %d" % (number + 1, args.rounds), flush=True)
        one_round(args, [int(n) for n in args.queries.split(",")])


if __name__ == "__main__":
    main()
