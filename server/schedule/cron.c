/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/schedule/cron.h"

#include <string.h>
#include <strings.h>

#define DAYS_AHEAD                                                             \
    (8 * 366) /* the longest way to a 29 February on a Monday                  \
                 is 40 years; 8 see every plain one */

struct field {
    const char *name;
    int least, most;
    const char *const *words; /* of least, least + 1, ...; NULL: none */
};

static const char *const month_words[] = {"jan", "feb", "mar", "apr",
                                          "may", "jun", "jul", "aug",
                                          "sep", "oct", "nov", "dec"};
static const char *const day_words[] = {"sun", "mon", "tue", "wed",
                                        "thu", "fri", "sat"};

static const struct field fields[5] = {
    {"minute", 0, 59, NULL},
    {"hour", 0, 23, NULL},
    {"day of the month", 1, 31, NULL},
    {"month", 1, 12, month_words},
    {"day of the week", 0, 7, day_words},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number or a name at the front of `s`. */
static bool take_number(struct fw_str *s, const struct field *f, int *out)
{
    int count = f->words == month_words ? 12 : 7, v = 0;
    size_t i = 0;

    if (f->words != NULL && s->n >= 3)
        for (int k = 0; k < count; k++)
            if (strncasecmp(s->p, f->words[k], 3) == 0) {
                *out = f->least + k;
                *s = (struct fw_str){s->p + 3, s->n - 3};
                return true;
            }
    for (; i < s->n && i < 4 && is_digit(s->p[i]); i++)
        v = v * 10 + (s->p[i] - '0');
    *out = v;
    *s = (struct fw_str){s->p + i, s->n - i};
    return i > 0 && i < 4;
}

static fw_rc wrong(const struct field *f, struct fw_str item,
                   struct fw_err *err)
{
    return fw_err_set(err, FW_EINVAL,
                      "'%.*s' is no %s: write a number from %d to %d, a range "
                      "such as %d-%d, a list, or * with a step as */%d",
                      FW_STR_ARG(item), f->name, f->least, f->most,
                      f->least + 1, f->least + 3, f->most > 12 ? 10 : 2);
}

/* "5", "1-5", "*", any of them with "/2" behind. */
static fw_rc take_item(struct fw_str item, const struct field *f,
                       uint64_t *bits, struct fw_err *err)
{
    struct fw_str rest = item;
    int from = f->least, to = f->most, step = 1;
    bool single = false;

    if (rest.n > 0 && rest.p[0] == '*') {
        rest = (struct fw_str){rest.p + 1, rest.n - 1};
    } else {
        if (!take_number(&rest, f, &from))
            return wrong(f, item, err);
        to = from;
        single = true;
        if (rest.n > 0 && rest.p[0] == '-') {
            rest = (struct fw_str){rest.p + 1, rest.n - 1};
            single = false;
            if (!take_number(&rest, f, &to))
                return wrong(f, item, err);
        }
    }
    if (rest.n > 0 && rest.p[0] == '/') {
        static const struct field number = {"step", 1, 59, NULL};

        rest = (struct fw_str){rest.p + 1, rest.n - 1};
        if (!take_number(&rest, &number, &step) || step == 0)
            return wrong(f, item, err);
        if (single) /* "5/10" counts from 5 on */
            to = f->most;
    }
    if (rest.n > 0 || from < f->least || to > f->most || from > to)
        return wrong(f, item, err);
    for (int i = from; i <= to; i += step)
        *bits |= UINT64_C(1) << i;
    return FW_OK;
}

static fw_rc take_field(struct fw_str text, const struct field *f,
                        uint64_t *bits, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    *bits = 0;
    while (rc == FW_OK) {
        const char *comma = memchr(text.p, ',', text.n);
        size_t n = comma != NULL ? (size_t)(comma - text.p) : text.n;

        rc = take_item((struct fw_str){text.p, n}, f, bits, err);
        if (comma == NULL)
            break;
        text = (struct fw_str){comma + 1, text.n - n - 1};
    }
    return rc;
}

static struct fw_str nickname(struct fw_str text)
{
    static const char *const names[][2] = {
        {"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"},
        {"@weekly", "0 0 * * 0"}, {"@monthly", "0 0 1 * *"},
        {"@yearly", "0 0 1 1 *"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (fw_str_eq(text, fw_str_of(names[i][0])))
            return fw_str_of(names[i][1]);
    return text;
}

static size_t split(struct fw_str text, struct fw_str words[6])
{
    size_t n = 0, i = 0;

    while (n < 6) {
        while (i < text.n && (text.p[i] == ' ' || text.p[i] == '\t'))
            i++;
        if (i == text.n)
            break;
        words[n].p = text.p + i;
        while (i < text.n && text.p[i] != ' ' && text.p[i] != '\t')
            i++;
        words[n].n = (size_t)(text.p + i - words[n].p);
        n++;
    }
    return n;
}

fw_rc cron_parse(struct fw_str text, struct cron *out, struct fw_err *err)
{
    struct fw_str words[6];
    struct cron cron = {0};
    uint64_t bits[5];

    if (split(nickname(text), words) != 5)
        return fw_err_set(err, FW_EINVAL,
                          "'%.*s' is no schedule: five fields are needed, "
                          "minute hour day month weekday, as in '0 8 * * MON', "
                          "or @daily",
                          FW_STR_ARG(text));
    for (int i = 0; i < 5; i++) {
        fw_rc rc = take_field(words[i], &fields[i], &bits[i], err);

        if (rc != FW_OK)
            return rc;
    }
    cron.minutes = bits[0];
    cron.hours = (uint32_t)bits[1];
    cron.days = (uint32_t)bits[2];
    cron.months = (uint32_t)bits[3];
    cron.weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 127);
    cron.any_day = words[2].p[0] == '*';
    cron.any_weekday = words[4].p[0] == '*';
    *out = cron;
    return FW_OK;
}

/* ---- when
 * ----------------------------------------------------------------------------
 */

/* Days since 1970 to year, month, day: Howard Hinnant's civil_from_days. */
static void civil(int64_t days, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
}

static bool day_matches(const struct cron *c, int64_t days)
{
    int weekday = (int)(((days + 4) % 7 + 7) % 7); /* 1 Jan 1970: Thursday */
    bool by_day, by_weekday;
    int month, day;

    civil(days, &month, &day);
    if ((c->months >> month & 1) == 0)
        return false;
    by_day = (c->days >> day & 1) != 0;
    by_weekday = (c->weekdays >> weekday & 1) != 0;
    if (c->any_day || c->any_weekday)
        return by_day && by_weekday;
    return by_day || by_weekday;
}

/* The first time of one local day after `after`, or INT64_MAX. */
static fw_ms within_day(const struct cron *c, const struct fw_zone *zone,
                        int64_t day, fw_ms after)
{
    fw_ms best = INT64_MAX;

    for (int hour = 0; hour < 24; hour++) {
        if ((c->hours >> hour & 1) == 0)
            continue;
        for (int minute = 0; minute < 60; minute++) {
            fw_ms t;

            if ((c->minutes >> minute & 1) == 0)
                continue;
            t = fw_zone_instant(zone, day * FW_DAY + hour * FW_HOUR +
                                          minute * FW_MINUTE);
            if (t > after && t < best)
                best = t;
        }
        if (best != INT64_MAX)
            break;
    }
    return best;
}

fw_ms cron_next(const struct cron *c, const struct fw_zone *zone, fw_ms after)
{
    fw_ms local = after + fw_zone_offset(zone, after);
    int64_t today = (local >= 0 ? local : local - (FW_DAY - 1)) / FW_DAY;

    /* Yesterday too: clocks put back may bring its last hour again. */
    for (int64_t day = today - 1; day < today + DAYS_AHEAD; day++) {
        fw_ms t = INT64_MAX;

        if (day_matches(c, day))
            t = within_day(c, zone, day, after);
        if (t != INT64_MAX)
            return t;
    }
    return INT64_MAX;
}
