/*
 * Facts drawn at random, by their table, from words that mean something to the checks: no crash,
 * and every diagnosis is sound. The same seed gives the same facts.
 */
#include "fact_make.h"

#include "diagnosis_sound.h"

enum { RUNS = 6000, MOST_RECORDS = 12 };

static const char *const words[] = {
    "",
    "10.9.0.53",
    "10.9.0.54",
    "10.0.0.2",
    "169.254.169.253",
    "fd00:ec2::253",
    "fd00:9::53",
    "10.0.1.99",
    "52.218.1.1",
    "0.0.0.0",
    "::",
    "2a05:d07a::1",
    "10.0.0.0/16",
    "not an address",
    "s3.eu-west-1.amazonaws.com",
    "registry.stk",
    "registry.stk.corp.example",
    "corp.example",
    "amazonaws.com",
    ".",
    "%s%n",
    "eu-west-1",
    "AmazonProvidedDNS",
    "domain-name-servers",
    "vpc-1",
    "com.amazonaws.eu-west-1.s3",
};

/* Of fields that have words of their own. */
static const struct {
    const char *field;
    const char *const *words;
    size_t n;
} vocabularies[] = {
#define WORDS(field, ...)                                                                          \
    {                                                                                              \
        field, (const char *const[]){ __VA_ARGS__ },                                               \
            sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *)                    \
    }
    WORDS("outcome", "answer", "answer", "answer", "answer", "answer", "answer", "timeout",
          "nodata", "nxdomain", "servfail", "refused", "formerr", "rcode", "malformed", "timeout",
          "unreachable", "no_route", "failed", "not_asked", "ok", "denied", "reset"),
    WORDS("source", "resolv.conf", "resolv.conf", "settings", "amazon", "option"),
    WORDS("type", "A", "A", "A", "A", "A", "AAAA", "Gateway", "Interface", "FORWARD",
          "DNS_PRIVATE"),
    WORDS("transport", "udp", "udp", "udp", "udp", "udp", "tcp"),
    WORDS("purpose", "s3", "registry", "bucket", "search"),
    WORDS("server", "10.9.0.53", "10.9.0.54", "10.0.0.2", "fd00:9::53"),
    WORDS("servers", "10.9.0.53", "10.9.0.54", "10.0.0.2", "fd00:9::53"),
    WORDS("name", "s3.eu-west-1.amazonaws.com", "registry.stk", "registry.stk.corp.example"),
    WORDS("address", "10.9.0.53", "10.9.0.54", "10.0.0.2", "169.254.169.253", "fd00:9::53",
          "52.218.1.1", "0.0.0.0"),
    WORDS("addresses", "10.0.1.99", "10.0.1.77", "52.218.1.1", "2a05:d07a::1", "0.0.0.0",
          "nonsense"),
    WORDS("tls", "ok", "untrusted", "name", "reset", "timeout", ""),
    WORDS("action", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions", "ec2:DescribeVpcEndpoints",
          "route53resolver:ListResolverRules", "servicediscovery:ListServices",
          "ecs:DescribeTasks"),
    WORDS("error", "", "", "", "Permission denied"),
#undef WORDS
};

static uint64_t state;

static unsigned draw(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((state >> 33) % n);
}

static struct str draw_text(struct fact_book *b, const char *field)
{
    for (size_t i = 0; i < sizeof vocabularies / sizeof *vocabularies; i++)
        if (strcmp(vocabularies[i].field, field) == 0)
            return make_text(b, vocabularies[i].words[draw(vocabularies[i].n)]);
    return draw(5) == 0 ? (struct str){ NULL, 0 }
                        : make_text(b, words[draw(sizeof words / sizeof *words)]);
}

static int64_t draw_number(void)
{
    static const int64_t numbers[] = { FACT_NO_NUMBER, INT64_MAX, -1, 0, 1, 1, 2, 2, 3, 4, 5, 9,
                                       1000,           1500000,   443 };
    return numbers[draw(sizeof numbers / sizeof *numbers)];
}

static void fill(struct fact_book *b, const struct fact_row *row, void *record);

static void fill_field(struct fact_book *b, const struct fact_field *field, void *at)
{
    unsigned n = draw(field->inner == &fact_row_question ? 4 * MOST_RECORDS : MOST_RECORDS / 2);
    switch (field->kind) {
    case FACT_TEXT:
        *(struct str *)at = draw_text(b, field->name);
        break;
    case FACT_NUMBER:
        *(int64_t *)at = draw_number();
        break;
    case FACT_TRUTH:
        *(enum fact_truth *)at = (enum fact_truth)draw(3);
        break;
    case FACT_TEXTS:
        for (unsigned i = draw(6); i > 0; i--)
            fact_add_text(b, at, draw_text(b, field->name));
        break;
    case FACT_ONE:
        fill(b, field->inner, at);
        break;
    case FACT_MANY: {
        char one[1024];
        assert_true(field->inner->size <= sizeof one);
        for (; n > 0; n--) {
            fact_clear(field->inner, one);
            fill(b, field->inner, one);
            fact_add_any(b, at, field->inner->size, one);
        }
    }
    }
}

static void fill(struct fact_book *b, const struct fact_row *row, void *record)
{
    for (size_t i = 0; i < row->n_fields; i++)
        if (draw(8) > 0)
            fill_field(b, &row->fields[i], (char *)record + row->fields[i].offset);
}

static void test_sound(void **unused)
{
    unsigned seen[N_FINDING_CODES] = { 0 };
    (void)unused;
    for (unsigned run = 0; run < RUNS; run++) {
        struct fact_book b;
        struct diagnosis d;
        enum finding_code code;
        state = run;
        fact_book_init(&b);
        fill(&b, &fact_row_facts, &b.facts);
        diagnose(&b.facts, &d);
        const char *problem = diagnosis_unsound(&d, &code);
        if (problem != NULL)
            fail_msg("seed %u: %s: %s", run, finding_row(code)->code, problem);
        for (unsigned c = 0; c < N_FINDING_CODES; c++)
            seen[c] += d.results[c].state == CHECK_FAIL;
        diagnosis_done(&d);
        fact_book_done(&b);
    }
    /* The words reach the checks that are judged here. */
    for (unsigned c = 0; c < PS2001; c++)
        if (seen[c] == 0)
            fail_msg("%s was never found", finding_row((enum finding_code)c)->code);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_sound) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
