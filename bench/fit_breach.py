#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""fit_breach - fits the constants of predict/breach/passage_weights.h.

    fit_breach.py [--binary build/release/bench/bench_breach_features]
                  [--write predict/breach/passage_weights.h] [--share N ...]
                  [--source REGEX] SET...

A SET is a folder with series.csv[.gz] (series,timestamp,value) and, where
somebody asked, tasks.csv[.gz] (task,series,as_of,threshold,direction,
horizon_s,breach), `breach` being what happened (0 or 1) or, for generated
series, its true probability. Of measured series (`breach` is 0 or 1, or no
tasks at all) more questions are asked than were written down: limits at other
heights and on the other side teach the same thing about guesses and errors.
They count as a set of their own, a quarter as much. Of generated series that
are sure to breach, or not to, the same is asked of other horizons, where
`first_breach_s`, the true median time, tells the answer: a longer horizon is
answered by way of shorter ones (ladder.h). Within a set a series counts by the
square root of its questions.

What is fitted is half a network with one layer of tanh units beside a linear
part, by L-BFGS-B from a few starts, whose mean it is; and half boosted trees,
which fit less of what was not measured. In the network, weights of features that fall
as the limit rises are kept >= 0, in the layer and behind it, so that the
probability falls with the limit for certain [Sill 1998, Monotonic networks];
the trees are held to the same.
What is printed last is judged (one start) by leaving out a fifth of the series
in turn, those of one source together if --source says which they are.
Needs Debian's python3-numpy, python3-scipy and python3-sklearn; run clang-format on the result.
"""
import argparse
import csv
import gzip
import io
import os
import re
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import HistGradientBoostingClassifier

RIDGE = 3e-3       # on weights of what falls with the limit
RIDGE_PLACE = 1e-2  # and of what is the same for any limit
UNITS = 6
STARTS = 3
ROUNDS = 120       # stopping early: 300 fit better and foretell worse
MORE = 0.25        # weight of the questions made up about a set
TREES = 90
LEAVES = 8
TREES_PACE = 0.07
TREES_ASKED = 2.0  # weight of what was asked of the first set, for trees
MOST = 4.0         # standard deviations an input may be off
FALLING = 34       # PASSAGE_FALLING
HEIGHTS = (0.7, 0.85, 0.925, 0.97, 0.99, 0.998)
EVERY = 12         # hours or half hours between questions made up
MADE_UP = 24000    # of them in one set, at most: they resemble each other
RUNGS = (3600, 10800, 21600)  # further horizons of what is sure
SURE_BEFORE = 0.75  # of the median time: not yet
SURE_AFTER = 1.3    # certainly by now
HEAD = """/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * passage_weights.h - the constants of passage_weigh.c.
 *
 * Written by bench/fit_breach.py; refit rather than edit. Columns in the order
 * of passage_feature_names.
 */
#ifndef FW_PREDICT_PASSAGE_WEIGHTS_H
#define FW_PREDICT_PASSAGE_WEIGHTS_H

