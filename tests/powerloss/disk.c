/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/powerloss/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM 8192
#define NAME_ROOM 256
#define NOBODY UINT32_MAX

/* A write or a change of length that the disk may not have yet. */
struct pending {
    bool resize;
    bool certain; /* durable already; here to stay in order */
    uint64_t at;
    uint32_t n;
    const char *bytes; /* in the log */
};

struct bytes {
    char *p; /* owned */
    size_t n, cap;
};

struct file {
    bool folder;
    struct bytes synced;
    struct pending *pending; /* owned */
    size_t count, cap;
};

/* `name` in `dir` is `file` (NOBODY: gone). */
struct entry {
    uint32_t dir, file;
    char name[NAME_ROOM];
};

/* One step that changes one name, or two by renaming. */
struct step {
    enum record_kind kind;
    uint32_t dir, dir2, file;
    char name[NAME_ROOM], name2[NAME_ROOM];
};

struct entries {
    struct entry *v; /* owned */
    size_t count, cap;
};

struct disk {
    const char *log;
    size_t log_n, at;
    bool is_due;            /* `due` ends at this moment; _next applies it */
    struct record_head due; /* a sync, or a write that is one */
    struct file *files;     /* owned */
    uint32_t file_count;
    struct entries names; /* durable */
    struct step *steps;   /* owned; not durable, in order */
    size_t step_count, step_cap;
};

static void *grow(void *p, size_t *cap, size_t need, size_t item)
{
    if (need <= *cap)
        return p;
    *cap = need * 2 + 16;
    p = realloc(p, *cap * item);
    if (p == NULL)
        abort();
    return p;
}

/* ---- Bytes of a file ------------------------------------------------------
 */

static void resize(struct bytes *b, size_t n)
{
    if (n > b->n) {
        b->p = grow(b->p, &b->cap, n, 1);
        memset(b->p + b->n, 0, n - b->n);
    }
    b->n = n;
}

static void apply(struct bytes *b, const struct pending *w)
{
    if (w->resize) {
        resize(b, w->at);
        return;
    }
    if (w->at + w->n > b->n)
        resize(b, w->at + w->n);
    memcpy(b->p + w->at, w->bytes, w->n);
}

/* Some of its units of `unit` bytes; the disk's units, not the write's. */
static void apply_torn(struct bytes *b, const struct pending *w, size_t unit,
                       struct synth_rng *rng)
{
    uint64_t from = w->at;

    while (from < w->at + w->n) {
        uint64_t end = (from / unit + 1) * unit;

        if (end > w->at + w->n)
            end = w->at + w->n;
        if (synth_u64(rng) % 2 == 0) {
            struct pending piece = {.at = from,
                                    .n = (uint32_t)(end - from),
                                    .bytes = w->bytes + (from - w->at)};
            apply(b, &piece);
        }
        from = end;
    }
}

static void add_pending(struct file *f, struct pending w)
{
    f->pending = grow(f->pending, &f->cap, f->count + 1, sizeof(w));
    f->pending[f->count++] = w;
}

static void sync_file(struct file *f)
{
    for (size_t i = 0; i < f->count; i++)
        apply(&f->synced, &f->pending[i]);
    f->count = 0;
}

/* ---- Names ----------------------------------------------------------------
 */

static uint32_t lookup(const struct entries *e, uint32_t dir, const char *name)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->v[i].dir == dir && strcmp(e->v[i].name, name) == 0)
            return e->v[i].file;
    return NOBODY;
}

static void set(struct entries *e, uint32_t dir, const char *name,
                uint32_t file)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->v[i].dir == dir && strcmp(e->v[i].name, name) == 0) {
            e->v[i].file = file;
            return;
        }
    e->v = grow(e->v, &e->cap, e->count + 1, sizeof(*e->v));
    e->v[e->count] = (struct entry){.dir = dir, .file = file};
    (void)snprintf(e->v[e->count].name, NAME_ROOM, "%s", name);
    e->count++;
}

