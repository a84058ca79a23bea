/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ints_plan.c - how to write a run of integers.
 *
 * A plan is costed exactly, group by group, before a byte is written. The
 * search first ranks the predictions by the bits their residuals would need
 * with a perfect entropy coder of lengths, then plans the best two in full,
 * with unsigned residuals above the least one and with signed ones around
 * the median.
 */
#include <assert.h>
#include <string.h>

#include "storage/base/bytes.h"
#include "storage/codec/bits.h"
#include "storage/codec/ints.h"
#include "storage/codec/ints_header.h"

#define SAMPLE_FULL 512 /* residuals whose median is taken, at most */
#define SAMPLE_LIKE 31
#define CANDIDATES 5

static size_t group_size(size_t n, size_t at)
{
    return n - at < CODEC_GROUP ? n - at : CODEC_GROUP;
}

/* ---- common divisor ----------------------------------------------------- */

static uint64_t gcd_of(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static uint64_t least(const uint64_t *x, size_t n)
{
    int64_t min = (int64_t)x[0];

    for (size_t i = 1; i < n; i++)
        min = (int64_t)x[i] < min ? (int64_t)x[i] : min;
    return (uint64_t)min;
}

/* Differences from the least integer fit 64 bits whatever the integers. */
static uint64_t common_divisor(const uint64_t *x, size_t n, uint64_t min)
{
    uint64_t g = 0;

    for (size_t i = 0; i < n && g != 1; i++) {
        uint64_t d = x[i] - min;
        if (g == 0 || d % g != 0)
            g = gcd_of(g, d);
    }
    return g == 0 ? 1 : g;
}

static void divide_out(uint64_t *x, size_t n, struct ints_plan *plan)
{
    plan->base = least(x, n);
    plan->gcd = common_divisor(x, n, plan->base);
    if (plan->gcd == 1)
        return;
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - plan->base) / plan->gcd;
}

/* ---- predictions -------------------------------------------------------- */

/* What the residuals of one prediction look like. */
struct survey {
    uint64_t min;    /* as a signed integer */
    uint64_t median; /* of a sample */
};

/* The median of s[0..n), n > 0, in linear time [Hoare 1961, Find]. */
static int64_t median_of(int64_t *s, size_t n)
{
    size_t low = 0;
    size_t high = n - 1;
    size_t want = n / 2;

    while (low < high) {
        int64_t pivot = s[low + (high - low) / 2];
        size_t i = low;
        size_t j = high;
        for (;;) {
            while (s[i] < pivot)
                i++;
            while (s[j] > pivot)
                j--;
            if (i >= j)
                break;
            int64_t swap = s[i];
            s[i++] = s[j];
            s[j--] = swap;
        }
        /* all before j + 1 are <= pivot, all from there on are >= pivot */
        if (want <= j)
            high = j;
        else
            low = j + 1;
    }
    return s[want];
}

/* How many integers the prediction needs before its first true residual. */
static size_t lead_of(unsigned order)
{
    return order == 1 || order == 2 ? order : 0;
}

static void survey_take(const uint64_t *x, size_t n, struct codec_line line,
                        size_t sample_max, struct survey *s)
{
    int64_t sample[SAMPLE_FULL];
    uint64_t r[CODEC_ROOM];
    size_t lead = lead_of(line.order);
    size_t stride = (n - lead + sample_max - 1) / sample_max;
    size_t taken = 0;
    size_t next = lead;
    int64_t min = INT64_MAX;

    line.centre = 0;
    line.zigzag = false;
    if (lead > 0)
        line.last = x[lead - 1];
    if (lead > 1)
        line.delta = x[1] - x[0];
    for (size_t i = lead; i < n; i += CODEC_GROUP) {
        size_t m = group_size(n, i);
        codec_kernels()->residual(&line, x + i, m, r);
        for (size_t j = 0; j < m; j++)
            min = (int64_t)r[j] < min ? (int64_t)r[j] : min;
        for (; next < i + m; next += stride)
            sample[taken++] = (int64_t)r[next - i];
    }
    s->min = (uint64_t)min;
    s->median = (uint64_t)median_of(sample, taken);
}

