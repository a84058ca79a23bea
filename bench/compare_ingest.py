#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""compare_ingest - the same lines into Forewarn and into VictoriaMetrics.

    bench/compare_ingest.py [--set cpu] [--series 1000] [--samples 4320]
                            [--rounds 3] [--peers build/peers/sid/usr/bin]

Lines come from bench_lines, over two TCP connections to the line port. Each
round starts each server on an empty folder. Reported, as medians:

  queryable  million samples a second, from the first byte sent until a query
             counts every sample (Forewarn: all of them durable as well)
  cpu        server CPU seconds for a million samples, until then
  disk       bytes a sample in the folder, after each server merged what it has
             (VictoriaMetrics: after force_flush and force_merge, without the
             caches that it saves at a stop; Forewarn: after a clean stop)
  rss        peak resident memory of the server, MiB

Without VictoriaMetrics (tests/e2e/peers fetches it) only Forewarn is measured.
"""
import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[1]
CLOCK_TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 600
FIELDS = ("user system idle nice iowait irq softirq steal guest "
          "guest_nice").split()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICK


def peak_rss_mib(pid):
    status = open("/proc/%d/status" % pid).read()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def folder_bytes(folder):
    """What the disk holds: allocated blocks, so that sparse maps are fair."""
    return sum(os.lstat(os.path.join(where, name)).st_blocks * 512
               for where, _, names in os.walk(folder) for name in names)


def get(url):
    with urllib.request.urlopen(url, timeout=60) as reply:
        return reply.read().decode()


def wait_until(true, what):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise SystemExit("waited in vain for " + what)
        time.sleep(0.02)


def send(port, path, sync):
    with socket.create_connection(("127.0.0.1", port)) as to:
        with open(path, "rb") as lines:
            to.sendfile(lines)
        if sync:
            to.sendall(b"#sync done\n")
            answer = b""
            while not answer.endswith(b"\n"):
                got = to.recv(4096)
                if not got:
                    raise SystemExit("the server closed before #synced")
                answer += got
            if b"#synced done" not in answer:
                raise SystemExit("the server answered %r" % answer)
        else:
            to.shutdown(socket.SHUT_WR)
            while to.recv(4096):
                pass


def count_query(span):
    """A term for each metric: count_over_time drops the name, and two series
    that differ in nothing else cannot stand in one vector."""
    return " + ".join("sum(count_over_time(cpu_usage_%s[%ds]))" % (field, span)
                      for field in FIELDS)


class Server:
    """One server process on a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.line_port = free_port()

    def start(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

        def accepts():
            if self.process.poll() is not None:
                raise SystemExit("%s ended at once" % command[0])
            try:
                socket.create_connection(("127.0.0.1", self.line_port),
                                         1).close()
                return True
            except OSError:
                return False
        wait_until(accepts, command[0])

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


class Forewarn(Server):
    name = "forewarn"
    sync = True
    sealed_by_stop = True

    def __init__(self, folder, args):
        super().__init__(folder)
        self.binary = args.forewarn
        self.start([self.binary, "serve", "--data", folder, "--collect", "off",
                    "--listen-http", "off", "--retention", "100y",
                    "--listen-line", "127.0.0.1:%d" % self.line_port])

    def count(self, at, span):
        done = subprocess.run(
            [self.binary, "query", "--data", self.folder, "--format", "csv",
             "--time", str(at), count_query(span)],
            capture_output=True, text=True)
        rows = done.stdout.strip().splitlines()
        return float(rows[-1].rsplit(",", 1)[1]) if len(rows) > 1 else 0

    def settle(self):
        pass


class VictoriaMetrics(Server):
    name = "victoria-metrics"
    sync = False
    sealed_by_stop = False

    def __init__(self, folder, args):
        super().__init__(folder)
        self.http = "http://127.0.0.1:%d" % (port := free_port())
        self.start([str(args.peers / "victoria-metrics"),
                    "-storageDataPath=" + folder, "-retentionPeriod=100y",
                    "-httpListenAddr=127.0.0.1:%d" % port,
                    "-influxListenAddr=127.0.0.1:%d" % self.line_port,
                    "-search.latencyOffset=0s",
                    "-search.disableCache=true"])

    def count(self, at, span):
        get(self.http + "/internal/force_flush")
        query = urllib.parse.urlencode(
            {"query": count_query(span), "time": at, "nocache": 1})
        hit = re.search(r'"value":\[[^,]*,"([^"]*)"', get(
            self.http + "/api/v1/query?" + query))
        return float(hit.group(1)) if hit else 0

    def settle(self):
        get(self.http + "/internal/force_flush")
        time.sleep(3)
        get(self.http + "/internal/force_merge")
        sizes = []
        while len(sizes) < 6 or len(set(sizes[-6:])) > 1:
            sizes.append(folder_bytes(self.folder))
            time.sleep(1)


def measure(kind, args, files, total):
    folder = tempfile.mkdtemp(prefix="ingest-", dir=args.scratch)
    server = kind(folder, args)
    try:
        at = args.start + args.samples * args.step
        span = args.samples * args.step + 60
        cpu = cpu_seconds(server.process.pid)
        began = time.monotonic()
        senders = [threading.Thread(target=send,
                                    args=(server.line_port, f, kind.sync))
                   for f in files]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        wait_until(lambda: server.count(at, span) >= total, "every sample")
        wall = time.monotonic() - began
        cpu = cpu_seconds(server.process.pid) - cpu
        if (found := server.count(at, span)) != total:
            raise SystemExit("%s counts %g of %d" % (kind.name, found, total))
        server.settle()
        rss = peak_rss_mib(server.process.pid)
        disk = folder_bytes(folder)
        server.stop()
        if kind.sealed_by_stop:
            disk = folder_bytes(folder)
        return (total / wall / 1e6, cpu / total * 1e6, disk / total, rss)
    finally:
        if server.process.poll() is None:
            server.process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    args = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--set", default="cpu")
    args.add_argument("--series", type=int, default=1000)
    args.add_argument("--samples", type=int, default=4320)
    args.add_argument("--step", type=int, default=10)
    args.add_argument("--start", type=int,
                      default=int(time.time()) // 86400 * 86400 - 86400)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--forewarn", default=str(TOP / "build/release/forewarn"))
    args.add_argument("--lines",
                      default=str(TOP / "build/release/bench/bench_lines"))
    args.add_argument("--peers", type=pathlib.Path,
                      default=TOP / "build/peers/sid/usr/bin")
    args.add_argument("--scratch", default=None)
    args = args.parse_args()

    kinds = [Forewarn]
    if (args.peers / "victoria-metrics").exists():
        kinds.append(VictoriaMetrics)
    else:
        print("no VictoriaMetrics in %s: 'tests/e2e/peers' fetches it" %
              args.peers)
    total = args.series // 10 * 10 * args.samples
    with tempfile.TemporaryDirectory(dir=args.scratch) as lines:
        files = [os.path.join(lines, str(part)) for part in (0, 1)]
        for part, path in enumerate(files):
            with open(path, "wb") as out:
                subprocess.run([args.lines, args.set, str(args.series),
                                str(args.samples), str(args.start),
                                str(args.step), str(part), "2"],
                               stdout=out, check=True)
        rows = {kind.name: [] for kind in kinds}
        for _ in range(args.rounds):
            for kind in kinds:
                rows[kind.name].append(measure(kind, args, files, total))
    print("%s: %d series x %d samples, medians of %d rounds" %
          (args.set, args.series, args.samples, args.rounds))
    print("%-18s %12s %12s %12s %10s" %
          ("", "queryable M/s", "cpu s/M", "disk B/sample", "rss MiB"))
    for name, runs in rows.items():
        print("%-18s %12.2f %12.3f %12.3f %10.0f" %
              ((name,) + tuple(statistics.median(c) for c in zip(*runs))))


if __name__ == "__main__":
    main()
