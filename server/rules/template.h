/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * template.h - the texts of labels and annotations: Go's text/template as far
 * as rule files use it, with Prometheus's functions.
 *
 * A text is parsed once, when its rule is loaded, and run once per alert. The
 * sentences of failures are Go's, so that what people find about them on the
 * web fits. `.Labels`, `.Value`, `$labels`, `$value`, `$externalLabels` and
 * `$externalURL` are there from the start; a label that is missing is empty.
 */
#ifndef SERVER_RULES_TEMPLATE_H
#define SERVER_RULES_TEMPLATE_H

#include "query/query.h"

struct template; /* lives in the arena it was parsed into */

/*
 * `name` is what failures call it ("__alert_DiskFull"). FW_EINVAL with the
 * sentence Prometheus has: "template: NAME:LINE: ...".
 */
FW_CHECK fw_rc template_parse(struct fw_str text, const char *name,
                              struct fw_arena *arena, struct template **out,
                              struct fw_err *err);

/* True if the text has no action in it: it stands for itself. */
bool template_is_plain(const struct template *t);

/* What a template sees. All borrowed. */
struct template_data {
    const struct fw_labels *labels;
    const struct fw_labels *external_labels;
    const char *external_url; /* "" where there is none */
    double value;
    fw_ms now;
    /* Answers `query`: an instant vector. NULL: it fails. */
    fw_rc (*query)(void *self, struct fw_str expr, struct fw_arena *arena,
                   struct fw_result *out, struct fw_err *err);
    void *self;
};

/*
 * Adds the text to `out`. FW_EINVAL: the sentence is what Prometheus puts
 * behind "<error expanding template: ". Scratch memory comes from `arena`.
 */
FW_CHECK fw_rc template_expand(const struct template *t,
                               const struct template_data *data,
                               struct fw_arena *arena, struct fw_buf *out,
                               struct fw_err *err);

#endif
