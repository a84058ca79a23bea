#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""checks_bite - each lint check is fed a tree it must refuse and one it must
accept, and the tally of test results is fed results of each kind."""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import docs_sync  # noqa: E402
import endpoints  # noqa: E402
import format as format_check  # noqa: E402
import layering  # noqa: E402
import licence  # noqa: E402
import links  # noqa: E402
import names  # noqa: E402
import shell  # noqa: E402
import sizes  # noqa: E402
import tally  # noqa: E402
import words  # noqa: E402

SPDX = "SPDX-License-" "Identifier: GPL-3.0-or-later"


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)

    def put(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def mute(self):
        quiet = contextlib.redirect_stdout(io.StringIO())
        quiet.__enter__()
        self.addCleanup(quiet.__exit__, None, None, None)

    def says(self, module):
        return ["%s:%d: %s" % row for row in module.check(self.root)]

    def refuses(self, module, *parts):
        said = self.says(module)
        self.assertEqual(len(said), 1, said)
        for part in parts:
            self.assertIn(part, said[0])


class Layering(Tree):
    def setUp(self):
        super().setUp()
        for path in ("storage/storage.h", "storage/base/err.h",
                     "storage/head/head.h", "query/query.h", "server/serve.h"):
            self.put(path, "int x;\n")

    def test_downward_by_public_headers_is_accepted(self):
        self.put("query/plan.c", '#include <zz.h>\n#include "query/query.h"\n'
                 '#include "storage/storage.h"\n'
                 '#include "storage/base/err.h"\n')
        self.assertEqual(self.says(layering), [])

    def test_upward_include_is_refused_with_its_line(self):
        self.put("storage/read/cursor.c", '\n#include "query/query.h"\n')
        self.refuses(layering, "storage/read/cursor.c:2:", "points up")

    def test_base_knows_nothing_of_storage(self):
        self.put("storage/base/buf.c", '#include "storage/storage.h"\n')
        self.refuses(layering, "points up")

    def test_private_header_of_another_room_is_refused(self):
        self.put("query/plan.c", '#include "storage/head/head.h"\n')
        self.refuses(layering, "entered by storage/storage.h only")

    def test_include_that_is_no_path_from_the_root_is_refused(self):
        self.put("query/plan.c", '#include "query.h"\n')
        self.refuses(layering, "no such file")

    def test_unit_test_of_a_lower_room_does_not_see_an_upper_one(self):
        self.put("tests/unit/storage/test_head.c",
                 '#include "server/serve.h"\n')
        self.refuses(layering, "points up")

    def test_library_outside_its_room_is_refused(self):
        self.put("query/plan.c", "#include <lmdb.h>\n")
        self.refuses(layering, "<lmdb.h> is used in storage/lmdb/lmdb_env.c ")

    def test_own_header_comes_first(self):
        self.put("query/plan.h", "int y;\n")
        self.put("query/plan.c", '#include <stdio.h>\n'
                 '#include "query/plan.h"\n')
        self.refuses(layering, 'first include is not "query/plan.h"')


class Links(Tree):
    def test_what_is_there_is_accepted(self):
        self.put("docs/b.md", '# The `two` words\n\n<a id="x"></a>\n')
        self.put("server/loop.c", "")
        self.put("docs/a.md", "[b](b.md) [h](b.md#the-two-words) [x](b.md#x) "
                 "[me](#me) [far](https://example.org/none) `server/loop`\n"
                 "# Me\n\n    [code](none.md)\n")
        self.assertEqual(self.says(links), [])

    def test_a_dead_link_is_refused(self):
        self.put("README.md", "\n[b](docs/none.md)\n")
        self.refuses(links, "README.md:2:", "leads nowhere: docs/none.md")

    def test_a_heading_that_is_not_there_is_refused(self):
        self.put("b.md", "# One\n")
        self.put("a.md", "[b](b.md#two)\n")
        self.refuses(links, "a.md:1:", "no such heading")

    def test_a_path_that_is_gone_is_refused(self):
        self.put("a.md", "`server/gone.c`\n")
        self.refuses(links, "there is no server/gone.c")


class Endpoints(Tree):
    def setUp(self):
        super().setUp()
        self.put("server/http/api_routes.c",
                 '    {ASK, "/api/v1/query", QUERY, f},\n'
                 '    {METHOD_GET | METHOD_POST, "/api/x/{}/y", QUERY,\n'
                 '     g},\n    {METHOD_GET, "/api/x/b", HERE, h},\n')
        self.docs = "| `POST /api/v1/query` | `/no` |\n" \
                    "| `/api/x/NAME/y`| |\n| `/api/x/a`, `b` | |\n"

    def test_what_both_have_is_accepted(self):
        self.put("docs/http.md", self.docs.replace("a`, `b`", "b`") +
                 "`forewarn_{b,c}_total`, `forewarn_d_*`\n")
        self.put("server/m.c", '"forewarn_b_total" "forewarn_d_x"\n')
        self.assertEqual(self.says(endpoints), [])

    def test_what_is_gone_is_refused(self):
        self.put("docs/http.md", self.docs)
        self.refuses(endpoints, "docs/http.md:3:", "no endpoint /api/x/a")

    def test_what_is_not_told_is_refused(self):
        self.put("docs/http.md", "| `/api/v1/query` |\n| `/api/x/b` |\n")
        self.refuses(endpoints, "api_routes.c:2:", "not tell of /api/x/*/y")

    def test_a_metric_nobody_tells_of_is_refused(self):
        self.put("docs/http.md", self.docs.replace("a`, `b`", "b`"))
        self.put("server/m.c", '\n"forewarn_b_total"\n')
        self.refuses(endpoints, "server/m.c:2:", "metric forewarn_b_total")


class Names(Tree):
    def test_prefixed_declarations_are_accepted(self):
        self.put("storage/storage.h", """
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H
#define FW_MAX_X \\
    (1 + other(2))
