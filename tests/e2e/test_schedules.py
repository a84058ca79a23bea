# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports and digests of the real server: by the clock, when asked for, into a
folder and to a receiver. What daylight saving does to them is a unit test."""
import csv
import io
import json
import os
import unittest

from forewarn_e2e import Case, main, wait_until

LONG = os.environ.get("FOREWARN_LONG") == "1"

CONFIG = """
collect: off
listen_http: off
notify:
  group_wait: 0s
  webhooks:
    - url: %s
      allow_private: true
watches:
  - watch: Filling
    expr: fill_bytes
    breach: "> 1000"
    horizon: 1h
    owner: storage@example.org
    reason: writes fail
schedules:
  - schedule: monday
    cron: "%s"
    timezone: Europe/Berlin
    folder: %s
    notify: true
    owner: ops@example.org
    reason: the week is planned with it
  - schedule: digest
    kind: digest
    cron: "0 3 29 2 *"
    notify: true
    owner: ops@example.org
    reason: the shift begins with it
"""

WATCH = """
watches:
  - watch: Filling
    expr: fill_bytes
    breach: "> 1000"
    horizon: 1h
    owner: storage@example.org
    reason: writes fail
"""
SCHEDULE = """
  - schedule: %s
    format: %s
    cron: "0 3 29 2 *"
    folder: %s
    owner: ops@example.org
    reason: the week is planned with it"""


class Schedules(Case):
    def begin(self, cron):
        self.hook = self.webhook()
        self.folder = self.tmp / "reports"
        self.server = self.serve("--config", self.write(
            "forewarn.yml", CONFIG % (self.hook.url, cron, self.folder)),
            listen=("line",))

    def ask(self, *args, **kw):
        return self.cli("schedules", *args, "--data", self.server.data, **kw)

    def pages(self):
        return sorted(self.folder.glob("monday-*Z.html"))

    def heard(self, name):
        return [alert for _, _, body in list(self.hook.got)
                for alert in json.loads(body)["alerts"]
                if alert["labels"]["alertname"] == name]

    def test_one_is_run_when_somebody_asks(self):
        self.begin("0 8 * * MON")
        rows = self.ask().out.splitlines()
        self.assertRegex(rows[1], r"^monday +report +0 8 \* \* MON +"
                         r"Europe/Berlin +never +20\S+T0[67]:00:00\S* +into ")
        self.assertRegex(rows[2], r"^digest +digest .*-02-29T03:00:00\S* +"
                         r"to the receivers$")
        self.ask("run", "monday", rc=2)
        self.ask("run", "tuesday", "--actor", "ann", "--reason", "r", rc=1)
        for name in ("monday", "digest"):
            self.ask("run", name, "--actor", "ann", "--reason",
                     "the printer jammed")
        page = wait_until(self.pages, "a page")[0]
        self.assertRegex(page.name, r"^monday-20\d{6}T\d{4}Z\.html$")
        html = page.read_text()
        self.assertIn("Filling", html)
        self.assertRegex(html.strip(), r"(?is)^<!doctype html>.*</html>$")
        report = wait_until(lambda: self.heard("ForecastReport"),
                            "the report to be told")[0]
        self.assertEqual(report["annotations"]["path"], str(page))
        self.assertIn("Filling", report["annotations"]["text"])
        digest = wait_until(lambda: self.heard("AlertDigest"),
                            "the digest to be told")[0]
        self.assertEqual(digest["labels"]["schedule"], "digest")
        acts = self.cli("audit", "list", "--act", "schedule-run", "--format",
                        "json", "--data", self.server.data).json()
        self.assertEqual({(a["actor"], a["what"], a["reason"]) for a in acts},
                         {("ann", "monday", "the printer jammed"),
                          ("ann", "digest", "the printer jammed")})
        self.server.stop()
        gone = self.ask(rc=3)
        self.assertIn("no server runs", gone.err)

    def test_csv_pdf_json_and_text_are_filed(self):
        formats = ("csv", "pdf", "json", "text")
        self.folder = self.tmp / "reports"
        self.server = self.serve("--config", self.write(
            "forewarn.yml", CONFIG.split("notify:")[0] + WATCH + "schedules:" +
            "".join(SCHEDULE % (name, name, self.folder)
                    for name in formats)), listen=("line",))
        for name in formats:
            self.ask("run", name, "--actor", "ann", "--reason", "to look at")
        made = {}
        for name, ending in zip(formats, ("csv", "pdf", "json", "txt")):
            found = wait_until(
                lambda at="%s-*Z.%s" % (name, ending):
                sorted(self.folder.glob(at)) or self.told(name),
                "the report as " + name)
            made[name] = found[0] if isinstance(found, list) else found
        rows = list(csv.DictReader(io.StringIO(made["csv"].read_text())))
        self.assertEqual([row["watch"] for row in rows], ["Filling"])
        self.assertEqual([row["watch"] for row in json.loads(
            made["json"].read_text())["rows"]], ["Filling"])
        self.assertIn("Filling", made["text"].read_text())
        if isinstance(made["pdf"], str):
            self.assertIn("built without cairo", made["pdf"])
        else:
            pdf = made["pdf"].read_bytes()
            self.assertTrue(pdf.startswith(b"%PDF-"))
            self.assertIn(b"%%EOF", pdf[-16:])

    def told(self, name):
        """Why there is no file, if the server said so."""
        said = [line for line in self.server.log
                if "cairo" in line and name in line]
        return said[0] if said else None

    @unittest.skipUnless(LONG, "waits for the next minute")
    def test_one_runs_each_minute(self):
        self.begin("* * * * *")
        wait_until(self.pages, "a page", seconds=150)
        act = self.cli("audit", "list", "--act", "schedule-run", "--format",
                       "json", "--data", self.server.data).json()[0]
        self.assertEqual((act["actor"], act["reason"]),
                         ("forewarn", "the week is planned with it"))


if __name__ == "__main__":
    main()
