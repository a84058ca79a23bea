/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault_memory.c - allocations that fail on demand.
 *
 * The tests are linked with --wrap for each name below, so that a call in our
 * own objects comes here and __real_NAME is the library's (or the sanitizer's).
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/support/fault_point.h"

void fault_memory(uint64_t nth, enum fault_mode mode)
{
    fault_point_arm(&fault_disk_point, 0, mode);
    fault_point_arm(&fault_memory_point, nth, mode);
}

static bool no_memory(void)
{
    if (!fault_point_hit(&fault_memory_point))
        return false;
    errno = ENOMEM;
    return true;
}

/* The linker's names; they begin with underscores by its rules. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

void *__wrap_malloc(size_t size)
{
    return no_memory() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return no_memory() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return no_memory() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    return no_memory() ? NULL : __real_reallocarray(old, count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return no_memory() ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return no_memory() ? ENOMEM : __real_posix_memalign(out, alignment, size);
}

char *__wrap_strdup(const char *text)
{
    return no_memory() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return no_memory() ? NULL : __real_strndup(text, size);
}
