/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/support/fixture.h"

#include <math.h>
#include <string.h>

#include <snappy-c.h>

#include "server/ingest/remote_write.h"
#include "server/ingest/snappy.h"
#include "server/ingest/wire.h"

/* ---- a small writer of protobuf ---- */

struct message {
    char bytes[4096];
    size_t n;
};

static void put_varint(struct message *m, uint64_t v)
{
    m->n += fw_varint_put(m->bytes + m->n, v);
}

static void put_bytes(struct message *m, uint32_t number, const void *p,
                      size_t n)
{
    put_varint(m, number << 3 | WIRE_BYTES);
    put_varint(m, n);
    memcpy(m->bytes + m->n, p, n);
    m->n += n;
}

static void put_message(struct message *m, uint32_t number,
                        const struct message *inner)
{
    put_bytes(m, number, inner->bytes, inner->n);
}

static void put_label(struct message *series, const char *name,
                      const char *value)
{
    struct message label = {.n = 0};

    put_bytes(&label, 1, name, strlen(name));
    put_bytes(&label, 2, value, strlen(value));
    put_message(series, 1, &label);
}

static void put_sample(struct message *series, fw_ms t, double v)
{
    struct message sample = {.n = 0};

    put_varint(&sample, 1 << 3 | WIRE_FIXED64);
    fw_put_le64(sample.bytes + sample.n, fw_double_bits(v));
    sample.n += 8;
    put_varint(&sample, 2 << 3 | WIRE_VARINT);
    put_varint(&sample, (uint64_t)t);
    put_message(series, 2, &sample);
}

static struct fw_str body_of(const struct message *m)
{
    return (struct fw_str){m->bytes, m->n};
}

/* ---- tests ---- */

static void labels_and_samples_come_back_bit_for_bit(void **state)
{
    const double values[] = {1.5, -0.0, fw_double_of_bits(FW_STALE_BITS),
                             fw_double_of_bits(UINT64_C(0xfff8000000000123)),
                             INFINITY};
    const fw_ms times[] = {1700000000000, -1, INT64_MIN, 0, INT64_MAX};
    struct message request = {.n = 0}, series = {.n = 0};
    struct fw_label labels[FW_MAX_LABELS + 1];
    struct rw_series got;
    struct fw_err err = {0};
    struct fw_str body, rest;
    size_t n;

    (void)state;
    put_label(&series, "__name__", "up");
    put_label(&series, "job", "");
    for (size_t i = 0; i < 5; i++)
        put_sample(&series, times[i], values[i]);
    put_message(&request, 1, &series);
    body = body_of(&request);
    assert_int_equal(rw_check(body, &err), FW_OK);
    assert_true(rw_next(&body, &got));
    assert_int_equal(got.samples, 5);
    rw_labels(&got, labels, &n);
    assert_int_equal(n, 2);
    assert_true(fw_str_eq(labels[0].value, FW_STR("up")));
    assert_true(fw_str_eq(labels[1].name, FW_STR("job")));
    rest = got.bytes;
    for (size_t i = 0; i < 5; i++) {
        double v;
        fw_ms t;

        assert_true(rw_sample(&rest, &t, &v));
        assert_int_equal(t, times[i]);
        assert_true(fw_double_bits(v) == fw_double_bits(values[i]));
    }
    assert_false(rw_next(&body, &got));
}

static void the_name_is_the_labels_as_sent(void **state)
{
    struct message request = {.n = 0}, a = {.n = 0}, b = {.n = 0}, c = {.n = 0};
    struct rw_series got[3];
    struct fw_err err = {0};
    struct fw_str body;

    (void)state;
    put_label(&a, "x", "1");
    put_label(&a, "y", "2");
    put_sample(&a, 1, 1);
    put_sample(&b, 2, 2); /* samples first: as good */
    put_label(&b, "x", "1");
    put_label(&b, "y", "2");
    put_label(&c, "x", "1");
    put_sample(&c, 3, 3); /* between the labels: no name */
    put_label(&c, "y", "2");
    put_message(&request, 1, &a);
    put_message(&request, 1, &b);
    put_message(&request, 1, &c);
    body = body_of(&request);
    assert_int_equal(rw_check(body, &err), FW_OK);
    for (size_t i = 0; i < 3; i++)
        assert_true(rw_next(&body, &got[i]));
    assert_true(got[0].name.n > 0);
    assert_true(fw_str_eq(got[0].name, got[1].name));
    assert_int_equal(got[2].name.n, 0);
}

