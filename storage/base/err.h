/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * err.h - how every failure in Forewarn looks.
 *
 * A function that can fail returns an fw_rc: 0 is done, positive is a plain
 * outcome, negative is a failure. A code exists because some caller branches
 * on it. Where a human will read the reason, `struct fw_err` carries one
 * sentence with the values that matter.
 */
#ifndef FW_STORAGE_BASE_ERR_H
#define FW_STORAGE_BASE_ERR_H

#include <stdarg.h>

#define FW_CHECK __attribute__((warn_unused_result))
#define FW_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

typedef enum fw_rc {
    FW_OK = 0,
    FW_END = 1,         /* no more items */
    FW_NONE = 2,        /* asked well, nothing there */
    FW_EINVAL = -1,     /* the input is wrong: what they wrote, or sent */
    FW_ENOMEM = -2,     /* memory ran out */
    FW_ETOOBIG = -3,    /* a named limit struck */
    FW_EIO = -4,        /* the operating system refused */
    FW_ENOSPC = -5,     /* the disk is full */
    FW_EBUSY = -6,      /* somebody else holds it, or a queue is full */
    FW_ECORRUPT = -7,   /* bytes that fail their checksum or their bounds */
    FW_EVERSION = -8,   /* a format this build does not know */
    FW_ENOTFOUND = -9,  /* a folder, file or name that should be there is not */
    FW_ECANCELED = -10, /* stopped on request or by its deadline */
    FW_EREADONLY = -11  /* opened for reading, or turned read-only */
} fw_rc;

#define FW_ERR_TEXT_BYTES 1024

/*
 * One failure. Zero-initialise before use (`struct fw_err err = {0};`). `line`
 * and `column` are 1-based and 0 where they mean nothing.
 */
struct fw_err {
    fw_rc rc;
    int line;
    int column;
    char text[FW_ERR_TEXT_BYTES];
};

/*
 * Sets the sentence (cut to fit, never split inside a UTF-8 character) and
 * returns `rc`, so that `return fw_err_set(...)` reads well. `err` may be NULL.
 */
fw_rc fw_err_set(struct fw_err *err, fw_rc rc, const char *fmt, ...)
    FW_PRINTF(3, 4);

/* The same for input a human wrote, with the place in it. */
fw_rc fw_err_at(struct fw_err *err, fw_rc rc, int line, int column,
                const char *fmt, ...) FW_PRINTF(5, 6);

/*
 * The same for a failed system call: appends ": " and the text of
 * `error_number` (an errno value), and chooses FW_ENOSPC, FW_ENOMEM,
 * FW_ENOTFOUND or FW_EIO by it.
 */
fw_rc fw_err_sys(struct fw_err *err, int error_number, const char *fmt, ...)
    FW_PRINTF(3, 4);

/* Puts a context in front of the sentence already there: "context: text". */
fw_rc fw_err_prefix(struct fw_err *err, const char *fmt, ...) FW_PRINTF(2, 3);

/* The name of a code in words, for logs and tests ("corrupt"). Static. */
const char *fw_rc_name(fw_rc rc);

/*
 * An assertion that stays on in release builds: for promises whose breach
 * would damage data. Prints the place and aborts.
 */
#define FW_ASSERT(cond)                                                        \
    ((cond) ? (void)0 : fw_assert_failed(#cond, __FILE__, __LINE__))
_Noreturn void fw_assert_failed(const char *cond, const char *file, int line);

#endif
