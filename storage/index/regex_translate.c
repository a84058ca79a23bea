/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * regex_translate.c - a pattern of RE2 (as Go's regexp/syntax reads it) said
 * in the words of PCRE2, or refused for the reason Go would give.
 *
 * One pass over the pattern, character by character. Only what is named here
 * gets through; so no construct that PCRE2 alone knows (look-around, back
 * references, recursion, atomic groups, verbs) can reach its engine.
 */
#include "storage/index/regex.h"

#include <stdatomic.h>
#include <string.h>

#include "storage/base/limits.h"

#define MAX_REPEAT 1000 /* as RE2 */
#define MAX_NESTING 250
#define RUNE_MAX 0x10FFFFu

/* The names RE2 knows, which are exact: general categories, and scripts. */
static const char regex_categories[] =
    "Any C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi "
    "Po Ps S Sc Sk Sm So Z Zl Zp Zs";
static const char regex_scripts[] =
    "Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum "
    "Bassa_Vah Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid "
    "Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee "
    "Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret "
    "Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan "
    "Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati "
    "Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew "
    "Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi "
    "Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kayah_Li "
    "Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha "
    "Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam "
    "Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek "
    "Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian "
    "Mro Multani Myanmar Nabataean Nandinagari New_Tai_Lue Newa Nko Nushu "
    "Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic "
    "Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian "
    "Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene "
    "Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan "
    "Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian "
    "Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa "
    "Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai "
    "Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi "
    "Yezidi Yi Zanabazar_Square";

struct reader {
    const char *p;
    size_t n;
    size_t at;
    struct fw_buf *out;
    struct fw_err *err;
    int depth;
    bool can_repeat; /* there is something a quantifier could apply to */
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

static char peek(const struct reader *r, size_t ahead)
{
    return r->at + ahead < r->n ? r->p[r->at + ahead] : '\0';
}

static fw_rc refuse(struct reader *r, const char *why, size_t from)
{
    size_t len = r->at > from ? r->at - from : 1;

    if (from + len > r->n)
        len = r->n - from;
    return fw_err_set(r->err, FW_EINVAL, "bad regular expression: %s: '%.*s'",
                      why, (int)len, r->p + from);
}

static fw_rc emit(struct reader *r, const char *text)
{
    return fw_buf_adds(r->out, text);
}

static fw_rc emit_from(struct reader *r, size_t from)
{
    return fw_buf_add(r->out, r->p + from, r->at - from);
}

/* One literal byte (or a byte of a UTF-8 sequence), escaped where needed. */
static fw_rc emit_literal(struct reader *r, char c)
{
    bool plain =
        is_word(c) || (unsigned char)c >= 0x80 || (unsigned char)c <= ' ';
    fw_rc rc = plain ? FW_OK : fw_buf_addc(r->out, '\\');

    return rc == FW_OK ? fw_buf_addc(r->out, c) : rc;
}

/* ---- Escapes --------------------------------------------------------------
 */

/* One character, as PCRE2 takes it inside and outside of brackets. */
static fw_rc emit_rune(struct reader *r, uint32_t rune)
{
    if (rune > ' ' && rune < 0x7F)
        return emit_literal(r, (char)rune);
    return fw_buf_printf(r->out, "\\x{%x}", (unsigned)rune);
}

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : ((unsigned)c | 0x20) - 'a' + 10;
}

/* \x7F or \x{10FFFF}; `at` stands behind the x. */
static fw_rc hex_escape(struct reader *r, size_t from, uint32_t *rune)
{
    size_t digits = 0;
    bool braces = peek(r, 0) == '{';

    *rune = 0;
    if (braces)
        r->at++;
    while (is_hex(peek(r, 0)) && (braces || digits < 2) && *rune <= RUNE_MAX) {
        *rune = *rune * 16 + hex_value(r->p[r->at++]);
        digits++;
    }
    if (digits == 0 || (!braces && digits != 2) || *rune > RUNE_MAX ||
        (braces && peek(r, 0) != '}'))
        return refuse(r, "invalid escape sequence", from);
    if (braces)
        r->at++;
    return FW_OK;
}

/* \0, \012 or \123: `at` stands behind the first digit. */
static fw_rc octal_escape(struct reader *r, char first, size_t from,
                          uint32_t *rune)
{
    *rune = (uint32_t)(first - '0');
    if (first != '0' && (peek(r, 0) < '0' || peek(r, 0) > '7'))
        return refuse(r, "invalid escape sequence", from);
    for (int i = 0; i < 2 && peek(r, 0) >= '0' && peek(r, 0) <= '7'; i++)
        *rune = *rune * 8 + (uint32_t)(r->p[r->at++] - '0');
    return FW_OK;
}

/* An escape that stands for one character. */
static fw_rc escaped_rune(struct reader *r, uint32_t *rune)
{
    static const char names[] = "afnrtv";
    static const char means[] = "\a\f\n\r\t\v";
    size_t from = r->at++;
    char c = peek(r, 0);
    const char *name;

    if (r->at == r->n)
        return refuse(r, "trailing backslash at end of expression", from);
    r->at++;
    if (c == 'x')
        return hex_escape(r, from, rune);
    if (c >= '0' && c <= '7')
        return octal_escape(r, c, from, rune);
    name = c == '\0' ? NULL : strchr(names, c);
    if (name != NULL)
        c = means[name - names];
    else if ((unsigned char)c >= 0x80 || (is_word(c) && c != '_'))
        return refuse(r, "invalid escape sequence", from);
    *rune = (unsigned char)c;
    return FW_OK;
}

/*
 * \d \s \w and their opposites; FW_NONE for another escape. As ranges they
 * know what (?i) means, as RE2's do, and \s lacks the vertical tab of PCRE2's.
 */
static fw_rc perl_class(struct reader *r, bool in_class)
{
    static const char names[] = "dDwWsS";
    static const char *const alone[] = {"[0-9]",
                                        "[^0-9]",
                                        "[0-9A-Za-z_]",
                                        "[^0-9A-Za-z_]",
                                        "[\\t\\n\\f\\r\\x{20}]",
                                        "[^\\t\\n\\f\\r\\x{20}]"};
    static const char *const inside[] = {
        "0-9", "\\D", "0-9A-Za-z_", "\\W", "\\t\\n\\f\\r\\x{20}", "\\S\\x{0b}"};
    char c = peek(r, 1);
    const char *name = c == '\0' ? NULL : strchr(names, c);

    if (name == NULL)
        return FW_NONE;
    r->at += 2;
    return emit(r, (in_class ? inside : alone)[name - names]);
}

static bool one_of(struct fw_str name, const char *list)
{
    size_t n;

    for (; *list != '\0'; list += n + (list[n] == ' ')) {
        n = strcspn(list, " ");
        if (n == name.n && memcmp(list, name.p, n) == 0)
            return true;
    }
    return false;
}

/*
 * Says a property in PCRE2's words. It knows more names than RE2 and takes
 * them in any spelling; its C has the unassigned too, and a script there means
 * those characters as well that the script shares with others.
 */
static fw_rc emit_property(struct reader *r, struct fw_str name, bool negated,
                           bool in_class)
{
    if (name.n == 1 && name.p[0] == 'C') {
        const char *others = negated ? "\\pL\\pM\\pN\\pP\\pS\\pZ\\p{Cn}"
                                     : "\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}";

        return fw_buf_printf(r->out, in_class ? "%s" : "[%s]", others);
    }
    return fw_buf_printf(r->out, "\\%c{%s%.*s}", negated ? 'P' : 'p',
                         one_of(name, regex_scripts) ? "sc:" : "",
                         FW_STR_ARG(name));
}

/* \pN or \p{Greek} or \p{^Greek}; `at` stands on the backslash. */
static fw_rc property(struct reader *r, bool in_class)
{
    size_t from = r->at;
    bool negated = peek(r, 1) == 'P';
    struct fw_str name;

    r->at += 2;
    name = (struct fw_str){r->p + r->at, 1};
    if (peek(r, 0) == '{') {
        size_t start = ++r->at;

        while (r->at < r->n && r->p[r->at] != '}')
            r->at++;
        name = (struct fw_str){r->p + start, r->at - start};
        if (name.n > 0 && name.p[0] == '^') {
            negated = !negated;
            name = (struct fw_str){name.p + 1, name.n - 1};
        }
    }
    if (r->at == r->n ||
        (!one_of(name, regex_categories) && !one_of(name, regex_scripts)))
        return refuse(r, "invalid character class range", from);
    r->at++;
    return emit_property(r, name, negated, in_class);
}

/* Any escape that is no assertion. */
static fw_rc common_escape(struct reader *r)
{
    uint32_t rune = 0;
    fw_rc rc = perl_class(r, false);

    if (rc != FW_NONE)
        return rc;
    if (peek(r, 1) == 'p' || peek(r, 1) == 'P')
        return property(r, false);
    rc = escaped_rune(r, &rune);
    return rc == FW_OK ? emit_rune(r, rune) : rc;
}

/* \Q...\E: everything in between as it stands. */
static fw_rc quoted_run(struct reader *r)
{
    fw_rc rc = FW_OK;

    r->at += 2;
    while (r->at < r->n && rc == FW_OK) {
        if (r->p[r->at] == '\\' && peek(r, 1) == 'E') {
            r->at += 2;
            return FW_OK;
        }
        rc = emit_literal(r, r->p[r->at++]);
        r->can_repeat = true;
    }
    return rc;
}

/*
 * A place in the text, of n characters. RE2 lets it be repeated; PCRE2 wants
 * a group around it then.
 */
static fw_rc assertion(struct reader *r, size_t n)
{
    size_t from = r->at;
    bool repeats;
    fw_rc rc;

    r->at += n;
    r->can_repeat = true;
    repeats = r->at < r->n && memchr("*+?{", r->p[r->at], 4) != NULL;
    rc = repeats ? emit(r, "(?:") : FW_OK;
    if (rc == FW_OK)
        rc = emit_from(r, from);
    return rc == FW_OK && repeats ? emit(r, ")") : rc;
}

static fw_rc escape(struct reader *r)
{
    char c = peek(r, 1);

    if (c == 'Q')
        return quoted_run(r);
    if (c == 'A' || c == 'b' || c == 'B' || c == 'z')
        return assertion(r, 2);
    r->can_repeat = true;
    return common_escape(r);
}

/* ---- Brackets --------------------------------------------------------------
 */

/*
 * The classes in ASCII and their opposites. PCRE2 knows them by name, but its
 * opposites end at code point 255 where other things stand in the brackets.
 */
struct named {
    const char *name, *is, *is_not;
};

static const struct named regex_named[] = {
    {"alnum", "0-9A-Za-z", "\\x{0}-/:-@\\[-`\\{-\\x{10ffff}"},
    {"alpha", "A-Za-z", "\\x{0}-@\\[-`\\{-\\x{10ffff}"},
    {"ascii", "\\x{0}-\\x{7f}", "\\x{80}-\\x{10ffff}"},
    {"blank", "\\t\\x{20}", "\\x{0}-\\x{8}\\x{a}-\\x{1f}!-\\x{10ffff}"},
    {"cntrl", "\\x{0}-\\x{1f}\\x{7f}", "\\x{20}-~\\x{80}-\\x{10ffff}"},
    {"digit", "0-9", "\\D"},
    {"graph", "!-~", "\\x{0}-\\x{20}\\x{7f}-\\x{10ffff}"},
    {"lower", "a-z", "\\x{0}-`\\{-\\x{10ffff}"},
    {"print", "\\x{20}-~", "\\x{0}-\\x{1f}\\x{7f}-\\x{10ffff}"},
    {"punct", "!-/:-@\\[-`\\{-~", "\\x{0}-\\x{20}0-9A-Za-z\\x{7f}-\\x{10ffff}"},
    {"space", "\\t-\\r\\x{20}", "\\S"},
    {"upper", "A-Z", "\\x{0}-@\\[-\\x{10ffff}"},
    {"word", "0-9A-Za-z_", "\\W"},
    {"xdigit", "0-9A-Fa-f", "\\x{0}-/:-@G-`g-\\x{10ffff}"},
};

/* [:name:] where it is closed; FW_NONE where it is only a bracket. */
static fw_rc named_class(struct reader *r)
{
    size_t from = r->at, end = r->at + 2;
    bool negated = false;
    struct fw_str name;

    while (end + 1 < r->n && (r->p[end] != ':' || r->p[end + 1] != ']'))
        end++;
    if (end + 1 >= r->n)
        return FW_NONE;
    name = (struct fw_str){r->p + from + 2, end - from - 2};
    if (name.n > 0 && name.p[0] == '^') {
        negated = true;
        name = (struct fw_str){name.p + 1, name.n - 1};
    }
    r->at = end + 2;
    for (size_t i = 0; i < sizeof(regex_named) / sizeof(regex_named[0]); i++)
        if (fw_str_eq(name, fw_str_of(regex_named[i].name)))
            return emit(r, negated ? regex_named[i].is_not : regex_named[i].is);
    return refuse(r, "invalid character class range", from);
}

static fw_rc class_rune(struct reader *r, uint32_t *rune)
{
    if (peek(r, 0) == '\\')
        return escaped_rune(r, rune);
    r->at += fw_utf8_next(r->p + r->at, r->n - r->at, rune);
    return FW_OK;
}

/* One character or a range; a hyphen is itself where it cannot be a range. */
static fw_rc class_range(struct reader *r)
{
    size_t from = r->at;
    uint32_t low = 0, high = 0;
    fw_rc rc = class_rune(r, &low);

    if (rc != FW_OK)
        return rc;
    if (r->at + 1 >= r->n || r->p[r->at] != '-' || r->p[r->at + 1] == ']')
        return emit_rune(r, low);
    r->at++;
    rc = class_rune(r, &high);
    if (rc != FW_OK)
        return rc;
    if (high < low)
        return refuse(r, "invalid character class range", from);
    return fw_buf_printf(r->out, "\\x{%x}-\\x{%x}", (unsigned)low,
                         (unsigned)high);
}

static fw_rc class_item(struct reader *r)
{
    fw_rc rc = FW_NONE;

    if (peek(r, 0) == '[' && peek(r, 1) == ':')
        rc = named_class(r);
    if (rc == FW_NONE && peek(r, 0) == '\\')
        rc = peek(r, 1) == 'p' || peek(r, 1) == 'P' ? property(r, true)
                                                    : perl_class(r, true);
    return rc == FW_NONE ? class_range(r) : rc;
}

static fw_rc bracket(struct reader *r)
{
    size_t from = r->at++;
    fw_rc rc = emit(r, "[");

    if (rc == FW_OK && peek(r, 0) == '^') {
        r->at++;
        rc = emit(r, "^");
    }
    for (bool first = true;
         rc == FW_OK && r->at < r->n && (first || r->p[r->at] != ']');
         first = false)
        rc = class_item(r);
    if (rc == FW_OK && r->at == r->n)
        return refuse(r, "missing closing ]", from);
    r->at++;
    r->can_repeat = true;
    return rc == FW_OK ? emit(r, "]") : rc;
}

/* ---- Groups and repetition --------------------------------------------------
 */

/* (?P<name> or (?<name>; `at` stands on the '<'. */
static fw_rc group_name(struct reader *r, size_t from)
{
    size_t name = ++r->at;

    while (is_word(peek(r, 0)))
        r->at++;
    if (r->at == name || peek(r, 0) != '>')
        return refuse(r, "invalid named capture", from);
    r->at++;
    if (r->at - name > 30 || (r->p[name] >= '0' && r->p[name] <= '9'))
        return emit(r, "("); /* PCRE2 takes no such name; nobody asks by it */
    return emit_from(r, from);
}

/* (?flags) or (?flags: with the flags i m s U; `at` stands on the first. */
static fw_rc group_flags(struct reader *r, size_t from)
{
    bool minus = false;
    size_t flags = 0;

    for (;; r->at++) {
        char c = peek(r, 0);

        if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            flags++;
        } else if (c == '-' && !minus) {
            minus = true;
            flags = 0;
        } else {
            break;
        }
    }
    if ((minus && flags == 0) || (peek(r, 0) != ')' && peek(r, 0) != ':'))
        return refuse(r, "invalid or unsupported Perl syntax", from);
    if (r->p[r->at++] == ')')
        r->depth--; /* it opened nothing */
    return emit_from(r, from);
}

