#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""shell - every script with #!/bin/sh is read by dash and, where it is
installed, by shellcheck; the others by their own shell's -n."""
import pathlib
import re
import shutil
import subprocess

import lint_tree


def scripts(root):
    """Yields (path, shell) of each shell script in the tree."""
    for path in lint_tree.files(root):
        with open(pathlib.Path(root) / path, "rb") as f:
            first = f.readline(80)
        hit = re.match(rb"#!\s*(?:/usr/bin/env )?(?:/bin/)?(sh|bash)\b", first)
        if hit:
            yield path, hit.group(1).decode()


def complaint(output, path):
    hit = re.search(r":(?:\s*line)?\s*(\d+):", output)
    text = " ".join(output.split())[:200]
    return path, int(hit.group(1)) if hit else 1, text


def check(root):
    found = []
    for path, shell in scripts(root):
        if shell == "sh" and shutil.which("dash"):
            shell = "dash"
        tools = [[shell, "-n", path]]
        if shutil.which("shellcheck"):
            tools.append(["shellcheck", "-f", "gcc", path])
        for tool in tools:
            done = subprocess.run(tool, cwd=root, capture_output=True,
                                  text=True)
            if done.returncode:
                found.append(complaint(done.stdout + done.stderr, path))
    return found


if __name__ == "__main__":
    lint_tree.run(check)
