#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""names - a file's name is unique in the tree, and what a public header
declares begins with fw_ or FW_, so that nothing of ours meets a library's."""
import pathlib
import re

import lint_tree

OURS = re.compile(r"^(fw_|FW_)")
GUARD = re.compile(r"^[A-Z0-9_]+_H_?$")


def stems(root):
    found = []
    seen = {}
    for path in lint_tree.files(root, ".c", ".h", under=(
            "storage", "query", "predict", "server", "tests", "bench")):
        stem = path.rsplit(".", 1)[0]
        name = stem.rsplit("/", 1)[-1]
        other = seen.setdefault(name, stem)
        if other != stem:
            found.append((path, 1, "the name '%s' is taken by %s" %
                          (name, other)))
    return found


def declared(text):
    """Yields (offset, name, what) of what a header declares."""
    code = lint_tree.without_comments(text)
    for hit in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", code, re.M):
        if not GUARD.match(hit.group(1)):
            yield hit.start(1), hit.group(1), "macro"
    code = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*",
                  lambda m: re.sub(r"[^\n]", " ", m.group(0)), code,
                  flags=re.M)
    code = re.sub(r'extern\s+"\s*"\s*\{',
                  lambda m: re.sub(r"[^\n]", " ", m.group(0)), code)
    for hit in re.finditer(r"\b(?:struct|union|enum)\s+(\w+)\s*\{", code):
        yield hit.start(1), hit.group(1), "type"
    for hit in re.finditer(r"\benum\b[^{;]*\{([^}]*)\}", code):
        for name in re.finditer(r"(?:^|,)\s*([A-Za-z_]\w*)", hit.group(1)):
            yield hit.start(1) + name.start(1), name.group(1), "constant"
    flat = blank_bodies(code)
    for hit in re.finditer(r"\btypedef\b[^;]*?\b(\w+)\s*;", flat):
        yield hit.start(1), hit.group(1), "type"
    flat = re.sub(r"\btypedef\b[^;]*;",
                  lambda m: re.sub(r"[^\n]", " ", m.group(0)), flat)
    for hit in re.finditer(r"(?:^|[;}])([^;{}()=]*?)\b(\w+)\s*\([^;{}]*[;{}]",
                           flat):
        words = hit.group(1).split()
        if words and words[0] != "static_assert":
            name, place = hit.group(2), hit.start(2)
            yield place, name, "function"


def blank_bodies(code):
    """Text with everything between outermost braces blanked."""
    out, level = [], 0
    for char in code:
        if char == "}":
            level -= 1
        out.append(char if level <= 0 or char == "\n" else " ")
        if char == "{":
            level += 1
    return "".join(out)


def public_headers(root):
    base = lint_tree.files(root, ".h", under=("storage/base",))
    return base + [p for p in lint_tree.PUBLIC.values()
                   if (pathlib.Path(root) / p).is_file()]


def check(root):
    found = stems(root)
    for path in public_headers(root):
        text = (pathlib.Path(root) / path).read_text()
        for place, name, what in declared(text):
            if not OURS.match(name) and name != "_GNU_SOURCE":
                line = text.count("\n", 0, place) + 1
                found.append((path, line, "public %s '%s' does not begin "
                              "with fw_ or FW_" % (what, name)))
    return found


if __name__ == "__main__":
    lint_tree.run(check)
