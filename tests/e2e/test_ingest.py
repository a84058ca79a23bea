# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=14 busy
"""Lines in by TCP, found again by the query command: through the running
server and from the folder afterwards."""
import re
import socket
import struct
import threading
import time

from forewarn_e2e import Case, Refused, main, peer, wait_until

T = 1700000000


class Ingest(Case):
    def value(self, server, expr, at=T):
        """{series: value} of an instant query, through the server if it runs."""
        got = self.cli("query", expr, "--time", at, "--format", "json",
                       "--data", server.data).json()
        self.assertEqual(got["status"], "success")
        return {tuple(sorted(row["metric"].items())): float(row["value"][1])
                for row in got["data"]["result"]}

    def one(self, server, expr, at=T):
        rows = self.value(server, expr, at)
        self.assertEqual(len(rows), 1, rows)
        return next(iter(rows.values()))

    def quiet(self, *args, **kw):
        return self.serve("--collect", "off", *args, **kw)

    def test_every_protocol_is_found_again_online_and_offline(self):
        server = self.quiet()
        with server.line_client() as line:
            line.send("disk,host=edge1,path=/var used=12.5,free=7i %d" % T,
                      "edge1.load.load.shortterm 2.6845703125 %d" % T,
                      "disk.used;host=a;mount=/ 42 %d" % T,
                      "put memory.cached.memory %d 2151227392 fqdn=edge1  " % T)
            line.sync()

        def check():
            self.assertEqual(
                self.value(server, "disk_used"),
                {(("__name__", "disk_used"), ("host", "edge1"),
                  ("path", "/var")): 12.5})
            self.assertEqual(self.one(server, "disk_free"), 7)
            self.assertEqual(
                self.one(server, '{"edge1.load.load.shortterm"}'),
                2.6845703125)
            self.assertEqual(self.one(server, '{"disk.used",mount="/"}'), 42)
            self.assertEqual(
                self.one(server, '{"memory.cached.memory",fqdn="edge1"}'),
                2151227392)

        check()
        server.stop()
        check()

    def test_the_forms_of_influx_lines(self):
        server = self.quiet()
        with server.line_client() as line:
            line.send(r'a\ b,t\=x=v\,1 f\ g=1,b=t,n=F,s="text, 2=3",u=9u '
                      "%d000000000" % T,
                      "plain v=1e3 %d000" % T,
                      "micro v=5 %d000000" % T)
            line.sync()
        self.assertEqual(self.value(server, '{"a b_f g"}'), {
            (("__name__", "a b_f g"), ("t=x", "v,1")): 1})
        self.assertEqual(self.one(server, '{"a b_b"}'), 1)
        self.assertEqual(self.one(server, '{"a b_n"}'), 0)
        self.assertEqual(self.one(server, '{"a b_u"}'), 9)
        self.assertEqual(self.value(server, '{"a b_s"}'), {})
        self.assertEqual(self.one(server, "plain_v"), 1000)
        self.assertEqual(self.one(server, "micro_v"), 5)

    def test_a_line_without_a_time_is_of_now(self):
        server = self.quiet()
        before = time.time()
        with server.line_client() as line:
            line.send("a 1", "b 2 N", "c 3 -1", "d v=4")
            line.sync()
        for name in ("a", "b", "c", "d_v"):
            at = self.one(server, "timestamp(%s)" % name, time.time() + 1)
            self.assertGreaterEqual(at, before - 0.01)
            self.assertLessEqual(at, time.time())

    def test_precision_can_be_named(self):
        server = self.quiet()
        with server.line_client() as line:
            line.send("#precision ms", "old v=1 86400000", "#precision s",
                      "old v=2 172800")
            line.sync()
        self.assertEqual(self.one(server, "old_v", 86400), 1)
        self.assertEqual(self.one(server, "old_v", 172800), 2)

    def test_bad_lines_are_named_and_harm_no_other(self):
        server = self.quiet()
        with server.line_client() as line:
            line.send("#verbose on", "good 1 %d" % T, "m v=x",
                      b"bad\xff\x1b[31m 1 %d" % T, "too.new 1 %d" % (T * 2),
                      "good2 2 %d" % T)
            said = line.sync()
        self.assertEqual(said, [
            "#bad 3 a value is not a number",
            "#bad 4 the name holds bytes that are not UTF-8, or control "
            "characters",
            "#bad 5 the timestamp is further ahead than --max-future"])
        self.assertEqual(self.one(server, "good"), 1)
        self.assertEqual(self.one(server, "good2"), 2)
        log = server.wait_log(r"bad line 4 from 127\.0\.0\.1")
        self.assertNotIn("\x1b", log)
        server.wait_log(r"bad line 3 from .*a value is not a number: 'm v=x'")

    def test_a_flood_of_bad_lines_does_not_flood_the_log(self):
        server = self.quiet()
        begun = time.monotonic()
        with server.line_client() as line:
            line.send(*["bad line number %d" % i for i in range(5000)])
            line.sync()
            # Ten are named at once, and more only as time goes by.
            turns = 2 + (time.monotonic() - begun) // 10
        self.assertLess(len(server.log), 30 + 12 * turns)

    def test_two_tokens_and_a_limit(self):
        server = self.quiet("--max-series", "2")
        with server.line_client() as line:
            line.send("a 1 %d" % T, "b 1 %d" % T)
            line.sync()
            line.send("c 1 %d" % T, "a 2 %d" % (T + 1))
            with self.assertRaises(Refused):
                line.sync()
            line.send("b 2 %d" % (T + 1))
            line.sync()
        self.assertEqual(self.one(server, "a", T + 1), 2)
        self.assertEqual(self.one(server, "b", T + 1), 2)
        self.assertEqual(self.value(server, "c"), {})

    def test_the_end_of_the_stream_waits_for_the_disk(self):
        server = self.quiet()
        line = server.line_client()
        line.send(*["many,i=%d v=%d %d" % (i, i, T) for i in range(20000)])
        self.assertEqual(line.finish(), [])
        server.kill9()
        again = self.quiet(data=server.data)
        self.assertEqual(self.one(again, "count(many_v)"), 20000)

    def test_http_and_tls_are_turned_away(self):
        server = self.quiet()
        for first in (b"POST /write HTTP/1.1\r\nHost: a\r\n\r\n",
                      b"PRI * HTTP/2.0\r\n\r\n",
                      b"\x16\x03\x01\x00\x05hello\n"):
            line = server.line_client()
            line.send_raw(first)
            try:
                line.send("smuggled 1 %d" % T)
                while line.read_line() is not None:
                    pass
            except (ConnectionError, socket.timeout):
                pass
            line.close()
        with server.line_client() as line:
            line.sync()
        self.assertEqual(self.value(server, "smuggled"), {})

    def test_a_line_without_end_costs_little_memory(self):
        server = self.quiet()

        def resident():
            text = open("/proc/%d/status" % server.pid).read()
            return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1))

        with server.line_client() as line:
            line.sync()
        before = resident()
        line = server.line_client()
        try:
            for _ in range(64):
                line.send_raw(b"x" * (1 << 20))
        except ConnectionError:
            pass
        line.close()
        self.assertLess(resident() - before, 32 * 1024)
        with server.line_client() as line:
            line.send("still 1 %d" % T)
            line.sync()

    def test_one_byte_at_a_time_and_all_at_once(self):
        server = self.quiet()
        slow = server.line_client()
        slow.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with server.line_client() as fast:
            for byte in b"slow,a=b v=7 %d\n" % T:
                slow.send_raw(bytes([byte]))
                fast.send("fast 1 %d" % T)
            fast.sync()
        slow.sync()
        slow.close()
        self.assertEqual(self.one(server, "slow_v"), 7)

    def test_idle_connections_do_not_lock_others_out(self):
        server = self.quiet("--max-connections", "20")
        idle = [server.line_client() for _ in range(60)]
        for i in range(5):
            with server.line_client() as line:
                line.send("alive %d %d" % (i, T + i))
                line.sync()
        self.assertEqual(self.one(server, "alive", T + 4), 4)
        for line in idle:
            line.close()

    def test_senders_that_break_off_harm_nobody(self):
        server = self.quiet()
        for _ in range(50):
            line = server.line_client()
            line.send_raw(b"broken,a=b v=1 %d\nbroken,a=b v=1" % T)
            line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                 struct.pack("ii", 1, 0))
            line.close()
        with server.line_client() as line:
            line.send("whole 1 %d" % T)
            line.sync()
        self.assertEqual(self.one(server, "whole"), 1)

    def test_one_that_never_reads_its_answers_is_no_burden(self):
        server = self.quiet()
        deaf = server.line_client()
        deaf.sock.settimeout(2)
        deaf.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.send_raw(b"#verbose on\n")
        try:
            for _ in range(200):
                deaf.send_raw(b"bad\n" * 10000)
        except socket.timeout:
            pass  # it is not read from any more, either
        with server.line_client() as line:
            line.send("still 1 %d" % T)
            line.sync()
        deaf.close()
        self.assertEqual(self.one(server, "still"), 1)

    def test_many_senders_at_once(self):
        server = self.quiet()
        failed = []

        def send(number):
            try:
                with server.line_client() as line:
                    for i in range(20):
                        line.send(*["load,s=%d,i=%d v=%d %d" %
                                    (number, k, i, T + i)
                                    for k in range(100)])
                        line.sync()
            except Exception as reason:  # noqa: told below
                failed.append(reason)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertEqual(
            self.one(server, "sum(count_over_time(load_v[1m]))", T + 30),
            8 * 20 * 100)

    def test_datagrams_hold_lines_too(self):
        server = self.quiet()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.connect(server.addr())
            udp.send(b"u,a=b v=1 %d\nbad\nput w %d 2\n" % (T, T))
            udp.send(b"x 3 %d" % T)  # its end is the end of a line
            udp.send(b"")
        wait_until(lambda: self.value(server, "x"), "the last datagram")
        self.assertEqual(self.one(server, "u_v"), 1)
        self.assertEqual(self.one(server, "w"), 2)
        server.wait_log("bad line 2 from UDP")

    def test_a_stop_keeps_what_was_sent(self):
        server = self.quiet()
        line = server.line_client()
        line.sync()
        line.send(*["last,i=%d v=1 %d" % (i, T) for i in range(1000)])
        line.send("#sync end")
        server.stop()
        said = []
        while True:
            text = line.read_line()
            if text is None:
                break
            said.append(text)
        self.assertEqual(said, ["#synced end"])
        self.assertEqual(self.one(server, "count(last_v)"), 1000)


