#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""endpoints - each path of the table of routes stands in docs/http.md, each
path named there is in the table, and each metric of ours stands in a page."""
import pathlib
import re

import lint_tree

ROUTE = re.compile(r'^\s+\{[A-Z_| ]+, "(/[^"]*)"', re.M)
METRIC = re.compile(r'"(forewarn_[a-z_]+[a-z])["{]')
TOLD = re.compile(r"`(?:(?:GET|POST|DELETE) )?(/[\w\-/.]*)[`?]")


def shape(path):
    """A place for a value reads {} in the table and NAME in the docs."""
    return re.sub(r"/(\{\}|[A-Z]{2,})(?=/|$)", "/*", path)


def routes(root):
    return {shape(path): (source, text.count("\n", 0, hit.start(1)) + 1)
            for source in lint_tree.files(root, ".c", under=("server/http",))
            for text in [(root / source).read_text()]
            for hit in ROUTE.finditer(text) for path in [hit.group(1)]}


def told_paths(text):
    """Yields (line, path) of docs/http.md; `x/a`, `b` is x/a and x/b."""
    for number, line in enumerate(text.splitlines(), 1):
        folder = None
        for word in re.findall(r"`([^`]+)`", line.split("|")[1]
                               if line.startswith("|") else line):
            hit = TOLD.match("`%s`" % word)
            if hit:
                folder = hit.group(1).rsplit("/", 1)[0]
                yield number, shape(hit.group(1))
            elif folder and line.startswith("|") and \
                    re.fullmatch(r"[a-z_]+", word):
                yield number, shape(folder + "/" + word)


def spread(text):
    """a_{b,c} in the docs is a_b and a_c; labels in braces are cut off."""
    for hit in re.finditer(r"forewarn_[\w{},*]+", text):
        word = hit.group(0)
        brace = re.match(r"(\w+_)\{([\w,]+)\}(\w*)$", word)
        if brace:
            for middle in brace.group(2).split(","):
                yield brace.group(1) + middle + brace.group(3)
        else:
            yield re.match(r"\w+\*?", word).group(0)


def check(root):
    root = pathlib.Path(root)
    page = "docs/http.md"
    if not (root / page).exists():
        return []
    have = routes(root)
    told = dict((path, line) for line, path in
                reversed(list(told_paths((root / page).read_text()))))
    found = [(source, line, "docs/http.md does not tell of " + path)
             for path, (source, line) in sorted(have.items())
             if path not in told]
    found += [(page, line, "there is no endpoint " + path)
              for path, line in sorted(told.items()) if path not in have]
    words = {word for path in lint_tree.files(root, ".md", under=("docs",))
             for word in spread((root / path).read_text())}
    starts = tuple(word[:-1] for word in words if word.endswith("*"))
    for source in lint_tree.files(root, ".c", under=("server",)):
        text = (root / source).read_text()
        for hit in METRIC.finditer(text):
            name = hit.group(1)
            if name not in words and not name.startswith(starts or ("\0",)):
                found.append((source, text.count("\n", 0, hit.start()) + 1,
                              "no page tells of the metric " + name))
    return found


if __name__ == "__main__":
    lint_tree.run(check)
