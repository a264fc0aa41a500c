/* The small parsers: forms and queries, XML documents, base64, ranges' neighbours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "s3/checksum.h"
#include "s3/form.h"
#include "s3/xml.h"

static int make_arena(void **state)
{
    struct od_arena *arena = calloc(1, sizeof *arena);
    od_arena_init(arena, 16u << 20);
    *state = arena;
    return arena ? 0 : -1;
}

static int drop_arena(void **state)
{
    od_arena_done(*state);
    free(*state);
    return 0;
}

static void assert_str(struct od_str got, const char *wanted)
{
    if (!od_str_eq_c(got, wanted))
        fail_msg("'%.*s' is not '%s'", OD_STR_ARG(got), wanted);
}

static void fields_are_decoded(void **state)
{
    struct od_form form;
    assert_int_equal(od_form_parse(OD_STR("a=1&&b=%C3%BC+x%2B&c&d=e=f&a=2"), *state, &form, NULL),
                     OD_OK);
    assert_int_equal(form.count, 5);
    assert_str(od_form_get(&form, "a"), "1");
    assert_str(od_form_get(&form, "b"), "\xC3\xBC x+");
    assert_str(od_form_get(&form, "c"), "");
    assert_str(od_form_get(&form, "d"), "e=f");
    assert_null(od_form_get(&form, "e").ptr);
}

static void forms_that_lie_are_refused(void **state)
{
    static const char *const texts[] = {"a=%", "a=%4", "a=%zz", "a=%00", "a=%C3", "%FF=1"};
    struct od_form form;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(od_form_parse(od_str_c(texts[i]), *state, &form, NULL), OD_INVALID_INPUT);
    struct od_buf many;
    od_buf_init(&many, 10000);
    for (int i = 0; i <= OD_MAX_FORM_FIELDS; i++)
        od_buf_puts(&many, "a=b&");
    assert_int_equal(od_form_parse(od_buf_view(&many), *state, &form, NULL), OD_INVALID_INPUT);
    od_buf_done(&many);
}

static void encoding_is_undone_by_decoding(void **state)
{
    struct od_buf encoded;
    struct od_str decoded;
    struct od_str text = OD_STR("/a b+c%~\xC3\xBC?&=#\"");
    od_buf_init(&encoded, 1000);
    od_percent_encode(&encoded, text, "/");
    assert_string_equal(encoded.ptr, "/a%20b%2Bc%25~%C3%BC%3F%26%3D%23%22");
    assert_int_equal(od_percent_decode(od_buf_view(&encoded), false, *state, &decoded, NULL),
                     OD_OK);
    assert_true(od_str_eq(decoded, text));
    od_buf_done(&encoded);
}

static void a_document_is_a_tree(void **state)
{
    struct od_xml *root;
    struct od_str text = OD_STR(
        "<?xml version=\"1.0\"?><!-- c --><Delete xmlns='x' a = \"y\">\n <Object><Key> a&amp;"
        "&#98;&#x63;<![CDATA[<d>]]></Key></Object><Quiet/><Object><Key>2</Key></Object>"
        "</Delete>\n");
    assert_int_equal(od_xml_parse(*state, text, &root, NULL), OD_OK);
    assert_str(root->name, "Delete");
    const struct od_xml *object = od_xml_child(root, "Object");
    assert_str(od_xml_child(object, "Key")->text, " a&bc<d>");
    assert_str(od_xml_text(object, "Key"), "a&bc<d>");
    assert_str(od_xml_text(root, "Quiet"), "");
    assert_str(od_xml_text(object->next->next, "Key"), "2");
    assert_null(od_xml_child(root, "Nothing"));
    assert_null(od_xml_text(NULL, "x").ptr);
}

static void documents_that_are_none_are_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "text",
                                        "<a>",
                                        "<a></b>",
                                        "<a/><b/>",
                                        "<a/>text",
                                        "<a",
                                        "<a b>",
                                        "<a b=c/>",
                                        "<a b='<'/>",
                                        "<a b='x/>",
                                        "< a/>",
                                        "<a>&nbsp;</a>",
                                        "<a>&#0;</a>",
                                        "<a>&#xD800;</a>",
                                        "<a>&#x110000;</a>",
                                        "<a>&#;</a>",
                                        "<a>&#99999999999;</a>",
                                        "<a>&amp</a>",
                                        "<a>\x01</a>",
                                        "<!DOCTYPE a><a/>",
                                        "<a><?pi?></a>",
                                        "<a><!--</a>",
                                        "<a><![CDATA[</a>",
                                        "<a><![CDATA[\x01]]></a>",
                                        "<?xml <a/>",
                                        "<a>\xFF</a>"};
    struct od_xml *root;
    struct od_error err;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (od_xml_parse(*state, od_str_c(texts[i]), &root, &err) != OD_INVALID_INPUT)
            fail_msg("taken: %s", texts[i]);
    struct od_buf deep;
    od_buf_init(&deep, 100000);
    for (int i = 0; i <= OD_MAX_XML_DEPTH; i++)
        od_buf_puts(&deep, "<a>");
    for (int i = 0; i <= OD_MAX_XML_DEPTH; i++)
        od_buf_puts(&deep, "</a>");
    assert_int_equal(od_xml_parse(*state, od_buf_view(&deep), &root, &err), OD_INVALID_INPUT);
    od_buf_done(&deep);
}

static void what_is_escaped_reads_back(void **state)
{
    struct od_buf out;
    struct od_xml *root;
    struct od_str text = OD_STR("<&>\"'\r\n\t ]]> \xC3\xBC");
    od_buf_init(&out, 1000);
    od_xml_put(&out, "a", text);
    assert_int_equal(od_xml_parse(*state, od_buf_view(&out), &root, NULL), OD_OK);
    assert_true(od_str_eq(root->text, text));
    od_buf_clear(&out);
    od_xml_put(&out, "a", OD_STR("\x01"));
    assert_string_equal(out.ptr, "<a>\xEF\xBF\xBD</a>");
    od_buf_done(&out);
}

static void base64_is_taken_in_its_one_form(void **state)
{
    static const char *const wrong[] = {"",         "AAAA",     "AAAAAA=",      "AAAAAA",
                                        "AAAAAB==", "AAAA A==", "AAAAAA==AAAA", "!AAAAA=="};
    unsigned char bytes[4] = {1, 2, 3, 4};
    (void)state;
    assert_true(od_base64_read(OD_STR("AAAAAA=="), bytes, 4));
    assert_memory_equal(bytes, "\0\0\0\0", 4);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (od_base64_read(od_str_c(wrong[i]), bytes, 4))
            fail_msg("taken: %s", wrong[i]);
}

/* Values of "123456789" in the catalogue of parametrised CRC algorithms. */
static void checksums_are_those_of_their_names(void **state)
{
    static const struct {
        const char *name, *hex;
    } known[] = {{"crc32", "cbf43926"},
                 {"CRC32C", "e3069283"},
                 {"CRC64NVME", "ae8b14860a799888"},
                 {"SHA1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"}};
    struct od_crc_tables *tables = od_crc_tables_new();
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (size_t cut = 0; cut <= 9; cut++) {
            struct od_checksum sum;
            unsigned char bytes[OD_CHECKSUM_MAX_BYTES];
            char hex[2 * OD_CHECKSUM_MAX_BYTES + 1];
            assert_int_equal(
                od_checksum_init(&sum, od_checksum_named(od_str_c(known[i].name)), tables), OD_OK);
            od_checksum_add(&sum, "123456789", cut);
            od_checksum_add(&sum, &"123456789"[cut], 9 - cut);
            od_hex(bytes, od_checksum_end(&sum, bytes), hex);
            assert_string_equal(hex, known[i].hex);
        }
    assert_int_equal(od_checksum_named(OD_STR("MD5")), OD_CHECKSUM_NONE);
    free(tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_decoded),
        cmocka_unit_test(forms_that_lie_are_refused),
        cmocka_unit_test(encoding_is_undone_by_decoding),
        cmocka_unit_test(a_document_is_a_tree),
        cmocka_unit_test(documents_that_are_none_are_refused),
        cmocka_unit_test(what_is_escaped_reads_back),
        cmocka_unit_test(base64_is_taken_in_its_one_form),
        cmocka_unit_test(checksums_are_those_of_their_names),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
