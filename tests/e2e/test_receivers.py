# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: cost=21
"""test_receivers - alerts of rules told without an Alertmanager: grouped,
repeated, silenced, held down by others; by webhook, by mail and by a program."""
import base64
import json
import pathlib
import re
import socket
import threading

from forewarn_e2e import Case, Webhook, main, run, wait_until

RULES = """
groups:
  - name: g
    interval: 1s
    rules:
      - {alert: Disk, expr: disk > 90, annotations: {summary: '{{ $labels.host }} is full'}}
      - {alert: Down, expr: down > 0}
      - {alert: Slow, expr: slow > 0, labels: {kind: effect}}
"""


class Mail:
    """A mail server on the loopback; `mails` are (from, to, text)."""

    def __init__(self):
        self.mails = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,),
                             daemon=True).start()

    def talk(self, client):
        with client, client.makefile("rwb") as line:
            def say(text):
                line.write(text.encode() + b"\r\n")
                line.flush()

            sender = receiver = ""
            say("220 here")
            for raw in line:
                word = raw.decode().strip()
                if word.upper().startswith("MAIL FROM:"):
                    sender = word[10:]
                elif word.upper().startswith("RCPT TO:"):
                    receiver = word[8:]
                elif word.upper() == "DATA":
                    say("354 go")
                    text = []
                    for row in line:
                        if row == b".\r\n":
                            break
                        text.append(row.decode())
                    self.mails.append((sender, receiver, "".join(text)))
                elif word.upper() == "QUIT":
                    say("221 bye")
                    return
                say("250 ok")

    def close(self):
        self.socket.close()


