#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""tally.py FOLDER - counts test cases and shows the failures.
tally.py --failed FILE.xml - a regular expression over the names that failed.

Reads FOLDER/*.xml (ctest --output-junit) and FOLDER/cases (lines "pass|fail|
skip NAME"). A ctest test that is a cmocka program or a python unittest counts
as many cases as it reports itself; any other counts one. A test that failed
without naming a failed case (a crash, a time-out) adds one failed case.
The last line is `N passed, N failed`, with `, N skipped` where some were.
A test that failed in STAGE.xml and passed in STAGE.again.xml, to which it is
given alone, counts as passed there and is named loudly.
Exit 1 if a case failed or none passed.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ET


def cmocka_cases(text):
    """(passed, failed, skipped) of all cmocka groups in `text`, or None."""
    if not re.search(r"^\[=+\].* test\(s\) run\.", text, re.M):
        return None
    count = [0, 0, 0]
    for place, word in enumerate(("PASSED", "FAILED", "SKIPPED")):
        for hit in re.finditer(
                r"^\[ +%s +\] .*?(\d+) test\(s\)" % word, text, re.M):
            count[place] += int(hit.group(1))
    return tuple(count)


def unittest_cases(text):
    """(passed, failed, skipped) of a python unittest run, or None."""
    ran = re.search(r"^Ran (\d+) tests? in ", text, re.M)
    if not ran:
        return None

    def number(key):
        hit = re.search(r"^(?:OK|FAILED) \(.*\b%s=(\d+)" % key, text, re.M)
        return int(hit.group(1)) if hit else 0

    failed = number("failures") + number("errors") + \
        number("unexpected successes")
    skipped = number("skipped")
    return max(int(ran.group(1)) - failed - skipped, 0), failed, skipped


def count_one(status, text):
    """(passed, failed, skipped) of one ctest test."""
    cases = cmocka_cases(text) or unittest_cases(text)
    if status == "notrun":
        # Exit code 77, or a program that is not there.
        if "Unable to find executable" in text or "Not Run" in text:
            return 0, 1, 0
        return (0, 0, max(cases[2], 1)) if cases else (0, 0, 1)
    if cases is None:
        cases = (1, 0, 0) if status == "run" else (0, 1, 0)
    elif status != "run" and cases[1] == 0:
        cases = (cases[0], 1, cases[2])
    if status == "run" and cases == (0, 0, 0):
        cases = (1, 0, 0)
    return cases


def read_junit(path):
    """Yields (name, status, output) of each test in a ctest JUnit file."""
    for case in ET.parse(path).getroot().iter("testcase"):
        out = case.findtext("system-out") or ""
        status = case.get("status")
        skipped = case.find("skipped")
        if skipped is not None:
            status = "notrun"
            out += "\n" + (skipped.get("message") or "")
        yield case.get("name"), status, out


def failed_names(path):
    return [name for name, status, out in read_junit(path)
            if count_one(status, out)[1]] if path.exists() else []


def second_runs(path):
    """name -> cases, of those that passed when they ran again."""
    again = path.with_suffix(".again.xml")
    if not again.exists():
        return {}
    return {name: cases for name, cases in (
        (name, count_one(status, out))
        for name, status, out in read_junit(again)) if cases[0] and not cases[1]}


def main(folder):
    total = [0, 0, 0]
    bad, skips, late = [], [], []
    for path in sorted(folder.glob("*.xml")):
        if path.name.endswith(".again.xml"):
            continue
        stage = [0, 0, 0]
        second = second_runs(path)
        for name, status, out in read_junit(path):
            cases = count_one(status, out)
            if cases[1] and name in second:
                cases = second[name]
                late.append("%s %s" % (path.stem, name))
                print("---- FAILED FIRST, PASSED ALONE: %s %s\n%s" %
                      (path.stem, name, out))
            stage = [a + b for a, b in zip(stage, cases)]
            if cases[1]:
                bad.append("%s %s" % (path.stem, name))
                print("---- FAILED: %s %s\n%s" % (path.stem, name, out))
            if cases[2]:
                skips.append("%s %s" % (path.stem, name))
        print("%-14s %5d passed %5d failed %5d skipped" %
              (path.stem, *stage))
        total = [a + b for a, b in zip(total, stage)]
    lone = folder / "cases"
    for line in lone.read_text().splitlines() if lone.exists() else []:
        verdict, name = line.split(" ", 1)
        total[("pass", "fail", "skip").index(verdict)] += 1
        if verdict == "fail":
            bad.append(name)
        elif verdict == "skip":
            skips.append(name)
    for name in skips:
        print("skipped in: " + name)
    for name in late:
        print("passed on the second run: %s (look at it)" % name)
    for name in bad:
        print("failed: " + name)
    tail = ", %d skipped" % total[2] if total[2] else ""
    print("%d passed, %d failed%s" % (total[0], total[1], tail))
    return 0 if total[0] and not total[1] else 1


if __name__ == "__main__":
    if sys.argv[1] == "--failed":
        names = failed_names(pathlib.Path(sys.argv[2]))
        print("^(%s)$" % "|".join(map(re.escape, names)) if names else "")
    else:
        sys.exit(main(pathlib.Path(sys.argv[1])))
