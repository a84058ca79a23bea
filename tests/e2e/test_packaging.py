#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shipped beside the binary: the systemd unit, forewarn.yml."""
import pathlib
import re
import shutil
import subprocess
import unittest

import forewarn_e2e as e2e

UNIT = e2e.TOP / "packaging/systemd/forewarn.service"


class SystemdUnit(e2e.Case):
    @unittest.skipUnless(shutil.which("systemd-analyze"),
                         "systemd-analyze is not installed")
    def test_exposure_is_at_most_one_and_a_half(self):
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager",
             "--threshold=15", UNIT], capture_output=True, text=True)
        rating = re.search(r"Overall exposure level.*", done.stdout)
        self.assertTrue(rating, done.stderr)
        self.assertEqual(done.returncode, 0, rating.group(0))

    def test_one_folder_is_writable_and_no_shell_runs(self):
        text = UNIT.read_text()
        self.assertRegex(text, r"(?m)^StateDirectory=forewarn$")
        self.assertNotRegex(text, r"ReadWritePaths|/bin/(ba)?sh")
        start = re.search(r"(?m)^ExecStart=(.*)$", text).group(1).split()
        self.assertEqual(start[:2], ["/usr/bin/forewarn", "serve"])


class Binary(e2e.Case):
    def test_a_release_is_hardened_as_security_md_says(self):
        cache = (pathlib.Path(e2e.BUILD) / "CMakeCache.txt").read_text()
        if "FW_HARDEN:BOOL=ON" not in cache:
            self.skipTest("not a release build")
        told = subprocess.run(
            ["readelf", "-W", "-h", "-l", "-d", "-n", "--dyn-syms", e2e.BIN],
            capture_output=True, text=True, check=True).stdout
        for sign in (r"Type:\s+DYN \(Position-Independent", r"GNU_RELRO",
                     r"BIND_NOW", r"__stack_chk_fail", r"__\w+_chk@",
                     r"GNU_STACK\s.*\sRW "):
            self.assertRegex(told, sign)


class Configuration(e2e.Case):
    def test_what_is_shipped_is_valid_and_so_are_its_examples(self):
        path = e2e.TOP / "packaging/forewarn.yml"
        self.cli("config", "check", path)
        examples = re.sub(r"(?m)^#(?! )", "", path.read_text())
        examples = re.sub(r"(?m)^#(?=  )", "", examples)
        self.assertIn("\nwatches:\n  - watch: DiskFull\n", examples)
        self.cli("config", "check", self.write("all.yml", examples))
        wrong = self.write("bad.yml", examples.replace("retention", "retenton"))
        got = self.cli("config", "check", wrong, rc=None)
        self.assertNotEqual(got.rc, 0)
        self.assertIn("retention", got.err + got.out)


if __name__ == "__main__":
    e2e.main()