static fw_rc open_group(struct reader *r)
{
    size_t from = r->at++;

    r->can_repeat = false;
    if (++r->depth > MAX_NESTING)
        return refuse(r, "expression nests too deeply", from);
    if (peek(r, 0) != '?')
        return emit(r, "(");
    r->at++;
    if (peek(r, 0) == 'P' && peek(r, 1) == '<')
        r->at++;
    if (peek(r, 0) == '<' && peek(r, 1) != '=' && peek(r, 1) != '!')
        return group_name(r, from);
    return group_flags(r, from);
}

static fw_rc close_group(struct reader *r)
{
    if (--r->depth < 0)
        return refuse(r, "unexpected )", r->at);
    r->at++;
    r->can_repeat = true;
    return emit(r, ")");
}

/* The number at `at`; -1 where there is none, or one with zeros in front. */
static int number(struct reader *r)
{
    int value = -1;

    if (peek(r, 0) == '0' && peek(r, 1) >= '0' && peek(r, 1) <= '9')
        return -1;

    while (peek(r, 0) >= '0' && peek(r, 0) <= '9') {
        value = (value < 0 ? 0 : value) * 10 + (r->p[r->at++] - '0');
        if (value > MAX_REPEAT * 10)
            value = MAX_REPEAT * 10;
    }
    return value;
}