static void unknown_fields_are_skipped_and_absent_ones_zero(void **state)
{
    struct message request = {.n = 0}, series = {.n = 0}, empty = {.n = 0};
    struct rw_series got;
    struct fw_err err = {0};
    struct fw_str body, rest;
    double v = 1;
    fw_ms t = 1;

    (void)state;
    put_varint(&series, 99 << 3 | WIRE_VARINT);
    put_varint(&series, 5);
    put_varint(&series, 98 << 3 | WIRE_GROUP);
    put_bytes(&series, 1, "inside", 6);
    put_varint(&series, 98 << 3 | WIRE_GROUP_END);
    put_message(&series, 2, &empty);
    put_bytes(&series, 3, "an exemplar", 11);
    put_bytes(&series, 4, "a histogram", 11);
    put_bytes(&request, 3, "metadata", 8);
    put_message(&request, 1, &series);
    body = body_of(&request);
    assert_int_equal(rw_check(body, &err), FW_OK);
    assert_true(rw_next(&body, &got));
    assert_int_equal(got.samples, 1);
    assert_int_equal(got.exemplars, 1);
    assert_int_equal(got.histograms, 1);
    rest = got.bytes;
    assert_true(rw_sample(&rest, &t, &v));
    assert_true(t == 0 && v == 0);
}

static void every_cut_is_refused_or_ends_well(void **state)
{
    struct message request = {.n = 0}, series = {.n = 0};

    (void)state;
    put_label(&series, "__name__", "up");
    put_sample(&series, 1700000000000, 1);
    put_message(&request, 1, &series);
    for (size_t n = 1; n < request.n; n++) {
        struct fw_str body = {request.bytes, n};
        struct fw_err err = {0};

        assert_int_equal(rw_check(body, &err), FW_EINVAL);
        assert_true(err.text[0] != '\0');
    }
}

static void hostile_lengths_and_depths(void **state)
{
    static const char huge[] = "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
    static const char eleven[] =
        "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    static const char zero[] = "\x00\x01";
    struct message deep = {.n = 0};
    struct wire_field field;
    struct fw_str in;

    (void)state;
    in = (struct fw_str){huge, sizeof(huge) - 1};
    assert_int_equal(wire_next(&in, &field), FW_EINVAL);
    in = (struct fw_str){eleven, sizeof(eleven) - 1};
    assert_int_equal(wire_next(&in, &field), FW_EINVAL);
    in = (struct fw_str){zero, sizeof(zero) - 1};
    assert_int_equal(wire_next(&in, &field), FW_EINVAL);
    for (int i = 0; i < 1000; i++)
        put_varint(&deep, 7 << 3 | WIRE_GROUP);
    in = body_of(&deep);
    assert_int_equal(wire_next(&in, &field), FW_EINVAL);
}

static void a_wrong_type_is_refused(void **state)
{
    struct message request = {.n = 0}, series = {.n = 0}, sample = {.n = 0};
    struct fw_err err = {0};

    (void)state;
    put_varint(&sample, 1 << 3 | WIRE_VARINT); /* a value that is no double */
    put_varint(&sample, 1);
    put_message(&series, 2, &sample);
    put_message(&request, 1, &series);
    assert_int_equal(rw_check(body_of(&request), &err), FW_EINVAL);
}

/* A point is a series of one sample, whatever the sample's bytes. */
static void points_are_read_as_the_whole_reader_reads_them(void **state)
{
    const double values[] = {1.5, 0.0, -0.0, fw_double_of_bits(FW_STALE_BITS)};
    struct message request = {.n = 0}, zero = {.n = 0}, m = {.n = 0};
    struct fw_str body, whole;
    struct rw_point point;
    struct rw_series series;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct message one = {.n = 0};

        put_label(&one, "__name__", "m");
        put_sample(&one, 1700000000000 + (fw_ms)i, values[i]);
        put_message(&request, 1, &one);
    }
    /* As Prometheus writes a zero: not at all. */
    put_varint(&zero, 2 << 3 | WIRE_VARINT);
    put_varint(&zero, 1700000000004);
    put_label(&m, "a", "b");
    put_message(&m, 2, &zero);
    put_message(&request, 1, &m);
    body = whole = body_of(&request);
    for (size_t i = 0; i < 5; i++) {
        struct fw_str rest;
        double v;
        fw_ms t;

        assert_int_equal(rw_next_point(&body, &point), RW_POINT);
        assert_true(rw_next(&whole, &series));
        rest = series.bytes;
        assert_true(rw_sample(&rest, &t, &v));
        assert_true(fw_str_eq(point.name, series.name));
        assert_int_equal(point.t, t);
        assert_int_equal(fw_double_bits(point.v), fw_double_bits(v));
    }
    assert_int_equal(rw_next_point(&body, &point), RW_END);
}

