/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include "server/config/yaml_tree.h"

static struct fw_arena *arena;

static const struct node *read_ok(const char *text)
{
    const struct node *root = NULL;
    struct fw_err err = {0};

    if (yaml_tree_read(fw_str_of(text), arena, &root, &err) != FW_OK)
        fail_msg("%d:%d %s", err.line, err.column, err.text);
    return root;
}

static int open_arena(void **state)
{
    (void)state;
    arena = fw_arena_new(1 << 20);
    return arena == NULL;
}

static int close_arena(void **state)
{
    (void)state;
    fw_arena_free(arena);
    return 0;
}

static void a_map_keeps_keys_values_and_places(void **state)
{
    const struct node *root = read_ok("a: 1\nb: [x, 'y']\nc: {d: \"e\"}\n");
    const struct node *b = root->first->next;
    const struct node *c = b->next;

    (void)state;
    assert_int_equal(root->kind, NODE_MAP);
    assert_int_equal(root->count, 3);
    assert_true(fw_str_eq(root->first->key->text, FW_STR("a")));
    assert_true(fw_str_eq(root->first->text, FW_STR("1")));
    assert_int_equal(b->kind, NODE_LIST);
    assert_int_equal(b->line, 2);
    assert_int_equal(b->column, 4);
    assert_true(fw_str_eq(b->first->next->text, FW_STR("y")));
    assert_int_equal(b->first->next->column, 9); /* after the quote */
    assert_int_equal(c->first->column, 9);
    assert_null(c->next);
}

static void a_text_knows_whether_it_stands_as_it_reads(void **state)
{
    const struct node *root = read_ok("a: x > \xc3\xa4\nb: 'it''s'\n"
                                      "c: \"> 5\"\nd: |\n  two\n  lines\n");
    const struct node *n = root->first;

    (void)state;
    assert_true(n->one_line);
    assert_false(n->quoted);
    n = n->next;
    assert_true(fw_str_eq(n->text, FW_STR("it's")));
    assert_false(n->one_line);
    n = n->next;
    assert_true(n->one_line && n->quoted);
    n = n->next;
    assert_true(fw_str_eq(n->text, FW_STR("two\nlines\n")));
    assert_false(n->one_line);
}

static void nothing_gives_no_tree(void **state)
{
    (void)state;
    assert_null(read_ok(""));
    assert_null(read_ok("# only a comment\n"));
    assert_null(read_ok("---\n"));
    assert_non_null(read_ok("''"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_map_keeps_keys_values_and_places,
                                        open_arena, close_arena),
        cmocka_unit_test_setup_teardown(
            a_text_knows_whether_it_stands_as_it_reads, open_arena,
            close_arena),
        cmocka_unit_test_setup_teardown(nothing_gives_no_tree, open_arena,
                                        close_arena),
    };

    return fixture_main(argc, argv, tests);
}
