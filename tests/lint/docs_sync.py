#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs_sync - the docs and the program tell the same.

The program: `forewarn help` lists commands, `forewarn COMMAND --help` options,
`forewarn config keys` (where there is such a command) the keys of forewarn.yml,
one a line. The docs: every page in docs/. Each command has a heading of its
own that ends in its name (`## forewarn query` or `### query`), and the text
under it names each of its options and no other; options that all commands share
stand anywhere. Each key stands in backquotes, or at the start of a line of an
example, on a page that has `config` in its name; and each `forewarn WORD` in
the docs is a command.
"""
import os
import pathlib
import re
import subprocess
import sys

import lint_tree

HEADING = re.compile(r"^(#+)\s+(.*?)\s*$")


class Program:
    """What the binary says of itself."""

    def __init__(self, binary):
        self.binary = binary
        self.commands = {}
        for name in re.findall(r"^  ([a-z][a-z-]*)(?:\s|$)", self.ask("help"),
                               re.M):
            self.commands[name] = options(self.ask(name, "--help"))
        rows = [row for name, row in self.commands.items() if row]
        self.common = set.intersection(*rows) if rows else set()
        self.keys = self.ask("config", "keys").split()

    def ask(self, *words):
        done = subprocess.run([self.binary, *words], capture_output=True,
                              text=True, timeout=300,
                              stdin=subprocess.DEVNULL)
        return done.stdout if done.returncode == 0 else ""


def options(text):
    """The options that a --help text lists, each at the start of a line."""
    return set(re.findall(r"^\s+(?:-\w,?\s+)?(--[a-z][a-z0-9-]*)", text, re.M))


def pages(root):
    return {path: (pathlib.Path(root) / path).read_text()
            for path in lint_tree.files(root, ".md", under=("docs",))}


def sections(text):
    """Yields (heading, line, body): a heading's body ends at the next heading
    of its level or above."""
    rows = text.splitlines()
    fence = False
    heads = []
    for number, row in enumerate(rows):
        if row.startswith("```"):
            fence = not fence
        hit = HEADING.match(row)
        if hit and not fence:
            heads.append((number, len(hit.group(1)), hit.group(2)))
    for place, (number, level, title) in enumerate(heads):
        end = next((n for n, depth, _ in heads[place + 1:] if depth <= level),
                   len(rows))
        yield title, number + 1, "\n".join(rows[number + 1:end])


def names_command(title, command):
    return re.fullmatch(r"(forewarn )?" + re.escape(command),
                        title.replace("`", "").strip()) is not None


def check_commands(program, docs):
    found = []
    for command, has in program.commands.items():
        places = [(path, line, body) for path, text in docs.items()
                  for title, line, body in sections(text)
                  if names_command(title, command)]
        if not places:
            found.append(("docs", 1, "no heading for the command '%s'"
                          % command))
            continue
        path, line, _ = places[0]
        told = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*",
                              "\n".join(body for *_, body in places)))
        for option in sorted(has - program.common - told):
            found.append((path, line, "'%s' does not tell of %s" %
                          (command, option)))
        known = set.union(program.common, *program.commands.values())
        for option in sorted(told - known):
            found.append((path, line, "'%s' tells of %s, which no command has"
                          % (command, option)))
    everything = "\n".join(docs.values())
    for option in sorted(program.common):
        if option not in everything:
            found.append(("docs", 1, "no page tells of %s" % option))
    return found


def check_mentions(program, docs):
    """Each `forewarn WORD` in code is a command."""
    found = []
    for path, text in docs.items():
        for number, row in enumerate(text.splitlines(), 1):
            for hit in re.finditer(
                    r"(?:^\s*\$? ?|`)forewarn ([a-z][a-z-]*)", row):
                if hit.group(1) not in program.commands:
                    found.append((path, number, "there is no command '%s'"
                                  % hit.group(1)))
    return found


def check_keys(program, docs):
    text = "\n".join(body for path, body in docs.items() if "config" in path)
    found = []
    for key in program.keys:
        leaf = key.rsplit(".", 1)[-1].replace("[]", "")
        if not re.search(r"`(?:[\w.\[\]]*\.)?%s`|^[\s#-]*%s:" %
                         (re.escape(leaf), re.escape(leaf)), text, re.M):
            found.append(("docs", 1, "no config page tells of the key '%s'"
                          % key))
    return found


def check(root, binary=None):
    program = Program(binary or os.environ["FOREWARN_BIN"])
    docs = pages(root)
    if not program.commands:
        return [("docs", 1, "'forewarn help' lists no command")]
    return check_commands(program, docs) + check_mentions(program, docs) + \
        check_keys(program, docs)


if __name__ == "__main__":
    if not os.access(os.environ.get("FOREWARN_BIN", ""), os.X_OK):
        print("no binary yet: FOREWARN_BIN")
        sys.exit(77)
    top = pathlib.Path(__file__).resolve().parents[2]
    if not any(title.startswith(("forewarn ", "`forewarn "))
               for text in pages(top).values()
               for title, *_ in sections(text)):
        print("no page in docs/ has a heading for a command yet")
        sys.exit(77)
    lint_tree.run(check)