static void take_step(struct entries *e, const struct step *s)
{
    switch (s->kind) {
    case RECORD_RENAME: {
        uint32_t file = lookup(e, s->dir, s->name);

        /* Where the old name never came to the disk, neither does the new. */
        if (file == NOBODY)
            return;
        set(e, s->dir2, s->name2, file);
        set(e, s->dir, s->name, NOBODY);
        return;
    }
    case RECORD_REMOVE:
        set(e, s->dir, s->name, NOBODY);
        return;
    default:
        set(e, s->dir, s->name, s->file);
    }
}

static void sync_folder(struct disk *d, uint32_t dir)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->step_count; i++)
        if (d->steps[i].dir == dir || d->steps[i].dir2 == dir)
            take_step(&d->names, &d->steps[i]);
        else
            d->steps[kept++] = d->steps[i];
    d->step_count = kept;
}

static void add_step(struct disk *d, const struct record_head *h,
                     const char *bytes)
{
    struct step s = {.kind = (enum record_kind)h->kind,
                     .dir = h->dir,
                     .dir2 = h->kind == RECORD_RENAME ? h->dir2 : h->dir,
                     .file = h->file};
    size_t n = strnlen(bytes, h->n);

    (void)snprintf(s.name, NAME_ROOM, "%.*s", (int)n, bytes);
    if (n < h->n)
        (void)snprintf(s.name2, NAME_ROOM, "%.*s", (int)(h->n - n - 1),
                       bytes + n + 1);
    d->steps = grow(d->steps, &d->step_cap, d->step_count + 1, sizeof(s));
    d->steps[d->step_count++] = s;
}

/* ---- The log --------------------------------------------------------------
 */

struct disk *disk_new(const char *bytes, size_t n)
{
    struct disk *d = calloc(1, sizeof(*d));

    if (d == NULL)
        abort();
    d->log = bytes;
    d->log_n = n;
    d->files = calloc(1, sizeof(*d->files));
    d->file_count = 1;
    d->files[0].folder = true;
    return d;
}

void disk_free(struct disk *d)
{
    for (uint32_t i = 0; i < d->file_count; i++) {
        free(d->files[i].synced.p);
        free(d->files[i].pending);
    }
    free(d->files);
    free(d->names.v);
    free(d->steps);
    free(d);
}

static struct file *file_at(struct disk *d, uint32_t number)
{
    if (number >= d->file_count) {
        d->files = realloc(d->files, (number + 1) * sizeof(*d->files));
        if (d->files == NULL)
            abort();
        memset(d->files + d->file_count, 0,
               (number + 1 - d->file_count) * sizeof(*d->files));
        d->file_count = number + 1;
    }
    return &d->files[number];
}

/* What a call that ends now made certain. */
static void finish(struct disk *d)
{
    const struct record_head *h = &d->due;

    if (!d->is_due)
        return;
    d->is_due = false;
    if (h->kind == RECORD_WRITE) {
        struct file *f = file_at(d, h->file);

        f->pending[f->count - 1].certain = true;
    } else if (file_at(d, h->file)->folder) {
        sync_folder(d, h->file);
    } else {
        sync_file(file_at(d, h->file));
    }
}

/* True if this is a moment to stop at. */
static bool happen(struct disk *d, const struct record_head *h,
                   const char *bytes, disk_note note, void *self)
{
    switch ((enum record_kind)h->kind) {
    case RECORD_FOLDER:
        file_at(d, h->file)->folder = true;
        add_step(d, h, bytes);
        return false;
    case RECORD_CREATE:
        (void)file_at(d, h->file);
        add_step(d, h, bytes);
        return false;
    case RECORD_RENAME:
    case RECORD_REMOVE:
    case RECORD_LINK:
        add_step(d, h, bytes);
        return false;
    case RECORD_WRITE:
        add_pending(file_at(d, h->file),
                    (struct pending){.at = h->at, .n = h->n, .bytes = bytes});
        return h->flag != 0;
    case RECORD_RESIZE:
        add_pending(file_at(d, h->file),
                    (struct pending){.resize = true, .at = h->at});
        return false;
    case RECORD_SYNC:
        return true;
    case RECORD_SENT:
    case RECORD_NOTE:
        note(self, h, bytes);
        return false;
    }
    abort();
}

