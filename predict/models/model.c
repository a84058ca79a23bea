/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "predict/models/model.h"

const struct model *const model_pool[] = {
    &model_naive,          &model_median,
    &model_linear,         &model_drift,
    &model_holt,           &model_theta,
    &model_seasonal_naive, &model_seasonal_mean,
    &model_holt_winters,   &model_profile,
    &model_autoreg,        &model_autoreg_log,
    &model_autoreg_change, &model_autoreg_recent,
    &model_sawtooth,       NULL,
};

/* Left out is what needs a search, a robust fit or a logarithm. */
const struct model *const model_pool_quick[] = {
    &model_naive, &model_seasonal_naive, &model_seasonal_mean,  &model_profile,
    &model_theta, &model_autoreg,        &model_autoreg_change, NULL,
};
