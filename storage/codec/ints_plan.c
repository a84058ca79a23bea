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
#include "storage/codec/ints_survey.h"

#define CANDIDATES 5
#define NO_ORDER 0xFFu
#define SOME 256 /* integers show which prediction is likeliest */

static size_t group_size(size_t n, size_t at)
{
    return n - at < CODEC_GROUP ? n - at : CODEC_GROUP;
}

/* ---- predictions -------------------------------------------------------- */

/*
 * The state before the first integer, such that its residual is the centre
 * itself: nothing of it is then left for the groups to write.
 */
static void line_start(struct codec_line *line, const uint64_t *x,
                       uint64_t centre, bool zigzag)
{
    line->zigzag = zigzag;
    line->centre = centre;
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

    if (n <= ints_lead(line.order) || n < 2)
        line.order = 0;
    if (line.order == CODEC_ORDER_GRID) {
        line.last = x[0];
        line.step = slope(x, n, manner.fraction);
    }
    return line;
}

/* ---- costing ------------------------------------------------------------ */

/* The bytes of all groups under one tag, SIZE_MAX if more than `limit`. */
static size_t cost_one_tag(const uint64_t *u, size_t n, uint8_t tag,
                           size_t limit)
{
    size_t total = 1;

    for (size_t i = 0; i < n; i += CODEC_GROUP) {
        size_t bytes = bits_size(u + i, group_size(n, i), tag);
        if (bytes > limit || total + bytes > limit)
            return SIZE_MAX;
        total += bytes;
    }
    return total;
}

/* One tag for all saves a byte a group, if it costs them less than that. */
static size_t try_one_tag(const uint64_t *u, struct ints_plan *plan,
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
        size_t cost = cost_one_tag(u, plan->n, tag, bytes);
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
    uint64_t u[INTS_MAX + CODEC_ROOM - CODEC_GROUP];
    uint8_t header[INTS_HEADER_BYTES_MAX];
    struct codec_line line = plan->line;
    size_t total = 0;

    for (size_t i = 0; i < plan->n; i += CODEC_GROUP) {
        size_t n = group_size(plan->n, i);
        size_t bytes;
        codec_kernels()->residual(&line, x + i, n, u + i);
        plan->tags[i / CODEC_GROUP] = bits_choose(u + i, n, &bytes);
        total += 1 + bytes;
    }
    total = try_one_tag(u, plan, total);
    plan->bytes = total + ints_header_write(plan, header);
}

/* ---- the search --------------------------------------------------------- */

struct candidate {
    struct codec_line line;
    struct ints_survey survey;
    size_t bits;
    bool zigzag; /* takes fewer bits so */
};

/* The bits of all residuals by their lengths alone. */
static size_t rate(const uint64_t *x, size_t n, struct codec_line line,
                   uint64_t centre, bool zigzag)
{
    CODEC_ALIGNED uint64_t u[CODEC_ROOM];
    struct codec_lengths lengths;
    size_t bits = 0;

    line_start(&line, x, centre, zigzag);
    for (size_t i = 0; i < n; i += CODEC_GROUP) {
        size_t m = group_size(n, i);
        codec_kernels()->residual(&line, x + i, m, u);
        codec_kernels()->lengths(u, m, &lengths);
        for (unsigned b = 1; b <= 64; b++)
            bits += b * lengths.count[b];
    }
    return bits;
}

