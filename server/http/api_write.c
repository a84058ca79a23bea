/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_write.c - remote_write, Influx line protocol and text exposition over
 * HTTP: from a decoded body to samples of a `struct writing`.
 */
#include <string.h>

#include "server/http/writing.h"
#include "server/ingest/exposition_in.h"
#include "server/ingest/influx.h"
#include "server/ingest/line.h"
#include "server/ingest/remote_write.h"
#include "server/ingest/snappy.h"

#define ECHO_BYTES 120
#define POINTS_AT_ONCE 64 /* looked up together */

/*
 * A loop is busy with a line port's sender for 256 KiB of lines; what it takes
 * of a body is of that size: 2,000 series with labels of 500 bytes.
 */
#define SMALL_BODY_BYTES ((size_t)128 << 10)
#define SMALL_PLAIN_BYTES ((size_t)1 << 20) /* out of snappy */

/* First piece of a key: the same bytes mean another thing elsewhere. */
#define KEY_REMOTE_WRITE FW_STR("w")
#define KEY_INFLUX FW_STR("i")
#define KEY_EXPOSITION FW_STR("e")

static int echo(struct fw_str text)
{
    return text.n < ECHO_BYTES ? (int)text.n : ECHO_BYTES;
}

/* ---- remote_write ---- */

/* "name{...}" of a series, for the sentence that refuses it. */
static void name_histogram(struct writing *w, const struct rw_series *series)
{
    struct fw_label labels[FW_MAX_LABELS + 1];
    struct fw_buf text = FW_BUF_INIT(4 * FW_MAX_SERIES_BYTES);
    struct fw_err err = {0};
    size_t n;

    rw_labels(series, labels, &n);
    if (fw_labels_canonical(labels, &n, &err) != FW_OK ||
        fw_labels_print(&text, &(struct fw_labels){labels, n}) != FW_OK)
        fw_buf_clear(&text);
    writing_refuse(w, series->histograms,
                   "native histograms are not stored yet: %s",
                   text.data != NULL ? text.data : "");
    fw_buf_release(&text);
    atomic_fetch_add(&w->call->api->counters->histograms, series->histograms);
}

static bool find_series(struct writing *w, const struct rw_series *series,
                        uint32_t *id)
{
    struct series_key scope =
        series_cache_scope(w->call->api->cache, &KEY_REMOTE_WRITE, 1);
    struct series_key key = series_cache_key(scope, series->name);
    struct fw_label labels[FW_MAX_LABELS + 1];
    struct fw_str name = FW_STR("");
    size_t n;

    if (series->name.n > 0 && series_cache_find(w->call->api->cache, key, id))
        return true;
    rw_labels(series, labels, &n);
    for (size_t i = 0; i < n; i++)
        if (fw_str_eq(labels[i].name, FW_STR(FW_METRIC_NAME)))
            name = labels[i].value;
    if (series->name.n == 0) /* scattered labels: a key nobody else has */
        key = series_cache_scope(w->call->api->cache, &series->bytes, 1);
    return writing_series(w, labels, n, key, name, series->samples, id);
}

static bool write_series(struct writing *w, const struct rw_series *series)
{
    struct fw_str rest = series->bytes;
    uint32_t id;
    double v;
    fw_ms t;

    if (series->exemplars > 0)
        atomic_fetch_add(&w->call->api->counters->exemplars, series->exemplars);
    if (series->histograms > 0)
        name_histogram(w, series);
    if (series->samples == 0)
        return true;
    if (!find_series(w, series, &id))
        return !writing_broken(w);
    while (rw_sample(&rest, &t, &v))
        if (!writing_add(w, id, t, v))
            return false;
    return true;
}

/* False: it is more than one batch may have, or there is no memory. */
static bool add_points(struct fw_batch *batch, const uint32_t *ids,
                       const struct rw_point *points, size_t n)
{
    if (n > batch->cap - batch->n &&
        (fw_batch_reserve(batch, 2 * (batch->n + n)) != FW_OK ||
         n > batch->cap - batch->n))
        return false;
    for (size_t i = 0; i < n; i++) {
        batch->series[batch->n + i] = ids[i];
        batch->t[batch->n + i] = points[i].t;
        memcpy(&batch->v[batch->n + i], &points[i].v, sizeof(points[i].v));
    }
    batch->n += n;
    return true;
}

