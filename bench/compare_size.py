#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""compare_size - bytes a sample on disk, Forewarn beside VictoriaMetrics, and
whether what was stored comes back.

    bench/compare_size.py [--data DIR] [--sets telemetry,m4-hourly,...]
                          [--peers build/peers/sid/usr/bin]

Sets: `telemetry` and `synthetic` are DIR/NAME/series.csv.gz (series, Unix
seconds, value); `m4-hourly` and `m4-weekly` DIR/m4/*-train.csv.gz, put side by
side so that all series end together; `cpu` and `node` come from bench_lines
(1,000 series of 4,320 samples). Each goes in as InfluxDB lines in order of time
over one connection, with its own timestamps. Then Forewarn rewrites (`forewarn
compact`), VictoriaMetrics flushes and merges, and both are stopped.

    disk     allocated blocks of all files of the folder
    content  lengths of these files, as if the disk had no blocks; without LMDB's
             lock files, which are emptied at each start
    rollups  what of that are hourly summaries, which VictoriaMetrics does not
             make; `--rollup-retention 0s` goes without
    altered  samples that are not there or have other bits

VictoriaMetrics' caches are left out. A peer that is not there is left out too.
"""
import argparse
import csv
import gzip
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from compare_ingest import Forewarn, VictoriaMetrics, get, wait_until  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[1]


def escaped(text):
    return "".join("\\" + c if c in ", =" else c for c in text)


def read_csv(path):
    """{series: [(seconds, text of the value)]}"""
    series = {}
    with gzip.open(path, "rt", newline="") as text:
        rows = csv.reader(text)
        next(rows)
        for name, at, value in rows:
            series.setdefault(name, []).append((int(at), value))
    return series


def read_m4(path, step, end):
    """One series a line, its oldest value first."""
    series = {}
    with gzip.open(path, "rt", newline="") as text:
        rows = csv.reader(text)
        next(rows)
        for row in rows:
            values = [v for v in row[1:] if v != ""]
            series[row[0]] = [(end - (len(values) - 1 - i) * step, v)
                              for i, v in enumerate(values)]
    return series


def write_lines(series, path):
    """Lines in order of time; {labels' value: {ms: value}} and their number."""
    lines = []
    want = {}
    for name, samples in series.items():
        kept = want.setdefault(("m_value", name), {})
        for at, value in samples:
            if not math.isfinite(float(value)) or at * 1000 in kept:
                continue
            kept[at * 1000] = float(value)
            lines.append((at, "m,series=%s value=%s %d000000000\n" %
                          (escaped(name), value, at)))
    lines.sort(key=lambda line: line[0])
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(text for _, text in lines)
    return want


def make_lines(args, name, path):
    """bench_lines' own: tags and ten fields a line."""
    start = 1767225600 # 2026-01-01
    with open(path, "wb") as out:
        subprocess.run([args.lines, name, "1000", "4320", str(start), "10",
                        "0", "1"], stdout=out, check=True)
    want = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            head, fields, at = line.rstrip("\n").split(" ")
            measurement, _, tags = head.partition(",")
            for field in fields.split(","):
                key, _, value = field.partition("=")
                want.setdefault(("%s_%s" % (measurement, key), tags), {})[
                    int(at) // 1000000] = float(value.rstrip("iu"))
    return want


def identity(labels):
    rest = {k: v for k, v in labels.items() if k not in ("__name__", "db")}
    if list(rest) == ["series"]:
        return labels["__name__"], rest["series"]
    return labels["__name__"], frozenset(rest.items())


def key_of(name, tags):
    if "=" not in tags:
        return name, tags
    return name, frozenset(tuple(t.split("=", 1)) for t in tags.split(","))


def same(a, b):
    return a == b and math.copysign(1, a) == math.copysign(1, b)


def count_altered(want, got):
    altered = 0
    for (name, tags), samples in want.items():
        there = got.get(key_of(name, tags), {})
        altered += sum(1 for at, value in samples.items()
                       if at not in there or not same(there[at], value))
        altered += sum(1 for at in there if at not in samples)
    return altered


def read_forewarn(server, want):
    got = {}
    last = max(max(s) for s in want.values() if s)
    for metric in sorted({name for name, _ in want}):
        query = urllib.parse.urlencode(
            {"query": "%s[100y]" % metric, "time": last / 1000})
        answer = json.loads(get(server.http + "/api/v1/query?" + query))
        for series in answer["data"]["result"]:
            got[identity(series["metric"])] = {
                round(at * 1000): float(v) for at, v in series["values"]}
    return got


def read_victoria(server, _want):
    got = {}
    with urllib.request.urlopen(server.http + "/api/v1/export?" +
                                urllib.parse.urlencode(
                                    {"match[]": '{__name__!=""}'})) as reply:
        for line in reply:
            series = json.loads(line)
            got[identity(series["metric"])] = dict(
                zip(series["timestamps"], map(float, series["values"])))
    return got


def sizes(folder):
    disk = content = rollups = 0
    for where, _, names in os.walk(folder):
        if "cache" in pathlib.Path(where).relative_to(folder).parts:
            continue
        for name in names:
            st = os.lstat(os.path.join(where, name))
            disk += st.st_blocks * 512
            if name not in ("lock.mdb",) and not name.endswith("-lock"):
                content += st.st_size
            if name.endswith(".rollup"):
                rollups += st.st_size
    return disk, content, rollups


def measure(kind, args, path, want):
    folder = tempfile.mkdtemp(prefix="size-", dir=args.scratch)
    total = sum(map(len, want.values()))
    server = kind(folder, args)
    try:
        server.send("lines", path)
        if kind is Forewarn:
            subprocess.run([args.forewarn, "compact", "--data", folder],
                           check=True, stdout=subprocess.DEVNULL)
            got = read_forewarn(server, want)
        else:
            get(server.http + "/internal/force_flush")
            wait_until(lambda: sum(map(len, read_victoria(server, want)
                                       .values())) >= total,
                       "every sample in " + kind.name)
            server.settle()
            got = read_victoria(server, want)
        server.stop()
        if kind is Forewarn: # what came since is nothing, but the files closed
            subprocess.run([args.forewarn, "compact", "--data", folder],
                           check=True, stdout=subprocess.DEVNULL)
        return sizes(folder) + (count_altered(want, got),)
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        if args.keep:
            print("%s: %s" % (kind.name, folder))
        else:
            shutil.rmtree(folder, ignore_errors=True)


def prepare(args, name, path):
    if name in ("cpu", "node"):
        return make_lines(args, name, path)
    data = pathlib.Path(args.data)
    if name == "m4-hourly":
        return write_lines(read_m4(data / "m4/Hourly-train.csv.gz", 3600,
                                   1767225600), path)
    if name == "m4-weekly":
        return write_lines(read_m4(data / "m4/Weekly-train.csv.gz", 604800,
                                   1767225600), path)
    return write_lines(read_csv(data / name / "series.csv.gz"), path)


def main():
    args = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--data", help="where telemetry/, synthetic/ and m4/ are")
    args.add_argument("--sets",
                      default="telemetry,m4-hourly,m4-weekly,synthetic,cpu,node")
    args.add_argument("--forewarn", default=str(TOP / "build/release/forewarn"))
    args.add_argument("--lines",
                      default=str(TOP / "build/release/bench/bench_lines"))
    args.add_argument("--peers", type=pathlib.Path,
                      default=TOP / "build/peers/sid/usr/bin")
    args.add_argument("--scratch")
    args.add_argument("--keep", action="store_true", help="leave the folders")
    args = args.parse_args()
    kinds = [Forewarn]
    if (args.peers / VictoriaMetrics.binary).exists():
        kinds.append(VictoriaMetrics)
    print("%-10s %-17s %9s %10s %10s %10s %9s" %
          ("set", "", "samples", "disk B/s", "content", "rollups", "altered"))
    for name in args.sets.split(","):
        with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
            path = os.path.join(folder, "lines")
            want = prepare(args, name, path)
            total = sum(map(len, want.values()))
            for kind in kinds:
                *lengths, altered = measure(kind, args, path, want)
                print("%-10s %-17s %9d %10.4f %10.4f %10.4f %9d" %
                      (name, kind.name, total, *(n / total for n in lengths),
                       altered), flush=True)


if __name__ == "__main__":
    main()
