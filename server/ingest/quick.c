/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quick.c - a line is walked once, from left to right, without looking for the
 * ends of its pieces first: its head is compared with the one foreseen, each
 * field with the one foreseen, and a number ends where its digits end.
 *
 * Why this gives what line_parse() gives: a head or field is known only because
 * line_parse() took a line with these very bytes in this place, so what follows
 * them is where it would stand too; a value is taken only if it is decimal
 * digits up to the next separator; and of heads only those are used that leave
 * the recogniser of protocols no choice (names_head.plain). A fuzz target and
 * a test hold the two ways against each other.
 */
#include "server/ingest/quick.h"

#include "server/ingest/scan.h"
#include "storage/base/bytes.h"
#include "storage/base/decimal.h"

/* What is left of a line. */
struct rest {
    const char *p, *end;
};

static size_t left(const struct rest *r)
{
    return (size_t)(r->end - r->p);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool only_blanks(const char *p, const char *end)
{
    while (p < end && is_blank(*p))
        p++;
    return p == end;
}

/*
 * True if the n bytes at p, of which `room` may be read, are the name at `at`,
 * behind which NAMES_SLACK may be read. Names are too short for a call.
 */
static bool same_bytes(const char *p, size_t room, const char *at, size_t n)
{
    size_t i = 0;

    if (room < 8)
        return n <= room && memcmp(p, at, n) == 0;
    for (; i + 8 <= n; i += 8)
        if (fw_get_le64(p + i) != fw_get_le64(at + i))
            return false;
    if (i == n)
        return true;
    if (i > 0) /* once more the last eight, some of them again */
        return fw_get_le64(p + n - 8) == fw_get_le64(at + n - 8);
    return ((fw_get_le64(p) ^ fw_get_le64(at)) << (64 - 8 * n)) == 0;
}

/* ---- pieces ----------------------------------------------------------------
 */

/* Digits with a point or an exponent; what else may be a number is left. */
static bool take_number(struct rest *r, double *v)
{
    size_t n = fw_decimal_parse(r->p, left(r), v);

    if (n == 0 || r->p[n - 1] > '9')
        return false; /* nan, inf */
    r->p += n;
    return true;
}

/* InfluxDB's integers: 55i. Its -0i is a plain 0. */
static bool take_influx_number(struct rest *r, double *v)
{
    const char *from = r->p;

    if (!take_number(r, v))
        return false;
    if (r->p == r->end || *r->p != 'i')
        return true;
    if (r->p - from > 15) /* past 2^53: which neighbour is not for us to say */
        return false;
    for (from += *from == '-' || *from == '+'; from < r->p; from++)
        if (!is_digit(*from))
            return false;
    r->p++;
    *v += 0.0;
    return true;
}

static bool read_time(struct intake *intake, struct fw_str word,
                      enum time_unit unit, fw_ms *t)
{
    struct intake_time *time = &intake->time;

    if (!is_digit(word.p[0]) || !time_parse(word, unit, t))
        return false;
    if (word.n <= INTAKE_TIME_BYTES) {
        memcpy(time->text, word.p, word.n);
        time->n = word.n;
        time->unit = unit;
        time->t = *t;
    }
    return true;
}

/* A whole number up to the next blank, mostly the one of the line before. */
static bool take_time(struct intake *intake, struct rest *r,
                      enum time_unit unit, fw_ms *t)
{
    const struct intake_time *time = &intake->time;
    const char *from = r->p;

    if (time->n > 0 && time->unit == unit && left(r) >= time->n &&
        memcmp(r->p, time->text, time->n) == 0 &&
        (left(r) == time->n || is_blank(r->p[time->n]))) {
        r->p += time->n;
        *t = time->t;
        return true;
    }
    while (r->p < r->end && !is_blank(*r->p))
        r->p++;
    return r->p > from &&
           read_time(intake, (struct fw_str){from, (size_t)(r->p - from)}, unit,
                     t);
}

/* ---- heads -----------------------------------------------------------------
 */

/* True if the head stands at p, with a blank behind it. */
static bool head_at(const struct names *names, const struct names_head *head,
                    const char *p, const char *end)
{
    return (size_t)(end - p) > head->n && p[head->n] == ' ' &&
           memcmp(p, names->text.data + head->at, head->n) == 0;
}

/* The place of a head the line may begin with though it was not foreseen. */
static uint32_t look_up_head(const struct names *names, struct fw_str text)
{
    const char *end = text.p + text.n;
    const char *blank = scan_to(text.p, end, ' ', ' ');
    struct fw_str word = {text.p, (size_t)(blank - text.p)};
    enum line_protocol protocol;

    if (blank + 1 >= end || word.n == 0)
        return NAMES_NONE;
    protocol =
        is_digit(blank[1]) || blank[1] == '-' ? LINE_GRAPHITE : LINE_INFLUX;
    return names_find_head(names, protocol, word, (struct fw_str){"", 0});
}

/* The head the line begins with; *r is set behind it. */
static const struct names_head *take_head(const struct names *names,
                                          struct fw_str text, struct rest *r)
{
    const struct names_head *head = names_foreseen(names);
    uint32_t place;

    *r = (struct rest){text.p, text.p + text.n};
    if (head != NULL && head->protocol == LINE_OPENTSDB) {
        if (left(r) < 4 || memcmp(r->p, "put ", 4) != 0 ||
            !head_at(names, head, r->p + 4, r->end))
            return NULL;
        r->p += 4 + head->n;
        return head->plain ? head : NULL;
    }
    if (head == NULL || !head_at(names, head, r->p, r->end)) {
        place = look_up_head(names, text);
        if (place == NAMES_NONE)
            return NULL;
        head = &names->heads[place];
    }
    r->p += head->n;
    return head->plain ? head : NULL;
}

/* ---- the protocols
 * -----------------------------------------------------------
 */

/*
 * The field that stands at r->p, past its '='. `expected` is tried first; the
 * link that led to it is set to the one that is there.
 */
static uint32_t take_field(struct names *names, uint32_t head, uint32_t before,
                           struct rest *r)
{
    uint32_t *link = before != NAMES_NONE ? &names->fields[before].next
                                          : &names->heads[head].first;
    uint32_t place = *link;
    const char *equals;

    if (place != NAMES_NONE) {
        const struct names_field *field = &names->fields[place];

        if (left(r) > field->n && r->p[field->n] == '=' &&
            same_bytes(r->p, left(r), names->text.data + field->at, field->n)) {
            r->p += field->n + 1;
            return place;
        }
    }
    equals = scan_to(r->p, r->end, '=', ' ');
    if (equals == r->end || *equals != '=')
        return NAMES_NONE;
    place = names_find_field(names, head,
                             (struct fw_str){r->p, (size_t)(equals - r->p)});
    if (place != NAMES_NONE) {
        *link = place;
        r->p = equals + 1;
    }
    return place;
}

static bool add(struct fw_batch *batch, uint32_t id, double v)
{
    if (batch->n == batch->cap)
        return fw_batch_add(batch, id, 0, v) == FW_OK;
    batch->series[batch->n] = id;
    batch->v[batch->n] = v;
    batch->n++;
    return true;
}

/* *t stays what it is where the line brings no time. */
static bool quick_influx(struct intake *intake, uint32_t head, struct rest *r,
                         fw_ms *t)
{
    struct names *names = &intake->names;
    uint32_t field = NAMES_NONE;
    double v;

    while (r->p < r->end && *r->p == ' ')
        r->p++;
    for (;;) {
        field = take_field(names, head, field, r);
        if (field == NAMES_NONE || !take_influx_number(r, &v) ||
            !add(&intake->batch, names->fields[field].id, v))
            return false;
        if (r->p == r->end || *r->p == ' ')
            break;
        if (*r->p++ != ',')
            return false;
    }
    if (only_blanks(r->p, r->end))
        return true;
    while (*r->p == ' ')
        r->p++;
    return take_time(intake, r, intake->unit, t) && only_blanks(r->p, r->end);
}

static bool quick_graphite(struct intake *intake, uint32_t head, struct rest *r,
                           fw_ms *t)
{
    const struct names *names = &intake->names;
    uint32_t field = names->heads[head].first;
    double v;

    r->p++;
    if (field == NAMES_NONE || !take_number(r, &v) ||
        !add(&intake->batch, names->fields[field].id, v))
        return false;
    if (r->p == r->end)
        return true;
    return *r->p++ == ' ' && take_time(intake, r, TIME_AUTO, t) &&
           only_blanks(r->p, r->end);
}

static bool quick_opentsdb(struct intake *intake, uint32_t head, struct rest *r,
                           fw_ms *t)
{
    const struct names *names = &intake->names;
    const struct names_head *h = &names->heads[head];
    double v;

    r->p++;
    if (h->first == NAMES_NONE || !take_time(intake, r, TIME_AUTO, t) ||
        r->p == r->end || *r->p++ != ' ' || !take_number(r, &v) ||
        !add(&intake->batch, names->fields[h->first].id, v))
        return false;
    if (h->tail_n > 0) {
        const char *tail = names->text.data + h->at + h->n;

        if (left(r) <= h->tail_n || *r->p++ != ' ' ||
            memcmp(r->p, tail, h->tail_n) != 0)
            return false;
        r->p += h->tail_n;
    }
    return only_blanks(r->p, r->end);
}

static bool quick_values(struct intake *intake, uint32_t head, struct rest *r,
                         fw_ms *t)
{
    switch ((enum line_protocol)intake->names.heads[head].protocol) {
    case LINE_INFLUX:
        return quick_influx(intake, head, r, t);
    case LINE_GRAPHITE:
        return quick_graphite(intake, head, r, t);
    case LINE_OPENTSDB:
        return quick_opentsdb(intake, head, r, t);
    }
    return false;
}

bool quick_take(struct intake *intake, struct fw_str text, fw_ms now,
                fw_ms latest)
{
    struct names *names = &intake->names;
    struct fw_batch *batch = &intake->batch;
    size_t before = batch->n;
    const struct names_head *head;
    struct rest r;
    fw_ms t = now;

    if (names->last == NAMES_NONE)
        return false;
    head = take_head(names, text, &r);
    if (head == NULL)
        return false;
    if (!quick_values(intake, (uint32_t)(head - names->heads), &r, &t) ||
        t > latest || batch->n - before > FW_MAX_LINE_VALUES) {
        batch->n = before;
        return false;
    }
    for (size_t i = before; i < batch->n; i++)
        batch->t[i] = t;
    names_step(names, (uint32_t)(head - names->heads));
    intake->taken = batch->n - before;
    intake->protocol = (enum line_protocol)head->protocol;
    return true;
}
