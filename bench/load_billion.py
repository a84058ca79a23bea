#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""load_billion - one disk, one server, very many samples.

    bench/load_billion.py TOTAL [--series 20000] [--step 10] [--scratch FOLDER]
                                [--retain 3d]

Loads TOTAL samples (1e9 takes 5 to 25 minutes and 1 GB of disk) through the
line port of an empty server, at most as fast as it acknowledges them, counts
every one of them by queries, starts it again, asks again, and starts it with a
shorter retention, which must leave what it keeps and free the rest. The size
of the folder is held against what two loads of a fiftieth and a twenty-fifth
foretell: their difference for each further sample, the rest once.
Exit 1 if a count is wrong or the size is more than a tenth off.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from compare_ingest import (FIELDS, PATIENCE, TOP, Server, cpu_seconds,
                            folder_bytes, peak_rss_mib)



class Billion(Server):
    """A Forewarn that is started again on the folder it left."""

    def __init__(self, folder, args, retention="100y"):
        super().__init__(folder)
        began = time.monotonic()
        self.start([args.forewarn, "serve", "--data", folder,
                    "--collect", "off", "--retention", retention,
                    "--listen-http", "127.0.0.1:%d" % self.http_port,
                    "--listen-line", "127.0.0.1:%d" % self.line_port])
        self.opened = time.monotonic() - began
        self.binary = args.forewarn

    def ask(self, query, at):
        began = time.monotonic()
        cpu = cpu_seconds(self.process.pid)
        done = subprocess.run(
            [self.binary, "query", "--data", self.folder, "--format", "csv",
             "--time", str(at), query], capture_output=True, text=True,
            timeout=PATIENCE)
        if done.returncode not in (0, 1):
            raise SystemExit("%s: %s" % (query, done.stderr))
        rows = done.stdout.strip().splitlines()
        value = float(rows[-1].rsplit(",", 1)[1]) if len(rows) > 1 else 0
        return (value, time.monotonic() - began,
                cpu_seconds(self.process.pid) - cpu)


def feed(server, args, samples, start):
    done = subprocess.run(
        [args.feed, "-p", str(server.process.pid), str(server.line_port),
         str(args.series), str(samples), str(start), str(args.step)],
        capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit("bench_feed: " + done.stderr)
    return done.stdout.strip()


def count_all(server, at, span):
    """Every sample, a metric and a day at a time: a query has its budget."""
    total = wall = cpu = 0
    for field in FIELDS:
        for back in range(0, span, 86400):
            value, seconds, used = server.ask(
                "sum(count_over_time(cpu_usage_%s[%ds]))" %
                (field, min(86400, span - back)), at - back)
            total, wall, cpu = total + value, wall + seconds, cpu + used
    return total, wall, cpu


def report(what, server, at, span, expected):
    total, wall, cpu = count_all(server, at, span)
    print("%s: %.0f samples counted in %.1f s (%.1f CPU s)" %
          (what, total, wall, cpu), flush=True)
    for query in ("max(max_over_time(cpu_usage_user{hostname='host_7'}[%ds]))" %
                  span, "avg(avg_over_time(cpu_usage_user[1h]))"):
        value, wall, cpu = server.ask(query, at)
        print("  %s = %g in %.3f s (%.2f CPU s)" % (query, value, wall, cpu))
    if total != expected:
        raise SystemExit("%s: %.0f samples, expected %.0f" %
                         (what, total, expected))


def sizes(folder):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and path.stat().st_blocks > 256:
            print("  %12d %s" % (path.stat().st_blocks * 512,
                                 path.relative_to(folder)))


def small_load(args, samples):
    """Bytes after a clean stop of a load of the same shape."""
    folder = tempfile.mkdtemp(prefix="billion-", dir=args.scratch)
    try:
        server = Billion(folder, args)
        feed(server, args, samples, args.end - samples * args.step)
        server.stop()
        return folder_bytes(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def predict(args, samples):
    """Bytes of the whole load."""
    small = max(samples // 50, 1)
    one, two = small_load(args, small), small_load(args, 2 * small)
    return one + (two - one) * (samples - small) / small


def retain(folder, args, samples):
    days = int(re.fullmatch(r"(\d+)d", args.retain).group(1))
    before = folder_bytes(folder)
    server = Billion(folder, args, args.retain)
    edge = time.time() - days * 86400
    frees = days * 86400 < samples * args.step - 86400
    end = time.monotonic() + PATIENCE
    while frees and folder_bytes(folder) > before * 0.9 and \
            time.monotonic() < end:
        time.sleep(1)
    span = min(args.end - int(edge) - 86400, samples * args.step)
    kept, wall, _ = count_all(server, args.end, span)
    print("retention %s: %.3f of the bytes kept, %.0f samples of its last %d "
          "days, counted in %.1f s" %
          (args.retain, folder_bytes(folder) / before, kept, days - 1, wall))
    expected = span // args.step * args.series
    server.stop()
    if abs(kept - expected) > args.series:
        raise SystemExit("%.0f samples are kept, expected %.0f" %
                         (kept, expected))
    if frees and folder_bytes(folder) > before * 0.9:
        raise SystemExit("retention freed nothing")


def main():
    args = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("total", type=float)
    args.add_argument("--series", type=int, default=20000)
    args.add_argument("--step", type=int, default=10)
    args.add_argument("--retain", default="3d")
    args.add_argument("--forewarn", default=str(TOP / "build/release/forewarn"))
    args.add_argument("--feed",
                      default=str(TOP / "build/release/bench/bench_feed"))
    args.add_argument("--scratch", default=None)
    args = args.parse_args()
    args.series = args.series // 10 * 10
    args.end = int(time.time()) // args.step * args.step
    samples = int(args.total) // args.series
    start = args.end - samples * args.step
    total = samples * args.series

    predicted = predict(args, samples)
    print("predicted: %.4f bytes a sample, %.0f bytes" %
          (predicted / total, predicted), flush=True)
    folder = tempfile.mkdtemp(prefix="billion-", dir=args.scratch)
    try:
        server = Billion(folder, args)
        print(feed(server, args, samples, start), flush=True)
        span = samples * args.step + 60
        report("loaded", server, args.end, span, total)
        print("peak memory %.0f MiB, %d bytes on disk" %
              (peak_rss_mib(server.process.pid), folder_bytes(folder)))
        began = time.monotonic()
        server.stop()
        size = folder_bytes(folder)
        print("stopped in %.1f s: %d bytes, %.4f a sample, %.2f of the "
              "prediction" % (time.monotonic() - began, size, size / total,
                              size / predicted))
        sizes(folder)
        server = Billion(folder, args)
        print("opened again in %.2f s" % server.opened)
        report("after the restart", server, args.end, span, total)
        server.stop()
        retain(folder, args, samples)
        return abs(size / predicted - 1) > 0.1
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
