#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""words - what may not stand in the tree: words of unfinished work, paths of
one developer's machine, and C functions that are never right here."""
import re

import lint_tree

# Written in pieces so that this file does not accuse itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|"
                        r"\b(not |un)imple" r"mented\b")
PLACES = re.compile(r"(?<![\w.$}])/(?:wo" r"rk|ho" r"me|ro" r"ot|Us" r"ers)/")
CALLS = ("strcpy", "strcat", "sprintf", "vsprintf", "strtok", "gets", "atoi",
         "atol", "atof", "localtime", "gmtime", "ctime", "asctime", "setlocale",
         "tmpnam", "mktemp", "alloca")
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(CALLS))
SOURCES = (".c", ".h", ".py", ".sh", ".js", ".css", ".html", ".cmake", ".txt",
           ".md", ".json", ".yml", ".service", "dev", "run", "peers")


def check(root):
    found = []
    for path in lint_tree.files(root, *SOURCES):
        for number, line in lint_tree.lines(root, path):
            hit = UNFINISHED.search(line)
            if hit and not path.endswith(".md"):
                found.append((path, number, "'%s': finish it, or write an "
                              "issue" % hit.group(0)))
            hit = PLACES.search(line)
            if hit:
                found.append((path, number, "'%s': a path of one machine"
                              % hit.group(0)))
        if path.endswith((".c", ".h")) and not path.endswith("/banned.h"):
            found += calls(root, path)
    return found


def calls(root, path):
    text = "\n".join(line for _, line in lint_tree.lines(root, path))
    code = lint_tree.without_comments(text)
    return [(path, code.count("\n", 0, hit.start(1)) + 1,
             "%s() is banned" % hit.group(1)) for hit in CALL.finditer(code)]


if __name__ == "__main__":
    lint_tree.run(check)
