#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes just below, at and above the sizes up to which a loop takes them
itself, mixed on one connection: answered in order, every sample kept bit for
bit, also after kill -9; and blocks of snappy that lie about their size."""
import gzip
import json
import re
import struct
import time
import urllib.parse

from forewarn_e2e import Case, main
from forewarn_wire import (REMOTE_WRITE, Raw, field, request, series, snappy,
                           varint)

NOW = int(time.time()) // 60 * 60
SMALL_BODY = 128 << 10  # as it came, or out of gzip
SMALL_PLAIN = 1 << 20   # out of snappy
SERIES = 120
SECONDS = 120           # for the slowest of machines


def squeeze(data):
    """A snappy block in which runs of one byte are copies."""
    out = [varint(len(data))]

    def literal(piece):
        for at in range(0, len(piece), 60):
            part = piece[at:at + 60]
            out.append(bytes([(len(part) - 1) << 2]) + part)

    at = 0
    for hit in re.finditer(rb"(?s)(.)\1{64,}", data):
        literal(data[at:hit.start() + 1])
        left = hit.end() - hit.start() - 1
        while left > 0:
            n = min(left, 64)
            out.append(bytes([(n - 1) << 2 | 2, 1, 0]))
            left -= n
        at = hit.end()
    literal(data[at:])
    return b"".join(out)


def to_size(data, size):
    """The block of literals that has so many bytes: shorter ones if need be."""
    out, more = [varint(len(data))], size - len(snappy(data))
    assert 0 <= more < len(data) // 60, (more, len(data))
    for at in range(0, len(data), 60):
        pieces = [data[at:at + 60]]
        if more > 0 and len(pieces[0]) > 1:
            pieces = [pieces[0][:1], pieces[0][1:]]
            more -= 1
        for piece in pieces:
            out += [bytes([(len(piece) - 1) << 2]), piece]
    block = b"".join(out)
    assert len(block) == size, (len(block), size)
    return block


class Borders(Case):
    def setUp(self):
        super().setUp()
        self.server = self.serve("--collect", "off")
        self.sent = {}   # series -> {second: bits}
        self.second = NOW - 3000
        self.bits = 0x3ff0000000000001

    def value(self):
        """Another double each time, with bits all over its mantissa."""
        self.bits += 0x00001234567890ab
        return self.bits

    def points(self, name, pad, count=SERIES):
        """Series that write one sample each, at a time of their own."""
        out = []
        self.second += 1
        for i in range(count):
            bits = self.value()
            labels = {"__name__": name, "i": str(i)}
            if pad:
                labels["pad"] = "x" * pad
            out.append(series(labels, [(self.second * 1000, bits)]))
            key = "%s %d" % (name, i)
            self.sent.setdefault(key, {})[self.second] = bits
        return b"".join(out)

    def plain_of(self, name, size, pad):
        """A WriteRequest of so many bytes, by a field nobody knows."""
        data = self.points(name, pad)
        for fill in range(size - len(data) - 8, size - len(data)):
            if len(field(15, bytes(fill))) == size - len(data):
                return data + field(15, bytes(fill))
        raise AssertionError("no field fills it to %d" % size)

    def points_of(self, name, size):
        """The same of nothing but points: the pads of the last two fit."""
        data = self.points(name, 0)
        second = self.second

        def one(i, pad):
            return series({"__name__": name, "i": i, "pad": "x" * pad},
                          [(second * 1000, self.bits)])

        def keep(i):
            self.sent.setdefault("%s %s" % (name, i), {})[second] = self.bits

        while size - len(data) > 6000:
            i = "l%d" % (len(data) // 3000)
            self.value()
            data += one(i, 3800)
            keep(i)
        left = size - len(data)
        for first in range(1, 10):
            i = "one%d" % size, "two%d" % size
            pad = left // 2 + first
            rest = left - len(one(i[0], pad))
            pads = [n for n in range(rest - 100, rest)
                    if n > 0 and len(one(i[1], n)) == rest]
            if pads:
                keep(i[0])
                keep(i[1])
                return data + one(i[0], pad) + one(i[1], pads[0])
        raise AssertionError("no pads fill it to %d" % size)

    def write(self, block):
        return request("POST", "/api/v1/write", block,
                       **{k.replace("-", "_"): v
                          for k, v in REMOTE_WRITE.items()})

    def pipeline(self, asked):
        """Sends [(request, status)] at once; the answers are in that order."""
        with Raw(self.server.addr("http"), SECONDS) as raw:
            for data, _ in asked:
                self.assertTrue(raw.send(data))
            self.assertEqual(raw.replies(len(asked)),
                             [status for _, status in asked])

    def stored(self):
        """What is there, as self.sent has it."""
        out = {}
        query = urllib.parse.urlencode(
            {"query": '{__name__=~"b.*"}[1h]', "time": NOW})
        status, body = self.server.http("/api/v1/query?" + query)
        self.assertEqual(status, 200, body)
        for row in json.loads(body)["data"]["result"]:
            metric = row["metric"]
            key = "%s %s" % (metric["__name__"], metric["i"])
            self.assertNotIn(key, out)
            out[key] = {t: struct.unpack("<Q", struct.pack("<d", float(v)))[0]
                        for t, v in row["values"]}
        return out

    def check(self):
        self.assertEqual(self.stored(), self.sent)
        self.server.kill9()
        self.server.start()
        self.assertEqual(self.stored(), self.sent)

    def test_snappy_by_the_bytes_that_came(self):
        """Twice: names that are new, then names that are known."""
        asked = []
        for _ in range(2):
            for size in (SMALL_BODY - 1, SMALL_BODY, SMALL_BODY + 1):
                data = self.points("b_came", 900)
                self.assertLess(len(data), SMALL_BODY - 8000)
                data += field(15, b"y" * (SMALL_BODY - 2500 - len(data)))
                asked.append((self.write(to_size(data, size)), 204))
                asked.append((self.write(snappy(self.points("b_few", 0, 3))),
                              204))
        self.pipeline(asked)
        self.check()

    def test_snappy_by_the_bytes_it_holds(self):
        asked = []
        for _ in range(2):
            for size in (SMALL_PLAIN - 1, SMALL_PLAIN, SMALL_PLAIN + 1):
                data = self.plain_of("b_fill", size, 500)
                self.assertEqual(len(data), size)
                block = squeeze(data)
                self.assertLess(len(block), SMALL_BODY)
                asked.append((self.write(block), 204))
                data = self.points_of("b_all", size)
                self.assertEqual(len(data), size)
                block = squeeze(data)
                self.assertLess(len(block), SMALL_BODY)
                asked.append((self.write(block), 204))
        self.pipeline(asked)
        self.check()

    def lines(self, size):
        """Influx lines and a comment of so many bytes in all."""
        out = []
        self.second += 1
        for i in range(SERIES):
            v = float(self.second % 977 + i) / 3
            out.append(b"b,i=%d f=%s %d\n" % (i, repr(v).encode(),
                                               self.second * 10 ** 9))
            self.sent.setdefault("b_f %d" % i, {})[self.second] = \
                struct.unpack("<Q", struct.pack("<d", v))[0]
        data = b"".join(out)
        return data + b"#" * (size - len(data) - 1) + b"\n"

    def test_text_as_it_is_and_out_of_gzip(self):
        asked = []
        for _ in range(2):
            for size in (SMALL_BODY - 1, SMALL_BODY, SMALL_BODY + 1):
                data = self.lines(size)
                self.assertEqual(len(data), size)
                asked.append((request("POST", "/write", data), 204))
                asked.append((request("POST", "/write",
                                      gzip.compress(self.lines(size)),
                                      Content_Encoding="gzip"), 204))
                asked.append((request("POST", "/write?precision=y", b"b f=1"),
                              400))
        self.pipeline(asked)
        self.check()

    def test_blocks_that_lie_about_their_size(self):
        good = self.points("b_good", 100)
        held = snappy(good)[len(varint(len(good))):]
        lies = [(b"", 400), (b"\x80", 400), (b"\xff" * 6, 400),
                (varint(2 ** 32 - 1) + held, 413),
                (varint((32 << 20) + 1) + held, 413),
                (varint(32 << 20) + held, 400),
                (varint(SMALL_PLAIN) + b"\x00x", 400),
                (varint(SMALL_PLAIN) + held, 400),
                (varint(SMALL_PLAIN + 1) + held, 400),
                (varint(len(good) - 1) + held, 400),
                (varint(len(good) + 1) + held, 400),
                (varint(0) + held, 400)]
        asked = []
        for lie, status in lies:
            data = b"POST /api/v1/write HTTP/1.1\r\nHost: a\r\n" \
                b"Content-Encoding: snappy\r\nContent-Length: %d\r\n\r\n" % \
                len(lie)
            asked.append((data + lie, status))
            asked.append((self.write(snappy(self.points("b_good", 100))), 204))
        asked.append((self.write(snappy(good)), 204))
        self.pipeline(asked)
        self.check()

    def test_many_connections_at_once(self):
        """Four that mix both kinds; none gets the answers of another."""
        bodies = [[snappy(self.points("b_few%d" % c, 0, 5)) if i % 2 == 0 else
                   squeeze(self.plain_of("b_many%d" % c, SMALL_PLAIN + i - 3,
                                         200))
                   for i in range(6)] for c in range(4)]
        clients = [Raw(self.server.addr("http"), SECONDS) for _ in bodies]
        try:
            for i in range(6):
                for client, blocks in zip(clients, bodies):
                    self.assertTrue(client.send(self.write(blocks[i])))
            for client in clients:
                self.assertEqual(client.replies(6), [204] * 6)
        finally:
            for client in clients:
                client.sock.close()
        self.check()


if __name__ == "__main__":
    main()
