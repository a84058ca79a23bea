/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "storage/base/buf.h"
#include "storage/base/clock.h"
#include "storage/base/str.h"

#define LOG_LINE_BYTES 4096

static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER; /* leaf */
static fw_log_sink sink_fn;                                   /* sink_lock */
static void *sink_self;                                       /* sink_lock */
static atomic_int least_level = FW_LOG_INFO;

void fw_log_to(fw_log_sink sink, void *self)
{
    (void)pthread_mutex_lock(&sink_lock);
    sink_fn = sink;
    sink_self = self;
    (void)pthread_mutex_unlock(&sink_lock);
}

void fw_log_set_level(enum fw_log_level least)
{
    atomic_store(&least_level, (int)least);
}

static const char *level_name(enum fw_log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    return names[level];
}

/* Quotes inside the message are escaped so that a line parses as logfmt. */
static fw_rc add_quoted(struct fw_buf *line, const char *message)
{
    fw_rc rc = fw_buf_addc(line, '"');

    while (rc == FW_OK && *message != '\0') {
        size_t n = strcspn(message, "\"\\");

        rc = fw_add_visible(line, (struct fw_str){message, n});
        message += n;
        if (rc == FW_OK && *message != '\0')
            rc = fw_buf_printf(line, "\\%c", *message++);
    }
    return rc == FW_OK ? fw_buf_addc(line, '"') : rc;
}

void fw_log(enum fw_log_level level, const char *fmt, ...)
{
    struct fw_buf line = FW_BUF_INIT(LOG_LINE_BYTES * 4);
    char message[LOG_LINE_BYTES];
    char when[FW_TIME_TEXT_BYTES];
    va_list ap;
    fw_rc rc;

    if ((int)level < atomic_load(&least_level))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    (void)fw_format_time(when, fw_clock_now(fw_clock_system()));
    rc = fw_buf_printf(&line, "time=%s level=%s msg=", when, level_name(level));
    if (rc == FW_OK)
        rc = add_quoted(&line, message);
    /* Out of memory for a log line: what was built so far still goes out. */
    (void)pthread_mutex_lock(&sink_lock);
    if (sink_fn != NULL)
        sink_fn(sink_self, level, line.data != NULL ? line.data : message);
    else
        (void)fprintf(stderr, "%s\n", line.data != NULL ? line.data : message);
    (void)pthread_mutex_unlock(&sink_lock);
    fw_buf_release(&line);
    (void)rc;
}
