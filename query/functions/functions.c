/* SPDX-License-Identifier: GPL-3.0-or-later */
/* functions.c - finding a function, and the functions of other rooms. */
#include "query/functions/functions.h"

#include "query/eval/eval.h"
#include "query/parse/place.h"

#define MAX_OUTSIDE 64
#define MAX_NAMES 256

/*
 * Filled at start-up, before the first query, and only read from then on; so
 * no lock.
 */
static struct function outside[MAX_OUTSIDE + 1];
static size_t outside_count;
static bool experimental;
static bool delayed_names;

bool experimental_enabled(void)
{
    return experimental;
}

bool delayed_names_enabled(void)
{
    return delayed_names;
}

static fw_rc enable_one(struct fw_str feature, struct fw_err *err)
{
    static const char *const known[] = {"promql-experimental-functions",
                                        "promql-delayed-name-removal"};
    bool *const switches[] = {&experimental, &delayed_names};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (fw_str_eq(feature, fw_str_of(known[i]))) {
            *switches[i] = true;
            return FW_OK;
        }
    }
    return fw_err_set(err, FW_EINVAL,
                      "unknown feature '%.*s'; there are '%s' and '%s'",
                      FW_STR_ARG(feature), known[0], known[1]);
}

fw_rc fw_query_enable(const char *features, struct fw_err *err)
{
    fw_rc rc = FW_OK;

    while (*features != '\0' && rc == FW_OK) {
        size_t n = strcspn(features, ",");

        rc = enable_one((struct fw_str){features, n}, err);
        features += n + (features[n] == ',');
    }
    return rc;
}

static const struct function *find_in(const struct function *rows,
                                      struct fw_str name)
{
    for (; rows->name != NULL; rows++) {
        if (fw_str_eq(fw_str_of(rows->name), name))
            return rows;
    }
    return NULL;
}

static const struct function *find(struct fw_str name)
{
    const struct function *fn = find_in(builtin_functions, name);

    return fn != NULL ? fn : find_in(outside, name);
}

size_t function_names(const char **names, size_t max)
{
    size_t n = 0;

    for (const struct function *f = builtin_functions; f->name != NULL; f++) {
        if (n < max)
            names[n++] = f->name;
    }
    for (const struct function *f = outside; f->name != NULL; f++) {
        if (n < max)
            names[n++] = f->name;
    }
    for (int k = TOKEN_SUM; k <= TOKEN_LIMIT_RATIO; k++) {
        if (n < max)
            names[n++] = token_text((enum token_kind)k);
    }
    return n;
}

fw_rc function_find(struct fw_str name, struct fw_str text, struct span span,
                    const struct function **out, struct fw_err *err)
{
    const struct function *fn = find(name);
    const char *names[MAX_NAMES];
    const char *near;
    char word[128];
    char hint[192];

    if (fn != NULL && (fn->flags & FN_EXPERIMENTAL) != 0 && !experimental)
        return complain(text, span,
                        "it is experimental: "
                        "--enable-feature=promql-experimental-functions",
                        err, "function \"%s\" is not enabled", fn->name);
    *out = fn;
    if (fn != NULL)
        return FW_OK;
    (void)snprintf(word, sizeof(word), "%.*s", FW_STR_ARG(name));
    near = fw_nearest(word, names, function_names(names, MAX_NAMES));
    (void)snprintf(hint, sizeof(hint), "did you mean %s()?",
                   near != NULL ? near : "");
    return complain(text, span, near != NULL ? hint : NULL, err,
                    "unknown function with name \"%.*s\"", FW_STR_ARG(name));
}

char function_arg(const struct function *function, size_t i)
{
    size_t n = strlen(function->args);

    return function->args[i < n ? i : n - 1];
}

static bool signature_is_good(const char *signature)
{
    size_t ranges = 0;
    size_t n = strlen(signature);

    for (size_t i = 0; i < n; i++) {
        if (strchr("mst", signature[i]) == NULL)
            return false;
        ranges += signature[i] == ARG_RANGE;
    }
    return ranges == 1 && n <= EVAL_MAX_ARGS;
}

fw_rc fw_query_register(const char *name, const char *signature,
                        fw_window_function function, struct fw_err *err)
{
    struct function *row = &outside[outside_count];
    int arity = (int)strlen(signature);

    if (!is_plain_label(fw_str_of(name)) ||
        token_of_word(fw_str_of(name)) != TOKEN_IDENTIFIER)
        return fw_err_set(err, FW_EINVAL, "'%s' is no name for a function",
                          name);
    if (find(fw_str_of(name)) != NULL)
        return fw_err_set(err, FW_EINVAL, "there is a function '%s' already",
                          name);
    if (!signature_is_good(signature))
        return fw_err_set(err, FW_EINVAL,
                          "function '%s': the signature '%s' must be of the "
                          "letters m, s and t, with one m, at most %d long",
                          name, signature, EVAL_MAX_ARGS);
    if (outside_count == MAX_OUTSIDE)
        return fw_err_set(err, FW_EINVAL, "more than %d functions registered",
                          MAX_OUTSIDE);
    *row = (struct function){.name = name,
                             .args = signature,
                             .least = arity,
                             .most = arity,
                             .type = FW_VECTOR,
                             .flags = FN_MOVES,
                             .call = call_window,
                             .outside = function};
    outside_count++;
    return FW_OK;
}
