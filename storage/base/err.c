/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cuts a text that filled its buffer back to a whole UTF-8 character. */
static void trim_utf8(char *text, size_t size)
{
    size_t len = strlen(text);

    if (len + 1 < size)
        return;
    while (len > 0 && ((unsigned char)text[len - 1] & 0xC0) == 0x80)
        len--;
    if (len > 0 && ((unsigned char)text[len - 1] & 0x80) != 0)
        len--;
    text[len] = '\0';
}

static FW_PRINTF(5, 0) fw_rc err_format(struct fw_err *err, fw_rc rc, int line,
                                        int column, const char *fmt, va_list ap)
{
    if (err == NULL)
        return rc;
    err->rc = rc;
    err->line = line;
    err->column = column;
    if (vsnprintf(err->text, sizeof(err->text), fmt, ap) < 0)
        err->text[0] = '\0';
    trim_utf8(err->text, sizeof(err->text));
    return rc;
}

fw_rc fw_err_set(struct fw_err *err, fw_rc rc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)err_format(err, rc, 0, 0, fmt, ap);
    va_end(ap);
    return rc;
}

fw_rc fw_err_at(struct fw_err *err, fw_rc rc, int line, int column,
                const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)err_format(err, rc, line, column, fmt, ap);
    va_end(ap);
    return rc;
}

static fw_rc rc_of_errno(int error_number)
{
    switch (error_number) {
    case ENOSPC:
    case EDQUOT:
        return FW_ENOSPC;
    case ENOMEM:
        return FW_ENOMEM;
    case ENOENT:
        return FW_ENOTFOUND;
    default:
        return FW_EIO;
    }
}

fw_rc fw_err_sys(struct fw_err *err, int error_number, const char *fmt, ...)
{
    fw_rc rc = rc_of_errno(error_number);
    va_list ap;
    size_t len;

    if (err == NULL)
        return rc;
    va_start(ap, fmt);
    (void)err_format(err, rc, 0, 0, fmt, ap);
    va_end(ap);
    len = strlen(err->text);
    (void)snprintf(err->text + len, sizeof(err->text) - len, ": %s",
                   strerror(error_number));
    trim_utf8(err->text, sizeof(err->text));
    return rc;
}

fw_rc fw_err_prefix(struct fw_err *err, const char *fmt, ...)
{
    char old[FW_ERR_TEXT_BYTES];
    va_list ap;
    size_t len;

    if (err == NULL)
        return FW_EINVAL;
    memcpy(old, err->text, sizeof(old));
    va_start(ap, fmt);
    (void)err_format(err, err->rc, err->line, err->column, fmt, ap);
    va_end(ap);
    len = strlen(err->text);
    (void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", old);
    trim_utf8(err->text, sizeof(err->text));
    return err->rc;
}

const char *fw_rc_name(fw_rc rc)
{
    switch (rc) {
    case FW_OK:
        return "ok";
    case FW_END:
        return "end";
    case FW_NONE:
        return "none";
    case FW_EINVAL:
        return "invalid";
    case FW_ENOMEM:
        return "out of memory";
    case FW_ETOOBIG:
        return "too big";
    case FW_EIO:
        return "i/o error";
    case FW_ENOSPC:
        return "disk full";
    case FW_EBUSY:
        return "busy";
    case FW_ECORRUPT:
        return "corrupt";
    case FW_EVERSION:
        return "unknown version";
    case FW_ENOTFOUND:
        return "not found";
    case FW_ECANCELED:
        return "canceled";
    case FW_EREADONLY:
        return "read-only";
    }
    return "unknown";
}

_Noreturn void fw_assert_failed(const char *cond, const char *file, int line)
{
    (void)fprintf(stderr, "forewarn: broken promise at %s:%d: %s\n", file, line,
                  cond);
    abort();
}
