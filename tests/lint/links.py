#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""links - what our pages point at is there: the target of each link that stays
in the tree, with its heading, and each path in backquotes that begins with a
folder of ours."""
import pathlib
import re

import lint_tree

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\s]+)`")
FOLDERS = ("storage/", "query/", "predict/", "server/", "tests/", "bench/",
           "docs/", "packaging/", "cmake/")


def anchors(text):
    """The headings of a page, as a browser is sent to them."""
    found = set(re.findall(r'<a id="([^"]+)">', text))
    for title in re.findall(r"^#+\s+(.*?)\s*$", text, re.M):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        plain = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = 0
        while plain + ("-%d" % count if count else "") in found:
            count += 1
        found.add(plain + ("-%d" % count if count else ""))
    return found


def prose(text):
    """The text with its blocks of code blanked, line numbers kept."""
    def blank(hit):
        return re.sub(r"[^\n]", " ", hit.group(0))

    text = re.sub(r"^```.*?^```", blank, text, flags=re.S | re.M)
    return re.sub(r"^(?: {4}|\t).*$", blank, text, flags=re.M)


def check_link(root, page, target):
    """What is wrong with a link, or None."""
    path, _, anchor = target.partition("#")
    there = (root / page).parent / path if path else root / page
    if not there.exists():
        return "the link leads nowhere: " + target
    if anchor and there.suffix == ".md" and \
            anchor not in anchors(there.read_text("utf-8", "replace")):
        return "no such heading: " + target
    return None


def check_path(root, path):
    """What is wrong with a path in backquotes, or None."""
    if not path.startswith(FOLDERS) or \
            not re.fullmatch(r"[\w./-]+", path):
        return None  # a pattern, or with something behind it
    # A module stands for its .c and .h, a record for its number.
    if (root / path).exists() or list(root.glob(path + "[.-]*")):
        return None
    return "there is no " + path


def check(root):
    root = pathlib.Path(root)
    found = []
    for page in lint_tree.files(root, ".md"):
        text = prose((root / page).read_text("utf-8", "replace"))
        for number, line in enumerate(text.splitlines(), 1):
            wrong = [check_link(root, page, target)
                     for target in LINK.findall(line)
                     if not re.match(r"[a-z]+:", target)]
            wrong += [check_path(root, path) for path in CODE.findall(line)]
            found += [(page, number, words) for words in wrong if words]
    return found


if __name__ == "__main__":
    lint_tree.run(check)
