/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/alert/notice.h"

#include "storage/base/json.h"
#include "storage/base/str.h"

static void put_pairs(struct fw_json *j, const char *key,
                      const struct notice_pair *pairs)
{
    fw_json_key(j, key);
    fw_json_object(j);
    for (; pairs->name != NULL; pairs++)
        fw_json_field_text(j, pairs->name, pairs->text);
    fw_json_object_end(j);
}

fw_rc notice_payload(const struct notice_pair *labels,
                     const struct notice_pair *annotations, fw_ms at,
                     struct fw_buf *out)
{
    char when[FW_TIME_TEXT_BYTES];
    struct fw_json j;

    (void)fw_format_time(when, at);
    fw_json_init(&j, out);
    fw_json_object(&j);
    fw_json_field_text(&j, "version", "4");
    fw_json_field_text(&j, "status", "firing");
    fw_json_field_text(&j, "receiver", "webhook");
    fw_json_field_text(&j, "groupKey", labels->text);
    fw_json_field_int(&j, "truncatedAlerts", 0);
    put_pairs(&j, "groupLabels", labels);
    put_pairs(&j, "commonLabels", labels);
    put_pairs(&j, "commonAnnotations", annotations);
    fw_json_field_text(&j, "externalURL", "");
    fw_json_key(&j, "alerts");
    fw_json_array(&j);
    fw_json_object(&j);
    fw_json_field_text(&j, "status", "firing");
    put_pairs(&j, "labels", labels);
    put_pairs(&j, "annotations", annotations);
    fw_json_field_text(&j, "startsAt", when);
    fw_json_field_text(&j, "endsAt", "0001-01-01T00:00:00Z");
    fw_json_field_text(&j, "generatorURL", "");
    fw_json_object_end(&j);
    fw_json_array_end(&j);
    fw_json_object_end(&j);
    return fw_json_rc(&j);
}
