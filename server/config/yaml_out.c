/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/config/yaml_out.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

struct yaml_out {
    yaml_emitter_t emitter;
    struct fw_buf *buf;
    fw_rc rc;
};

static int write_out(void *data, unsigned char *bytes, size_t n)
{
    struct yaml_out *out = data;

    out->rc = fw_buf_add(out->buf, bytes, n);
    return out->rc == FW_OK;
}

/* `made`: whether the event could be initialised. */
static void emit(struct yaml_out *out, yaml_event_t *event, int made)
{
    if (out->rc != FW_OK) {
        if (made)
            yaml_event_delete(event);
        return;
    }
    if ((!made || !yaml_emitter_emit(&out->emitter, event)) && out->rc == FW_OK)
        out->rc = FW_ENOMEM;
}

struct yaml_out *yaml_out_new(struct fw_buf *buf)
{
    struct yaml_out *out = calloc(1, sizeof(*out));
    yaml_event_t event;

    if (out == NULL)
        return NULL;
    out->buf = buf;
    if (!yaml_emitter_initialize(&out->emitter)) {
        free(out);
        return NULL;
    }
    yaml_emitter_set_output(&out->emitter, write_out, out);
    yaml_emitter_set_unicode(&out->emitter, 1);
    yaml_emitter_set_width(&out->emitter, -1);
    emit(out, &event,
         yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(out, &event,
         yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    return out;
}

static void put_scalar(struct yaml_out *out, const char *text, bool quoted)
{
    yaml_event_t event;

    emit(out, &event,
         yaml_scalar_event_initialize(&event, NULL, NULL,
                                      (const yaml_char_t *)text,
                                      (int)strlen(text), 1, 1,
                                      quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                             : YAML_PLAIN_SCALAR_STYLE));
}

static bool reads_as_other(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on",
                                        "off",  "null",  "y",   "n",  "~"};
    double v;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return text[0] == '\0' ||
           fw_parse_double(fw_str_of(text), &v, NULL) == FW_OK;
}

void yaml_out_text(struct yaml_out *out, const char *text)
{
    put_scalar(out, text, reads_as_other(text));
}

void yaml_out_plain(struct yaml_out *out, const char *text)
{
    put_scalar(out, text, false);
}

void yaml_out_list(struct yaml_out *out)
{
    yaml_event_t event;

    emit(out, &event,
         yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                              YAML_BLOCK_SEQUENCE_STYLE));
}

void yaml_out_list_end(struct yaml_out *out)
{
    yaml_event_t event;

    emit(out, &event, yaml_sequence_end_event_initialize(&event));
}

void yaml_out_map(struct yaml_out *out)
{
    yaml_event_t event;

    emit(out, &event,
         yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
                                             YAML_BLOCK_MAPPING_STYLE));
}

void yaml_out_map_end(struct yaml_out *out)
{
    yaml_event_t event;

    emit(out, &event, yaml_mapping_end_event_initialize(&event));
}

fw_rc yaml_out_end(struct yaml_out *out)
{
    yaml_event_t event;
    fw_rc rc;

    emit(out, &event, yaml_document_end_event_initialize(&event, 1));
    emit(out, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&out->emitter);
    rc = out->rc;
    free(out);
    return rc;
}
