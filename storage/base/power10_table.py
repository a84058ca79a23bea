#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""power10_table.py - prints power10_table.h, with exact arithmetic.

    storage/base/power10_table.py > storage/base/power10_table.h
"""
from fractions import Fraction

LEAST, MOST = -292, 324

HEAD = """\
/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * power10_table.h - 10^k for k from %d to %d, each as 128 bits with the
 * first one set, rounded up. Written by power10_table.py, not by hand.
 */
#ifndef FW_STORAGE_BASE_POWER10_TABLE_H
#define FW_STORAGE_BASE_POWER10_TABLE_H

#include <stdint.h>

#define FW_POWER10_LEAST (%d)
#define FW_POWER10_MOST %d

struct fw_power10 {
    uint64_t high, low;
};

static const struct fw_power10
    fw_power10_table[FW_POWER10_MOST - FW_POWER10_LEAST + 1] = {
"""


def significand(k):
    power = Fraction(10) ** k
    exponent = k * 1741647 >> 19  # of two: floor(log2(10^k)), in this range
    assert Fraction(2) ** exponent <= power < Fraction(2) ** (exponent + 1)
    scaled = power * Fraction(2) ** (127 - exponent)
    return -(-scaled.numerator // scaled.denominator)


def main():
    print(HEAD % (LEAST, MOST, LEAST, MOST), end="")
    for k in range(LEAST, MOST + 1):
        bits = significand(k)
        print("        {0x%016x, 0x%016x}," % (bits >> 64, bits & 2 ** 64 - 1))
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