/* {n}, {n,} or {n,m}; anything else with a brace is a literal brace. */
static bool counted(struct reader *r, int *low, int *high)
{
    size_t from = r->at++;

    *low = number(r);
    *high = *low;
    if (*low >= 0 && peek(r, 0) == ',') {
        r->at++;
        *high = number(r);
    }
    if (*low >= 0 && peek(r, 0) == '}') {
        r->at++;
        return true;
    }
    r->at = from;
    return false;
}

static fw_rc quantifier(struct reader *r)
{
    size_t from = r->at;
    int low = 0, high = 0;

    if (r->p[r->at] == '{') {
        if (!counted(r, &low, &high)) {
            r->at++;
            r->can_repeat = true;
            return emit(r, "\\{");
        }
        if (low > MAX_REPEAT || high > MAX_REPEAT || (high >= 0 && low > high))
            return refuse(r, "invalid repeat count", from);
    } else {
        r->at++;
    }
    if (!r->can_repeat)
        return refuse(r, "missing argument to repetition operator", from);
    if (peek(r, 0) == '?')
        r->at++;
    if (peek(r, 0) == '*' || peek(r, 0) == '+' || peek(r, 0) == '?') {
        r->at++;
        return refuse(r, "invalid nested repetition operator", from);
    }
    if (peek(r, 0) == '{') {
        size_t here = r->at;

        if (counted(r, &low, &high))
            return refuse(r, "invalid nested repetition operator", from);
        r->at = here;
    }
    return emit_from(r, from);
}

