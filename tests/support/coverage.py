#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""coverage.py BUILD - lines and branches that the tests executed, by file and
by room, from the .gcda files in a coverage build. The report goes to stdout,
the lines that no test reached to BUILD/unreached.txt."""
import collections
import json
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ("storage/base", "storage", "query", "predict", "server")


def merge(build):
    """{file: ({line: count}, {(line, branch): count})} over all objects."""
    files = collections.defaultdict(lambda: ({}, {}))
    objects = sorted(pathlib.Path(build).resolve().rglob("*.gcda"))
    for start in range(0, len(objects), 50):
        told = subprocess.run(
            ["gcov", "--json-format", "--stdout", "--branch-probabilities",
             *map(str, objects[start:start + 50])],
            cwd=build, capture_output=True, text=True, check=True).stdout
        for row in told.splitlines():
            for source in json.loads(row)["files"] if row else []:
                path = (TOP / source["file"]).resolve()
                if not path.is_relative_to(TOP):
                    continue
                lines, branches = files[path.relative_to(TOP).as_posix()]
                for line in source["lines"]:
                    number = line["line_number"]
                    lines[number] = lines.get(number, 0) + line["count"]
                    for place, branch in enumerate(line["branches"]):
                        at = number, place
                        branches[at] = branches.get(at, 0) + branch["count"]
    return files


def share(counts):
    hit = sum(1 for n in counts if n)
    return 100.0 * hit / len(counts) if counts else 100.0


def main(build):
    files = merge(build)
    rooms = collections.defaultdict(lambda: ([], []))
    lost = []
    print("  lines branches  file")
    for path in sorted(files):
        room = next((r for r in ROOMS if path.startswith(r + "/")), None)
        if room is None:
            continue
        lines, branches = files[path]
        rooms[room][0].extend(lines.values())
        rooms[room][1].extend(branches.values())
        print("%6.1f%% %6.1f%%  %s" % (share(lines.values()),
                                       share(branches.values()), path))
        lost += ["%s:%d" % (path, n) for n, c in sorted(lines.items())
                 if not c]
    print()
    for room in ROOMS:
        if room in rooms:
            print("%6.1f%% %6.1f%%  %s" % (share(rooms[room][0]),
                                           share(rooms[room][1]), room))
    everything = [n for lines, _ in rooms.values() for n in lines]
    branches = [n for _, some in rooms.values() for n in some]
    print("%6.1f%% %6.1f%%  all" % (share(everything), share(branches)))
    (pathlib.Path(build) / "unreached.txt").write_text("\n".join(lost) + "\n")
    return 0 if everything else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