/*
 * The state before the first integer, such that its residual is the centre
 * itself: nothing of it is then left for the groups to write.
 */
static void line_start(struct codec_line *line, const uint64_t *x,
                       const struct survey *s, bool zigzag)
{
    line->zigzag = zigzag;
    line->centre = zigzag ? s->median : s->min;
    if (line->order == 1)
        line->last = x[0] - line->centre;
    if (line->order == 2) {
        uint64_t first = x[1] - x[0] - line->centre;
        line->last = x[0] - first;
        line->delta = first - line->centre;
    }
}

/* The slope from the first to the last integer, as the grid's step. */
static uint64_t slope(const uint64_t *x, size_t n, bool fraction)
{
    double rise = (double)(int64_t)(x[n - 1] - x[0]);
    double step = rise / (double)(n - 1);

    if (!(step > -0x1p46 && step < 0x1p46))
        return 0; /* useless, but still correct */
    if (fraction)
        return (uint64_t)(int64_t)(step * (1 << CODEC_GRID_SHIFT));
    return (uint64_t)(int64_t)(step < 0 ? step - 0.5 : step + 0.5)
           << CODEC_GRID_SHIFT;
}

static struct codec_line line_of(const uint64_t *x, size_t n,
                                 struct ints_manner manner)
{
    struct codec_line line = {.order = manner.order};

    if (n <= lead_of(line.order) || n < 2)
        line.order = 0;
    if (line.order == CODEC_ORDER_GRID) {
        line.last = x[0];
        line.step = slope(x, n, manner.fraction);
    }
    return line;
}

/* ---- costing ------------------------------------------------------------ */

/* The bytes of all groups under one tag, SIZE_MAX if more than `limit`. */
static size_t cost_one_tag(const uint64_t *x, const struct ints_plan *plan,
                           uint8_t tag, size_t limit)
{
    uint64_t u[CODEC_ROOM];
    struct codec_line line = plan->line;
    size_t total = 1;

    for (size_t i = 0; i < plan->n; i += CODEC_GROUP) {
        size_t n = group_size(plan->n, i);
        codec_kernels()->residual(&line, x + i, n, u);
        size_t bytes = bits_size(u, n, tag);
        if (bytes > limit || total + bytes > limit)
            return SIZE_MAX;
        total += bytes;
    }
    return total;
}

/* One tag for all saves a byte a group, if it costs them less than that. */
static size_t try_one_tag(const uint64_t *x, struct ints_plan *plan,
                          size_t bytes)
{
    size_t groups = (plan->n + CODEC_GROUP - 1) / CODEC_GROUP;
    uint8_t tried = plan->tags[0];
    uint8_t best = 0;
    bool differ = false;

    for (size_t g = 1; g < groups; g++)
        differ |= plan->tags[g] != plan->tags[0];
    plan->one_tag = !differ;
    if (!differ)
        return bytes - (groups - 1);
    for (size_t g = 0; g < groups && g < 4; g++) {
        uint8_t tag = plan->tags[g];
        if (g > 0 && tag == tried)
            continue;
        size_t cost = cost_one_tag(x, plan, tag, bytes);
        if (cost < bytes) {
            bytes = cost;
            best = tag;
            plan->one_tag = true;
        }
        tried = tag;
    }
    if (plan->one_tag)
        plan->tags[0] = best;
    return bytes;
}

/* Chooses the tags for plan->line and sums up. */
static void plan_groups(const uint64_t *x, struct ints_plan *plan)
{
    uint64_t u[CODEC_ROOM];
    uint8_t header[INTS_HEADER_BYTES_MAX];
    struct codec_line line = plan->line;
    size_t total = 0;

    for (size_t i = 0; i < plan->n; i += CODEC_GROUP) {
        size_t n = group_size(plan->n, i);
        size_t bytes;
        codec_kernels()->residual(&line, x + i, n, u);
        plan->tags[i / CODEC_GROUP] = bits_choose(u, n, &bytes);
        total += 1 + bytes;
    }
    total = try_one_tag(x, plan, total);
    plan->bytes = total + ints_header_write(plan, header);
}