static void candidate_rate(const uint64_t *x, size_t n, struct candidate *c)
{
    size_t above;

    ints_glance(x, n, c->line, &c->survey);
    c->bits = rate(x, n, c->line, c->survey.mean, true);
    above = rate(x, n, c->line, c->survey.min, false);
    c->zigzag = above >= c->bits;
    if (above < c->bits)
        c->bits = above;
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

static void plan_centre(const uint64_t *x, const struct codec_line *line,
                        uint64_t centre, bool zigzag, struct ints_plan *plan,
                        struct ints_plan *best)
{
    plan->line = *line;
    line_start(&plan->line, x, centre, zigzag);
    plan_groups(x, plan);
    if (plan->bytes < best->bytes)
        *best = *plan;
}

/* Residuals above the least one, or around a centre: around two if in doubt. */
static void plan_line(const uint64_t *x, struct candidate *c,
                      struct ints_plan *plan, struct ints_plan *best)
{
    struct ints_survey *s = &c->survey;

    ints_survey(x, plan->n, c->line, s);
    plan_centre(x, &c->line, s->min, false, plan, best);
    plan_centre(x, &c->line, s->median, true, plan, best);
    if (s->mean != s->median)
        plan_centre(x, &c->line, s->mean, true, plan, best);
}

/* The likeliest candidate whose order is not `but`, NULL if none is left. */
static struct candidate *likeliest(struct candidate *list, size_t count,
                                   unsigned but)
{
    struct candidate *best = NULL;

    for (size_t i = 0; i < count; i++)
        if (list[i].line.order != but &&
            (best == NULL || list[i].bits < best->bits))
            best = &list[i];
    return best;
}

void ints_plan(uint64_t *x, size_t n, struct ints_plan *best)
{
    struct candidate list[CANDIDATES];
    struct ints_plan plan = {.n = n};
    struct candidate *first;
    struct candidate *second;
    size_t count;

    assert(n > 0 && n <= INTS_MAX);
    plan.gcd = ints_divide(x, n, &plan.base);
    count = candidates_list(x, n, list);
    for (size_t i = 0; i < count; i++)
        candidate_rate(x, n, &list[i]);
    first = likeliest(list, count, NO_ORDER);
    second = likeliest(list, count, first->line.order);
    best->bytes = SIZE_MAX;
    plan_line(x, first, &plan, best);
    if (second != NULL)
        plan_line(x, second, &plan, best);
}

static bool is_whole(uint64_t step)
{
    return (step & ((UINT64_C(1) << CODEC_GRID_SHIFT) - 1)) == 0;
}

/* The likeliest manner, judged by some of x from its middle. */
static struct ints_manner likely_manner(const uint64_t *x, size_t n)
{
    size_t some = n < SOME ? n : SOME;
    struct candidate list[CANDIDATES];
    struct candidate *c;
    size_t count;

    x += (n - some) / 2;
    count = candidates_list(x, some, list);
    for (size_t i = 0; i < count; i++)
        candidate_rate(x, some, &list[i]);
    c = likeliest(list, count, NO_ORDER);
    return (struct ints_manner){.order = c->line.order,
                                .zigzag = c->zigzag,
                                .fraction = !is_whole(c->line.step)};
}

void ints_plan_like(uint64_t *x, size_t n, struct ints_manner manner,
                    struct ints_plan *plan)
{
    struct ints_survey survey;

    assert(n > 0 && n <= INTS_MAX);
    plan->n = n;
    plan->gcd = ints_divide(x, n, &plan->base);
    if (manner.order == INTS_ORDER_ANY)
        manner = likely_manner(x, n);
    plan->line = line_of(x, n, manner);
    ints_glance(x, n, plan->line, &survey);
    line_start(&plan->line, x, manner.zigzag ? survey.mean : survey.min,
               manner.zigzag);
    plan_groups(x, plan);
}

void ints_plan_plain(const uint64_t *x, size_t n, struct ints_plan *plan)
{
    struct ints_survey survey;

    assert(n > 0 && n <= INTS_MAX);
    *plan = (struct ints_plan){.n = n, .gcd = 1};
    ints_glance(x, n, plan->line, &survey);
    line_start(&plan->line, x, survey.min, false);
    plan_groups(x, plan);
}

struct ints_manner ints_manner_of(const struct ints_plan *plan)
{
    return (struct ints_manner){.order = plan->line.order,
                                .zigzag = plan->line.zigzag,
                                .fraction = !is_whole(plan->line.step)};
}
