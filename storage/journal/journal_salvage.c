/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_salvage.c - see journal_salvage.h.
 *
 * Which records are needed? All from the trim point on that meta/ notes before
 * anything is trimmed up to it (journal_pass). Older ones are found too, for
 * pages that are free are not wiped, and are left alone: what they had may have
 * been deleted since, dropped by retention, forgotten.
 *
 * Which are proven? Those whose checksum is right, and whose number is that of
 * the key that leads to them. Where no key does, since its page is damaged, the
 * length is not known but for the number of pages: then a length for which the
 * checksum is right, and at which what is in the record ends as well.
 *
 * Two of one number: only the commit of the first can have failed (each commit
 * that succeeds counts on), so the other is the one that was acknowledged. The
 * failed one's pages are free and the next commit takes them first, the leaf's
 * at the latest; so the one a node leads to is taken, then the one written
 * later. A record of a failed commit without a second one may come back: that
 * is so after any failed write.
 *
 * The order of steps, each of which may be the last before a crash:
 *   1. the new file, in a folder of its own, synced; nobody knows it
 *   2. the damaged one gets a second name in quarantine/, synced
 *   3. meta/ notes from which number on the ring goes on
 *   4. the new file is renamed over the damaged one
 * Until 4 the next start finds the damaged file and begins again; after it, a
 * sound one. At no time is there none, or an empty one.
 */
#include "storage/journal/journal_salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/base/bytes.h"
#include "storage/base/crc32c.h"
#include "storage/journal/checkpoint_record.h"
#include "storage/journal/quarantine.h"
#include "storage/lmdb/lmdb_pages.h"

#define HEADER 32 /* of both kinds of records, at least */
#define RECORD_MAX ((size_t)160 << 20)
#define COMMIT_BYTES ((size_t)16 << 20)
#define MAP_SPARE ((size_t)64 << 20)
#define NEW_FOLDER "new"
/* How often the bytes of a file are summed, at most: hostile nodes could all
 * lead to one value. */
#define SUMS 16

/* ---- The search -----------------------------------------------------------
 */

struct searcher {
    int fd;
    bool head;
    uint64_t from;
    uint64_t most_seq; /* a key above that alone is no number of a record */
    uint64_t budget;   /* bytes that may still be summed */
    struct salvage_list *list;
    struct fw_buf bytes;
};

/* All of the record can be read, and it ends where its bytes end. */
static bool reads_as_journal(struct fw_str text)
{
    struct fw_label room[FW_MAX_LABELS];
    struct fw_labels labels;
    struct journal_reader r;
    struct fw_err err = {0};
    uint32_t id = 0;
    fw_ms t = 0;
    uint64_t bits = 0;
    fw_rc rc = journal_reader_open(&r, text, &err);

    while (rc == FW_OK)
        rc = journal_reader_definition(&r, &id, room, &labels, &err);
    if (rc != FW_END)
        return false;
    do
        rc = journal_reader_sample(&r, &id, &t, &bits, &err);
    while (rc == FW_OK);
    return rc == FW_END;
}

static bool reads_as_checkpoint(struct fw_str text)
{
    struct checkpoint_reader r;
    struct head_chunk chunk;
    struct fw_err err = {0};
    uint32_t id = 0;
    fw_rc rc = checkpoint_reader_open(&r, text, &err);

    while (rc == FW_OK) {
        rc = checkpoint_reader_series(&r, &id, &err);
        while (rc == FW_OK &&
               (rc = checkpoint_reader_chunk(&r, &chunk, &err)) == FW_OK)
            ;
        rc = rc == FW_END && r.series_left > 0 ? FW_OK : rc;
    }
    checkpoint_reader_release(&r);
    return rc == FW_END;
}

static bool is_magic(const struct searcher *s, const char *p)
{
    return memcmp(p, s->head ? "FWH" : "FWJ", 3) == 0;
}

static bool spend(struct searcher *s, size_t bytes)
{
    if (s->budget < bytes)
        return false;
    s->budget -= bytes;
    return true;
}

