# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: labels=peers
"""Names and values of lines beside VictoriaMetrics, which takes the same three
protocols: where both take a line, both make the same series of it. What is
different on purpose is listed here."""
import json
import socket
import time
import urllib.parse
import urllib.request

from forewarn_e2e import PATIENCE, Case, free_port, main, peer, wait_until

T = 1700000000

INFLUX = [
    "plain v=1 %d000000000" % T,
    "two a=1,b=2 %d000000000" % T,
    "tags,host=a,core=0 user=1.5 %d000000000" % T,
    r"esc\ aped,t\,ag=v\ al\=ue f\ ield=3 %d000000000" % T,
    r"back\slash,p=C:\\dir v=4 %d000000000" % T,
    r"odd,p=a\b v=5 %d000000000" % T,
    "empty,t=,u=1 v=6 %d000000000" % T,
    "ints i=42i,u=43u %d000000000" % T,
    "bools a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE "
    "%d000000000" % T,
    "numbers a=0.5,b=-1.5e3,c=1e-7,d=123456789.125,e=0,f=-0.25 %d000000000" % T,
    "milli v=7 %d000" % T,
    "micro v=8 %d000000" % T,
    "seconds v=9 %d" % T,
    "dotted.name,tag.x=y.z some.field=10 %d000000000" % T,
    "utf8é,tagé=ü fieldé=11 %d000000000" % T,
    "spaces v=12   %d000000000" % T,
]

GRAPHITE = [
    "g.plain 1 %d" % T,
    "g.tags;host=a;mount=/var 2 %d" % T,
    "g.tags2;a=b=c 3 %d" % T,
    "g.float 2.6845703125 %d" % T,
    "g.exp 1e3 %d" % T,
    "g.negative -5 %d" % T,
    "g.tab\t6\t%d" % T,
    "g.fraction 7 %d.25" % T,
]

OPENTSDB = [
    "put o.plain %d 1" % T,
    "put o.tags %d 2 host=a cpu=0" % T,
    "put o.blanks  %d   3   host=a  " % T,
    "put o.float %d 4.5 a=b=c" % T,
    "put o.milli %d250 5 host=a" % T,
]

# VictoriaMetrics keeps whole seconds of a Graphite time, we its milliseconds.
DIFFERENT_TIME = {"g.fraction"}
# OpenTSDB takes milliseconds in a `put`; VictoriaMetrics does only over HTTP.
OURS_ONLY = {"o.milli"}


def send(port, lines):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as s:
        s.sendall(("\n".join(lines) + "\n").encode())
        s.shutdown(socket.SHUT_WR)
        while s.recv(4096):
            pass


class Names(Case):
    def of_victoria_metrics(self, wanted):
        http, influx, graphite, opentsdb = (free_port() for _ in range(4))
        self.start(peer("victoria-metrics"),
                   "-storageDataPath=%s" % (self.tmp / "vm"),
                   "-httpListenAddr=127.0.0.1:%d" % http,
                   "-influxListenAddr=127.0.0.1:%d" % influx,
                   "-graphiteListenAddr=127.0.0.1:%d" % graphite,
                   "-opentsdbListenAddr=127.0.0.1:%d" % opentsdb,
                   "-retentionPeriod=100y", "-loggerLevel=ERROR")

        def ask(path):
            url = "http://127.0.0.1:%d%s" % (http, path)
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return answer.read().decode()

        def up():
            try:
                return ask("/health") == "OK"
            except OSError:
                return False

        wait_until(up, "VictoriaMetrics")
        for port, lines in ((influx, INFLUX), (graphite, GRAPHITE),
                            (opentsdb, OPENTSDB)):
            send(port, lines)
        match = urllib.parse.quote('{__name__!=""}')

        def exported():
            ask("/internal/force_flush")
            return [json.loads(row) for row in
                    ask("/api/v1/export?match[]=" + match).splitlines()]

        # What it does not take never comes; then they are told apart below.
        end = time.monotonic() + PATIENCE
        rows = exported()
        while len(rows) < wanted and time.monotonic() < end:
            time.sleep(0.3)
            rows = exported()
        return rows

    def test_the_same_lines_make_the_same_series(self):
        server = self.serve("--collect", "off")
        with server.line_client() as line:
            line.send("#verbose on", *INFLUX, *GRAPHITE, *OPENTSDB)
            self.assertEqual(line.sync(), [])
        got = self.cli("query", '{__name__=~".+"}[1h]', "--time",
                       time.strftime("%Y-%m-%dT%H:%M:%SZ",
                                     time.gmtime(T + 60)),
                       "--format", "json", "--data", server.data).json()
        ours = {}
        for row in got["data"]["result"]:
            self.assertEqual(len(row["values"]), 1, row)
            if row["metric"]["__name__"] in OURS_ONLY:
                continue
            at, value = row["values"][0]
            ours[json.dumps(row["metric"], sort_keys=True)] = (
                round(float(at) * 1000), float(value))
        theirs = {}
        for row in self.of_victoria_metrics(len(ours)):
            theirs[json.dumps(row["metric"], sort_keys=True)] = (
                row["timestamps"][0], row["values"][0])
        self.assertEqual(sorted(ours), sorted(theirs))
        for name, (at, value) in ours.items():
            there_at, there_value = theirs[name]
            self.assertAlmostEqual(value, there_value, delta=abs(value) * 1e-12)
            if json.loads(name)["__name__"] in DIFFERENT_TIME:
                at = at // 1000 * 1000
            self.assertEqual(at, there_at, name)


if __name__ == "__main__":
    main()
