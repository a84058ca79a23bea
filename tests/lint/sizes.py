#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""sizes - the ten largest files and functions: a mirror, not a gate. It
complains only where it can no longer see (sources, but no function found)."""
import pathlib
import re

import lint_tree

FOLDERS = ("storage", "query", "predict", "server")
START = re.compile(r"^(?!typedef|struct|enum|union)[A-Za-z_].*?(\w+)\(")


def functions(root, path):
    """Yields (lines, name, line) of functions in our brace style: the opening
    and the closing brace stand alone in the first column."""
    name = start = opened = None
    for number, line in lint_tree.lines(root, path):
        hit = START.match(line)
        if hit and opened is None:
            name, start = hit.group(1), number
        elif line == "{" and name:
            opened = number
        elif line == "}" and opened:
            yield number - start + 1, name, start
            name = opened = None


def check(root):
    paths = lint_tree.files(root, ".c", ".h", under=FOLDERS)
    big, long = [], []
    for path in paths:
        text = (pathlib.Path(root) / path).read_text("utf-8", "replace")
        big.append((text.count("\n"), path))
        long += [(n, "%s:%d %s" % (path, line, name))
                 for n, name, line in functions(root, path)]
    for title, rows in (("files", big), ("functions", long)):
        print("largest %s (lines):" % title)
        for size, name in sorted(rows, reverse=True)[:10]:
            print("%6d  %s" % (size, name))
    if any(path.endswith(".c") for path in paths) and not long:
        return [(paths[0], 1, "no function was recognised in any source")]
    return []


if __name__ == "__main__":
    lint_tree.run(check)