/* A length from `least` on for which the checksum is right, or 0. */
static size_t find_length(struct searcher *s, const char *p, size_t least,
                          size_t most)
{
    uint32_t want = fw_get_le32(p + 4);
    size_t n = least < HEADER ? HEADER : least;
    uint32_t crc;

    if (n > most)
        return 0;
    crc = fw_crc32c(p + 8, n - 8);
    for (; n <= most; n++) {
        struct fw_str text = {p, n};

        if (crc == want &&
            (s->head ? reads_as_checkpoint(text) : reads_as_journal(text)))
            return n;
        if (n < most)
            crc = fw_crc32c_more(crc, p + n, 1);
    }
    return 0;
}

static fw_rc load(struct searcher *s, const struct lmdb_place *place,
                  struct fw_err *err)
{
    fw_rc rc;

    fw_buf_clear(&s->bytes);
    rc = fw_buf_reserve(&s->bytes, place->most);
    if (rc != FW_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    if (pread(s->fd, s->bytes.data, place->most, (off_t)place->at) !=
        (ssize_t)place->most)
        return FW_NONE;
    return FW_OK;
}

static fw_rc note_record(struct searcher *s, const struct lmdb_place *place,
                         const char *p, size_t n, struct fw_err *err)
{
    struct salvage_list *list = s->list;
    struct salvage_record r = {.seq = fw_get_le64(p + 8),
                               .at = place->at,
                               .bytes = n,
                               .order = (int64_t)fw_get_le64(p + 16),
                               .led_to = place->has_key};

    if (r.seq < s->from)
        return FW_OK;
    if (fw_grow(&list->v, &list->cap, list->n + 1, sizeof(*list->v),
                UINT32_MAX) != FW_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    list->v[list->n++] = r;
    return FW_OK;
}

/* A node tells of a record there was, whatever became of it. */
static void note_number(struct searcher *s, uint64_t seq)
{
    if (seq >= s->from && seq <= s->most_seq && seq > s->list->highest)
        s->list->highest = seq;
}

static fw_rc prove(void *self, const struct lmdb_place *place, size_t *bytes,
                   struct fw_err *err)
{
    struct searcher *s = self;
    char header[HEADER];
    uint64_t seq = place->has_key ? fw_get_be64(place->key) : 0;
    size_t n;
    fw_rc rc;

    if (place->has_key)
        note_number(s, seq);
    if (place->most < HEADER || place->most > RECORD_MAX ||
        pread(s->fd, header, HEADER, (off_t)place->at) != HEADER ||
        !is_magic(s, header) ||
        (place->has_key && fw_get_le64(header + 8) != seq) ||
        !spend(s, place->most))
        return FW_NONE;
    rc = load(s, place, err);
    if (rc != FW_OK)
        return rc;
    if (place->has_key)
        n = fw_get_le32(header + 4) ==
                    fw_crc32c(s->bytes.data + 8, place->most - 8)
                ? place->most
                : 0;
    else
        n = find_length(s, s->bytes.data, place->least, place->most);
    if (n == 0)
        return FW_NONE;
    *bytes = n;
    return note_record(s, place, s->bytes.data, n, err);
}

static int better_first(const void *a, const void *b)
{
    const struct salvage_record *l = a, *r = b;

    if (l->seq != r->seq)
        return l->seq < r->seq ? -1 : 1;
    if (l->led_to != r->led_to)
        return l->led_to ? -1 : 1;
    if (l->order != r->order)
        return l->order > r->order ? -1 : 1;
    return l->at > r->at ? -1 : l->at < r->at;
}

static void choose(struct salvage_list *list)
{
    size_t n = 0;

    if (list->n > 0)
        qsort(list->v, list->n, sizeof(*list->v), better_first);
    for (size_t i = 0; i < list->n; i++)
        if (n == 0 || list->v[n - 1].seq != list->v[i].seq)
            list->v[n++] = list->v[i];
    list->n = n;
    if (n > 0 && list->v[n - 1].seq > list->highest)
        list->highest = list->v[n - 1].seq;
}

fw_rc salvage_search(int fd, uint64_t file_bytes, bool head, uint64_t from,
                     uint64_t to, struct salvage_list *list, struct fw_err *err)
{
    struct searcher s = {.fd = fd,
                         .head = head,
                         .from = from,
                         .most_seq = to,
                         .budget = file_bytes * SUMS,
                         .list = list,
                         .bytes = FW_BUF_INIT(RECORD_MAX)};
    fw_rc rc = lmdb_pages_search(fd, file_bytes, prove, &s, err);

    fw_buf_release(&s.bytes);
    choose(list);
    return rc;
}

void salvage_list_release(struct salvage_list *list)
{
    free(list->v);
    *list = (struct salvage_list){0};
}

/* ---- The new file ---------------------------------------------------------
 */

struct salvage {
    struct fw_store *store;
    const char *name;
    char folder[FW_PATH_BYTES]; /* of the ring */
    char file[FW_PATH_BYTES];   /* the damaged one */
    char made[FW_PATH_BYTES];   /* the folder of the new one */
    char made_file[FW_PATH_BYTES];
    int fd;
    uint64_t bytes;
    struct salvage_list list;
    struct fw_buf record;
};

static fw_rc paths_of(struct salvage *s, struct fw_err *err)
{
    fw_rc rc = fw_path_join(s->folder, s->store->dir, s->name, err);

    if (rc == FW_OK)
        rc = fw_path_join(s->file, s->folder, "data.mdb", err);
    if (rc == FW_OK)
        rc = fw_path_join(s->made, s->folder, NEW_FOLDER, err);
    return rc == FW_OK ? fw_path_join(s->made_file, s->made, "data.mdb", err)
                       : rc;
}

static fw_rc read_record(struct salvage *s, const struct salvage_record *r,
                         struct fw_err *err)
{
    fw_rc rc;

    fw_buf_clear(&s->record);
    rc = fw_buf_reserve(&s->record, r->bytes);
    if (rc != FW_OK)
        return fw_err_set(err, FW_ENOMEM, "out of memory");
    if (pread(s->fd, s->record.data, r->bytes, (off_t)r->at) !=
        (ssize_t)r->bytes)
        return fw_err_sys(err, errno, "cannot read %s", s->file);
    return FW_OK;
}

static fw_rc put_records(struct salvage *s, struct lmdb_env *env,
                         struct fw_err *err)
{
    struct lmdb_txn txn = {0};
    size_t uncommitted = 0;
    fw_rc rc = lmdb_begin_write(env, &txn, err);

    for (size_t i = 0; i < s->list.n && rc == FW_OK; i++) {
        const struct salvage_record *r = &s->list.v[i];
        char key[8];

        fw_put_be64(key, r->seq);
        rc = read_record(s, r, err);
        if (rc == FW_OK)
            rc = lmdb_append(&txn, (struct fw_str){key, sizeof(key)},
                             (struct fw_str){s->record.data, r->bytes}, err);
        uncommitted += r->bytes;
        if (rc != FW_OK || uncommitted < COMMIT_BYTES)
            continue;
        uncommitted = 0;
        rc = lmdb_commit(&txn, err);
        if (rc == FW_OK)
            rc = lmdb_begin_write(env, &txn, err);
    }
    if (rc == FW_OK)
        return lmdb_commit(&txn, err);
    lmdb_end(&txn);
    return rc;
}

static fw_rc make_new(struct salvage *s, struct fw_err *err)
{
    struct lmdb_options options = {.building = true, .map_bytes = MAP_SPARE};
    struct lmdb_env *env = NULL;
    fw_rc rc = fw_dir_make(s->made, err);

    for (size_t i = 0; i < s->list.n; i++)
        options.map_bytes += s->list.v[i].bytes + 2 * 4096;
    if (rc == FW_OK && unlink(s->made_file) != 0 && errno != ENOENT)
        rc = fw_err_sys(err, errno, "cannot remove %s", s->made_file);
    if (rc == FW_OK)
        rc = lmdb_open(s->made, &options, &env, err);
    if (rc == FW_OK)
        rc = put_records(s, env, err);
    if (rc == FW_OK)
        rc = lmdb_sync(env, err);
    (void)lmdb_close(env);
    return rc;
}

static fw_rc put_in_place(struct salvage *s, struct fw_err *err)
{
    char lock[FW_PATH_BYTES];
    fw_rc rc = fw_path_join(lock, s->folder, "lock.mdb", err);

    if (rc != FW_OK)
        return rc;
    (void)unlink(lock); /* it speaks of readers of the old one */
    if (rename(s->made_file, s->file) != 0)
        return fw_err_sys(err, errno, "cannot rename to %s", s->file);
    rc = fw_dir_sync(s->folder, err);
    (void)rmdir(s->made); /* it is empty, and taken again where it stays */
    return rc;
}

/* ---- What is missing ------------------------------------------------------
 */

/* Numbers of [from, to] that the hole of the note has. */
static uint64_t in_hole(const struct meta_ring *note, uint64_t from,
                        uint64_t to)
{
    uint64_t first = note->hole_first > from ? note->hole_first : from;
    uint64_t end = note->hole_end < to + 1 ? note->hole_end : to + 1;

    return end > first ? end - first : 0;
}

static uint64_t count_lost(const struct salvage *s,
                           const struct meta_ring *note)
{
    uint64_t expected;

    if (s->list.highest < note->trim)
        return 0;
    expected = s->list.highest - note->trim + 1 -
               in_hole(note, note->trim, s->list.highest);
    return expected > s->list.n ? expected - s->list.n : 0;
}

static void tell(struct salvage *s, uint64_t lost, const char *kept,
                 const struct fw_err *why)
{
    struct store_counters *c = &s->store->counters;
    size_t n = s->list.n;

    (void)atomic_fetch_add(&c->corrupt, 1 + lost);
    (void)atomic_fetch_add(&c->records_lost, lost);
    (void)atomic_fetch_add(&c->salvages, 1);
    store_tell(s->store,
               "%s; it was made anew of the %zu records that are intact "
               "(numbers %llu to %llu), and at least %llu are lost; the "
               "damaged file is %s%s: send again what you have of the time "
               "before the crash, then remove it",
               why->text, n, (unsigned long long)(n > 0 ? s->list.v[0].seq : 0),
               (unsigned long long)(n > 0 ? s->list.v[n - 1].seq : 0),
               (unsigned long long)lost,
               kept[0] != '\0' ? "kept as "
                               : "not kept, as quarantine/ is full",
               kept);
}

/*
 * Numbers of lost records must not come again: watermarks, tombstones and
 * checkpoints count on it. There were no more of them than fit into the file.
 */
static fw_rc note_numbers(struct salvage *s, struct meta_ring *note,
                          struct fw_err *err)
{
    struct meta_ring fresh = *note;
    uint64_t used = s->list.highest;
    fw_rc rc;

    used = used + 1 < note->trim ? note->trim - 1 : used;
    if (used + 1 < note->hole_first || used + 1 >= note->hole_end) {
        fresh.hole_first = used + 1;
        fresh.hole_end = used + 1;
    } /* else it has been salvaged before, and nothing came since */
    fresh.hole_end += s->bytes / HEADER + 1;
    rc = meta_ring_set(s->store->meta, s->name, &fresh, err);
    if (rc == FW_OK)
        *note = fresh;
    return rc;
}

fw_rc journal_salvage(struct fw_store *store, const char *name,
                      struct meta_ring *note, const struct fw_err *why,
                      struct fw_err *err)
{
    struct salvage s = {.store = store,
                        .name = name,
                        .fd = -1,
                        .record = FW_BUF_INIT(RECORD_MAX)};
    bool head = strcmp(name, "head") == 0;
    char kept[FW_PATH_BYTES] = "";
    uint64_t lost = 0, most;
    struct stat st;
    fw_rc rc = paths_of(&s, err);

    if (rc != FW_OK)
        return rc;
    s.fd = open(s.file, O_RDONLY | O_CLOEXEC);
    if (s.fd < 0 || fstat(s.fd, &st) != 0) {
        rc = fw_err_sys(err, errno, "cannot open %s", s.file);
        goto out;
    }
    s.bytes = (uint64_t)st.st_size;
    /* More than fit into the file there cannot have been. */
    most = note->trim > note->hole_end ? note->trim : note->hole_end;
    most += s.bytes / HEADER;
    rc = salvage_search(s.fd, s.bytes, head, note->trim, most, &s.list, err);
    if (rc == FW_OK)
        rc = make_new(&s, err);
    if (rc == FW_OK)
        rc = quarantine_ring(store, name, kept, err);
    lost = count_lost(&s, note);
    if (rc == FW_OK)
        rc = note_numbers(&s, note, err);
    if (rc == FW_OK)
        rc = put_in_place(&s, err);
    if (rc == FW_OK)
        tell(&s, lost, kept, why);
out:
    if (s.fd >= 0)
        (void)close(s.fd);
    fw_buf_release(&s.record);
    salvage_list_release(&s.list);
    return rc;
}
