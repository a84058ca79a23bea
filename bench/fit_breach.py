#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""fit_breach - fits the constants of predict/passage_weights.h.

    fit_breach.py [--binary build/release/bench/bench_breach_features]
                  [--write predict/passage_weights.h] SET...

A SET is a folder with series.csv[.gz] (series,timestamp,value) and
tasks.csv[.gz] (task,series,as_of,threshold,direction,horizon_s,breach), where
`breach` is what happened (0 or 1) or, for generated series, its true
probability. Each set weighs the same; within one, each series does.

Logistic regression by L-BFGS-B. Weights of features that fall as the limit
rises are kept >= 0, so that the probability falls with the limit for certain.
What is printed is judged by leaving out a fifth of the series in turn.
Needs Debian's python3-numpy and python3-scipy.
"""
import argparse
import csv
import gzip
import io
import os
import subprocess
import sys
import tempfile

import numpy as np
from scipy.optimize import minimize

RIDGE = 0.002
HEAD = """/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_weights.h - the constants of the logistic regression of passage.c.
 *
 * Written by bench/fit_breach.py; refit rather than edit. In the order of
 * passage_feature_names.
 */
#ifndef FW_PREDICT_PASSAGE_WEIGHTS_H
#define FW_PREDICT_PASSAGE_WEIGHTS_H

"""


def text_of(folder, name):
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return open(path).read()
    return gzip.open(path + ".gz", "rt").read()


def load(binary, folder):
    """(features, label, series) of the questions that have features."""
    with tempfile.TemporaryDirectory() as d:
        for name in ("series.csv", "tasks.csv"):
            with open(os.path.join(d, name), "w") as f:
                f.write(text_of(folder, name))
        done = subprocess.run([binary, d + "/series.csv", d + "/tasks.csv"],
                              capture_output=True, text=True, check=True)
    label = {r["task"]: (float(r["breach"]), r["series"]) for r in
             csv.DictReader(io.StringIO(text_of(folder, "tasks.csv")))}
    lines = done.stdout.splitlines()
    names = lines[0].split(",")[1:]
    rows = [line.split(",") for line in lines[1:]]
    x = np.array([[float(v) for v in r[1:]] for r in rows])
    y = np.array([label[r[0]][0] for r in rows])
    series = np.array([label[r[0]][1] for r in rows])
    return names, x, y, series


def weights_of(series, power=0.5):
    """A question of a series with many counts less, by the square root."""
    names, at, counts = np.unique(series, return_inverse=True,
                                  return_counts=True)
    w = (1.0 / counts[at]) ** power
    return w / w.sum()


def fit(x, y, w, free):
    """Weights and bias; weights of columns outside `free` are >= 0."""
    n = x.shape[1]

    def loss(b):
        z = x @ b[:n] + b[n]
        value = w @ (np.logaddexp(0, z) - y * z) + RIDGE * b[:n] @ b[:n]
        p = 1 / (1 + np.exp(-z))
        grad = np.r_[x.T @ (w * (p - y)) + 2 * RIDGE * b[:n], w @ (p - y)]
        return value, grad

    bounds = [(None, None) if i in free else (0, None) for i in range(n)]
    start = np.r_[np.full(n, 1.0 / n), 0.0]
    return minimize(loss, start, jac=True, method="L-BFGS-B",
                    bounds=bounds + [(None, None)],
                    options={"maxiter": 2000}).x


def scores(y, p):
    order = np.argsort(-p, kind="stable")
    hit = np.cumsum(y[order])
    recall = hit / max(y.sum(), 1e-9)
    area = np.sum(np.diff(np.r_[0, recall]) * hit / np.arange(1, len(y) + 1))
    base = y.mean()
    skill = 1 - np.mean((p - y) ** 2) / max(base * (1 - base), 1e-9)
    bins = np.minimum((p * 10).astype(int), 9)
    gap = sum(np.mean(bins == b) * abs(p[bins == b].mean() - y[bins == b].mean())
              for b in range(10) if np.any(bins == b))
    return "PR-AUC %.4f  Brier skill %.4f  calibration %.4f" % (area, skill, gap)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--binary",
                    default="build/release/bench/bench_breach_features")
    ap.add_argument("--write")
    ap.add_argument("--share", type=float, nargs="*",
                    help="weight of each set (default: all alike)")
    ap.add_argument("set", nargs="+")
    a = ap.parse_args()
    sets = [load(a.binary, s) for s in a.set]
    names = sets[0][0]
    free = set()
    share = a.share or [1.0] * len(sets)
    x = np.vstack([s[1] for s in sets])
    y = np.concatenate([s[2] for s in sets])
    series = np.concatenate([s[3] for s in sets])
    which = np.concatenate([np.full(len(s[2]), i) for i, s in enumerate(sets)])
    w = np.concatenate([k * weights_of(s[3]) for k, s in zip(share, sets)])
    w /= w.sum()

    group = np.array([hash_of(s) % 5 for s in series])
    out = np.zeros(len(y))
    for k in range(5):
        b = fit(x[group != k], y[group != k], w[group != k], free)
        z = x[group == k] @ b[:-1] + b[-1]
        out[group == k] = 1 / (1 + np.exp(-z))
    for i, folder in enumerate(a.set):
        m = which == i
        sure = (y[m] < 0.02) | (y[m] > 0.98)
        print("%-40s %s  sure ones right %.4f  mean error %.4f" % (
            folder[-40:], scores(y[m], out[m]),
            np.mean((out[m][sure] > 0.5) == (y[m][sure] > 0.5)),
            np.mean(abs(out[m] - y[m]))))
    b = fit(x, y, w, free)
    for name, v in zip(names + ["bias"], b):
        print("  %-12s %8.4f" % (name, v))
    if a.write:
        body = "static const double passage_weight_bias = %.5f;\n" % b[-1]
        body += "static const double passage_weights[PASSAGE_FEATURES] = {\n"
        for name, v in zip(names, b):
            body += "    %.5f, /* %s */\n" % (v, name)
        with open(a.write, "w") as f:
            f.write(HEAD + body + "};\n\n#endif\n")


def hash_of(name):
    """The same in every run, unlike hash()."""
    import zlib
    return zlib.crc32(name.split("#")[0].encode() if "#" not in name
                      else name.encode())


if __name__ == "__main__":
    sys.exit(main())
