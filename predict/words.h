/* SPDX-License-Identifier: GPL-3.0-or-later */
/* words.h - numbers, chances and spans as people read them. */
#ifndef FW_PREDICT_WORDS_H
#define FW_PREDICT_WORDS_H

#include "storage/base/str.h"

#define WORDS_BYTES 64

/* Four digits, with k, M, G, T where it is large: "12.3 G"; "-" for NaN. */
const char *words_number(double v, char out[WORDS_BYTES]);
/* "12 %", "under 1 %", "over 99 %". */
const char *words_percent(double p, char out[WORDS_BYTES]);
/* "3h 20m", and "12h" where nothing follows. */
const char *words_span(fw_ms span, char out[WORDS_BYTES]);

#endif
