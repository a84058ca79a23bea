# SPDX-License-Identifier: GPL-3.0-or-later
"""forewarn_wire - what HTTP clients put on the wire, byte by byte: requests
over a bare socket, remote_write's protobuf, snappy blocks."""
import re
import socket
import struct


def varint(value):
    value &= 2 ** 64 - 1
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def series(labels, samples, more=b""):
    """A TimeSeries; samples are (milliseconds, float or 64 bits as int)."""
    out = []
    for name, value in sorted(labels.items()):
        out.append(field(1, field(1, name.encode()) + field(2, value.encode())))
    for t, v in samples:
        bits = struct.pack("<Q" if isinstance(v, int) else "<d", v)
        out.append(field(2, b"\x09" + bits + b"\x10" + varint(t)))
    return field(1, b"".join(out) + more)


def snappy(data):
    """A block of literals only: every decoder must take it."""
    out = [varint(len(data))]
    for at in range(0, len(data), 60):
        piece = data[at:at + 60]
        out += [bytes([(len(piece) - 1) << 2]), piece]
    return b"".join(out)


REMOTE_WRITE = {"Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0"}


class Raw:
    """A client that sends exactly the bytes it is given."""

    def __init__(self, addr, seconds=15):
        self.sock = socket.create_connection(addr, timeout=seconds)
        self.got = b""
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """Sends; False if the server closed meanwhile."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            return False

    def until_closed(self):
        """All it says until it closes; AssertionError if it never does."""
        while True:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                more = b""
            except TimeoutError:
                raise AssertionError("it stays open; so far: %r" %
                                     self.got[:300]) from None
            if not more:
                self.closed = True
                return self.got
            self.got += more

    def replies(self, count):
        """Waits for that many replies; their status codes."""
        while len(statuses(self.got)) < count or not whole(self.got):
            more = self.sock.recv(65536)
            if not more:
                self.closed = True
                break
            self.got += more
        return statuses(self.got)


def statuses(data):
    return [int(x) for x in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def whole(data):
    """True if the last reply is whole, by its Content-Length."""
    at = data.rfind(b"HTTP/1.1 ")
    head, _, body = data[at:].partition(b"\r\n\r\n")
    hit = re.search(rb"(?i)content-length: (\d+)", head)
    return b"\r\n\r\n" in data[at:] and (not hit or
                                         len(body) >= int(hit.group(1)))


def request(method, path, body=b"", **headers):
    """The bytes of an ordinary request."""
    out = "%s %s HTTP/1.1\r\nHost: forewarn\r\n" % (method, path)
    for name, value in headers.items():
        out += "%s: %s\r\n" % (name.replace("_", "-"), value)
    if body:
        out += "Content-Length: %d\r\n" % len(body)
    return out.encode() + b"\r\n" + body