static void keep_smaller(struct ints_plan *best, const struct ints_plan *plan)
{
    if (plan->bytes < best->bytes)
        *best = *plan;
}

/* ---- the search --------------------------------------------------------- */

struct candidate {
    struct codec_line line;
    struct survey survey;
    size_t bits;
};

static void candidate_rate(const uint64_t *x, size_t n, struct candidate *c)
{
    struct codec_lengths lengths;
    struct codec_line line;
    uint64_t u[CODEC_ROOM];

    survey_take(x, n, c->line, SAMPLE_FULL, &c->survey);
    line_start(&c->line, x, &c->survey, true);
    line = c->line;
    c->bits = 0;
    for (size_t i = 0; i < n; i += CODEC_GROUP) {
        size_t m = group_size(n, i);
        codec_kernels()->residual(&line, x + i, m, u);
        codec_kernels()->lengths(u, m, &lengths);
        for (unsigned b = 1; b <= 64; b++)
            c->bits += b * lengths.count[b];
    }
}

static size_t candidates_list(const uint64_t *x, size_t n,
                              struct candidate list[CANDIDATES])
{
    static const struct ints_manner manners[CANDIDATES] = {
        {.order = 0},
        {.order = 1},
        {.order = 2},
        {.order = CODEC_ORDER_GRID},
        {.order = CODEC_ORDER_GRID, .fraction = true}};
    size_t count = 0;

    for (size_t i = 0; i < CANDIDATES; i++) {
        struct codec_line line = line_of(x, n, manners[i]);
        if (line.order != manners[i].order)
            continue;
        if (i == 4 && line.step == list[count - 1].line.step)
            continue;
        list[count++].line = line;
    }
    return count;
}

static void plan_line(const uint64_t *x, const struct candidate *c,
                      struct ints_plan *plan, struct ints_plan *best)
{
    for (int zigzag = 0; zigzag <= 1; zigzag++) {
        plan->line = c->line;
        line_start(&plan->line, x, &c->survey, zigzag != 0);
        plan_groups(x, plan);
        keep_smaller(best, plan);
    }
}

void ints_plan(uint64_t *x, size_t n, struct ints_plan *best)
{
    struct candidate list[CANDIDATES];
    struct ints_plan plan = {.n = n};
    size_t count;
    size_t first = 0;
    size_t second = 0;

    assert(n > 0 && n <= INTS_MAX);
    divide_out(x, n, &plan);
    count = candidates_list(x, n, list);
    for (size_t i = 0; i < count; i++)
        candidate_rate(x, n, &list[i]);
    for (size_t i = 1; i < count; i++)
        if (list[i].bits < list[first].bits)
            first = i;
    second = first == 0 ? count - 1 : 0;
    for (size_t i = 0; i < count; i++)
        if (i != first && list[i].bits < list[second].bits)
            second = i;
    best->bytes = SIZE_MAX;
    plan_line(x, &list[first], &plan, best);
    if (second != first)
        plan_line(x, &list[second], &plan, best);
}

void ints_plan_like(uint64_t *x, size_t n, struct ints_manner manner,
                    struct ints_plan *plan)
{
    struct survey survey;

    assert(n > 0 && n <= INTS_MAX);
    plan->n = n;
    divide_out(x, n, plan);
    plan->line = line_of(x, n, manner);
    survey_take(x, n, plan->line, SAMPLE_LIKE, &survey);
    line_start(&plan->line, x, &survey, manner.zigzag);
    plan_groups(x, plan);
}

struct ints_manner ints_manner_of(const struct ints_plan *plan)
{
    uint64_t part = plan->line.step & ((UINT64_C(1) << CODEC_GRID_SHIFT) - 1);

    return (struct ints_manner){.order = plan->line.order,
                                .zigzag = plan->line.zigzag,
                                .fraction = part != 0};
}