/* Room for all of a body, as if it went on like the n points it begins with. */
static bool points_room(struct writing *w, size_t n, size_t bytes, size_t all)
{
    fw_store_spare_batch(w->call->api->store, &w->batch);
    return fw_batch_reserve(&w->batch, n * (all / bytes + 1)) == FW_OK;
}

/*
 * The whole request at once, where each of its series is known and brings one
 * sample, as they nearly always do: then there is nothing in it to check. False
 * if there is anything else; nothing of it has been taken then.
 */
static bool write_points(struct writing *w, struct fw_str body)
{
    struct series_cache *cache = w->call->api->cache;
    struct series_walk walk =
        series_cache_walk(series_cache_scope(cache, &KEY_REMOTE_WRITE, 1));
    struct fw_str names[POINTS_AT_ONCE];
    struct rw_point points[POINTS_AT_ONCE];
    uint32_t ids[POINTS_AT_ONCE];
    enum rw_step step = RW_POINT;
    size_t all = body.n;
    bool taken = true;

    while (taken && step == RW_POINT) {
        size_t n = 0;

        while (n < POINTS_AT_ONCE &&
               (step = rw_next_point(&body, &points[n])) == RW_POINT)
            n++;
        for (size_t i = 0; i < n; i++) /* here: a load right behind its */
            names[i] = points[i].name; /* stores would have to wait */
        taken = step != RW_OTHER &&
                series_cache_walk_on(cache, &walk, names, n, ids);
        if (taken && n > 0 && w->batch.n == 0)
            taken = points_room(w, n, all - body.n, all);
        taken = taken && add_points(&w->batch, ids, points, n);
    }
    if (!taken)
        w->batch.n = 0;
    return taken;
}

/* remote_write 2.0 and what is no remote_write at all. */
static bool check_form(struct call *call, struct writing *w)
{
    struct fw_str type = http_head_get(call->head, "content-type");
    struct fw_str coding = http_head_get(call->head, "content-encoding");
    char text[128];
    size_t n = type.n < sizeof(text) - 1 ? type.n : sizeof(text) - 1;

    memcpy(text, type.n > 0 ? type.p : "", n);
    text[n] = '\0';
    if (n > 0 && strncasecmp(text, "application/x-protobuf", 22) != 0) {
        writing_fail(w, 415, "Content-Type is not application/x-protobuf");
        return false;
    }
    if (strstr(text, "proto=") != NULL &&
        strstr(text, "proto=prometheus.WriteRequest") == NULL) {
        writing_fail(w, 415,
                     "only remote_write 1.0 "
                     "(prometheus.WriteRequest) is taken");
        return false;
    }
    if (coding.n > 0 && !http_same(coding, "snappy")) {
        writing_fail(w, 415, "Content-Encoding is not snappy");
        return false;
    }
    return true;
}

bool api_is_small_write(const struct call *call)
{
    return call->body.n <= SMALL_BODY_BYTES &&
           (call->route->answer != api_remote_write ||
            snappy_block_length(call->body) <= SMALL_PLAIN_BYTES);
}

void api_remote_write(struct call *call)
{
    struct writing *w = writing_new(call, API_REMOTE_WRITE);
    struct fw_buf plain = FW_BUF_INIT(FW_MAX_HTTP_BODY_BYTES);
    struct rw_series series;
    struct fw_err err = {0};
    struct fw_str body;
    fw_rc rc;

    if (w == NULL || !check_form(call, w))
        return;
    rc = snappy_block_add(call->body, &plain, &err);
    body = (struct fw_str){plain.data, plain.len};
    if (rc == FW_ETOOBIG)
        http_limit_strike(HTTP_LIMIT_BODY_BYTES);
    if (rc == FW_OK && write_points(w, body)) {
        writing_end(w);
        goto out;
    }
    if (rc == FW_OK)
        rc = rw_check(body, &err);
    if (rc != FW_OK) {
        writing_fail(w,
                     rc == FW_ENOMEM    ? 503
                     : rc == FW_ETOOBIG ? 413
                                        : 400,
                     "%s", err.text);
    } else {
        while (rw_next(&body, &series))
            if (!write_series(w, &series))
                break;
        writing_end(w);
    }
out:
    fw_buf_release(&plain);
}

