#!/usr/bin/Rscript
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make_reference.R - writes reference_r.h: forecasts by R's package forecast of
# the series of make_reference.py, for tests/unit/predict/test_models.c.
#
#     Rscript tests/model/make_reference.R > tests/model/reference_r.h
#
# Needs Debian's r-cran-forecast; the tests themselves need only the header.
suppressMessages({library(forecast); library(MASS)})

t <- 0:59
y <- 20 + 0.3 * t + 4 * sin(2 * pi * t / 12) + ((t * 7919) %% 13 - 6) * 0.25
s <- ts(y, frequency = 12)
h <- 24

show <- function(name, values) {
    cat(sprintf("static const double %s[] = {\n", name))
    cat(sprintf("    %.12g,\n", as.numeric(values)), sep = "")
    cat("};\n\n")
}

cat("/* SPDX-License-Identifier: GPL-3.0-or-later */\n")
cat(sprintf("/* reference_r.h - by make_reference.R, forecast %s. */\n",
            packageVersion("forecast")))
cat("#ifndef TESTS_MODEL_REFERENCE_R_H\n#define TESTS_MODEL_REFERENCE_R_H\n\n")
show("reference_r_naive", naive(y, h = h)$mean)
show("reference_r_drift", rwf(y, drift = TRUE, h = h)$mean)
show("reference_r_snaive", snaive(s, h = h)$mean)
show("reference_r_smean", rep(rowMeans(matrix(tail(y, 60), 12)), 2))
show("reference_r_median", rep(median(tail(y, 12)), h))
# Theta searches for its smoothing; ours takes one of a few. The trend is
# stronger than the season here, so both must end up near each other.
show("reference_r_theta", thetaf(ts(y), h = h)$mean)
show("reference_r_holt", holt(ts(y), damped = TRUE, h = h)$mean)
show("reference_r_hw", hw(s, damped = TRUE, h = h)$mean)
# A line with a tenth of outliers, by bisquare weights.
z <- 5 + 0.5 * t + ((t * 31) %% 7 - 3) * 0.1 + ifelse(t %% 10 == 4, 40, 0)
fit <- rlm(z ~ t, psi = psi.bisquare, c = 4.685, maxit = 100)
show("reference_r_line", coef(fit))
# An autoregression with a season: lags 1, 2, 11, 12, 13, least squares,
# recursively ahead.
lags <- c(1, 2, 3, 11, 12, 13, 23, 24, 25)
rows <- 26:60
X <- sapply(lags, function(l) y[rows - l])
b <- coef(lm(y[rows] ~ X))
g <- y
for (k in 1:h) g <- c(g, sum(b * c(1, g[length(g) + 1 - lags])))
show("reference_r_autoreg", tail(g, h))
cat("#endif\n")