bool disk_next(struct disk *d, disk_note note, void *self)
{
    finish(d);
    while (d->at < d->log_n) {
        struct record_head head; /* stands at any byte */
        const char *bytes = d->log + d->at + sizeof(head);

        if (d->log_n - d->at < sizeof(head))
            abort();
        memcpy(&head, d->log + d->at, sizeof(head));
        if (d->log_n - d->at - sizeof(head) < head.n)
            abort();
        d->at += sizeof(head) + head.n;
        if (happen(d, &head, bytes, note, self)) {
            d->due = head;
            d->is_due = true;
            return true;
        }
    }
    return false;
}

size_t disk_pending(const struct disk *d)
{
    size_t n = d->step_count;

    for (uint32_t i = 0; i < d->file_count; i++)
        n += d->files[i].count;
    return n;
}

/* ---- Images ---------------------------------------------------------------
 */

struct build {
    const struct disk *disk;
    enum disk_luck luck;
    struct synth_rng *rng;
    unsigned odds; /* of a hundred, that a thing got to the disk */
    unsigned torn; /* of a hundred, that a write is torn */
    size_t unit;
};

static bool gets_there(const struct build *b)
{
    return b->luck == DISK_ALL ||
           (b->luck == DISK_SOME && synth_u64(b->rng) % 100 < b->odds);
}

/* The bytes of a file as they may be; the caller releases them. */
static struct bytes compose(const struct build *b, const struct file *f)
{
    struct bytes out = {0};
    size_t least = f->synced.n; /* so long it is for certain */

    resize(&out, f->synced.n);
    if (f->synced.n > 0)
        memcpy(out.p, f->synced.p, f->synced.n);
    for (size_t i = 0; i < f->count; i++) {
        const struct pending *w = &f->pending[i];

        if (w->certain) {
            apply(&out, w);
            least = least > w->at + w->n ? least : w->at + w->n;
        } else if (!gets_there(b))
            continue;
        else if (b->luck == DISK_SOME && !w->resize &&
                 synth_u64(b->rng) % 100 < b->torn)
            apply_torn(&out, w, b->unit, b->rng);
        else
            apply(&out, w);
    }
    /* It grew, but its new length did not get there, or not all of it. */
    if (b->luck == DISK_SOME && out.n > least && synth_u64(b->rng) % 4 == 0)
        resize(&out,
               least + synth_u64(b->rng) % ((out.n - least) / 4096 + 1) * 4096);
    return out;
}

static void give_up(const char *what, const char *path)
{
    fprintf(stderr, "%s %s: %s\n", what, path, strerror(errno));
    abort();
}

static void write_file(const char *path, const struct bytes *b)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

    if (fd < 0 || (b->n > 0 && write(fd, b->p, b->n) != (ssize_t)b->n))
        give_up("cannot write", path);
    (void)close(fd);
}

static void build_folder(const struct build *b, const struct entries *names,
                         uint32_t dir, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct entry *e = &names->v[i];
        char at[PATH_ROOM];

        if (e->dir != dir || e->file == NOBODY)
            continue;
        (void)snprintf(at, sizeof(at), "%s/%s", path, e->name);
        if (b->disk->files[e->file].folder) {
            if (mkdir(at, 0750) != 0)
                give_up("cannot make", at);
            build_folder(b, names, e->file, at);
        } else {
            struct bytes bytes = compose(b, &b->disk->files[e->file]);

            write_file(at, &bytes);
            free(bytes.p);
        }
    }
}

void disk_build(const struct disk *d, const char *root, enum disk_luck luck,
                struct synth_rng *rng)
{
    struct build b = {.disk = d, .luck = luck, .rng = rng};
    struct entries names = {0};

    b.odds = 10 + (unsigned)(synth_u64(rng) % 81);
    b.torn = (unsigned)(synth_u64(rng) % 3) * 40;
    b.unit = synth_u64(rng) % 2 == 0 ? 512 : 4096;
    names.v = grow(NULL, &names.cap, d->names.count + 1, sizeof(*names.v));
    if (d->names.count > 0)
        memcpy(names.v, d->names.v, d->names.count * sizeof(*names.v));
    names.count = d->names.count;
    for (size_t i = 0; i < d->step_count; i++)
        if (gets_there(&b))
            take_step(&names, &d->steps[i]);
    build_folder(&b, &names, 0, root);
    free(names.v);
}
