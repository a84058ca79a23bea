/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_weigh.c - from features to log odds: a network and boosted trees
 * with shipped constants, half and half.
 *
 * Both fall as the limit rises. The network, since its weights of all that
 * falls are >= 0, in the layer and behind it [Sill 1998]; each tree, since no
 * leaf beyond a higher value of such a feature was allowed a lower one.
 */
#include <math.h>

#include "predict/breach/passage.h"

#define TREE_LEAVES 8
#define SURE_FROM 3.0

/* Splits from the root on; left[i] and right[i] are where to go on from split
 * i if its feature is at most `at`, or above: a split, or ~leaf. */
struct tree {
    signed char feature[TREE_LEAVES - 1], left[TREE_LEAVES - 1],
        right[TREE_LEAVES - 1];
    float at[TREE_LEAVES - 1], value[TREE_LEAVES];
};

#include "predict/breach/passage_weights.h"

static double bounded(double z, double most)
{
    z = z < -most ? -most : z;
    return z > most ? most : z;
}

/* A regression whose weights may change with the place: one layer of units
 * beside a linear part. */
static double network(const double features[PASSAGE_FEATURES])
{
    double x[PASSAGE_FEATURES], sum = passage_bias;

    for (size_t i = 0; i < PASSAGE_FEATURES; i++) {
        x[i] = bounded((features[i] - passage_middle[i]) / passage_width[i],
                       PASSAGE_INPUT_MOST);
        sum += passage_linear[i] * x[i];
    }
    for (size_t u = 0; u < PASSAGE_UNITS; u++) {
        double in = passage_unit_bias[u];

        for (size_t i = 0; i < PASSAGE_FEATURES; i++)
            in += passage_unit[u][i] * x[i];
        sum += passage_unit_out[u] * tanh(in);
    }
    return sum;
}

/* Gradient boosting [Friedman 2001]. */
static double trees(const double features[PASSAGE_FEATURES])
{
    double sum = passage_tree_bias;

    for (size_t i = 0; i < PASSAGE_TREES; i++) {
        const struct tree *t = &passage_tree[i];
        int at = 0;

        while (at >= 0)
            at = features[t->feature[at]] <= (double)t->at[at] ? t->left[at]
                                                               : t->right[at];
        sum += (double)t->value[~at];
    }
    return sum;
}

/*
 * What is foretold without fail, as a clean ramp is, and is beyond doubt by
 * what was off so far: no tree is as sure as that, since few such questions
 * were among those of the fit (of 2,203 with more than 5 here 99.8 % came
 * true).
 */
static double beyond_doubt(const double features[PASSAGE_FEATURES])
{
    double x = features[PASSAGE_SURE];

    return x - bounded(x, SURE_FROM);
}

double passage_log_odds(const double features[PASSAGE_FEATURES])
{
    return 0.5 * network(features) + 0.5 * trees(features) +
           beyond_doubt(features);
}
