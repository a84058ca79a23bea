/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rule_test.h - Prometheus's unit tests of rules, as `promtool test rules`
 * runs them.
 */
#ifndef SERVER_RULES_RULE_TEST_H
#define SERVER_RULES_RULE_TEST_H

#include "storage/storage.h"

/*
 * Runs the tests of one file. FW_OK: all pass; FW_NONE: some fail, and why
 * stands in `out`; FW_EINVAL: the file itself, or one of its rule files, is
 * wrong.
 */
FW_CHECK fw_rc rule_test_run(const char *path, struct fw_buf *out,
                             struct fw_err *err);

/*
 * One item of `input_series`: reads values such as "1+2x3 _ stale 5" to t = 0,
 * interval, 2 x interval, ... and hands each to `each`.
 */
typedef fw_rc (*rule_test_value)(void *self, fw_ms t, double v,
                                 struct fw_err *err);
FW_CHECK fw_rc rule_test_values(struct fw_str text, fw_ms interval,
                                rule_test_value each, void *self,
                                struct fw_err *err);

#endif