static fw_rc step(struct reader *r)
{
    char c = r->p[r->at];

    switch (c) {
    case '\\':
        return escape(r);
    case '[':
        return bracket(r);
    case '(':
        return open_group(r);
    case ')':
        return close_group(r);
    case '*':
    case '+':
    case '?':
    case '{':
        return quantifier(r);
    case '|':
        r->at++;
        r->can_repeat = false;
        return emit(r, "|");
    case '^':
    case '$':
        return assertion(r, 1);
    case '.':
        r->at++;
        r->can_repeat = true;
        return fw_buf_addc(r->out, c);
    default:
        r->at++;
        r->can_repeat = true;
        return emit_literal(r, c);
    }
}

static _Atomic uint64_t too_long;

uint64_t fw_regex_too_long(void)
{
    return atomic_load_explicit(&too_long, memory_order_relaxed);
}

fw_rc regex_translate(struct fw_str pattern, struct fw_buf *out,
                      struct fw_err *err)
{
    struct reader r = {pattern.p, pattern.n, 0, out, err, 0, false};
    fw_rc rc = FW_OK;

    if (pattern.n > FW_MAX_REGEX_BYTES) {
        atomic_fetch_add_explicit(&too_long, 1, memory_order_relaxed);
        return fw_err_set(err, FW_EINVAL,
                          "a regular expression of %zu bytes is longer than %d",
                          pattern.n, FW_MAX_REGEX_BYTES);
    }
    if (!fw_utf8_valid(pattern.p, pattern.n))
        return fw_err_set(err, FW_EINVAL,
                          "bad regular expression: it is not UTF-8");
    while (r.at < r.n && rc == FW_OK)
        rc = step(&r);
    if (rc == FW_OK && r.depth > 0)
        return fw_err_set(err, FW_EINVAL,
                          "bad regular expression: missing closing ): '%.*s'",
                          FW_STR_ARG(pattern));
    if (rc == FW_ETOOBIG || rc == FW_ENOMEM)
        return fw_err_set(err, rc, "a regular expression is too large");
    return rc;
}
