/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forecaster.h - the pipeline without what is known beforehand (known.c). */
#ifndef FW_PREDICT_FORECASTER_H
#define FW_PREDICT_FORECASTER_H

#include "predict/predict.h"

/* As fw_forecast_run(), in UTC and as if there were no events. */
fw_rc forecast_plain(const fw_ms *t, const double *v, size_t n,
                     const struct fw_forecast_options *options,
                     struct fw_arena *arena, struct fw_forecast **out,
                     struct fw_err *err);

#endif
