# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=77
"""A watch from outside: foretold, breached, scored, told to a webhook, also
over the death of the server and of the receiver."""
import http.server
import json
import threading
import time

from forewarn_e2e import PATIENCE, Case, main, wait_until

LIMIT = 1000


class Receiver:
    """A webhook; one that is `down` has its port, but nobody listens there
    before listen()."""

    def __init__(self, answers=(200,), down=False):
        self.got = []
        self.answers = list(answers)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code = outer.answers[0]
                if len(outer.answers) > 1:
                    outer.answers.pop(0)
                outer.got.append((code, dict(self.headers), json.loads(body)))
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.server_bind()
        self.port = self.server.server_address[1]
        self.listening = False
        if not down:
            self.listen()

    def listen(self):
        self.server.server_activate()
        self.listening = True
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.05}, daemon=True).start()

    def good(self):
        return [body for code, _, body in list(self.got) if code < 300]

    def close(self):
        if self.listening:
            self.server.shutdown()
        self.server.server_close()


class Watch(Case):
    def receiver(self, **kw):
        made = Receiver(**kw)
        self.addCleanup(made.close)
        return made

    def config(self, port, private="true", more=""):
        return self.write("forewarn.yml", """
collect: off
listen_http: off
%snotify:
  group_wait: 0s
  group_interval: 1s
  webhooks:
    - url: http://127.0.0.1:%d/hook
      timeout: 60s
      allow_private: %s
watches:
  - watch: Filling
    expr: fill_bytes
    breach: "> %d"
    horizon: 120s
    history: 5m
    interval: 1s
    owner: storage@example.org
    reason: writes fail
    runbook: https://example.org/run
    labels: {severity: page}
""" % (more, port, private, LIMIT))

    def history(self, server, at_now=600.0, slope=4.0, seconds=240):
        """Four minutes of an even climb that ends now, long before the limit:
        a slow machine has time to foretell it."""
        now = time.time()
        with server.line_client() as line:
            line.send(*("fill,host=a bytes=%.2f %d" % (
                at_now - slope * ago + (ago * 7 % 5) / 5,
                int((now - ago) * 1e9)) for ago in range(seconds, 0, -1)))
            line.sync()

    def climb(self, server, until, value=600.0, slope=4.0):
        """Goes on live, in real time, until until() is true."""
        began = time.monotonic()
        now = value
        with server.line_client() as line:
            while time.monotonic() < began + 3 * PATIENCE:
                now = value + slope * (time.monotonic() - began)
                line.send("fill,host=a bytes=%.2f" % now)
                line.sync()
                if until():
                    return now
                time.sleep(1)
        self.fail("it never came:\n" + "\n".join(server.log))

    def test_a_breach_is_foretold_told_and_scored(self):
        hook = self.receiver()
        server = self.serve("--config", self.config(hook.port), listen=("line",))
        self.history(server)
        value = self.climb(server, until=lambda: hook.good())
        self.assertLess(value, LIMIT, "told ahead")
        self.climb(server, value=value, slope=(LIMIT - value) / 10,
                   until=lambda: any("score Filling" in line
                                     for line in server.log))
        wait_until(lambda: len(hook.good()) >= 2, "the breach to be told")
        first, second = hook.good()[:2]

        self.assertEqual(first["version"], "4")
        self.assertEqual(first["status"], "firing")
        alert = first["alerts"][0]
        self.assertEqual(alert["labels"], {
            "alertname": "Filling", "host": "a", "severity": "page",
            "record": "unproven"})
        self.assertEqual(alert["endsAt"], "0001-01-01T00:00:00Z")
        self.assertEqual(alert["annotations"]["state"], "predicted")
        self.assertEqual(alert["annotations"]["runbook_url"],
                         "https://example.org/run")
        self.assertRegex(alert["fingerprint"], "^[0-9a-f]{16}$")
        forecast = first["forecast"]
        self.assertEqual(forecast["state"], "predicted")
        self.assertGreaterEqual(forecast["probability"], 0.8)
        self.assertLess(forecast["p10_seconds"], 120)
        self.assertEqual(forecast["owner"], "storage@example.org")
        self.assertEqual(forecast["limit"], "> 1000")
        self.assertTrue(forecast["model"])

        self.assertEqual(second["forecast"]["state"], "breached")
        self.assertGreater(second["forecast"]["lead_seconds"], 5)
        self.assertEqual(second["alerts"][0]["fingerprint"],
                         alert["fingerprint"])
        self.assertEqual(second["alerts"][0]["startsAt"], alert["startsAt"])

        score = next(x for x in server.log if "score Filling" in x)
        self.assertRegex(score, "right, [0-9]+ s ahead")
        record = self.cli("record", "Filling", "--format", "json", "--data",
                          server.data).json()[0]
        self.assertEqual((record["right"], record["falseAlarms"],
                          record["missed"]), (1, 0, 0))
        self.assertEqual(record["claims"][0]["outcome"], "right")
        self.assertGreater(record["predictions"], 0)
        watches = self.cli("watches", "--format", "json", "--data",
                           server.data).json()
        self.assertEqual(watches[0]["state"], "breached")
        self.assertEqual(watches[0]["labels"]["host"], "a")
        server.stop()
        # All of it is there without a server, too.
        again = self.cli("record", "--data", server.data)
        self.assertRegex(again.out, r"Filling +trial +1 +0 +0")

    def test_alertmanager_hears_of_it_from_first_to_last(self):
        hook, manager = self.receiver(), self.receiver()
        server = self.serve("--config", self.config(hook.port, more="""
rules_resend_delay: 1s
global: {external_labels: {dc: d1}}
alerting:
  alert_relabel_configs:
    - {source_labels: [severity], target_label: severity, action: uppercase}
  alertmanagers:
    - static_configs: [{targets: ["127.0.0.1:%d"]}]
""" % manager.port), listen=("line",))

        def alerts(state):
            return [a for posted in manager.good() for a in posted
                    if a["annotations"].get("state") == state]

        self.history(server)
        value = self.climb(server,
                           until=lambda: len(alerts("predicted")) > 2)
        self.climb(server, value=value, slope=(LIMIT - value) / 5,
                   until=lambda: alerts("breached"))
        with server.line_client() as line:
            def settled():
                line.send("fill,host=a bytes=10")
                line.sync()
                return len(alerts("resolved")) > 1

            wait_until(settled, "the end, twice", 90, 0.5)
        foretold = alerts("predicted")
        self.assertEqual(foretold[0]["labels"], {
            "alertname": "Filling", "host": "a", "severity": "PAGE",
            "record": "unproven", "dc": "d1"})
        said = foretold[0]["annotations"]
        self.assertGreaterEqual(float(said["probability"]), 0.8)
        self.assertIn("time_to_breach_p50", said)
        self.assertIn("fill_bytes", foretold[0]["generatorURL"])
        ends = [a["endsAt"] for a in foretold]
        self.assertEqual(ends, sorted(ends), "the end moves ahead")
        self.assertGreater(len(set(ends)), 1)
        every = foretold + alerts("breached") + alerts("resolved")
        self.assertEqual(len({a["startsAt"] for a in every}), 1)
        last = alerts("resolved")
        self.assertEqual(len({a["endsAt"] for a in last}), 1)
        # Which of the two depends on what is still foreseen meanwhile.
        ends = "back inside|the danger has passed"
        self.assertRegex(last[0]["annotations"]["resolved_because"], ends)
        wait_until(lambda: hook.good()[-1]["status"] == "resolved",
                   "the end at the webhook")
        over = hook.good()[-1]
        self.assertRegex(over["forecast"]["resolved_because"], ends)
        self.assertEqual(len({b["groupKey"] for b in hook.good()}), 1)

    def test_a_watch_set_to_shadow_is_graded_and_silent(self):
        hook = self.receiver()
        server = self.serve("--config", self.config(hook.port), listen=("line",))
        word = ("watch", "state", "Filling", "shadow", "--until", "now+1h",
                "--data", server.data)
        self.assertIn("--actor and --reason", self.cli(*word, rc=2).err)
        self.cli(*word, "--actor", "ann", "--reason", "a drill")
        wait_until(lambda: hook.good(), "word of the change")
        told = hook.good()[0]["alerts"][0]
        self.assertEqual(told["labels"], {
            "alertname": "WatchStanding", "watch": "Filling",
            "owner": "storage@example.org"})
        self.assertIn("ann says so until", told["annotations"]["summary"])
        self.history(server)
        self.climb(server, until=lambda: any(
            "told nobody: shadow" in line for line in server.log))
        self.climb(server, value=900, slope=20, until=lambda: any(
            "score Filling" in line for line in server.log))
        self.assertEqual(len(hook.good()), 1, hook.good())
        acts = [(e["act"], e["actor"], e["after"][:6]) for e in
                self.cli("audit", "--format", "json", "--data",
                         server.data).json()]
        self.assertEqual(acts[-2:], [("watch-override", "ann", "shadow"),
                                     ("watch-state", "forewarn", "shadow")])
        standing = self.cli("record", "--format", "json", "--data",
                            server.data).json()[0]["standing"]
        self.assertEqual(standing["state"], "shadow")
        server.stop()
        late = self.cli(*word, "--actor", "ann", "--reason", "x", rc=3)
        self.assertIn("no server runs", late.err)

    def test_a_receiver_that_was_down_is_told_after_a_kill(self):
        hook = self.receiver(down=True)
        port = hook.port
        config = self.config(port)
        server = self.serve("--config", config, listen=("line",))
        self.history(server)
        self.climb(server, until=lambda: any(
            "a notification waits" in line for line in server.log))
        server.kill9()
        server = self.serve("--config", config, listen=("line",))
        server.wait_log("a notification waits")  # an outage has to begin first
        hook.listen()
        wait_until(lambda: hook.good(), "the waiting notification")
        self.assertEqual(hook.good()[0]["forecast"]["state"], "predicted")
        server.wait_log("notifications reach http://127.0.0.1:%d/hook again"
                        % port)
        # Once delivered it is gone: another start does not repeat it. What is
        # told comes in order, so a change of standing ends the waiting.
        server.stop()
        heard = len(hook.good())
        server = self.serve("--config", config, listen=("line",))
        self.cli("watch", "state", "Filling", "shadow", "--until", "now+1h",
                 "--actor", "ann", "--reason", "a drill", "--data",
                 server.data)

        wait_until(lambda: any(
            x["alerts"][0]["labels"]["alertname"] == "WatchStanding"
            for x in hook.good()[heard:]), "word of the change")
        self.assertFalse([x for x in hook.good()[heard:] if x.get(
            "forecast", {}).get("state") == "predicted"])
        server.stop()

    def test_an_angry_receiver_is_tried_again_and_a_deaf_one_is_not(self):
        hook = self.receiver(answers=(500, 503, 429, 200))
        server = self.serve("--config", self.config(hook.port), listen=("line",))
        self.history(server)
        self.climb(server, until=lambda: hook.good())
        self.assertEqual([code for code, _, _ in hook.got][:4],
                         [500, 503, 429, 200])
        bodies = [body for _, _, body in hook.got][:4]
        self.assertEqual(bodies[0], bodies[3])
        server.kill9()

    def test_a_redirect_is_an_answer_and_not_followed(self):
        hook = self.receiver(answers=(302,))
        server = self.serve("--config", self.config(hook.port), listen=("line",))
        self.history(server)
        self.climb(server, until=lambda: any(
            "is given up" in line for line in server.log))
        self.assertIn("answers with status 302", "\n".join(server.log))
        server.stop()

    def test_a_private_address_is_refused_unless_allowed(self):
        hook = self.receiver()
        server = self.serve("--config", self.config(hook.port, "false"),
                            listen=("line",))
        self.history(server)
        self.climb(server, until=lambda: any(
            "leads to a loopback" in line for line in server.log))
        server.stop()
        self.assertEqual(hook.got, [])

    def test_little_history_cannot_tell_and_says_so(self):
        hook = self.receiver()
        server = self.serve("--config", self.config(hook.port), listen=("line",))
        with server.line_client() as line:
            line.send("fill,host=a bytes=1", "fill,host=a bytes=900")
            line.sync()
        wait_until(lambda: "cannot tell" in self.cli(
            "watches", "--data", server.data, rc=None).out, "a first look")
        self.assertEqual(hook.got, [])
        server.stop()

    def test_a_folder_without_watches_answers_no(self):
        server = self.serve()
        got = self.cli("watches", "--data", server.data, rc=1)
        self.assertIn("name some under 'watches:'", got.err)
        got = self.cli("record", "Nobody", "--data", server.data, rc=1)
        self.assertIn("no watch 'Nobody'", got.err)
        server.stop()


if __name__ == "__main__":
    main()
