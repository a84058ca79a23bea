/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "storage/base/letters.h"

#include <glib.h>

static fw_rc map(struct fw_str text, gunichar (*turn)(gunichar c),
                 struct fw_buf *out)
{
    fw_rc rc = FW_OK;

    for (size_t i = 0; rc == FW_OK && i < text.n;) {
        char bytes[6];
        uint32_t cp;

        i += fw_utf8_next(text.p + i, text.n - i, &cp);
        rc = fw_buf_add(out, bytes, (size_t)g_unichar_to_utf8(turn(cp), bytes));
    }
    return rc;
}

fw_rc fw_letters_upper(struct fw_str text, struct fw_buf *out)
{
    return map(text, g_unichar_toupper, out);
}

fw_rc fw_letters_lower(struct fw_str text, struct fw_buf *out)
{
    return map(text, g_unichar_tolower, out);
}
