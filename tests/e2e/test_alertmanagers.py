# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: labels=peers
"""test_alertmanagers - how Alertmanagers are reached: over TLS with a name of
its own, by login, found by DNS; and what relabelling makes of alerts on their
way. The one at the other end is a real Alertmanager where there is one."""
import base64
import ctypes
import http.server
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import unittest
import urllib.request

from forewarn_e2e import PATIENCE, TOP, Case, free_port, main, peer, wait_until

RULES = """
groups:
  - name: g
    interval: 1s
    rules:
      - {alert: Up, expr: vector(1), labels: {tier: Gold, secret: s}}
      - {alert: Dropped, expr: vector(1)}
"""
# Of "secret".
BCRYPT = "$2b$10$abcdefghijklmnopqrstuuqflPDzB6gcMhKa1rZqKiun2YGL5sa2u"


class Tls(http.server.ThreadingHTTPServer):
    """An Alertmanager of this test: what it was told, by whom."""
    daemon_threads = True

    def __init__(self, cert, key):
        self.got = []
        self.names = set()
        told = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                size = int(self.headers.get("Content-Length") or 0)
                told.got.append((dict(self.headers),
                                 json.loads(self.rfile.read(size))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.sni_callback = lambda _, name, __: self.names.add(name)
        self.socket = context.wrap_socket(self.socket, server_side=True,
                                          do_handshake_on_connect=False)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True,
                         kwargs={"poll_interval": 0.05}).start()

    def handle_error(self, *_):
        pass  # who does not trust us hangs up


class Dns:
    """Answers each question for SRV with one target, and A with 127.0.0.1."""

    def __init__(self, host, target, port):
        self.asked = []
        self.target, self.port = target, port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 53))
        threading.Thread(target=self.run, daemon=True).start()

    @staticmethod
    def name(text):
        return b"".join(bytes([len(word)]) + word.encode()
                        for word in text.split(".")) + b"\0"

    def run(self):
        while True:
            try:
                question, sender = self.socket.recvfrom(4096)
            except OSError:
                return
            end = 12
            while question[end]:
                end += question[end] + 1
            kind = struct.unpack(">H", question[end + 1:end + 3])[0]
            self.asked.append(kind)
            data = b""
            if kind == 33:
                data = struct.pack(">HHH", 1, 1, self.port) + \
                    self.name(self.target)
            elif kind == 1:
                data = socket.inet_aton("127.0.0.1")
            answer = question[:2] + struct.pack(
                ">HHHHH", 0x8580, 1, 1 if data else 0, 0, 0)
            answer += question[12:end + 5]
            if data:
                answer += b"\xc0\x0c" + struct.pack(
                    ">HHIH", kind, 1, 5, len(data)) + data
            self.socket.sendto(answer, sender)

    def close(self):
        self.socket.close()