/* ---- lines of text ---- */

/* Takes the next line off the front, without its end. */
static bool next_line(struct fw_str *body, struct fw_str *line)
{
    const char *end;

    if (body->n == 0)
        return false;
    end = memchr(body->p, '\n', body->n);
    line->p = body->p;
    line->n = end == NULL ? body->n : (size_t)(end - body->p);
    body->p += line->n + (end != NULL);
    body->n -= line->n + (end != NULL);
    return true;
}

static const char *fault_text(enum line_fault fault)
{
    return fault == LINE_BAD_FORM ? "it does not parse"
                                  : line_fault_text(fault);
}

static void refuse_line(struct writing *w, size_t number, struct fw_str line,
                        enum line_fault fault)
{
    if (fault == LINE_TOO_LONG)
        http_limit_strike(HTTP_LIMIT_LINE_BYTES);
    if (w->reason[0] != '\0') {
        w->refused++; /* only the first is named: spares the copy below */
        return;
    }
    writing_refuse(w, 1, "line %zu: %s: '%.*s'", number, fault_text(fault),
                   echo(line), line.p);
}

/* ---- Influx line protocol ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void trim(struct fw_str *text)
{
    while (text->n > 0 && is_blank(text->p[0])) {
        text->p++;
        text->n--;
    }
    while (text->n > 0 && is_blank(text->p[text->n - 1]))
        text->n--;
}

/* Minutes and hours are counted as seconds and multiplied afterwards. */
struct precision {
    enum time_unit unit;
    fw_ms factor;
};

static bool parse_precision(struct fw_str text, struct precision *out)
{
    static const struct {
        const char *name;
        struct precision precision;
    } known[] = {{"", {TIME_NS, 1}},   {"n", {TIME_NS, 1}},
                 {"ns", {TIME_NS, 1}}, {"u", {TIME_US, 1}},
                 {"us", {TIME_US, 1}}, {"\xC2\xB5", {TIME_US, 1}},
                 {"ms", {TIME_MS, 1}}, {"s", {TIME_S, 1}},
                 {"m", {TIME_S, 60}},  {"h", {TIME_S, 3600}}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (fw_str_eq(text, fw_str_of(known[i].name))) {
            *out = known[i].precision;
            return true;
        }
    }
    return false;
}

static bool find_value(struct writing *w, const struct line *line, size_t i,
                       struct fw_str db, struct series_key scope, uint32_t *id)
{
    struct series_key key = series_cache_key(scope, line->values[i].part);
    struct line_labels labels;
    enum line_fault fault;

    if (series_cache_find(w->call->api->cache, key, id))
        return true;
    fw_arena_clear(w->scratch);
    fault = line_labels(line, i, w->scratch, &labels);
    if (fault == LINE_OK && db.n > 0)
        fault = line_add_label(&labels, FW_STR("db"), db);
    if (fault != LINE_OK) {
        writing_refuse(w, 1, "series '%.*s': %s", echo(line->series),
                       line->series.p, line_fault_text(fault));
        return false;
    }
    return writing_series(w, labels.v, labels.n, key, line->series, 1, id);
}

/* The ids of all values of a line; false unless all are known. */
static bool find_values(struct writing *w, const struct line *line,
                        struct series_key scope, uint32_t ids[POINTS_AT_ONCE])
{
    struct series_key keys[POINTS_AT_ONCE];

    if (line->n > POINTS_AT_ONCE)
        return false;
    for (size_t i = 0; i < line->n; i++)
        keys[i] = series_cache_key(scope, line->values[i].part);
    return series_cache_find_all(w->call->api->cache, keys, line->n, ids);
}

/* False: the store cannot take more now. */
static bool write_line(struct writing *w, const struct line *line,
                       struct fw_str db, fw_ms t)
{
    struct fw_str pieces[] = {KEY_INFLUX, db, line->series};
    struct series_key scope =
        series_cache_scope(w->call->api->cache, pieces, 3);