static void what_is_no_point_is_left_alone(void **state)
{
    struct message none = {.n = 0}, two = {.n = 0}, early = {.n = 0};
    struct message request = {.n = 0};
    struct rw_point point;
    struct fw_str body;

    (void)state;
    put_label(&none, "__name__", "m");
    put_message(&request, 1, &none);
    body = body_of(&request);
    assert_int_equal(rw_next_point(&body, &point), RW_OTHER);
    request.n = 0;
    put_label(&two, "__name__", "m");
    put_sample(&two, 1700000000000, 1);
    put_sample(&two, 1700000001000, 2);
    put_message(&request, 1, &two);
    body = body_of(&request); /* the name it gives is that of no series */
    assert_int_equal(rw_next_point(&body, &point), RW_POINT);
    assert_true(point.name.n > none.n);
    request.n = 0;
    put_label(&early, "__name__", "m");
    put_sample(&early, -1, 1); /* ten bytes of time */
    put_message(&request, 1, &early);
    body = body_of(&request);
    assert_int_equal(rw_next_point(&body, &point), RW_OTHER);
    request.n = 0;
    put_bytes(&request, 3, "metadata", 8);
    body = body_of(&request);
    assert_int_equal(rw_next_point(&body, &point), RW_OTHER);
}

static void snappy_claims_are_checked_before_memory_is_taken(void **state)
{
    static const char claim[] = "\xff\xff\xff\xff\x0f\x00\x00"; /* 4 GiB */
    static const char less[] = "\x80\x80\x80\x08\x00\x00\x00";  /* 16 MiB */
    struct fw_buf out = FW_BUF_INIT(32 << 20);
    struct fw_err err = {0};

    (void)state;
    assert_int_equal(snappy_block_add((struct fw_str){claim, 7}, &out, &err),
                     FW_ETOOBIG);
    assert_int_equal(snappy_block_add((struct fw_str){less, 7}, &out, &err),
                     FW_EINVAL);
    assert_int_equal(snappy_block_add(FW_STR(""), &out, &err), FW_EINVAL);
    assert_int_equal(out.cap, 0);
    fw_buf_release(&out);
}

static void a_snappy_block_decodes(void **state)
{
    char text[1000], packed[2000];
    size_t n = sizeof(packed);
    struct fw_buf out = FW_BUF_INIT(1000);
    struct fw_err err = {0};

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(snappy_compress(text, sizeof(text), packed, &n),
                     SNAPPY_OK);
    assert_int_equal(snappy_block_add((struct fw_str){packed, n}, &out, &err),
                     FW_OK);
    assert_int_equal(out.len, sizeof(text));
    assert_memory_equal(out.data, text, sizeof(text));
    fw_buf_clear(&out);
    out.max = 999;
    assert_int_equal(snappy_block_add((struct fw_str){packed, n}, &out, &err),
                     FW_ETOOBIG);
    fw_buf_release(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_and_samples_come_back_bit_for_bit),
        cmocka_unit_test(the_name_is_the_labels_as_sent),
        cmocka_unit_test(unknown_fields_are_skipped_and_absent_ones_zero),
        cmocka_unit_test(every_cut_is_refused_or_ends_well),
        cmocka_unit_test(hostile_lengths_and_depths),
        cmocka_unit_test(a_wrong_type_is_refused),
        cmocka_unit_test(points_are_read_as_the_whole_reader_reads_them),
        cmocka_unit_test(what_is_no_point_is_left_alone),
        cmocka_unit_test(snappy_claims_are_checked_before_memory_is_taken),
        cmocka_unit_test(a_snappy_block_decodes),
    };
    return fixture_main(argc, argv, tests);
}
