# SPDX-License-Identifier: GPL-3.0-or-later
"""lint_tree - what the lint checks share: the files of the tree, and one way
to complain. A check is `check(root) -> [(file, line, text)]`."""
import os
import pathlib
import re
import sys

ROOMS = ("storage/base", "storage", "query", "predict", "server")
PUBLIC = {"storage": "storage/storage.h", "query": "query/query.h",
          "predict": "predict/predict.h", "server": "server/server.h"}
SKIPPED = {"build", ".git", "__pycache__", "node_modules"}


def files(root, *suffixes, under=("",)):
    """Paths below `root` (as posix text from it) that end in a suffix."""
    found = []
    for folder in under:
        for here, names, leaves in os.walk(pathlib.Path(root) / folder):
            names[:] = sorted(n for n in names if n not in SKIPPED)
            for leaf in sorted(leaves):
                path = (pathlib.Path(here) / leaf).relative_to(root)
                if not suffixes or path.name.endswith(suffixes):
                    found.append(path.as_posix())
    return found


def lines(root, path):
    """Numbered lines of a text file; bytes that are no UTF-8 are replaced."""
    text = (pathlib.Path(root) / path).read_text("utf-8", "replace")
    return enumerate(text.splitlines(), 1)


def room_of(path):
    """The room a path lies in, or None."""
    for room in ROOMS:
        if path.startswith(room + "/"):
            return room
    return None


def without_comments(text):
    """C text with comments and literals blanked, line numbers kept."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(hit):
        found = hit.group(0)
        kept = re.sub(r"[^\n]", " ", found)
        return '"' + kept[1:-1] + '"' if found[0] == '"' else kept

    return re.sub(pattern, blank, text, flags=re.S)


def run(check):
    """Runs a check on the tree given as argument, or on this one."""
    here = pathlib.Path(__file__).resolve().parents[2]
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here
    complaints = check(root)
    for path, line, text in complaints:
        print("%s:%d: %s" % (path, line, text))
    print("%d complaints" % len(complaints))
    sys.exit(1 if complaints else 0)
