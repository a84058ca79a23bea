#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""compare_ingest - the same telemetry into Forewarn, VictoriaMetrics and
Prometheus.

    bench/compare_ingest.py [--set cpu,node] [--protocol lines,remote_write]
                            [--series 1000] [--samples 4320] [--rounds 3]
                            [--peers build/peers/sid/usr/bin]

`lines` are InfluxDB lines of ten fields over two TCP connections to the line
port (which Prometheus has not); `remote_write` are requests of 2,000 series
with one sample each over four connections. Both come from bench_lines. Each
round starts each server on an empty folder. Reported, as medians:

  queryable  million samples a second, from the first byte sent until a query
             counts every sample (Forewarn: all of them durable as well)
  cpu        server CPU seconds for a million samples, until the query that
             counts every sample is asked
  disk       bytes a sample in the folder, after each server merged what it has
             (VictoriaMetrics: after force_flush and force_merge, without the
             caches that it saves at a stop; Prometheus: a snapshot, which is
             blocks only; Forewarn: after a clean stop)
  rss        peak resident memory of the server, MiB

With --series 200000 --samples 12 it is the cost of series never seen before.
A peer that is not there (tests/e2e/peers fetches them) is left out.
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


def send_requests(port, path):
    """Requests one after the other, each answered before the next is sent."""
    data = memoryview(pathlib.Path(path).read_bytes())
    at = 0
    with socket.create_connection(("127.0.0.1", port)) as to:
        to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at:at + 4], "little")
            to.sendall(data[at + 4:end])
            at = end
            answer = b""
            while b"\r\n\r\n" not in answer:
                got = to.recv(4096)
                if not got:
                    raise SystemExit("the server closed: %r" % answer)
                answer += got
            if not re.match(rb"HTTP/1.1 20[04] ", answer):
                raise SystemExit("the server answered %r" % answer)


def count_query(span):
    """A term for each metric: count_over_time drops the name, and two series
    that differ in nothing else cannot stand in one vector."""
    return " + ".join("sum(count_over_time(cpu_usage_%s[%ds]))" % (field, span)
                      for field in FIELDS)


def count_over_http(http, at, span):
    query = urllib.parse.urlencode(
        {"query": count_query(span), "time": at, "nocache": 1})
    hit = re.search(r'"value":\[[^,]*,"([^"]*)"', get(
        http + "/api/v1/query?" + query))
    return float(hit.group(1)) if hit else 0


