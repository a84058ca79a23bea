/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * server_images.c - what a power loss leaves of a running server.
 *
 *     server_images LOG IMAGES SCRATCH SENT
 *
 * LOG is that of fw_record.so, which was loaded into `forewarn serve --data
 * ROOT/data`; its client sent the lines `pl seq=K (START + K)`, K from 0 to
 * SENT - 1, and after K of them `#sync K`. What the server answered stands in
 * the log between its calls to the disk. Each image is opened and compared: the
 * samples acknowledged by then are there, in order, and none that was not sent.
 *
 * Prints one line and ends with 0; with 1 and the reason otherwise, and the
 * image is left in SCRATCH.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/storage.h"
#include "tests/powerloss/disk.h"
#include "tests/support/synth.h"
#include "tests/support/tmpdir.h"

#define START ((fw_ms)1700000000000)
#define PATH_ROOM 4096
#define ANSWER "#synced "

struct checker {
    uint64_t acknowledged, sent;
    uint64_t opened, images;
    char text[128]; /* the end of what was sent, for an answer in two pieces */
    size_t text_n;
};

static _Noreturn void give_up(const char *what, const char *why)
{
    printf("%s: %s\n", what, why);
    exit(1);
}

static void take_byte(struct checker *c, char byte)
{
    if (byte != '\n') {
        if (c->text_n < sizeof(c->text) - 1)
            c->text[c->text_n++] = byte;
        return;
    }
    c->text[c->text_n] = '\0';
    c->text_n = 0;
    if (strncmp(c->text, ANSWER, strlen(ANSWER)) == 0)
        c->acknowledged = strtoull(c->text + strlen(ANSWER), NULL, 10);
}

static void take_note(void *self, const struct record_head *head,
                      const char *bytes)
{
    for (uint32_t i = 0; head->kind == RECORD_SENT && i < head->n; i++)
        take_byte(self, bytes[i]);
}

static uint64_t count(struct checker *c, struct fw_store *store,
                      const char *image)
{
    struct fw_label v[] = {{FW_STR(FW_METRIC_NAME), FW_STR("pl_seq")}};
    struct fw_labels labels = {v, 1};
    struct fw_cursor *cursor = NULL;
    struct fw_run run = {0};
    struct fw_err err = {0};
    uint64_t k = 0;
    uint32_t id = 0;
    fw_rc rc;

    if (fw_store_series(store, &labels, &id, &err) != FW_OK)
        return 0;
    if (fw_cursor_open(store, id, INT64_MIN, INT64_MAX, &cursor, &err) != FW_OK)
        give_up(image, err.text);
    while ((rc = fw_cursor_next(cursor, &run, &err)) == FW_OK)
        for (size_t i = 0; i < run.n; i++, k++)
            if (run.t[i] != START + (fw_ms)k || run.v[i] != (double)k)
                give_up(image, "a sample is missing or another one");
    if (rc != FW_END)
        give_up(image, err.text);
    fw_cursor_close(cursor);
    if (k > c->sent)
        give_up(image, "a sample that nobody sent");
    return k;
}

static void check_image(struct checker *c, const struct disk *disk,
                        const char *scratch, struct synth_rng *rng)
{
    static const enum disk_luck lucks[] = {DISK_NONE, DISK_ALL,  DISK_SOME,
                                           DISK_SOME, DISK_SOME, DISK_SOME};
    struct fw_store_options options = {
        .read_only = true, .retention = INT64_MAX, .disk_floor = 1};
    char image[PATH_ROOM], data[PATH_ROOM + 8], why[64];
    struct fw_store *store = NULL;
    struct fw_err err = {0};
    uint64_t found;

    (void)snprintf(image, sizeof(image), "%.4000s/%" PRIu64, scratch,
                   c->images++);
    (void)snprintf(data, sizeof(data), "%s/data", image);
    if (mkdir(image, 0750) != 0)
        give_up(image, strerror(errno));
    disk_build(disk, image, lucks[synth_u64(rng) % 6], rng);
    if (fw_store_open(data, &options, &store, &err) == FW_OK) {
        found = count(c, store, image);
        fw_store_close(store);
        c->opened++;
        (void)snprintf(why, sizeof(why), "%" PRIu64 " of %" PRIu64, found,
                       c->acknowledged);
        if (found < c->acknowledged)
            give_up(image, why);
    } else if (c->acknowledged > 0) {
        give_up(image, err.text);
    }
    tmpdir_remove(image);
}

static void nothing(void *self, const struct record_head *head,
                    const char *bytes)
{
    (void)self;
    (void)head;
    (void)bytes;
}

int main(int argc, char **argv)
{
    struct checker c = {0};
    struct synth_rng rng = synth_seed(1);
    uint64_t wanted, moments = 0;
    struct disk *disk;
    struct stat st;
    char *log;
    int fd;

    if (argc != 5)
        give_up("usage", "server_images LOG IMAGES SCRATCH SENT");
    fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        give_up(argv[1], strerror(errno));
    log = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (log == MAP_FAILED)
        give_up(argv[1], strerror(errno));
    (void)close(fd);
    wanted = strtoull(argv[2], NULL, 10);
    c.sent = strtoull(argv[4], NULL, 10);
    disk = disk_new(log, (size_t)st.st_size);
    while (disk_next(disk, nothing, NULL))
        moments++;
    disk_free(disk);
    if (moments == 0 || wanted == 0)
        give_up(argv[1], "it has no moment to stop at");
    disk = disk_new(log, (size_t)st.st_size);
    for (uint64_t moment = 0; disk_next(disk, take_note, &c); moment++)
        while (c.images < wanted && c.images * moments / wanted == moment)
            check_image(&c, disk, argv[3], &rng);
    disk_free(disk);
    if (c.acknowledged == 0)
        give_up(argv[1], "nothing was acknowledged");
    printf("%" PRIu64 " moments, %" PRIu64 " images, %" PRIu64
           " opened; %" PRIu64 " samples acknowledged\n",
           moments, c.images, c.opened, c.acknowledged);
    (void)munmap(log, (size_t)st.st_size);
    return 0;
}
