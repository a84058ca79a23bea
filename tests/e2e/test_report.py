# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=14 busy
"""The report in its formats, over hostile names."""
import csv
import html.parser
import io
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import tempfile
import time

from forewarn_e2e import BIN, PATIENCE, Case, main, wait_until

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'onmouseover='alert(1)",
    "&lt;b&gt;&amp;",
    "]]></style><svg/onload=alert(1)>",
    "\u202egnp.exe",
    "\u0085next",
]


class Tags(html.parser.HTMLParser):
    """The elements and attributes that a browser would see."""

    def __init__(self):
        super().__init__()
        self.tags = set()
        self.attributes = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs


class Page(html.parser.HTMLParser):
    """What somebody who cannot see the page is told by it."""

    VOID = {"meta", "br", "path", "line", "rect", "circle", "polyline",
            "polygon"}

    def __init__(self, text):
        super().__init__()
        self.open, self.all = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        node = {"tag": tag, "text": "", "within": [n["tag"] for n in self.open],
                "parent": self.open[-1] if self.open else None, **dict(attrs)}
        self.all.append(node)
        if tag not in self.VOID:
            self.open.append(node)

    def handle_startendtag(self, tag, attrs):
        self.all.append({"tag": tag, "text": "", "within": [],
                         "parent": None, **dict(attrs)})

    def handle_endtag(self, tag):
        while self.open and self.open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        for node in self.open:
            node["text"] += data

    def every(self, *tags):
        return [n for n in self.all if n["tag"] in tags]


def luminance(color):
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
               for c in parts]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a, b):
    x, y = sorted((luminance(a), luminance(b)))
    return (y + 0.05) / (x + 0.05)