typedef long fw_ms; /* struct bad { } */
struct fw_a { int b; int (*now)(void *self); };
enum fw_c { FW_D, FW_E = 3 };
struct other;
int fw_open(const char *dir, int (*call)(int));
static inline int fw_two(int a)
{
    return plain(a);
}
#endif
""")
        self.assertEqual(self.says(names), [])

    def test_each_kind_of_bare_name_is_refused(self):
        for text, name in (("int open_it(int a);\n", "open_it"),
                           ("#define MAXX 3\n", "MAXX"),
                           ("struct head { int a; };\n", "head"),
                           ("enum fw_c { BAD, FW_E };\n", "BAD"),
                           ("typedef long ms;\n", "ms")):
            self.put("query/query.h", "\n" + text)
            self.refuses(names, "query/query.h:2:", "'%s'" % name)

    def test_one_name_for_two_files_is_refused(self):
        self.put("storage/plan.c", "")
        self.put("query/plan.c", "")
        self.refuses(names, "'plan' is taken by storage/plan")


class Words(Tree):
    def test_unfinished_work_is_refused(self):
        self.put("a.c", "int a;\n/* TO" "DO: more */\n")
        self.refuses(words, "a.c:2:")

    def test_path_of_one_machine_is_refused(self):
        self.put("docs/a.md", "see /wo" "rk/main/x\n")
        self.refuses(words, "path of one machine")

    def test_url_and_build_path_are_accepted(self):
        self.put("docs/a.md", "https://example.org/wo" "rk/x build/dev\n")
        self.assertEqual(self.says(words), [])

    def test_banned_call_is_refused_but_not_its_mention(self):
        self.put("a.c", '/* strcpy(a, b) */\nconst char *x = "atoi(1)";\n'
                 "int fw_atoi(int);\nvoid f(char *a) { strcpy(a, a); }\n")
        self.refuses(words, "a.c:4:", "strcpy() is banned")


class OtherChecks(Tree):
    def test_licence(self):
        self.put("a.c", "/* %s */\n" % SPDX)
        self.put("b.py", "#!/usr/bin/python3\n# %s\n" % SPDX)
        self.assertEqual(self.says(licence), [])
        self.put("c.h", "int a;\n")
        self.refuses(licence, "c.h:1:")

    @unittest.skipUnless(format_check.shutil.which("clang-format"),
                         "clang-format is not installed")
    def test_format(self):
        self.put(".clang-format", (HERE.parents[1] / ".clang-format")
                 .read_text())
        self.put("query/good.c", "int good;\n")
        self.assertEqual(self.says(format_check), [])
        self.put("query/bad.c", "int good;\nint   bad ;\n")
        self.refuses(format_check, "query/bad.c:2:")

    def test_shell(self):
        self.put("good", "#!/bin/sh\necho good\n")
        self.assertEqual(self.says(shell), [])
        self.put("bad", "#!/bin/sh\nif true; then\n")
        said = self.says(shell)
        self.assertTrue(said and all(row.startswith("bad:") for row in said))

    def test_sizes_sees_functions(self):
        self.mute()
        self.put("query/a.c", "static int one(int a)\n{\n    return a;\n}\n")
        self.assertEqual(list(sizes.functions(self.root, "query/a.c")),
                         [(4, "one", 1)])
        self.put("query/a.c", "int x;\n")
        self.refuses(sizes, "no function")


class DocsSync(Tree):
    PROGRAM = """#!/bin/sh
