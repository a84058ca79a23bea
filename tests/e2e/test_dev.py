#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""./dev itself, in a world where apt and dpkg are stand-ins that write down
what they are asked for."""
import subprocess
import unittest

import forewarn_e2e as e2e

STAND_INS = {
    "id": "echo ${AS_USER:-0}",
    "dpkg-query": 'case "$LACKS" in *" ${4:-$3} "*) exit 1;; esac; '
                  "printf installed",
    "apt-get": 'echo "no route to the mirror" >&2; echo "apt-get $* $DEBIAN_FRONTEND" >>"$SAID"; '
               "exit ${APT_EXIT:-0}",
    "sudo": 'echo sudo >>"$SAID"; exec "$@"',
}


class Dev(e2e.Case):
    def dev(self, *words, lacks="", without=(), **env):
        folder = self.tmp / "bin"
        folder.mkdir(exist_ok=True)
        for name, body in STAND_INS.items():
            (folder / name).unlink(missing_ok=True)
            if name not in without:
                (folder / name).write_text("#!/bin/sh\n%s\n" % body)
                (folder / name).chmod(0o755)
        # What ./dev may take from a system with nothing but its essentials.
        for name in ("sh", "dirname", "env", "cat", "nproc", "mktemp",
                     "rm"):
            if not (folder / name).exists():
                (folder / name).symlink_to("/usr/bin/" + name)
        said = self.tmp / "said"
        said.write_text("")
        done = subprocess.run(
            [e2e.TOP / "dev", *words], capture_output=True, text=True,
            env={"PATH": str(folder), "SAID": str(said),
                 "LACKS": " %s " % lacks, **env}, timeout=60)
        self.said = said.read_text().splitlines()
        return done

    def test_nothing_is_asked_of_apt_where_nothing_is_missing(self):
        done = self.dev("setup")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.said, [])

    def test_what_is_missing_is_told_with_its_reason_and_installed(self):
        done = self.dev("setup", lacks="cmake libgsl-dev")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("cmake (configures the build)", done.stderr)
        self.assertIn("libgsl-dev (statistics)", done.stderr)
        self.assertNotIn("no route", done.stderr)  # apt was quiet: it worked
        self.assertEqual(len(self.said), 2)
        update, install = self.said
        self.assertRegex(update, r"\bupdate\b.*noninteractive$")
        self.assertRegex(install, r" install --no-install-recommends "
                         r"cmake libgsl-dev noninteractive$")

    def test_a_user_installs_by_sudo(self):
        done = self.dev("setup", lacks="cmake", AS_USER="1000")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.said.count("sudo"), 2)

    def test_a_user_without_sudo_is_told_the_command(self):
        done = self.dev("setup", lacks="cmake ninja-build", AS_USER="1000",
                        without=("sudo",))
        self.assertEqual(done.returncode, 1)
        self.assertIn("as root: apt-get install cmake ninja-build",
                      done.stderr)

    def test_packages_that_cannot_be_had_are_named(self):
        done = self.dev("build", lacks="cmake", APT_EXIT="100")
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt-get update failed; missing: cmake", done.stderr)
        self.assertIn("no route to the mirror", done.stderr)

    def test_another_system_is_told_so(self):
        done = self.dev("setup", without=("dpkg-query",))
        self.assertEqual(done.returncode, 1)
        self.assertIn("no Debian system", done.stderr)

    def test_help_lists_every_command_and_a_wrong_one_gets_it(self):
        text = (e2e.TOP / "dev").read_text()
        shown = self.dev("help").stdout
        names = [line.split(")")[0] for line in
                 text.split("case $command in")[1].splitlines()
                 if line[:1].isalpha() and ") cmd_" in line]
        self.assertGreater(len(names), 8)
        for name in names:
            self.assertRegex(shown, r"(?m)^  %s\b" % name)
        done = self.dev("fly")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no command 'fly'", done.stderr)
        self.assertIn("usage:", done.stderr)
        self.assertEqual(self.dev("build", "fast").returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