class Receivers(Case):
    def begin(self, **notify):
        self.hook = Webhook()
        self.addCleanup(self.hook.close)
        self.write("rules.yml", RULES)
        self.config = self.write("fw.yml", json.dumps({
            "rule_files": ["rules.yml"], "collect": "off",
            "rules_resend_delay": "1s",
            "notify": {"group_wait": "1s", "group_interval": "1s",
                       "webhooks": [{"url": self.hook.url,
                                     "allow_private": True}], **notify}}))
        self.server = self.serve("--config", self.config, listen=["http"])

    def put(self, *lines):
        status, body = self.server.http("/api/v1/import/prometheus",
                                        "\n".join(lines).encode() + b"\n")
        self.assertIn(status, (200, 204), body)

    def told(self):
        return [json.loads(body) for _, _, body in list(self.hook.got)]

    def ask(self, *words):
        got = run(*words, "--actor", "ann", "--reason", "test", "--data",
                  self.server.data)
        self.assertEqual(got.rc, 0, got)
        return got.out.strip()

    def hosts_told(self, since=0):
        """host -> status, of each notification of the group Disk."""
        return [{a["labels"]["host"]: a["status"] for a in told["alerts"]}
                for told in self.told()[since:]
                if told["groupLabels"] == {"alertname": "Disk"}]

    def test_alerts_are_told_together_and_their_end_too(self):
        self.begin()
        self.put('disk{host="a"} 95', 'disk{host="b"} 96', "down 1")
        both = {"a": "firing", "b": "firing"}
        wait_until(lambda: both in self.hosts_told() and
                   any(told["groupLabels"] == {"alertname": "Down"}
                       for told in self.told()), "two groups")
        body = [told for told in self.told() if len(told["alerts"]) == 2][0]
        self.assertEqual(body["version"], "4")
        self.assertEqual(body["status"], "firing")
        self.assertEqual(body["commonLabels"], {"alertname": "Disk"})
        self.assertEqual(body["groupKey"], '{}:{alertname="Disk"}')
        self.assertEqual(body["alerts"][0]["annotations"]["summary"],
                         "a is full")
        self.put('disk{host="a"} 5')
        wait_until(lambda: {"a": "resolved", "b": "firing"} in
                   self.hosts_told(), "the end of one")

        # A kill may come between the receiver's answer and its note: that one
        # notification is told once more, as it was. Nothing else is told anew;
        # two more turns of the group end the waiting for what must not come.
        last = self.told()[-1]
        heard = len(self.told())
        self.server.kill9()
        self.server = self.serve("--config", self.config, listen=["http"])
        for host in ("c", "d"):
            self.put('disk{host="%s"} 97' % host)
            wait_until(lambda: any(host in rows for rows in
                                   self.hosts_told(heard)), "one more")
        anew = [told for told in self.told()[heard:] if told != last]
        self.assertEqual([{a["labels"].get("host"): a["status"]
                           for a in told["alerts"]} for told in anew],
                         [dict.fromkeys(hosts, "firing")
                          for hosts in ("bc", "bcd")], anew)

    def test_silences_acks_repeats_and_inhibition(self):
        self.begin(repeat_interval="2s", inhibit_rules=[
            {"source_matchers": ["alertname=Down"],
             "target_matchers": ["kind=effect"], "equal": ["host"]}])
        silence = run("silence", "Disk", "--actor", "a", "--reason", "b",
                      "--data", self.server.data).out.strip()

        def count(name):
            return sum(b["groupLabels"]["alertname"] == name
                       for b in self.told())

        # The cause first: an effect seen before it would be told.
        self.put('down{host="h"} 1')
        wait_until(lambda: count("Down") >= 1, "the cause")
        self.put('disk{host="a"} 95', 'slow{host="h"} 1',
                 'slow{host="free"} 1')
        wait_until(lambda: count("Slow") >= 1, "what nothing holds down")
        down = count("Down")
        wait_until(lambda: count("Down") > down, "a repetition")
        slow = [a["labels"]["host"] for b in self.told()
                if b["groupLabels"]["alertname"] == "Slow"
                for a in b["alerts"]]
        self.assertEqual(set(slow), {"free"})
        self.assertEqual(count("Disk"), 0)

        # A receiver is told in order: what was queued before the ack comes
        # before what was queued after the silence had gone.
        self.ask("ack", "Down")
        self.ask("unsilence", silence)
        wait_until(lambda: count("Disk") >= 1, "what was silenced")
        heard = count("Down")
        wait_until(lambda: count("Disk") >= 3, "what was silenced, repeated")
        self.assertEqual(count("Down"), heard)

    def test_mails_and_programs_get_it_too(self):
        mail = Mail()
        self.addCleanup(mail.close)
        out = self.tmp / "got"
        script = pathlib.Path(self.write(
            "take.sh", '#!/bin/sh\ncat > "%s.part"\nmv "%s.part" "%s"\n' %
            (out, out, out)))
        script.chmod(0o755)
        self.begin(emails=[{"to": "ops@example.org", "from": "fw@example.org",
                            "smarthost": "127.0.0.1:%d" % mail.port,
                            "require_tls": False}],
                   commands=[{"command": [str(script)]}])
        self.put('disk{host="\u00e4\\nSubject: x"} 95')
        wait_until(lambda: mail.mails, "a mail")
        sender, receiver, text = mail.mails[0]
        self.assertIn("<fw@example.org>", sender)
        self.assertIn("<ops@example.org>", receiver)
        subject = "".join(
            base64.b64decode(word).decode()
            for word in re.findall(r"=\?UTF-8\?B\?([^?]*)\?=", text))
        self.assertEqual(subject, "[FIRING:1] Disk")
        self.assertNotIn("\nSubject: x", text)
        self.assertIn("summary: \u00e4\\x0aSubject: x is full", text)
        wait_until(out.exists, "what the program was given")
        self.assertEqual(json.loads(out.read_text())["status"], "firing")

    def test_what_makes_no_sense_is_refused(self):
        for notify, words in (
                ({"commands": [{"command": ["take.sh"]}]}, "full path"),
                ({"emails": [{"to": "a b", "from": "c@d",
                              "smarthost": "h:25"}]}, "bare address")):
            got = run("config", "check", self.write(
                "bad.yml", json.dumps({"notify": notify})))
            self.assertNotEqual(got.rc, 0)
            self.assertIn(words, got.err)


if __name__ == "__main__":
    main()
