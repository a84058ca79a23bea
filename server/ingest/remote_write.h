/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * remote_write.h - Prometheus's remote_write 1.0, as it stands in the bytes of
 * a decoded body:
 *
 *     WriteRequest { TimeSeries timeseries = 1; metadata = 3 }
 *     TimeSeries   { Label labels = 1; Sample samples = 2;
 *                    Exemplar exemplars = 3; Histogram histograms = 4 }
 *     Label        { string name = 1; string value = 2 }
 *     Sample       { double value = 1; int64 timestamp = 2 }
 *
 * Nothing is copied: everything given out points into the body.
 */
#ifndef SERVER_INGEST_REMOTE_WRITE_H
#define SERVER_INGEST_REMOTE_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/base/clock.h"
#include "storage/base/limits.h"
#include "storage/storage.h"

/* One TimeSeries. */
struct rw_series {
    struct fw_str bytes; /* the whole message */
    /*
     * The bytes of its labels, which name the series as sent; empty if they do
     * not stand together, as those of all known senders do.
     */
    struct fw_str name;
    size_t samples, exemplars, histograms;
};

/*
 * Reads the whole body once, storing nothing. FW_EINVAL with a sentence for
 * bytes that are no WriteRequest: the functions below are for checked ones.
 */
FW_CHECK fw_rc rw_check(struct fw_str body, struct fw_err *err);

/* Takes the next TimeSeries off the front of *body; false at its end. */
bool rw_next(struct fw_str *body, struct rw_series *out);

/*
 * Its labels as sent, at most FW_MAX_LABELS + 1 of them so that the limit
 * strikes by name in fw_labels_canonical().
 */
void rw_labels(const struct rw_series *series,
               struct fw_label out[FW_MAX_LABELS + 1], size_t *n);

/* Takes the next sample off *rest, which begins as series->bytes. */
bool rw_sample(struct fw_str *rest, fw_ms *t, double *v);

/*
 * A TimeSeries of the usual shape: labels, then one sample and nothing else.
 *
 * `name` is what stands in front of the sample, unread: that it is labels is
 * known only to whoever has seen these very bytes as the name of a series (see
 * above) before. Then the whole message is known to be well formed.
 */
struct rw_point {
    struct fw_str name;
    fw_ms t;
    double v;
};

enum rw_step {
    RW_POINT,
    RW_END,  /* of the body */
    RW_OTHER /* something else: rw_check() has to look at the whole body */
};

/* Takes the next one off the front of a body that need not be checked. */
enum rw_step rw_next_point(struct fw_str *body, struct rw_point *out);

#endif
