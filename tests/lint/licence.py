#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""licence - each source file names its licence in its first three lines."""
import lint_tree

TAG = "SPDX-License-" "Identifier: GPL-3.0-or-later"
SOURCES = (".c", ".h", ".py", ".sh", ".js", ".css", ".cmake",
           "CMakeLists.txt", "dev", "run", "peers")


def check(root):
    found = []
    for path in lint_tree.files(root, *SOURCES):
        head = [text for number, text in lint_tree.lines(root, path)
                if number <= 3]
        if not any(TAG in text for text in head):
            found.append((path, 1, "the first lines lack '%s'" % TAG))
    return found


if __name__ == "__main__":
    lint_tree.run(check)