"""


def lines_of(folder, name):
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return open(path).read().splitlines()
    if os.path.exists(path + ".gz"):
        return gzip.open(path + ".gz", "rt").read().splitlines()
    return None


def features(binary, series_lines, tasks):
    """{task: features}, names; tasks as rows of the CSV's first six columns"""
    with tempfile.TemporaryDirectory() as d:
        with open(d + "/series.csv", "w") as f:
            f.write("\n".join(series_lines) + "\n")
        with open(d + "/tasks.csv", "w") as f:
            f.write("task,series,as_of,threshold,direction,horizon_s\n")
            f.writelines("%s,%s,%d,%.10g,%s,%d\n" % t for t in tasks)
        done = subprocess.run([binary, d + "/series.csv", d + "/tasks.csv"],
                              capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    out = {}
    for line in lines[1:]:
        task, rest = line.split(",", 1)
        out[task] = np.array(rest.split(","), float)
    return out, lines[0].split(",")[1:]


def made_up(series, asked):
    """More questions about measured series, with what happened."""
    tasks, labels = [], {}
    for name, (t, v) in series.items():
        step = int(np.median(np.diff(t)))
        pace = 3600 if step >= 3600 else 1800
        pause = (3 if step >= 3600 else 6) * step
        begin = asked.get(name, int(t[int(len(t) * 0.45)]))
        horizons = (21600, 86400) if step >= 3600 else (3600, 21600)
        part = v[t >= begin]
        start = zlib.crc32(name.encode()) % EVERY
        for side, height in [(s, h) for s in (1, -1) for h in HEIGHTS]:
            limit = side * float("%.6g" % np.quantile(side * part, height))
            beyond = t[side * v > side * limit]
            for h in horizons:
                for o in range(begin + start * pace, int(t[-1]) - h,
                               EVERY * pace):
                    i = np.searchsorted(t, o, "right") - 1
                    j = np.searchsorted(beyond, o, "right")
                    if i < 0 or t[i] != o or \
                            (j > 0 and o - beyond[j - 1] <= pause):
                        continue
                    task = "m%d" % len(tasks)
                    tasks.append((task, name, o, limit,
                                  "above" if side > 0 else "below", h))
                    labels[task] = (float(j < len(beyond) and
                                          beyond[j] <= o + h), name)
    tasks = tasks[::-(-len(tasks) // MADE_UP)]
    return tasks, {t[0]: labels[t[0]] for t in tasks}


def implied(written):
    """What answers that are sure say of other horizons."""
    tasks, labels = [], {}
    for r in written:
        true, horizon = float(r["breach"]), int(r["horizon_s"])
        median = float(r["first_breach_s"])
        for h in RUNGS:
            if true < 0.02 and h < horizon:
                label = 0.0
            elif true > 0.98 and median > 0 and h < SURE_BEFORE * median:
                label = 0.0
            elif true > 0.98 and median > 0 and h > SURE_AFTER * median:
                label = 1.0
            else:
                continue
            if h != horizon:
                task = "i%d" % len(tasks)
                tasks.append((task, r["series"], int(r["as_of"]),
                              float(r["threshold"]), r["direction"], h))
                labels[task] = (label, r["series"])
    return tasks, labels


def table(found, labels, share):
    tasks = [k for k in labels if k in found]
    return dict(x=np.array([found[k] for k in tasks]),
                y=np.array([labels[k][0] for k in tasks]),
                series=np.array([labels[k][1] for k in tasks]), share=share)


def load(binary, folder, share):
    """The tables of a set: what was asked, and what else could be."""
    series = {}
    lines = lines_of(folder, "series.csv")
    for line in lines[1:]:
        name, t, v = line.split(",")
        series.setdefault(name, []).append((int(t), float(v)))
    series = {k: tuple(np.array(c) for c in zip(*v))
              for k, v in series.items()}
    asked, labels, tasks, out = {}, {}, [], []
    written = list(csv.DictReader(lines_of(folder, "tasks.csv") or []))
    for r in written:
        tasks.append((r["task"], r["series"], int(r["as_of"]),
                      float(r["threshold"]), r["direction"],
                      int(r["horizon_s"])))
        labels[r["task"]] = (float(r["breach"]), r["series"])
        asked[r["series"]] = min(int(r["as_of"]),
                                 asked.get(r["series"], 1 << 62))
    if tasks:
        found, names = features(binary, lines, tasks)
        out.append(table(found, labels, share))
    if all(v[0] in (0.0, 1.0) for v in labels.values()):
        tasks, labels = made_up(series, asked)
        found, names = features(binary, lines, tasks)
        out.append(table(found, labels, MORE * share if asked else share))
    else:
        tasks, labels = implied(written)
        found, names = features(binary, lines, tasks)
        out.append(table(found, labels, MORE * share))
    return names, out


def weights_of(series, share):
    _, at, counts = np.unique(series, return_inverse=True, return_counts=True)
    w = counts[at] ** -0.5
    return share * w / w.sum()


def unpack(b, n):
    cut = np.cumsum([n * UNITS, UNITS, UNITS, n])
    unit, bias, out, line, rest = np.split(b, cut)
    return unit.reshape(n, UNITS), bias, out, line, rest[0]


def fit_once(x, y, w, seed):
    n = x.shape[1]
    rng = np.random.default_rng(seed)
    falls = np.arange(n) < FALLING
    ridge = np.where(falls, RIDGE, RIDGE_PLACE)
    unit = rng.normal(0, 0.3, (n, UNITS))
    unit[falls] = 0.5 * np.abs(unit[falls])
    start = np.concatenate([unit.ravel(), rng.normal(0, 1, UNITS),
                            np.full(UNITS, 0.3), np.zeros(n), [-1.0]])
    low = np.concatenate([np.where(np.repeat(falls, UNITS), 0.0, -np.inf),
                          np.full(UNITS, -np.inf), np.zeros(UNITS),
                          np.where(falls, 0.0, -np.inf), [-np.inf]])

    def loss(b):
        unit, bias, out, line, rest = unpack(b.astype(np.float32), n)
        hid = np.tanh(x @ unit + bias)
        z = hid @ out + x @ line + rest
        p = 1 / (1 + np.exp(-z))
        d = w * (p - y)
        dh = np.outer(d, out) * (1 - hid * hid)
        value = w @ (np.logaddexp(0, z) - y * z)
        value += (ridge[:, None] * unit * unit).sum() + ridge @ (line * line)
        value += RIDGE * (out * out).sum()
        grad = [(x.T @ dh + 2 * ridge[:, None] * unit).ravel(), dh.sum(0),
                hid.T @ d + 2 * RIDGE * out, x.T @ d + 2 * ridge * line,
                [d.sum()]]
        return float(value), np.concatenate(grad).astype(float)

    b = minimize(loss, start, jac=True, method="L-BFGS-B",
                 bounds=[(None if np.isinf(v) else v, None) for v in low],
                 options={"maxiter": ROUNDS}).x
    return unpack(b, n)


def grow(x, y, w):
    """Boosted trees; a label between 0 and 1 is both, by its weight."""
    soft = (y > 0) & (y < 1)
    weight = np.concatenate([np.where(soft, w * y, w), (w * (1 - y))[soft]])
    label = np.concatenate([np.where(soft, 1, y), np.zeros(soft.sum())])
    falls = (np.arange(x.shape[1]) < FALLING).astype(int)
    return HistGradientBoostingClassifier(
        max_iter=TREES, learning_rate=TREES_PACE, max_leaf_nodes=LEAVES,
        min_samples_leaf=200, l2_regularization=20, monotonic_cst=falls,
        early_stopping=False).fit(np.vstack([x, x[soft]]), label,
                                  weight / weight.mean())


def tree_rows(nodes):
    """A tree as struct tree of passage_weigh.c."""
    splits = [i for i, n in enumerate(nodes) if not n["is_leaf"]]
    leaves = [i for i, n in enumerate(nodes) if n["is_leaf"]]
    if not splits:  # one leaf: a split that always goes left
        return [[0], [-1], [-1], [0.0], [nodes[0]["value"]]]

    def to(i):
        return ~leaves.index(i) if nodes[i]["is_leaf"] else splits.index(i)

    return [[nodes[i]["feature_idx"] for i in splits],
            [to(nodes[i]["left"]) for i in splits],
            [to(nodes[i]["right"]) for i in splits],
            [nodes[i]["num_threshold"] for i in splits],
            [nodes[i]["value"] for i in leaves]]


class Fit:
    """The mean of a few networks, as one wider layer, and the trees."""

    def __init__(self, tables, starts, keep=None):
        xs, ys, ws, ts = [], [], [], []
        for t in tables:
            m = np.ones(len(t["y"]), bool) if keep is None else keep(t)
            if m.any():
                xs.append(t["x"][m])
                ys.append(t["y"][m])
                ws.append(weights_of(t["series"][m], t["share"]))
                ts.append(ws[-1] * (TREES_ASKED if t is tables[0] else 1))
        x, y, w = np.vstack(xs), np.concatenate(ys), np.concatenate(ws)
        first = tables[0]["x"]
        self.middle = first.mean(0)
        self.width = first.std(0) + 1e-9
        self.boosted = grow(x, y, np.concatenate(ts))
        x = self.scaled(x)
        f32 = np.float32
        fits = []
        for seed in range(starts):
            fits.append(fit_once(x, y.astype(f32), (w / w.sum()).astype(f32),
                                 seed))
        k = 1.0 / starts
        self.unit = np.hstack([f[0] for f in fits])
        self.unit_bias = np.concatenate([f[1] for f in fits])
        self.out = k * np.concatenate([f[2] for f in fits])
        self.line = k * sum(f[3] for f in fits)
        self.bias = k * sum(f[4] for f in fits)

    def scaled(self, x):
        return np.clip((x - self.middle) / self.width, -MOST,
                       MOST).astype(np.float32)

    def __call__(self, x):
        trees = self.boosted.decision_function(x)
        x = self.scaled(x)
        z = np.tanh(x @ self.unit + self.unit_bias) @ self.out
        z = 0.5 * (z + x @ self.line + self.bias) + 0.5 * trees
        return 1 / (1 + np.exp(-z))

    def write(self, path, names):
        def row(v):
            return "{" + ", ".join("%.5g" % q for q in v) + "}"

        units = self.unit.shape[1]
        trees = [tree_rows(t[0].nodes) for t in self.boosted._predictors]
        with open(path, "w") as f:
            f.write(HEAD)
            f.write("#define PASSAGE_INPUT_MOST %.1f\n" % MOST)
            f.write("#define PASSAGE_UNITS %d\n" % units)
            f.write("#define PASSAGE_TREES %d\n" % len(trees))
            f.write("/* %s */\n" % " ".join(names))
            for what, v in (("middle", self.middle), ("width", self.width),
                            ("linear", self.line)):
                f.write("static const double passage_%s[PASSAGE_FEATURES] = "
                        "%s;\n" % (what, row(v)))
            f.write("static const double passage_bias = %.5g;\n" % self.bias)
            for what, v in (("bias", self.unit_bias), ("out", self.out)):
                f.write("static const double passage_unit_%s[PASSAGE_UNITS] = "
                        "%s;\n" % (what, row(v)))
            f.write("static const double passage_unit[PASSAGE_UNITS]"
                    "[PASSAGE_FEATURES] = {\n")
            for u in range(units):
                f.write("    %s,\n" % row(self.unit[:, u]))
            f.write("};\n")
            f.write("static const double passage_tree_bias = %.5g;\n" %
                    self.boosted._baseline_prediction.item())
            f.write("static const struct tree passage_tree[PASSAGE_TREES] = "
                    "{\n")
            for t in trees:
                f.write("    {%s},\n" % ", ".join(
                    row(v) if i < 3 else "{" + ", ".join(
                        flt(q) for q in v) + "}" for i, v in enumerate(t)))
            f.write("};\n\n#endif\n")


def flt(v):
    """A float constant of C."""
    text = "%.6g" % v
    return text + ("f" if "." in text or "e" in text else ".0f")


def fold_of(name, source):
    """Of five; the same in every run, unlike hash()."""
    m = source.match(name) if source else None
    return zlib.crc32((m.group(1) if m else name).encode()) % 5


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
    sure = (y < 0.02) | (y > 0.98)
    return ("PR-AUC %.4f  Brier skill %.4f  calibration %.4f  sure ones right "
            "%.4f  mean error %.4f" % (
                area, skill, gap, np.mean((p[sure] > 0.5) == (y[sure] > 0.5)),
                np.mean(abs(p - y))))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--binary",
                    default="build/release/bench/bench_breach_features")
    ap.add_argument("--write")
    ap.add_argument("--share", type=float, nargs="*",
                    help="weight of each set (default: all alike)")
    ap.add_argument("--source", type=re.compile,
                    help="series whose names match, and agree in the first "
                    "group, are left out together")
    ap.add_argument("--quick", action="store_true", help="no cross-validation")
    ap.add_argument("set", nargs="+")
    a = ap.parse_args()
    share = a.share or [1.0] * len(a.set)
    tables, of = [], []
    for folder, k in zip(a.set, share):
        names, found = load(a.binary, folder, k)
        for i, t in enumerate(found):
            t["fold"] = np.array([fold_of(s, a.source) for s in t["series"]])
            of.append(folder + (" (more)" if i else ""))
            print("%-40s %d questions" % (of[-1][-40:], len(t["y"])))
        tables += found
    if a.write:
        net = Fit(tables, STARTS)
        for name, t in zip(of, tables):
            print("%-40s in sample %s" % (name[-40:],
                                          scores(t["y"], net(t["x"]))),
                  flush=True)
        net.write(a.write, names)
    if not a.quick:
        told = [np.zeros(len(t["y"])) for t in tables]
        for k in range(5):
            net = Fit(tables, 1, lambda t: t["fold"] != k)
            for t, p in zip(tables, told):
                p[t["fold"] == k] = net(t["x"][t["fold"] == k])
        for name, t, p in zip(of, tables, told):
            print("%-40s %s" % (name[-40:], scores(t["y"], p)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
