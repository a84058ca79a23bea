#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""layering - arrows of code point down only.

server -> predict -> query -> storage -> storage/base. A room includes its own
headers, every header of storage/base, and the one public header of a room
beneath. Libraries of others stay in the room that has a door to them.
"""
import pathlib
import re

import lint_tree

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
# Each library's header, and the files that may include it.
DOORS = (("lmdb.h", "storage/lmdb/lmdb_env.c storage/lmdb/lmdb_copy.c"),
         ("zlib.h", "storage/segments/deflate.c server/http/gzip.c predict/gunzip.c"),
         ("pcre2.h", "storage/index/regex.c"),
         ("gsl/", "predict/numeric.c"),
         ("cairo", "predict/report/report_pdf.c"),
         ("curl/", "server/notify/webhook.c server/notify/managers.c "
          "server/notify/email.c server/cli/fetch.c"),
         ("yaml.h", "server/config/yaml_tree.c server/config/yaml_out.c"),
         ("http_parser.h", "server/http/http_head.c"),
         ("snappy-c.h", "server/ingest/snappy.c"),
         ("xxhash.h", "storage/base/hash.c"),
         ("openssl/", "storage/base/sha256.c"),
         ("glib.h", "storage/base/zone.c storage/base/letters.c"))


def depth(room):
    return lint_tree.ROOMS.index(room)


def home_of(path):
    """(the room whose rules a file follows, may it open any private header)"""
    parts = path.split("/")
    if path.startswith("tests/unit/"):
        name = parts[2]
        low = name in ("base", "support")
        return ("storage/base" if low else name), False
    if path.startswith("tests/support/"):
        return "storage/base", False
    if path.startswith(("tests/", "bench/")):
        return "server", True
    return lint_tree.room_of(path), False


def judge(path, target, root):
    """A sentence if `path` may not include `target`, else None."""
    home, anything = home_of(path)
    room = lint_tree.room_of(target)
    if not (pathlib.Path(root) / target).is_file():
        return 'include "%s": no such file from the root of the tree' % target
    if room is None:
        beside = target.startswith(("tests/", "bench/"))
        return None if beside and path.startswith(("tests/", "bench/")) else \
            'include "%s": a room does not look outside the rooms' % target
    if home not in lint_tree.ROOMS:
        return "%s is no room" % home
    if depth(room) > depth(home):
        return 'include "%s" points up: %s lies beneath %s' % (
            target, home, room)
    if anything or room in (home, "storage/base"):
        return None
    if target != lint_tree.PUBLIC[room]:
        return 'include "%s": %s is entered by %s only' % (
            target, room, lint_tree.PUBLIC[room])
    return None


def check(root):
    found = []
    for path in lint_tree.files(root, ".c", ".h", under=(
            "storage", "query", "predict", "server", "tests", "bench")):
        own = path[:-2] + ".h"
        first = True
        for number, line in lint_tree.lines(root, path):
            hit = INCLUDE.match(line)
            if not hit:
                continue
            target = hit.group(2)
            if hit.group(1) == '"':
                text = judge(path, target, root)
                if text:
                    found.append((path, number, text))
            else:
                for name, door in DOORS:
                    if target.startswith(name) and \
                            not path.startswith((*door.split(), "tests/",
                                             "bench/")):
                        found.append((path, number, "<%s> is used in %s only"
                                      % (target, door)))
            if first and path.endswith(".c") and target != own and \
                    (pathlib.Path(root) / own).is_file():
                found.append((path, number,
                              'the first include is not "%s"' % own))
            first = False
    return found


if __name__ == "__main__":
    lint_tree.run(check)
