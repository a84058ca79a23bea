/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server/config/loaded.h"

#include "server/config/config_print.h"
#include "storage/base/limits.h"

/* Defaults and quotes make it longer than the files were. */
#define YAML_BYTES ((size_t)8 * FW_MAX_CONFIG_BYTES)

void loaded_init(struct loaded *loaded)
{
    *loaded = (struct loaded){.good = true};
    (void)pthread_mutex_init(&loaded->lock, NULL);
    fw_buf_init(&loaded->yaml, YAML_BYTES);
}

void loaded_release(struct loaded *loaded)
{
    fw_buf_release(&loaded->yaml);
    (void)pthread_mutex_destroy(&loaded->lock);
}

fw_rc loaded_set(struct loaded *loaded, const struct config *config, fw_ms now,
                 struct fw_err *err)
{
    struct fw_buf yaml = FW_BUF_INIT(YAML_BYTES);
    struct fw_buf before;
    fw_rc rc = config_print(config, &yaml, err);

    (void)pthread_mutex_lock(&loaded->lock);
    loaded->good = true;
    loaded->since = now;
    before = loaded->yaml;
    if (rc == FW_OK)
        loaded->yaml = yaml;
    else
        before = yaml;
    (void)pthread_mutex_unlock(&loaded->lock);
    fw_buf_release(&before);
    return rc;
}

void loaded_failed(struct loaded *loaded)
{
    (void)pthread_mutex_lock(&loaded->lock);
    loaded->good = false;
    (void)pthread_mutex_unlock(&loaded->lock);
}

struct loaded_state loaded_state(struct loaded *loaded)
{
    struct loaded_state state;

    (void)pthread_mutex_lock(&loaded->lock);
    state = (struct loaded_state){loaded->good, loaded->since};
    (void)pthread_mutex_unlock(&loaded->lock);
    return state;
}

fw_rc loaded_yaml(struct loaded *loaded, struct fw_buf *out)
{
    fw_rc rc;

    (void)pthread_mutex_lock(&loaded->lock);
    rc = fw_buf_add(out, loaded->yaml.data, loaded->yaml.len);
    (void)pthread_mutex_unlock(&loaded->lock);
    return rc;
}

void loaded_metrics_add(struct loaded *loaded, struct sample_set *set)
{
    const struct loaded_state state = loaded_state(loaded);

    sample_set_add(set, "forewarn_config_last_reload_successful",
                   state.good ? 1 : 0, NULL);
    sample_set_add(set, "forewarn_config_last_reload_success_timestamp_seconds",
                   (double)state.since / 1000, NULL);
}