    uint32_t ids[POINTS_AT_ONCE];
    bool known = find_values(w, line, scope, ids);

    for (size_t i = 0; i < line->n; i++) {
        uint32_t id = known ? ids[i] : 0;

        if (known || find_value(w, line, i, db, scope, &id)) {
            if (!writing_add(w, id, t, line->values[i].v))
                return false;
        } else if (writing_broken(w)) {
            return false;
        }
    }
    return true;
}

static void influx_write(struct call *call, struct fw_str db)
{
    struct writing *w = writing_new(call, API_INFLUX);
    struct fw_str body = call->body;
    struct precision precision;
    struct line line = {0};
    struct fw_str text;
    size_t number = 0;

    if (w == NULL)
        return;
    if (!parse_precision(form_get(&call->form, "precision"), &precision)) {
        writing_fail(w, 400, "invalid precision; use ns, us, ms, s, m or h");
        return;
    }
    while (next_line(&body, &text)) {
        enum line_fault fault = LINE_OK;
        fw_ms t = w->now;

        number++;
        trim(&text);
        if (text.n == 0 || text.p[0] == '#')
            continue;
        if (text.n > FW_MAX_LINE_BYTES)
            fault = LINE_TOO_LONG;
        else if (influx_recognise(text))
            fault = line_parse(text, precision.unit, &line);
        else
            fault = LINE_BAD_FORM;
        if (fault == LINE_OK && line.n > 0 && line.protocol != LINE_INFLUX)
            fault = LINE_BAD_FORM;
        if (fault == LINE_OK && line.timed &&
            __builtin_mul_overflow(line.t, precision.factor, &t))
            fault = LINE_BAD_TIME;
        if (fault != LINE_OK)
            refuse_line(w, number, text, fault);
        else if (!write_line(w, &line, db, t))
            break;
    }
    line_release(&line);
    writing_end(w);
}

/* /write?db=...: the database becomes the label `db`, as VictoriaMetrics. */
void api_influx_v1(struct call *call)
{
    influx_write(call, form_get(&call->form, "db"));
}

void api_influx_v2(struct call *call)
{
    influx_write(call, (struct fw_str){"", 0});
}

void api_influx_ping(struct call *call)
{
    reply_field(&call->reply, "X-Influxdb-Version", "1.8.0");
    call->reply.status = 204;
}

/* ---- text exposition ---- */

static bool find_exposed(struct writing *w, struct fw_str series, uint32_t *id)
{
    struct series_key scope =
        series_cache_scope(w->call->api->cache, &KEY_EXPOSITION, 1);
    struct series_key key = series_cache_key(scope, series);
    struct line_labels labels;
    enum line_fault fault;

    if (series_cache_find(w->call->api->cache, key, id))
        return true;
    fw_arena_clear(w->scratch);
    fault = exposition_labels(series, w->scratch, &labels);
    if (fault != LINE_OK) {
        writing_refuse(w, 1, "series '%.*s': %s", echo(series), series.p,
                       line_fault_text(fault));
        return false;
    }
    return writing_series(w, labels.v, labels.n, key, series, 1, id);
}

void api_import_prometheus(struct call *call)
{
    struct writing *w = writing_new(call, API_EXPOSITION);
    struct fw_str body = call->body;
    struct exposition line;
    struct fw_str text;
    size_t number = 0;
    uint32_t id;

    if (w == NULL)
        return;
    while (next_line(&body, &text)) {
        enum line_fault fault = text.n > FW_MAX_LINE_BYTES
                                    ? LINE_TOO_LONG
                                    : exposition_parse(text, &line);

        number++;
        if (fault != LINE_OK)
            refuse_line(w, number, text, fault);
        if (fault != LINE_OK || line.series.n == 0)
            continue;
        if (find_exposed(w, line.series, &id)) {
            if (!writing_add(w, id, line.timed ? line.t : w->now, line.v))
                break;
        } else if (writing_broken(w)) {
            break;
        }
    }
    writing_end(w);
}