case "$*" in
help) echo "Usage: forewarn COMMAND"; echo "  query   ask"; echo "  serve   run";;
"query --help") echo "  -h, --help   this"; echo "      --step D  D";;
"serve --help") echo "  -h, --help   this";;
"config keys") echo "watches[].expr";;
*) exit 2;;
esac
"""
    GOOD = "`--help`\n## forewarn query\n`--step D`\n## `serve`\nx\n"

    def says_of(self, page, keys="`expr`\n"):
        self.put("program", self.PROGRAM)
        (self.root / "program").chmod(0o755)
        self.put("docs/commands.md", page)
        self.put("docs/config.md", keys)
        return [text for _, _, text in
                docs_sync.check(self.root, self.root / "program")]

    def test_docs_that_tell_all_are_accepted(self):
        self.assertEqual(self.says_of(self.GOOD), [])

    def test_each_lack_is_found(self):
        for page, keys, text in (
                (self.GOOD.replace("`--step D`", ""), "`expr`",
                 "'query' does not tell of --step"),
                (self.GOOD + "--stop\n", "`expr`",
                 "'serve' tells of --stop, which no command has"),
                (self.GOOD.replace("## `serve`", "see"), "`expr`",
                 "no heading for the command 'serve'"),
                (self.GOOD.replace("`--help`", ""), "`expr`",
                 "no page tells of --help"),
                (self.GOOD + "`forewarn fly`\n", "`expr`",
                 "there is no command 'fly'"),
                (self.GOOD, "other",
                 "no config page tells of the key 'watches[].expr'")):
            self.assertEqual(self.says_of(page, keys), [text])


class Tally(Tree):
    CMOCKA = ("[==========] Running 3 test(s).\n"
              "[==========] 3 test(s) run.\n[  PASSED  ] %d test(s).\n")

    def test_each_kind_of_result(self):
        failed = self.CMOCKA % 2 + "[  FAILED  ] tests: 1 test(s), listed " \
            "below:\n[  FAILED  ] it_is_so\n\n 1 FAILED TEST(S)\n"
        ran = "Ran %d tests in 0.1s\n\n%s\n"
        rows = (
            ("run", self.CMOCKA % 3, (3, 0, 0)),
            ("fail", failed, (2, 1, 0)),
            ("run", ran % (5, "OK"), (5, 0, 0)),
            ("run", ran % (5, "OK (skipped=2)"), (3, 0, 2)),
            ("fail", ran % (5, "FAILED (failures=1, errors=1)"), (3, 2, 0)),
            ("run", "", (1, 0, 0)),
            ("fail", "segfault", (0, 1, 0)),
            ("fail", self.CMOCKA % 3, (3, 1, 0)),
            ("notrun", "SKIP_RETURN_CODE=77", (0, 0, 1)),
            ("notrun", "Unable to find executable: x", (0, 1, 0)),
        )
        for status, text, cases in rows:
            self.assertEqual(tally.count_one(status, text), cases, text)

    def test_nothing_run_is_a_failure(self):
        for cases, code, last in (
                ("", 1, "0 passed, 0 failed"),
                ("pass build.dev\n", 0, "1 passed, 0 failed"),
                ("pass a\nskip b\n", 0, "1 passed, 0 failed, 1 skipped"),
                ("pass a\nfail b\n", 1, "1 passed, 1 failed")):
            self.put("cases", cases)
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                self.assertEqual(tally.main(self.root), code)
            self.assertEqual(said.getvalue().splitlines()[-1], last)

    def test_a_second_run_counts_and_is_told(self):
        def result(name, status, out):
            return ('<testcase name="%s" status="%s"><system-out>%s'
                    '</system-out></testcase>' % (name, status, out))

        def xml(*rows):
            return "<testsuite>%s</testsuite>" % "".join(rows)

        bad = "Ran 3 tests in 1s\n\nFAILED (failures=1)"
        good = "Ran 3 tests in 1s\n\nOK"
        self.put("a.xml", xml(result("e2e.x", "fail", bad),
                              result("e2e.y", "fail", bad),
                              result("unit.z", "fail", ""),
                              result("unit.ok", "run", "")))
        self.assertEqual(tally.failed_names(self.root / "a.xml"),
                         ["e2e.x", "e2e.y", "unit.z"])
        self.assertEqual(tally.failed_names(self.root / "none.xml"), [])
        self.put("a.again.xml", xml(result("e2e.x", "run", good),
                                    result("e2e.y", "fail", bad)))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.assertEqual(tally.main(self.root), 1)
        lines = said.getvalue().splitlines()
        self.assertIn("passed on the second run: a e2e.x (look at it)", lines)
        self.assertIn("failed: a e2e.y", lines)
        self.assertEqual(lines[-1], "6 passed, 2 failed")


if __name__ == "__main__":
    unittest.main()