class Report(Case):
    CONFIG = """
collect: off
listen_http: off
watches:
  - watch: Quiet
    expr: calm_value
    breach: "> 100"
    horizon: 10m
    history: 1h
    interval: 1s
    owner: a@example.org
    reason: it matters
  - watch: Urgent <marquee>
    expr: climb_value
    breach: "> 100"
    horizon: 10m
    history: 1h
    interval: 1s
    owner: b@example.org
    reason: "it fills <blink>up</blink>"
  - watch: Nothing
    expr: not_there
    breach: "> 1"
    horizon: 10m
    owner: c@example.org
    reason: it is gone
"""

    # A folder in which an alert fires, made once for many tests: to wait for
    # it takes eight seconds. Its samples must not become old.
    watched, made_at = None, 0

    @classmethod
    def tearDownClass(cls):
        cls.forget()
        super().tearDownClass()

    @classmethod
    def forget(cls):
        if cls.watched is not None:
            shutil.rmtree(cls.watched.parent, ignore_errors=True)
        cls.watched = None

    def setUp(self):
        super().setUp()
        self.config = self.write("forewarn.yml", self.CONFIG)
        if time.monotonic() - Report.made_at > 30:
            self.forget()
        if Report.watched is None:
            self.watch()
        shutil.copytree(Report.watched, self.tmp / "data")
        self.server = self.serve("--config", self.config, listen=("line",))

    def watch(self):
        """Waits for the alert, and keeps the folder for every test."""
        server = self.serve("--config", self.config, listen=("line",),
                            data=self.tmp / "watched")
        now = time.time()
        with server.line_client() as line:
            for ago in range(1800, 0, -10):
                at = int((now - ago) * 1e9)
                line.send("calm value=%.3f %d" % (5 + (ago * 7 % 11) / 10, at))
                for text in HOSTILE:
                    tag = text.replace("\\", "\\\\").replace(" ", "\\ ") \
                        .replace(",", "\\,").replace("=", "\\=")
                    line.send("climb,name=%s value=%.3f %d" % (
                        tag, 95 - ago / 30 + (ago * 7 % 11) / 20, at))
            line.sync()
        wait_until(lambda: "firing" in self.cli(
            "watches", "--data", server.data).out, "an alert")
        server.stop()
        keep = pathlib.Path(tempfile.mkdtemp(prefix="forewarn-e2e-"))
        Report.watched = keep / "watched"
        Report.made_at = time.monotonic()
        shutil.copytree(server.data, Report.watched)

    def report(self, *args, **kw):
        return self.cli("report", "--data", self.server.data, *args, **kw)

    def test_text_is_most_urgent_first_and_says_what_is_not_known(self):
        out = self.report().out
        self.assertLess(out.index("Urgent"), out.index("Quiet"))
        self.assertIn("b@example.org", out)
        self.assertIn("the expression returns no data", out)
        for bad in ("\x1b", "\u202e", "\u0085"):
            self.assertNotIn(bad, out)

    def test_json_is_json(self):
        rows = self.report("--format", "json").json()
        text = json.dumps(rows, ensure_ascii=False)
        for name in HOSTILE:
            self.assertIn(json.dumps(name, ensure_ascii=False)[1:-1], text)

    def test_html_is_one_file_and_escapes_what_is_hostile(self):
        path = self.tmp / "report.html"
        self.report("--format", "html", "--output", path)
        text = path.read_text(encoding="utf-8")
        tags = Tags()
        tags.feed(text)
        self.assertTrue({"html", "svg", "table"} <= tags.tags, tags.tags)
        self.assertFalse({"script", "img", "marquee", "blink", "b", "iframe",
                          "link", "object", "form"} & tags.tags, tags.tags)
        for name, value in tags.attributes:
            self.assertFalse(name.startswith("on"), (name, value))
            if name in ("src", "href", "xlink:href"):
                self.assertTrue(value.startswith("#"), (name, value))
        self.assertNotIn("<script>", text)
        self.assertIn("&lt;script&gt;alert(1)", text)
        keep = pathlib.Path(__file__).parents[2] / "build"
        if keep.is_dir():
            (keep / "report.html").write_text(text, encoding="utf-8")

    def test_html_can_be_read_by_everybody(self):
        path = self.tmp / "report.html"
        self.report("--format", "html", "--output", path)
        text = path.read_text(encoding="utf-8")
        page = Page(text)
        self.assertEqual(page.every("html")[0]["lang"], "en")
        self.assertTrue(page.every("title")[0]["text"].strip())
        self.assertEqual(len(page.every("h1")), 1)
        level = 0
        for heading in page.every("h1", "h2", "h3", "h4"):
            self.assertTrue(heading["text"].strip())
            self.assertLessEqual(int(heading["tag"][1]), level + 1)
            level = int(heading["tag"][1])
        ids = [n["id"] for n in page.all if "id" in n]
        self.assertEqual(len(ids), len(set(ids)))
        for link in page.every("a"):
            self.assertTrue(link["text"].strip())
            self.assertIn(link["href"][1:], ids)
        for cell in page.every("th"):
            self.assertIn(cell.get("scope"), ("col", "row"))
        for table in page.every("table"):
            named = [c for c in page.every("caption")
                     if c["parent"] is table and c["text"].strip()]
            self.assertTrue(named or table.get("aria-label"))
        pictures = page.every("svg")
        self.assertTrue(pictures)
        for picture in pictures:
            self.assertEqual(picture["role"], "img")
            words = picture["aria-labelledby"].split()
            self.assertEqual(len(words), 2)
            for node in page.all:
                if node.get("id") in words:
                    self.assertIn(node["tag"], ("title", "desc"))
                    self.assertGreater(len(node["text"]), 10)
        for section in page.every("section"):
            self.assertIn(section["aria-labelledby"], ids)
        # What a colour says is also said in words.
        chips = [n for n in page.every("span")
                 if n.get("class", "").startswith("chip ")]
        self.assertTrue(chips)
        for chip in chips:
            self.assertTrue(chip["text"].strip())
        for meter in page.every("span"):
            if meter.get("class", "").startswith("meter "):
                self.assertEqual(meter["aria-hidden"], "true")
                self.assertIn("%", meter["parent"]["text"])

        self.has_contrast_in_light_in_dark_and_on_paper(text)

    def has_contrast_in_light_in_dark_and_on_paper(self, text):
        themes = [dict(re.findall(r"--(\w+):(#[0-9a-f]{6}|#[0-9a-f]{3})\b",
                                  block))
                  for block in re.findall(r":root\{([^}]*)\}", text)]
        self.assertEqual(len(themes), 3)  # light, dark, print
        self.assertIn("prefers-color-scheme:dark", text)
        self.assertIn("@media print", text)
        for theme in themes:
            for name, color in theme.items():
                if len(color) == 4:
                    theme[name] = "#" + "".join(2 * c for c in color[1:])
            for ground in ("paper", "card"):
                for ink in ("ink", "soft", "limit", "u0", "u1", "u2", "u3",
                            "u4"):
                    self.assertGreaterEqual(
                        contrast(theme[ink], theme[ground]), 4.5,
                        (ink, ground, theme))
                for line in ("seen", "ahead"):
                    self.assertGreaterEqual(
                        contrast(theme[line], theme[ground]), 3.0,
                        (line, ground, theme))

    def test_a_bar_grows_on_a_terminal_only(self):
        with self.server.line_client() as line:
            now = int(time.time())
            for ago in range(300, 0, -10):
                for i in range(40):
                    line.send("many,i=%d value=%d %d" % (
                        i, i + ago % 7, (now - ago) * 10 ** 9))
            line.sync()
        args = ("many_value", "> 100", "--horizon", "5m", "--history", "1h")
        self.assertEqual(self.report(*args).err, "")
        leader, follower = pty.openpty()
        child = subprocess.Popen(
            [BIN, "report", "--data", str(self.server.data), *args],
            stdout=follower, stderr=follower, stdin=subprocess.DEVNULL)
        os.close(follower)
        shown = b""
        while True:
            try:
                more = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not more:
                break
            shown += more
        os.close(leader)
        self.assertEqual(child.wait(PATIENCE), 0)
        done = [int(n) for n in re.findall(rb"0 of 1 watches, (\d+) series",
                                           shown)]
        self.assertGreater(len(done), 5)
        self.assertEqual(done, sorted(done))
        self.assertEqual(done[-1], 40)

    def test_a_file_is_written_whole_or_not_at_all(self):
        path = self.tmp / "report.json"
        got = self.report("--format", "json", "-o", path)
        self.assertEqual((got.rc, got.out), (0, ""))
        rows = json.loads(path.read_text(encoding="utf-8"))
        self.assertEqual(json.dumps(rows).count("c@example.org"), 1)
        before = path.read_bytes()
        self.report("no such watch", "--output", path, rc=1)
        self.assertEqual(path.read_bytes(), before)
        got = self.report("--output", self.tmp / "no" / "such" / "report",
                          rc=3)
        self.assertIn("No such file or directory", got.err)

    def test_it_is_the_same_without_the_server(self):
        self.server.stop()
        out = self.report().out
        self.assertIn("Urgent", out)
        self.assertIn("firing", self.cli("watches", "--data",
                                         self.server.data).out)

    def test_another_file_of_watches_can_be_reported_on(self):
        other = self.write("other.yml", """
watches:
  - watch: Other
    expr: calm_value
    breach: "> 1000"
    horizon: 5m
    owner: d@example.org
    reason: curiosity
""")
        out = self.report("--config", other).out
        self.assertIn("Other", out)
        self.assertNotIn("Urgent", out)

    def test_csv_pdf_and_expressions(self):
        rows = list(csv.DictReader(io.StringIO(
            self.report("--format", "csv").out)))
        self.assertGreater(len(rows), len(HOSTILE))
        for row in rows:
            self.assertNotIn(None, row)
        self.assertIn("firing", rows[0]["state"])
        path = self.tmp / "report.pdf"
        got = self.report("--format", "pdf", "--output", path, rc=None)
        if got.rc == 2:
            self.assertIn("without cairo", got.err)
        else:
            made = path.read_bytes()
            self.assertTrue(made.startswith(b"%PDF-"))
            self.assertIn(b"%%EOF", made[-16:])
        got = self.report("calm_value", "> 50", "calm_value",
                          "> calm_value + 3", "--horizon", "5m")
        self.assertIn("2 rows", got.out)
        got = self.report("calm_value", "> 5", "b", "--horizon", "1h", rc=2)
        self.assertIn("each with its limit behind it", got.err)
        other = self.write("other.yml", """
watches:
  - watch: Planned
    expr: calm_value
    breach: "> calm_value + 50"
    horizon: 5m
    owner: d@example.org
    reason: curiosity
    time_zone: Europe/Berlin
    events:
      - {at: "%d", delta: +1kB, why: "a <move>"}
""" % (time.time() + 120))
        row = self.report("--config", other, "--format", "json").json()
        row = row["rows"][0]
        self.assertEqual("> 0", row["breach"])
        self.assertIn("+1kB on ", row["answer"]["known"])
        self.assertGreater(row["answer"]["breach"]["probability"], 0.9)

    def test_one_watch_can_be_asked_for(self):
        out = self.report("Quiet").out
        self.assertIn("Quiet", out)
        self.assertNotIn("Urgent", out)
        got = self.report("Quite", rc=1)
        self.assertIn("did you mean 'Quiet'?", got.err)
        got = self.report("--format", "docx", rc=2)
        self.assertIn("text, json, html", got.err)


if __name__ == "__main__":
    main()
