# SPDX-License-Identifier: GPL-3.0-or-later
"""`forewarn rules check` and `rules test` beside Prometheus's promtool: over a
corpus of good and bad files both must say the same, and where a file is wrong
ours must name the line."""
import glob
import os
import re
import subprocess

from forewarn_e2e import TOP, Case, main, run

CORPUS = TOP / "tests/rules"
PROMTOOLS = [str(TOP / "build/peers/bookworm/usr/bin/promtool"),
             "/usr/bin/promtool"]


def promtool(*words, cwd=None):
    """The exit code of promtool, or None where there is none here."""
    for path in PROMTOOLS:
        if os.access(path, os.X_OK):
            return subprocess.run(
                [path, *words], cwd=cwd, timeout=60, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    return None


class Check(Case):
    def files(self, kind):
        found = sorted(glob.glob(str(CORPUS / kind / "*.yml")))
        self.assertTrue(found)
        return found

    def test_good_files_are_good(self):
        for path in self.files("good"):
            got = run("rules", "check", path)
            self.assertEqual(got.rc, 0, got)
            self.assertIn("SUCCESS", got.out)
            self.assertIn(promtool("check", "rules", path), (0, None), path)

    def test_bad_files_are_named_with_line_and_column(self):
        for path in self.files("bad"):
            got = run("rules", "check", path)
            self.assertEqual(got.rc, 1, got)
            self.assertRegex(got.err, re.escape(path) + r":\d+:\d+: .")
            self.assertIn(promtool("check", "rules", path), (1, 3, None), path)

    def test_the_place_is_inside_the_expression(self):
        path = str(CORPUS / "bad/bad-expr.yml")
        got = run("rules", "check", path)
        self.assertIn(path + ":5:17: group \"g\", rule 1, \"A\": could not parse "
                      "expression: ", got.err)

    def test_a_missing_file_is_no_answer(self):
        got = run("rules", "check", "/nonexistent/x.yml")
        self.assertEqual(got.rc, 3, got)


class Tests(Case):
    def test_both_agree_on_every_file(self):
        found = sorted(glob.glob(str(CORPUS / "unit/*_test.yml")))
        self.assertTrue(found)
        for path in found:
            got = run("rules", "test", path)
            want = promtool("test", "rules", os.path.basename(path),
                            cwd=os.path.dirname(path))
            self.assertIn(got.rc, (0, 1), got)
            if want is not None:
                self.assertEqual(got.rc, 1 if want else 0, got)

    def test_a_failure_shows_both_sides(self):
        got = run("rules", "test", str(CORPUS / "unit/wrong_test.yml"))
        self.assertEqual(got.rc, 1)
        self.assertRegex(got.out, r"alertname: Up, time: 1m, \n\s+exp:\[\], ")
        self.assertIn('Labels:{alertname="Up", job="a"}', got.out)
        self.assertIn('got: up{job="a"} 0', got.out)

    def test_what_passes_says_so(self):
        for name in ("rules", "templates"):
            got = run("rules", "test", str(CORPUS / "unit" /
                                           (name + "_test.yml")))
            self.assertEqual(got.rc, 0, got)
            self.assertIn("SUCCESS", got.out)


if __name__ == "__main__":
    main()
