#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: timeout=180 cost=8
"""A watch that knows what is planned, live."""
import time

from forewarn_e2e import Case, main, wait_until


class Events(Case):
    def config(self, events):
        return """
collect: off
listen_http: off
watches:
  - watch: Planned
    expr: disk_used
    breach: "> 150"
    horizon: 10m
    interval: 1s
    probability: 0.7
    owner: a@example.org
    reason: it fills
%s
  - watch: Moving
    expr: disk_used
    breach: "> on(host) disk_room"
    horizon: 10m
    interval: 1s
    owner: a@example.org
    reason: it fills
""" % events

    def test_a_planned_step_fires_before_it_comes(self):
        now = time.time()
        config = self.write("forewarn.yml", self.config(
            "    events:\n      - {at: \"%d\", delta: +100, "
            "why: migration}" % (now + 400)))
        server = self.serve("--config", config, listen=("line",))
        with server.line_client() as line:
            for ago in range(1800, 0, -10):
                at = int((now - ago) * 1e9)
                line.send("disk,host=a used=%.3f,room=300 %d" % (
                    100 + (ago * 7 % 11) / 10, at))
            line.sync()
        def rows():
            out = self.cli("watches", "--format", "json", "--data",
                           server.data).json()
            return {row["watch"]: row for row in out}
        wait_until(lambda: rows().get("Planned", {}).get("state") == "firing",
                   "the planned step to be foretold")
        wait_until(lambda: rows().get("Moving", {}).get("probability", 1)
                   not in (None, 1), "the other to be looked at")
        self.assertLess(rows()["Moving"]["probability"], 0.5)
        self.assertIn("Known change: +100 on ", " ".join(
            self.cli("why", "Planned", "--data", server.data).out.split()))

    def test_a_wrong_event_has_its_line(self):
        for text, words in (
                ("{at: tomorrow, delta: 3}", "tomorrow"),
                ("{at: \"1700000000\", delta: three}", "is no amount"),
                ("{at: \"1700000000\"}", "an event needs at and delta"),
                ("{delta: 3}", "at")):
            path = self.write("forewarn.yml", self.config(
                "    events:\n      - " + text))
            got = self.cli("config", "check", path, rc=2)
            self.assertIn(words, got.err)
        path = self.write("forewarn.yml",
                          self.config("    time_zone: Mars/Olympus"))
        got = self.cli("config", "check", path, rc=2)
        self.assertIn("no time zone", got.err)


if __name__ == "__main__":
    main()
