#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/xml.h"
#include "base/buf.h"

static const char vpcs[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<ec2:R xmlns:ec2=\"http://x/\" a=\"1\"><vpcSet>\n"
    " <item><vpcId>vpc-1</vpcId><cidr> 10.0.0.0/16\n</cidr><ok>true</ok></item>\n"
    " <other/><item><vpcId>v&amp;pc<!-- c -->-2</vpcId><ok>True</ok></item>\n"
    "</vpcSet><ec2:nextToken><![CDATA[a<b]]></ec2:nextToken></ec2:R>";

static void paths_lead_to_text(void **state)
{
    static const struct {
        const char *path, *text;
    } rows[] = {
        { "vpcSet/item/vpcId", "vpc-1" },
        { "vpcSet/item/cidr", "10.0.0.0/16" },
        { "nextToken", "a<b" },
        { "vpcSet", "" },
        { "vpcSet/none", "" },
        { "vpcSet/item/vpcId/none", "" },
        { "", "" },
    };
    const char *why = NULL;
    struct xml_doc *doc = xml_parse(str_from_c(vpcs), &why);
    const struct xml *root = xml_root(doc);
    assert_non_null(root);
    assert_true(str_eq(root->name, STR("R")));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!str_eq(xml_text(root, rows[i].path), str_from_c(rows[i].text)))
            fail_msg("%s: %.*s", rows[i].path, STR_ARG(xml_text(root, rows[i].path)));
    assert_ptr_equal(xml_at(root, ""), root);
    assert_null(xml_at(NULL, "a"));
    const struct xml *item = xml_at(root, "vpcSet/item");
    assert_true(xml_is_true(item, "ok"));
    item = xml_again(item);
    assert_true(str_eq(xml_text(item, "vpcId"), STR("v&pc-2")));
    assert_false(xml_is_true(item, "ok"));
    assert_null(xml_again(item));
    xml_free(doc);
}

static void colons_in_names(void **state)
{
    const char *why = NULL;
    struct xml_doc *doc = xml_parse(STR("<x:a><:/><b:>t</b:><:c/></x:a>"), &why);
    const struct xml *root = xml_root(doc);
    assert_true(str_eq(root->name, STR("a")));
    assert_non_null(xml_at(root, ":"));
    assert_true(str_eq(xml_text(root, "b:"), STR("t")));
    assert_non_null(xml_at(root, "c"));
    xml_free(doc);
}

static void what_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "x",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        "<a>&b;</a>",
        "<a>\xff</a>",
        "<a><![CDATA[x</a>",
        "<a b=1/>",
        "{\"a\":1}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = NULL;
        struct xml_doc *doc = xml_parse(str_from_c(rows[i]), &why);
        if (doc != NULL || why == NULL)
            fail_msg("taken: %s", rows[i]);
    }
    assert_null(xml_root(NULL));
    xml_free(NULL);
}

static struct xml_doc *nested(size_t depth, const char **why)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < depth; i++)
        buf_append(&b, STR("<a>"));
    for (size_t i = 0; i < depth; i++)
        buf_append(&b, STR("</a>"));
    struct xml_doc *doc = xml_parse(buf_str(&b), why);
    buf_done(&b);
    return doc;
}

static struct xml_doc *wide(size_t n, const char **why)
{
    struct buf b;
    buf_init(&b, XML_MAX_BYTES + 1);
    buf_append(&b, STR("<r>"));
    for (size_t i = 1; i < n; i++)
        buf_append(&b, STR("<a/>"));
    buf_append(&b, STR("</r>"));
    struct xml_doc *doc = xml_parse(buf_str(&b), why);
    buf_done(&b);
    return doc;
}

static void limits_hold(void **state)
{
    const char *why = NULL;
    struct xml_doc *doc = nested(XML_MAX_DEPTH, &why);
    assert_non_null(doc);
    xml_free(doc);
    assert_null(nested(XML_MAX_DEPTH + 1, &why));
    assert_string_equal(why, "too deep, or too many elements");
    doc = wide(XML_MAX_NODES, &why);
    assert_non_null(doc);
    xml_free(doc);
    assert_null(wide(XML_MAX_NODES + 1, &why));
    assert_null(xml_parse(str_of("<a/>", (size_t)XML_MAX_BYTES + 1), &why));
    assert_string_equal(why, "more than is read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_text),
        cmocka_unit_test(colons_in_names),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
