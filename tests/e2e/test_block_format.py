#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader of blocks written from docs/formats/block.md alone, run on the golden blocks:
if it fails, the page or the format has changed without the other.

It knows nothing of our code; it is slow, and as plain as the page."""
import pathlib
import struct
import unittest

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "blocks"
RUN = 4096
WRAP = 1 << 64


class Damage(Exception):
    pass


def need(good):
    if not good:
        raise Damage()


def signed(v):
    v %= WRAP
    return v - WRAP if v >> 63 else v


def unzigzag(v):
    return (v >> 1) ^ -(v & 1)


class Reader:
    """Takes fields off the front of some bytes."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        need(self.at + count <= len(self.data))
        self.at += count
        return self.data[self.at - count:self.at]

    def u8(self):
        return self.take(1)[0]

    def u64(self):
        return int.from_bytes(self.take(8), "little")

    def varint(self):
        v = 0
        for i in range(10):
            byte = self.u8()
            v |= (byte & 0x7F) << (7 * i)
            if not byte & 0x80:
                need(v < WRAP)
                return v
        raise Damage()

    def svarint(self):
        return unzigzag(self.varint())

    def packed(self, count, width):
        bits = int.from_bytes(self.take((count * width + 7) // 8), "little")
        mask = (1 << width) - 1
        return [bits >> (i * width) & mask for i in range(count)]

    def unary(self, count):
        out, zeros = [], 0
        while len(out) < count:
            byte = self.u8()
            for bit in range(8):
                if byte >> bit & 1:
                    out.append(zeros)
                    zeros = 0
                else:
                    zeros += 1
            need(zeros <= 191 and max(out, default=0) <= 191)
        return out[:count]


# -- section 3: groups -------------------------------------------------------

def group(r, tag, m):
    if tag <= 64:
        return r.packed(m, tag)
    if tag <= 128:
        return patched(r, tag - 65, m)
    if tag <= 192:
        present = r.packed(m, 1)
        values = iter(r.packed(sum(present), tag - 129))
        return [next(values) + 1 if p else 0 for p in present]
    need(tag <= 248)
    k = tag - 193
    low = r.packed(m, k)
    return [q << k | v for q, v in zip(r.unary(m), low)]


def patched(r, w, m):
    e, h = r.u8(), r.u8()
    need(e <= m and h <= 64 - w)
    out = r.packed(m, w)
    places = r.take(e)
    for place, high in zip(places, r.packed(e, h)):
        need(place < m)
        out[place] |= high << w
    return out


# -- section 2: integer runs -------------------------------------------------

def integers(r, n):
    flags = r.u8()
    need(flags < 0x40)
    order = flags & 3
    zigzag, divided, one_tag, fraction = (flags >> i & 1 for i in (2, 3, 4, 5))
    divisor, base = (r.varint(), r.svarint()) if divided else (1, 0)
    last = r.svarint() if order != 0 else 0
    delta = r.svarint() if order == 2 else 0
    step = r.svarint() if order == 3 else 0
    step = step if fraction else step << 16
    centre = r.svarint()
    tag = r.u8() if one_tag else None
    out = []
    for first in range(0, n, 128):
        m = min(128, n - first)
        for u in group(r, tag if one_tag else r.u8(), m):
            residual = centre + (unzigzag(u) if zigzag else u)
            if order == 0:
                x = residual
            elif order == 3:
                x = last + (signed(len(out) * step) >> 16) + residual
            else:
                delta = delta + residual if order == 2 else residual
                last = x = last + delta
            out.append(signed(base + divisor * x))
    return out


# -- section 1: value blocks -------------------------------------------------

def double(bits):
    return struct.unpack("<d", struct.pack("<Q", bits % WRAP))[0]


def bits_of(v):
    return struct.unpack("<Q", struct.pack("<d", v))[0]


def exceptions(r, n, out):
    count, same = divmod(r.varint(), 2)
    need(count <= n)
    gaps = [r.varint() for _ in range(count)] if count < 8 else \
        integers(r, count)
    bits = [r.u64()] * count if same else [r.u64() for _ in range(count)]
    place = 0
    for gap, b in zip(gaps, bits):
        place += gap
        need(place < n)
        out[place] = b


def decimals(r, kind, n):
    k = kind & 0x1F
    need(k <= 17)
    out = [bits_of(float(q) / 10.0 ** k) for q in integers(r, n)]
    if kind & 0x40:
        out = [(b + u) % WRAP for b, u in zip(out, integers(r, n))]
    if kind & 0x20:
        exceptions(r, n, out)
    return out


def value_run(r, n, inside=False):
    """The bits of n values."""
    kind = r.u8()
    if kind >= 0x80:
        return decimals(r, kind, n)
    if kind >= 0x10:
        need(kind <= 0x18)
        v = int.from_bytes(r.take(kind - 0x10), "little")
        return [v << (8 * (8 - (kind - 0x10)))] * n
    if kind == 0x01:
        return [(x ^ ((x >> 63) % WRAP >> 1)) % WRAP for x in integers(r, n)]
    if kind == 0x00:
        return [r.u64() for _ in range(n)]
    need(kind == 0x02 and not inside)
    count = r.varint()
    need(0 < count <= min(n, 1365))
    entries = value_run(r, count, True)
    ranks = integers(r, n)
    need(all(0 <= rank < count for rank in ranks))
    return [entries[rank] for rank in ranks]


def whole(data, n, run):
    r = Reader(data)
    out = []
    while len(out) < n:
        out += run(r, min(RUN, n - len(out)))
    need(r.at == len(data))
    return out


class Blocks(unittest.TestCase):
    def test_golden_value_blocks(self):
        paths = sorted(GOLDEN.glob("*.block"))
        self.assertGreater(len(paths), 10)
        for path in paths:
            want = path.with_suffix(".values").read_bytes()
            got = whole(path.read_bytes(), len(want) // 8, value_run)
            self.assertEqual(struct.pack("<%dQ" % len(got), *got), want, path)

    def test_golden_time_columns(self):
        paths = sorted(GOLDEN.glob("*.column"))
        self.assertGreater(len(paths), 5)
        for path in paths:
            want = path.with_suffix(".times").read_bytes()
            got = whole(path.read_bytes(), len(want) // 8, integers)
            self.assertEqual(struct.pack("<%dq" % len(got), *got), want, path)

    def test_the_page_s_example(self):
        got = whole(bytes.fromhex("81190a1e010200"), 5, value_run)
        self.assertEqual([double(b) for b in got], [1.5, 2.5, 3.5, 4.5, 5.5])

    def test_a_block_cut_short_is_damage(self):
        for path in GOLDEN.glob("*.block"):
            n = path.with_suffix(".values").stat().st_size // 8
            data = path.read_bytes()
            with self.assertRaises(Damage, msg=str(path)):
                whole(data[:-1], n, value_run)


if __name__ == "__main__":
    unittest.main()
