#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""make_reference - writes reference.h: forecasts by statsmodels and numpy of a
small series, for tests/unit/predict/test_models.c to compare ours with.

    make_reference.py > tests/model/reference.h

Needs Debian's python3-statsmodels; the tests themselves need only the header.
"""
import numpy as np
import statsmodels
from statsmodels.tsa.api import ExponentialSmoothing, Holt
from statsmodels.tsa.stattools import acf


def series():
    """The same 60 numbers as reference_series(): a line, a season of 12 and a
    disturbance that needs no generator."""
    t = np.arange(60)
    return 20 + 0.3 * t + 4 * np.sin(2 * np.pi * t / 12) + \
        ((t * 7919) % 13 - 6) * 0.25


def show(name, values):
    print("static const double %s[] = {" % name)
    for v in values:
        print("    %.12g," % v)
    print("};\n")


def main():
    y = series()
    print("/* SPDX-License-Identifier: GPL-3.0-or-later */")
    print("/* reference.h - by make_reference.py, statsmodels %s. */" %
          statsmodels.__version__)
    print("#ifndef TESTS_MODEL_REFERENCE_H\n#define TESTS_MODEL_REFERENCE_H\n")
    show("reference_y", y)
    # Holt, damped: alpha 0.35, beta 0.2, phi 0.9, from level y[0] and trend 0.
    m = Holt(y, damped_trend=True, initialization_method="known",
             initial_level=y[0], initial_trend=0.0)
    f = m.fit(smoothing_level=0.35, smoothing_trend=0.2,
              damping_trend=0.9, optimized=False)
    # The first value is the level itself: statsmodels updates with it, which
    # changes nothing (error 0).
    show("reference_holt", f.forecast(12))
    level = 0.5 * (y[:12].mean() + y[12:24].mean())
    s = 0.5 * (y[:12] + y[12:24]) - level
    m = ExponentialSmoothing(
        y, trend="add", damped_trend=True, seasonal="add", seasonal_periods=12,
        initialization_method="known", initial_level=level, initial_trend=0.0,
        initial_seasonal=s)
    f = m.fit(smoothing_level=0.35, smoothing_trend=0.2,
              smoothing_seasonal=0.3 * (1 - 0.35), damping_trend=0.9,
              optimized=False)
    show("reference_holt_winters", f.forecast(24))
    show("reference_acf", acf(y, nlags=20, fft=False))
    # Autoregression on lags 1 to 4 by plain least squares.
    x = np.column_stack([y[4 - k:-k] for k in range(1, 5)] + [np.ones(56)])
    show("reference_ar4", np.linalg.lstsq(x, y[4:], rcond=None)[0])
    print("#endif")


if __name__ == "__main__":
    main()
