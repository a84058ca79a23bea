#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: timeout=1800
"""The power goes while a server runs: a recorder in the real binary notes what
it does to the disk and what it answers between; from that, folders are made as
a power loss may leave them, and each is opened and compared with what had been
acknowledged by then (tests/powerloss)."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import forewarn_e2e as e2e
from forewarn_e2e import main

LONG = os.environ.get("FOREWARN_LONG") == "1"
IMAGES = 10000 if LONG else 300
START = 1700000000000
RECORDER = pathlib.Path(e2e.BUILD) / "tests/fw_record.so"
LOOKER = pathlib.Path(e2e.BUILD) / "tests/server_images"


class PowerLoss(e2e.Case):
    def test_what_a_server_acknowledged_is_there_after_a_power_loss(self):
        if not RECORDER.exists() or not LOOKER.exists():
            self.skipTest("no recorder in a build with sanitizers")
        root = self.tmp / "root"
        root.mkdir()
        sent = self.live(root)
        shm = pathlib.Path("/dev/shm")
        with tempfile.TemporaryDirectory(
                prefix="forewarn-e2e-",
                dir=shm if os.access(shm, os.W_OK) else None) as scratch:
            done = subprocess.run(
                [LOOKER, self.tmp / "log", str(IMAGES), scratch, str(sent)],
                capture_output=True, text=True, timeout=1500)
        print(done.stdout.strip(), flush=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def live(self, root):
        """A server that is written to and killed; how many samples it got."""
        server = e2e.Server(
            root / "data", "--collect", "off", "--retention", "100y",
            listen=["line"],
            env={"LD_PRELOAD": str(RECORDER),
                 "FOREWARN_RECORD": str(self.tmp / "log"),
                 "FOREWARN_RECORD_ROOT": str(root)})
        self.addCleanup(server.kill9)
        server.start()
        sent = 0
        with server.line_client() as line:
            for step in range(60):
                for _ in range(1 + step * 37 % 50):
                    line.send("pl seq=%d %d000000" % (sent, START + sent))
                    sent += 1
                line.sync(token=str(sent))
                if step % 20 == 19:
                    self.cli("compact", "--data", root / "data")
        server.kill9()
        return sent


if __name__ == "__main__":
    main()
