/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * yaml_tree.h - a YAML text as a small tree that remembers where it stood.
 *
 * Only what a settings file needs: maps, lists and texts. Anchors may stand,
 * aliases may not (ten lines of them can mean a gigabyte), and depth, nodes
 * and bytes are capped.
 */
#ifndef SERVER_YAML_TREE_H
#define SERVER_YAML_TREE_H

#include <stdbool.h>

#include "storage/base/arena.h"
#include "storage/base/str.h"

enum node_kind { NODE_TEXT, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    int line, column; /* 1-based, of its first character (after a quote) */
    bool one_line;    /* a text that stands in the file as it reads here */
    bool quoted;
    struct fw_str text;      /* NODE_TEXT */
    const struct node *key;  /* its key, where it stands in a map */
    const struct node *next; /* the one after it in the list or map */
    const struct node *first;
    size_t count; /* items of a list or map */
};

/*
 * Reads one YAML document; *out is NULL for an empty one. FW_EINVAL with line
 * and column (the sentence holds neither), FW_ETOOBIG past a cap. The tree
 * lives in `arena`.
 */
FW_CHECK fw_rc yaml_tree_read(struct fw_str text, struct fw_arena *arena,
                              const struct node **out, struct fw_err *err);

/*
 * The same for files that other programs read too: an alias (*name) stands for
 * what its anchor (&name) named before, and costs as many nodes of the cap as
 * that has; `<<: *name` in a map adds the items it does not have itself.
 */
FW_CHECK fw_rc yaml_tree_read_aliases(struct fw_str text,
                                      struct fw_arena *arena,
                                      const struct node **out,
                                      struct fw_err *err);

/* The item of a map with this key; NULL where it (or the map) is none. */
const struct node *yaml_member(const struct node *map, const char *key);

/* The text of that item, empty where it is none; a bare null is none. */
struct fw_str yaml_member_text(const struct node *map, const char *key);

/* "a list", "a map", "a text": for sentences. Static. */
const char *yaml_kind_name(enum node_kind kind);

#endif
