/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_federate.c - the newest sample of the series that match, as text that
 * another Prometheus scrapes.
 */
#include <stdlib.h>
#include <string.h>

#include "server/http/api.h"
#include "server/http/exposition_out.h"
#include "storage/base/bytes.h"

struct federation {
    const struct api *api;
    struct fw_series *series;
    size_t n, next;
    fw_ms now;
    enum exposition_names names;
    bool begun;
    struct fw_str family; /* metric name of the last line */
};

/* The newest sample in the last five minutes that is no stale marker. */
static fw_rc newest(const struct federation *fed, uint32_t series, fw_ms *t,
                    double *v)
{
    const struct fw_source *source = &fed->api->source;
    fw_ms from = fed->now - fw_query_limits().lookback + 1;
    struct fw_err err = {0};
    struct fw_run run;
    void *cursor;
    bool found = false;
    fw_rc rc =
        source->open(source->self, series, from, fed->now, &cursor, &err);

    if (rc != FW_OK)
        return rc;
    while ((rc = source->next(source->self, cursor, &run, &err)) == FW_OK) {
        if (run.n == 0)
            continue;
        *t = run.t[run.n - 1];
        *v = run.v[run.n - 1];
        found = true;
    }
    source->close(source->self, cursor);
    if (rc != FW_END)
        return rc;
    if (!found || fw_double_bits(*v) == FW_STALE_BITS)
        return FW_NONE;
    return FW_OK;
}

/* An empty label `instance` keeps the scraper from adding its own. */
static fw_rc put_line(const struct federation *fed, struct fw_buf *out,
                      const struct fw_labels *labels, fw_ms t, double v)
{
    const struct fw_label instance = {FW_STR("instance"), FW_STR("")};
    char text[FW_DOUBLE_TEXT_BYTES];
    fw_rc rc = exposition_put_series(out, labels, &instance, fed->names);

    (void)fw_format_double(text, v);
    return rc == FW_OK ? fw_buf_printf(out, " %s %lld\n", text, (long long)t)
                       : rc;
}

static fw_rc put_type(struct federation *fed, struct fw_buf *out,
                      struct fw_str name)
{
    fw_rc rc;

    if (fed->begun && fw_str_eq(fed->family, name))
        return FW_OK;
    fed->begun = true;
    fed->family = name;
    rc = fw_buf_adds(out, "# TYPE ");
    if (rc == FW_OK)
        rc = exposition_put_name(out, name, fed->names);
    return rc == FW_OK ? fw_buf_adds(out, " untyped\n") : rc;
}

static fw_rc federate_more(void *self, struct fw_buf *out)
{
    struct federation *fed = self;

    while (fed->next < fed->n) {
        const struct fw_series *series = &fed->series[fed->next++];
        struct fw_str name =
            fw_labels_get(&series->labels, FW_STR(FW_METRIC_NAME));
        double v = 0;
        fw_ms t = 0;
        fw_rc rc = newest(fed, series->id, &t, &v);

        if (rc == FW_NONE || (rc == FW_OK && name.n == 0))
            continue; /* without a name the format cannot say it */
        if (rc == FW_OK)
            rc = put_type(fed, out, name);
        if (rc == FW_OK)
            rc = put_line(fed, out, &series->labels, t, v);
        return rc;
    }
    return FW_END;
}

static int by_name(const void *a, const void *b)
{
    const struct fw_series *x = a, *y = b;
    int cmp = fw_str_cmp(fw_labels_get(&x->labels, FW_STR(FW_METRIC_NAME)),
                         fw_labels_get(&y->labels, FW_STR(FW_METRIC_NAME)));

    return cmp != 0 ? cmp : fw_labels_cmp(&x->labels, &y->labels);
}

/* True where the scraper says that it reads names in quotes. */
static bool reads_utf8(const struct call *call)
{
    struct fw_str accept = http_head_get(call->head, "accept");

    return accept.n > 0 &&
           memmem(accept.p, accept.n, "escaping=allow-utf-8", 20) != NULL;
}

void api_federate(struct call *call)
{
    struct federation *fed = fw_arena_calloc(call->arena, 1, sizeof(*fed));
    struct api_selector *asked;
    size_t count;

    if (fed == NULL) {
        call_error(call, 503, NULL, "out of memory");
        return;
    }
    if (!api_selectors(call, false, &asked, &count))
        return;
    fed->api = call->api;
    fed->now = fw_clock_now(call->api->clock);
    fed->names = reads_utf8(call) ? EXPOSITION_UTF8 : EXPOSITION_UNDERSCORES;
    if (!api_select(call, asked, count, fed->now - fw_query_limits().lookback,
                    fed->now, &fed->series, &fed->n))
        return;
    if (fed->n > 0)
        qsort(fed->series, fed->n, sizeof(*fed->series), by_name);
    call->reply.type =
        fed->names == EXPOSITION_UTF8
            ? "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"
            : "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    call->reply.more = federate_more;
    call->reply.self = fed;
}
