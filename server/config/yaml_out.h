/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * yaml_out.h - writes one YAML document, by libyaml's emitter.
 *
 * In a map texts come in pairs, a key and its value. The first failure is kept
 * and nothing is written after it; yaml_out_end() tells.
 */
#ifndef SERVER_YAML_OUT_H
#define SERVER_YAML_OUT_H

#include <stdbool.h>

#include "storage/base/str.h"

struct yaml_out;

/* NULL: no memory. What is written is appended to `buf`, a borrowed one. */
struct yaml_out *yaml_out_new(struct fw_buf *buf);

/* In quotes where other readers would take it for a number or a truth. */
void yaml_out_text(struct yaml_out *out, const char *text);

/* A number, a truth, a duration: never in quotes. */
void yaml_out_plain(struct yaml_out *out, const char *text);

void yaml_out_list(struct yaml_out *out);
void yaml_out_list_end(struct yaml_out *out);
void yaml_out_map(struct yaml_out *out);
void yaml_out_map_end(struct yaml_out *out);

/* Ends the document and frees `out`. FW_ETOOBIG past the buffer's most. */
FW_CHECK fw_rc yaml_out_end(struct yaml_out *out);

#endif
