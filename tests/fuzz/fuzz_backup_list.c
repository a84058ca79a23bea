/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_backup_list.c - hostile manifests of backups. One that is taken prints
 * as one that is taken with the same content, and no name leads out.
 *
 * A changed byte is found by the hash of the whole; so the last line is made
 * anew, for what stands above it to be looked at as well.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/backup/backup_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good)
{
    if (!good)
        abort();
}

static void take(struct fw_str text)
{
    struct fw_buf printed = FW_BUF_INIT(BACKUP_LIST_BYTES);
    struct backup_list list, again;
    struct fw_err err = {0};

    if (backup_list_read(&list, text, &err) != FW_OK) {
        must(list.files == NULL && err.text[0] != '\0');
        return;
    }
    for (size_t i = 0; i < list.count; i++) {
        const char *name = list.files[i].name;

        must(name[0] != '/' && strstr(name, "..") != name &&
             strstr(name, "/.") == NULL && strstr(name, "//") == NULL);
        must(backup_list_find(&list, name) == &list.files[i]);
    }
    must(backup_list_print(&list, &printed, &err) == FW_OK);
    must(backup_list_read(&again, (struct fw_str){printed.data, printed.len},
                          &err) == FW_OK);
    must(again.count == list.count && again.record == list.record &&
         again.at == list.at);
    for (size_t i = 0; i < list.count; i++)
        must(strcmp(again.files[i].name, list.files[i].name) == 0 &&
             again.files[i].bytes == list.files[i].bytes &&
             memcmp(&again.files[i].hash, &list.files[i].hash,
                    sizeof(list.files[i].hash)) == 0);
    backup_list_release(&again);
    backup_list_release(&list);
    fw_buf_release(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fw_buf text = FW_BUF_INIT(BACKUP_LIST_BYTES);
    struct fw_sha256_digest digest;
    char hex[FW_SHA256_HEX_BYTES];
    struct fw_err err = {0};
    size_t n = size;

    take((struct fw_str){(const char *)data, size});
    /* Up to the line that begins with "end", if there is one. */
    for (size_t i = 0; i + 4 < size && n == size; i++)
        if (memcmp(data + i, "\nend", 4) == 0)
            n = i + 1;
    must(fw_sha256(data, n, &digest, &err) == FW_OK);
    fw_sha256_hex(&digest, hex);
    must(fw_buf_add(&text, data, n) == FW_OK);
    must(fw_buf_printf(&text, "end %s\n", hex) == FW_OK);
    take((struct fw_str){text.data, text.len});
    fw_buf_release(&text);
    return 0;
}
