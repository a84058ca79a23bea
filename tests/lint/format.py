#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""format - clang-format has nothing to change: './dev format' applies it."""
import re
import shutil
import subprocess
import sys

import lint_tree

FOLDERS = ("storage", "query", "predict", "server", "tests", "bench")


def check(root):
    paths = lint_tree.files(root, ".c", ".h", under=FOLDERS)
    found = {}
    for start in range(0, len(paths), 50):
        done = subprocess.run(
            ["clang-format", "--dry-run", "-Werror", "--style=file",
             *paths[start:start + 50]],
            cwd=root, capture_output=True, text=True)
        for hit in re.finditer(r"^(\S+?):(\d+):\d+: error: ", done.stderr,
                               re.M):
            found.setdefault(hit.group(1), int(hit.group(2)))
        if done.returncode and not found:
            found[paths[start]] = 1
    return [(path, line, "not as clang-format writes it; run ./dev format")
            for path, line in found.items()]


if __name__ == "__main__":
    if not shutil.which("clang-format"):
        print("clang-format is not installed")
        sys.exit(77)
    lint_tree.run(check)
