/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan.h - finds the byte that ends a piece of a line.
 */
#ifndef SERVER_INGEST_SCAN_H
#define SERVER_INGEST_SCAN_H

/*
 * The first byte from p on that is `a` or `b` and is not escaped, or `end`. A
 * backslash takes the meaning of the byte behind it away; the last byte of all
 * is never an escape.
 */
const char *scan_to(const char *p, const char *end, char a, char b);

/* The same byte by byte: what scan_to() is held against. */
const char *scan_to_slowly(const char *p, const char *end, char a, char b);

#endif
