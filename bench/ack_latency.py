#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""ack_latency - how long a sender waits until what it sent is durable.

    bench/ack_latency.py [--rate 1000000] [--seconds 20] [--rounds 3]
                         [--series 10000] [--scratch FOLDER]

Two connections send lines every 10 ms, each time with a `#sync`, at a steady
rate in all. Each round starts on an empty folder and prints what bench_feed
says: the time from the first byte of such lines to `#synced`, what the same
disk needs for 64 KiB and fdatasync() right before and after, the server's CPU
time and the bytes it wrote to the device.
"""
import argparse
import os
import shutil
import subprocess
import tempfile
import time

from compare_ingest import TOP, Forewarn


def main():
    args = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--rate", type=int, default=1000000)
    args.add_argument("--seconds", type=int, default=20)
    args.add_argument("--rounds", type=int, default=3)
    args.add_argument("--series", type=int, default=10000)
    args.add_argument("--scratch", default=None)
    args.add_argument("--forewarn", default=str(TOP / "build/release/forewarn"))
    args.add_argument("--feed",
                      default=str(TOP / "build/release/bench/bench_feed"))
    args = args.parse_args()
    samples = args.rate * args.seconds // args.series
    for number in range(args.rounds):
        folder = tempfile.mkdtemp(prefix="ack-", dir=args.scratch)
        server = Forewarn(folder, args)
        try:
            print("round %d, load %.1f" % (number + 1, os.getloadavg()[0]),
                  flush=True)
            subprocess.run(
                [args.feed, "-r", str(args.rate), "-d", folder,
                 "-p", str(server.process.pid), str(server.line_port),
                 str(args.series), str(samples),
                 str(int(time.time()) - samples * 10), "10"], check=True)
            server.stop()
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
