/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * number.h - the numbers and times that senders write.
 */
#ifndef SERVER_INGEST_NUMBER_H
#define SERVER_INGEST_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/clock.h"
#include "storage/base/str.h"

/*
 * A decimal number: sign, digits, fraction, exponent, and nothing else (no
 * hexadecimal, no words). The double is the nearest one, as strtod's.
 */
bool number_parse(struct fw_str text, double *out);

/* The same, and "nan", "inf", "infinity" in any case with a sign. */
bool number_parse_any(struct fw_str text, double *out);

/* A whole number that fits 64 bits. */
bool number_parse_int(struct fw_str text, int64_t *out);
bool number_parse_uint(struct fw_str text, uint64_t *out);

/* The unit of a timestamp; TIME_AUTO tells it by how large the number is. */
enum time_unit { TIME_AUTO, TIME_S, TIME_MS, TIME_US, TIME_NS };

/* "s", "ms", "us", "ns" (and "auto"): false for any other word. */
bool time_unit_parse(struct fw_str text, enum time_unit *out);

/*
 * A whole timestamp to milliseconds, rounded down. TIME_AUTO: from 1e17 on it
 * is nanoseconds, from 1e14 microseconds, from 1e11 milliseconds, below
 * seconds; the same for negative ones. That is right from 1973 to 5138.
 */
bool time_parse(struct fw_str text, enum time_unit unit, fw_ms *out);

/* The same where a fraction may follow: "1795404686.25". */
bool time_parse_fraction(struct fw_str text, enum time_unit unit, fw_ms *out);

#endif
