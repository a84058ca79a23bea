#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real senders: Prometheus of two generations and vmagent scrape and write to
us; every sample is found again, bit for bit."""
# ctest: labels=peers cost=29
import json
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from forewarn_e2e import Case, free_port, main, peer, wait_until


def ready(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


class Senders(Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve("--collect", "off")
        self.ours = "http://%s:%d" % self.server.addr("http")

    def prometheus(self, suite, scrape, write):
        """A Prometheus that scrapes itself and us every second."""
        port = free_port()
        url = "http://127.0.0.1:%d" % port
        text = "global: {scrape_interval: 1s}\n"
        if scrape:
            text += ("scrape_configs:\n- job_name: it\n  static_configs:\n"
                     "  - targets: ['127.0.0.1:%d', '%s:%d']\n" %
                     (port, *self.server.addr("http")))
        if write:
            text += "remote_write:\n- url: %s/api/v1/write\n" % self.ours
        config = self.write("prometheus-%s.yml" % suite, text)
        self.start(peer("prometheus", suite), "--config.file=" + config,
                   "--storage.tsdb.path=%s" % (self.tmp / ("p" + suite)),
                   "--web.listen-address=127.0.0.1:%d" % port,
                   "--web.enable-remote-write-receiver",
                   "--log.level=warn")
        wait_until(lambda: ready(url + "/-/ready"), "Prometheus " + suite)
        return url

    def raw(self, url, end):
        """All samples of the twenty seconds before `end`."""
        query = urllib.parse.urlencode(
            {"query": '{__name__=~".+"}[20s]', "time": end})
        try:
            with urllib.request.urlopen(url + "/api/v1/query?" + query,
                                        timeout=60) as answer:
                result = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()) from error
        return {json.dumps(x["metric"], sort_keys=True):
                [tuple(v) for v in x["values"]] for x in result}

    def same(self, url, least):
        """Waits until both have the same samples of a past range of time."""
        def enough():
            end = int(time.time()) - 2
            got = self.raw(url, end)
            return sum(len(x) for x in got.values()) > 3 * least and \
                len(got) > least and end

        end = wait_until(enough, "scrapes", every=1)
        try:
            # A slow scrape is of its beginning and comes late: ask both.
            wait_until(lambda: self.raw(self.ours, end) == self.raw(url, end),
                       "all samples", every=1)
        except AssertionError:
            ours, theirs = self.raw(self.ours, end), self.raw(url, end)
            odd = {k for k in theirs if ours.get(k) != theirs[k]}
            extra = set(ours) - set(theirs)
            self.fail("%d of %d series differ, e.g. %s; %d only here, e.g. %s"
                      % (len(odd), len(theirs), sorted(odd)[:3], len(extra),
                         sorted(extra)[:3]))

    def from_prometheus(self, suite):
        self.same(self.prometheus(suite, scrape=True, write=True), 300)

    def test_prometheus_of_bookworm(self):
        self.from_prometheus("bookworm")

    def test_prometheus_of_sid(self):
        self.from_prometheus("sid")

    def vmagent(self, suite):
        """Scrapes us, writes to us and to a Prometheus alike."""
        url = self.prometheus("sid", scrape=False, write=False)
        config = self.write("vmagent.yml",
                            "global: {scrape_interval: 1s}\n"
                            "scrape_configs:\n"
                            "- job_name: it\n  static_configs:\n"
                            "  - targets: ['%s:%d']\n" %
                            self.server.addr("http"))
        port = free_port()
        self.start(peer("vmagent", suite), "-promscrape.config=" + config,
                   "-httpListenAddr=127.0.0.1:%d" % port,
                   "-remoteWrite.tmpDataPath=%s" % (self.tmp / "vmagent"),
                   "-remoteWrite.url=%s/api/v1/write" % self.ours,
                   "-remoteWrite.url=%s/api/v1/write" % url)
        wait_until(lambda: ready("http://127.0.0.1:%d/metrics" % port),
                   "vmagent " + suite)
        self.same(url, 50)

    def test_vmagent_of_bookworm(self):
        self.vmagent("bookworm")

    def test_vmagent_of_sid(self):
        self.vmagent("sid")


if __name__ == "__main__":
    unittest.TestCase.longMessage = True
    main()