class Alertmanagers(Case):
    def certificate(self, name):
        if shutil.which("openssl") is None:
            self.skipTest("there is no openssl to make a certificate with")
        cert, key = (str(self.tmp / (name + end)) for end in (".pem", ".key"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", key,
             "-out", cert, "-subj", "/CN=" + name, "-addext",
             "subjectAltName=DNS:" + name], check=True, timeout=60,
            capture_output=True)
        return cert, key

    def begin(self, manager, *others, **more):
        self.write("rules.yml", RULES)
        config = self.write("fw.yml", json.dumps({
            "global": {"external_labels": {"dc": "d1"}},
            "rule_files": ["rules.yml"], "collect": "off",
            "rules_resend_delay": "1s",
            "alerting": {"alertmanagers": [manager, *others], **more}}))
        # A store of its own: what one could not tell, the next would.
        self.started = getattr(self, "started", 0) + 1
        return self.serve("--config", config, listen=["http"],
                          data=self.tmp / ("data%d" % self.started))

    def test_tls_checks_the_name_that_is_asked_for(self):
        cert, key = self.certificate("am.example")
        told = Tls(cert, key)
        self.addCleanup(told.server_close)
        self.addCleanup(told.shutdown)
        secret = self.write("password", "secret\n")
        here = {"scheme": "https",
                "static_configs": [{"targets": ["127.0.0.1:%d" % told.port]}],
                "basic_auth": {"username": "ann", "password_file": secret}}
        # By its address it is nobody we know.
        server = self.begin({**here, "tls_config": {"ca_file": cert}})
        server.wait_log("alerts wait for Alertmanager")
        self.assertEqual(told.got, [])
        server.stop()
        # Nor is it anybody whom the system's authorities know.
        server = self.begin({**here,
                             "tls_config": {"server_name": "am.example"}})
        server.wait_log("alerts wait for Alertmanager")
        self.assertEqual(told.got, [])
        server.stop()
        server = self.begin(
            {**here, "tls_config": {"ca_file": cert,
                                    "server_name": "am.example"}},
            alert_relabel_configs=[
                {"source_labels": ["alertname"], "regex": "Dropp.*",
                 "action": "drop"},
                {"regex": "secret", "action": "labeldrop"},
                {"source_labels": ["dc", "tier"], "target_label": "where",
                 "regex": "(.+);(.+)", "replacement": "$2 in ${1}"}])
        wait_until(lambda: told.got, "an alert")
        headers, alerts = told.got[0]
        self.assertIn("am.example", told.names)
        self.assertEqual(headers["Host"], "127.0.0.1:%d" % told.port)
        self.assertEqual(headers["Authorization"], "Basic " +
                         base64.b64encode(b"ann:secret").decode())
        self.assertEqual([a["labels"] for a in alerts], [
            {"alertname": "Up", "dc": "d1", "tier": "Gold",
             "where": "Gold in d1"}])
        server.stop()

    def test_each_may_have_rules_of_its_own(self):
        hooks = [self.webhook(), self.webhook()]
        managers = [{"static_configs": [{"targets": [
            hook.url.split("/")[2]]}]} for hook in hooks]
        managers[0]["alert_relabel_configs"] = [
            {"source_labels": ["alertname"], "regex": "Up|Gone",
             "action": "keep"},
            {"regex": "secret|dc", "action": "labeldrop"}]
        server = self.begin(*managers, alert_relabel_configs=[
            {"target_label": "all", "replacement": "yes"}])
        up = {"alertname": "Up", "dc": "d1", "tier": "Gold", "secret": "s",
              "all": "yes"}

        def told(hook):
            return [alert["labels"] for _, _, body in list(hook.got)
                    for alert in json.loads(body)]

        wait_until(lambda: len(told(hooks[0])) > 1 and {
            labels["alertname"] for labels in told(hooks[1])} ==
            {"Up", "Dropped"}, "both to be told")
        self.assertIn(up, told(hooks[1]))
        for labels in told(hooks[0]):
            self.assertEqual(labels, {"alertname": "Up", "tier": "Gold",
                                      "all": "yes"})
        # What one of them does not want waits for nobody.
        wait_until(lambda: "forewarn_alertmanager_waiting 0\n" in
                   server.http("/metrics")[1], "the queue to be empty")
        server.stop()

    def test_a_real_one_is_found_by_dns_and_logged_in_to(self):
        cert, key = self.certificate("am.example")
        binary = peer("prometheus-alertmanager", "sid")
        share = TOP / "build/peers/sid/usr/share/prometheus/alertmanager"
        web = self.write("web.yml", json.dumps({
            "tls_server_config": {"cert_file": cert, "key_file": key},
            "basic_auth_users": {"ann": BCRYPT}}))
        # It looks for its templates under /usr/share: told to look where it
        # is started.
        old = b"/usr/share/prometheus/alertmanager"
        new = b"/proc/self/cwd" + b"/." * 10
        copy = self.tmp / "alertmanager"
        with open(binary, "rb") as file:
            copy.write_bytes(file.read().replace(old, new))
        copy.chmod(0o755)
        port = free_port()
        self.start(str(copy), "--config.file", self.write(
            "am.yml", "route: {receiver: none}\nreceivers: [{name: none}]"),
            "--storage.path", str(self.tmp / "am"), "--web.config.file", web,
            "--web.listen-address", "127.0.0.1:%d" % port,
            "--cluster.listen-address=", cwd=str(share))
        self.fake_dns("am.example", port)
        self.begin({"scheme": "https", "dns_sd_configs": [
            {"names": ["_am._tcp.example"], "refresh_interval": "1s"}],
            "basic_auth": {"username": "ann", "password": "secret"},
            "tls_config": {"ca_file": cert}})
        context = ssl.create_default_context(cafile=cert)
        context.check_hostname = False
        ask = urllib.request.Request(
            "https://127.0.0.1:%d/api/v2/alerts" % port, headers={
                "Authorization": "Basic " +
                base64.b64encode(b"ann:secret").decode()})

        def listed():
            try:
                with urllib.request.urlopen(ask, timeout=PATIENCE,
                                            context=context) as answer:
                    return {a["labels"]["alertname"]
                            for a in json.loads(answer.read())}
            except OSError:
                return None

        wait_until(lambda: listed() == {"Up", "Dropped"}, "both alerts")

    def fake_dns(self, target, port):
        """Where only this test and what it starts see it."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
            self.skipTest("no mount namespace: %s" %
                          os.strerror(ctypes.get_errno()))
        host = "127.77.%d.%d" % (os.getpid() // 250 % 250, os.getpid() % 250 + 1)
        own = self.write("resolv.conf",
                         "nameserver %s\noptions timeout:5\n" % host)
        for words in (["mount", "--make-rprivate", "/"],
                      ["mount", "--bind", own, "/etc/resolv.conf"]):
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode != 0:
                self.skipTest("no mounts here: " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", "/etc/resolv.conf"],
                        check=True)
        try:
            dns = Dns(host, target, port)
        except OSError as why:
            raise unittest.SkipTest("no port 53: %s" % why) from None
        self.addCleanup(dns.close)
        return dns


if __name__ == "__main__":
    main()