class Collectd(Case):
    """The real collectd, as Debian ships it."""

    def test_collectd_writes_graphite_and_opentsdb(self):
        program = peer("../sbin/collectd")
        server = self.serve("--collect", "off")
        host, port = server.addr()
        plugins = program.replace("sbin/../", "").rsplit("/usr/", 1)[0] + \
            "/usr/lib/collectd"
        types = program.rsplit("/usr/", 1)[0] + "/usr/share/collectd/types.db"
        config = self.write("collectd.conf", """
Hostname "edge1"
FQDNLookup false
BaseDir "%(dir)s"
PIDFile "%(dir)s/collectd.pid"
PluginDir "%(plugins)s"
TypesDB "%(types)s"
Interval 1
LoadPlugin load
LoadPlugin memory
LoadPlugin write_graphite
LoadPlugin write_tsdb
<Plugin write_graphite>
  <Node "a">
    Host "%(host)s"
    Port "%(port)d"
    Protocol "tcp"
    Prefix "g."
  </Node>
</Plugin>
<Plugin write_tsdb>
  <Node>
    Host "%(host)s"
    Port "%(port)d"
    HostTags "from=collectd"
  </Node>
</Plugin>
""" % {"dir": self.tmp, "plugins": plugins, "types": types, "host": host,
            "port": port})
        self.start(program, "-f", "-C", config)

        def found():
            got = self.cli("labels", "__name__", "--data", server.data).out
            return "g.edge1.load.load.shortterm" in got and \
                "memory.cached" in got

        wait_until(found, "collectd's values", every=0.5)
        self.assertFalse([x for x in server.log if "bad line" in x],
                         server.log)


if __name__ == "__main__":
    main()