class Server:
    """One server process on a folder of its own."""
    sync = False
    protocols = ("lines", "remote_write")
    sealed_by_stop = False

    def __init__(self, folder):
        self.folder = folder
        self.line_port = free_port()
        self.http_port = free_port()
        self.http = "http://127.0.0.1:%d" % self.http_port

    def start(self, command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

        def ready():
            if self.process.poll() is not None:
                raise SystemExit("%s ended at once" % command[0])
            try:
                get(self.http + "/-/ready")
                return True
            except OSError:
                return False
        wait_until(ready, command[0])

    def count(self, at, span):
        return count_over_http(self.http, at, span)

    def send(self, protocol, path):
        if protocol == "lines":
            send(self.line_port, path, self.sync)
        else:
            send_requests(self.http_port, path)

    def settle(self):
        """Until it has merged what it has; bytes on disk, if that is known
        before it stops."""

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


class Forewarn(Server):
    name = "forewarn"
    sync = True
    sealed_by_stop = True

    def __init__(self, folder, args):
        super().__init__(folder)
        self.start([args.forewarn, "serve", "--data", folder,
                    "--collect", "off", "--retention", "100y",
                    "--listen-http", "127.0.0.1:%d" % self.http_port,
                    "--listen-line", "127.0.0.1:%d" % self.line_port])


class VictoriaMetrics(Server):
    name = "victoria-metrics"
    binary = "victoria-metrics"

    def __init__(self, folder, args):
        super().__init__(folder)
        self.start([str(args.peers / self.binary),
                    "-storageDataPath=" + folder, "-retentionPeriod=100y",
                    "-httpListenAddr=127.0.0.1:%d" % self.http_port,
                    "-influxListenAddr=127.0.0.1:%d" % self.line_port,
                    "-search.latencyOffset=0s", "-search.disableCache=true"])

    def count(self, at, span):
        get(self.http + "/internal/force_flush")
        return super().count(at, span)

    def settle(self):
        get(self.http + "/internal/force_flush")
        time.sleep(3)
        get(self.http + "/internal/force_merge")
        sizes = []
        while len(sizes) < 6 or len(set(sizes[-6:])) > 1:
            sizes.append(folder_bytes(self.folder))
            time.sleep(1)


class Prometheus(Server):
    name = "prometheus"
    binary = "prometheus"
    protocols = ("remote_write",)

    def __init__(self, folder, args):
        super().__init__(folder)
        config = os.path.join(folder, "prometheus.yml")
        # The connections do not keep step: one may be hours ahead.
        pathlib.Path(config).write_text(
            "storage: {tsdb: {out_of_order_time_window: 1d}}\n")
        self.start([str(args.peers / self.binary), "--config.file=" + config,
                    "--storage.tsdb.path=" + os.path.join(folder, "data"),
                    "--storage.tsdb.retention.time=100y",
                    "--web.listen-address=127.0.0.1:%d" % self.http_port,
                    "--web.enable-remote-write-receiver",
                    "--web.enable-admin-api", "--query.max-samples=500000000"])

    def settle(self):
        urllib.request.urlopen(urllib.request.Request(
            self.http + "/api/v1/admin/tsdb/snapshot", method="POST")).close()
        return folder_bytes(os.path.join(self.folder, "data", "snapshots"))


def measure(kind, protocol, args, files, total):
    folder = tempfile.mkdtemp(prefix="ingest-", dir=args.scratch)
    server = kind(folder, args)
    try:
        pid = server.process.pid
        at = args.start + args.samples * args.step
        span = args.samples * args.step + 60
        cpu = cpu_seconds(pid)
        began = time.monotonic()
        senders = [threading.Thread(target=server.send, args=(protocol, f))
                   for f in files]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        asked = []

        def counted():
            asked.append(cpu_seconds(pid))
            return server.count(at, span) >= total
        wait_until(counted, "every sample in " + kind.name)
        wall = time.monotonic() - began
        cpu = asked[-1] - cpu
        if (found := server.count(at, span)) != total:
            raise SystemExit("%s counts %g of %d" % (kind.name, found, total))
        disk = server.settle()
        rss = peak_rss_mib(pid)
        if disk is None:
            disk = folder_bytes(folder)
        server.stop()
        if kind.sealed_by_stop:
            disk = folder_bytes(folder)
        return (total / wall / 1e6, cpu / total * 1e6, disk / total, rss)
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def make_files(args, name, protocol, folder):
    parts = 2 if protocol == "lines" else 4
    options = [] if protocol == "lines" else ["-w", "2000"]
    files = []
    for part in range(parts):
        files.append(os.path.join(folder, str(part)))
        with open(files[-1], "wb") as out:
            subprocess.run([args.lines, *options, name, str(args.series),
                            str(args.samples), str(args.start), str(args.step),
                            str(part), str(parts)], stdout=out, check=True)
    return files


def compare(args, kinds, name, protocol):
    total = args.series // 10 * 10 * args.samples
    kinds = [kind for kind in kinds if protocol in kind.protocols]
    rows = {kind.name: [] for kind in kinds}
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        files = make_files(args, name, protocol, folder)
        for _ in range(args.rounds):
            for kind in kinds:
                rows[kind.name].append(
                    measure(kind, protocol, args, files, total))
    print("%s over %s: %d series x %d samples, medians of %d rounds" %
          (name, protocol, args.series, args.samples, args.rounds))
    print("%-18s %12s %12s %12s %10s" %
          ("", "queryable M/s", "cpu s/M", "disk B/sample", "rss MiB"))
    for kind, runs in rows.items():
        print("%-18s %12.2f %12.3f %12.3f %10.0f" %
              ((kind,) + tuple(statistics.median(c) for c in zip(*runs))),
              flush=True)


def main():
    args = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--set", default="cpu")
    args.add_argument("--protocol", default="lines")
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
    for peer in (VictoriaMetrics, Prometheus):
        if (args.peers / peer.binary).exists():
            kinds.append(peer)
        else:
            print("no %s in %s: 'tests/e2e/peers' fetches it" %
                  (peer.name, args.peers))
    for name in args.set.split(","):
        for protocol in args.protocol.split(","):
            compare(args, kinds, name, protocol)


if __name__ == "__main__":
    main()
