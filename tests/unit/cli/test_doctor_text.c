/* What a person reads: lines, the table, reasons. */
#include "cli/doctor_text.h"

#include "../doctor/network_make.h"

typedef void build_fn(struct fact_book *b);

static void wrong_first(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", "nxdomain", "refused");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    b->facts.metadata.task_arn = make_text(b, "arn:aws:ecs:eu-west-1:1:task/c/8f03aaaabbbb");
    b->facts.surroundings.region = make_text(b, "eu-west-1");
    b->facts.taken_s = 1700000000;
    b->facts.took_ms = 1234;
    b->facts.dns_packets = 31;
}

/* Amazon's second address, which says the same, or not. */
static void amazon_twice(struct fact_book *b)
{
    wrong_first(b);
    make_dns_server(b, "fd00:ec2::253", "amazon");
    says(b, "fd00:ec2::253", PUBLIC, "10.0.1.99");
}

static void amazon_apart(struct fact_book *b)
{
    wrong_first(b);
    make_dns_server(b, "fd00:ec2::253", "amazon");
    says(b, "fd00:ec2::253", PUBLIC, "10.0.1.98");
}

static void amazon_lossy(struct fact_book *b)
{
    wrong_first(b);
    make_dns_server(b, "fd00:ec2::253", "amazon");
    lose(ask(b, "fd00:ec2::253", S3, "answer", PUBLIC), 2, 3);
    ask(b, "fd00:ec2::253", REGISTRY, "answer", "10.0.1.99");
}

static void lossy(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    lose(ask(b, "10.9.0.53", S3, "answer", "52.218.1.1"), 2, 3);
    ask6(b, "10.9.0.53", S3, "answer", "2a05:d050::1 2a05:d050::2");
    ask(b, "10.9.0.53", REGISTRY, "timeout", "");
}

static void blocked(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", "0.0.0.0", "10.0.1.99 52.1.1.1");
}

static void used(struct fact_book *b)
{
    wrong_first(b);
    b->facts.proxy.running = b->facts.proxy.resolves = FACT_YES;
    b->facts.proxy.used = make_text(b, AMAZON);
}

static void in_trouble(struct fact_book *b)
{
    used(b);
    b->facts.proxy.resolves = FACT_NO;
}

static void from_settings(struct fact_book *b)
{
    build_network(b, "10.9.0.53 10.9.0.54 10.9.0.55 10.9.0.56");
    make_dns_server(b, "10.1.1.1", "settings");
    make_dns_server(b, "10.2.2.2", "option");
    ask(b, "10.9.0.53", S3, "not_asked", "");
}

static void long_bucket(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    make_dns_name(b,
                  "the-name-of-a-bucket-that-takes-all-of-63-characters-0123456789.s3.eu-west-1."
                  "amazonaws.com",
                  "bucket");
    says(b, "10.9.0.53", PUBLIC, "10.0.1.99");
}

static void asked_for_a_vpc(struct fact_book *b)
{
    b->facts.surroundings.vpc_id = make_text(b, "vpc-1");
    b->facts.identity.error = make_text(b, "nobody gives any");
    b->facts.surroundings.inside = FACT_NO;
}

static void nothing(struct fact_book *b)
{
    (void)b;
}

static void a_log(struct fact_book *b)
{
    struct fact_log *log = &b->facts.log;
    log->source = make_text(b, "/var/log/nginx.log");
    log->lines = 5;
    log->recognised = 2;
    struct fact_log_group *g = make_log_group(b, &log->groups);
    g->kind = make_text(b, "dns_timeout");
    g->meaning = make_text(b, "no answer came");
    g->name = make_text(b, S3);
    g->count = 2;
    g->first = make_text(b, "2026-03-01T12:03:11Z");
    g->last = make_text(b, "2026-03-01T12:04:11Z");
    g->is_dns = FACT_YES;
    fact_add_text(b, &g->hints, STR("PS1004"));
}

static void hostile(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    make_dns_name(b, "\x1b[31m%s%n\xff\xc3\xa4", "registry");
    ask(b, "10.9.0.53", "\x1b[31m%s%n\xff\xc3\xa4", "nxdomain", "");
}

/* A blank in line stands for one or more. */
static bool is_like(struct str text, const char *line)
{
    size_t i = 0;
    for (; *line != 0 && i < text.n && text.p[i] == *line; line++, i++)
        while (*line == ' ' && i + 1 < text.n && text.p[i + 1] == ' ')
            i++;
    return *line == 0 && i == text.n;
}

static bool has_line(struct str text, const char *line)
{
    struct str rest = text, one;
    while (str_next(&rest, '\n', &one))
        if (is_like(one, line))
            return true;
    return false;
}

static void test_lines(void **state)
{
    static const struct {
        build_fn *build;
        const char *line;
    } rows[] = {
        { wrong_first, "penstock doctor task 8f03aaaa... eu-west-1 2023-11-14 22:13 UTC" },
        { wrong_first, " 10.9.0.53 (1st) 169.254.169.253 (Amazon)" },
        { wrong_first, " s3.eu-west-1 NXDOMAIN 3.0 ms 2 A public 3.0 ms" },
        { wrong_first, " registry.stk REFUSED 3.0 ms 10.0.1.99 private 3.0 ms" },
        { wrong_first, " NXDOMAIN the server says that there is no such name" },
        { wrong_first, " REFUSED the server does not answer for this name" },
        { amazon_twice, " 10.9.0.53 (1st) 169.254.169.253 (Amazon)" },
        { amazon_twice, " fd00:ec2::253 answers as 169.254.169.253 does" },
        { amazon_apart, " 10.9.0.53 (1st) 169.254.169.253 (Amazon) fd00:ec2::253 (Amazon)" },
        { amazon_lossy, " 10.9.0.53 (1st) 169.254.169.253 (Amazon) fd00:ec2::253 (Amazon)" },
        { lossy, " s3.eu-west-1 1 A + 2 AAAA public 3.0 ms (2 of 3) -" },
        { lossy, " registry.stk no answer (0 of 3) -" },
        { blocked, " s3.eu-west-1 0.0.0.0 blocked 3.0 ms -" },
        { blocked, " registry.stk 2 A: 1 private, 1 public 3.0 ms -" },
        { blocked, " blocked an address that leads nowhere" },
        { used, " 10.9.0.53 (1st) 169.254.169.253 (Amazon) used by penstock" },
        { used, " s3.eu-west-1 NXDOMAIN 3.0 ms 2 A public 3.0 ms 169.254.169.253" },
        { in_trouble, " s3.eu-west-1 NXDOMAIN 3.0 ms 2 A public 3.0 ms no answer" },
        { from_settings, " 10.9.0.53 (1st) 10.9.0.54 (2nd) 10.9.0.55 (3rd) 10.9.0.56 (4th)" },
        { from_settings, " 169.254.169.253 (Amazon) 10.1.1.1 (settings) 10.2.2.2 (asked for)" },
        { long_bucket, " the-name-of-a-bucke...9.s3.eu-west-1 - -" },
        { asked_for_a_vpc, "penstock doctor vpc-1" },
        { asked_for_a_vpc, "? could not be checked:" },
        { asked_for_a_vpc, " penstock explain PS6001: the permissions that it takes" },
        { nothing, "? there was nothing to judge" },
        { nothing, " --cluster C --task T, --log FILE." },
        { nothing, "nothing could be checked" },
        { a_log, "penstock doctor nginx.log" },
        { a_log, " /var/log/nginx.log: 5 lines read, 2 of them tell of a failure" },
        { a_log, " 2 x s3.eu-west-1.amazonaws.com 2026-03-01T12:03:11Z 12:04:11Z" },
        { a_log, " no answer came" },
        { a_log, "more about it: penstock explain PS1004" },
        { hostile, " ?[31m%s%n?\\xc3\\xa4 NXDOMAIN 3.0 ms -" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fact_book b;
        struct diagnosis d;
        struct output o = { .has_colour = false };
        fact_book_init(&b);
        buf_init(&o.text, OUTPUT_BYTES);
        rows[i].build(&b);
        diagnose(&b.facts, &d);
        doctor_text(&d, &o);
        if (!has_line(buf_str(&o.text), rows[i].line)) {
            print_error("not there: %s\n%.*s", rows[i].line, STR_ARG(buf_str(&o.text)));
            fail();
        }
        buf_done(&o.text);
        diagnosis_done(&d);
        fact_book_done(&b);
    }
}

/* Findings as a check might make them. */
static void write_finding(struct buf *to, bool has_colour, void (*make)(struct diagnosis *d))
{
    struct fact_facts facts;
    struct diagnosis d;
    struct output o = { .has_colour = has_colour };
    FACT_CLEAR(facts, &facts);
    diagnose(&facts, &d);
    make(&d);
    buf_init(&o.text, OUTPUT_BYTES);
    doctor_text(&d, &o);
    *to = o.text;
    diagnosis_done(&d);
}

static void add(struct diagnosis *d, struct finding *f)
{
    d->findings[d->n_findings++] = f;
    d->n_roots += f->rank == FINDING_ROOT;
    d->n_consequences += f->rank == FINDING_CONSEQUENCE;
    d->n_notices += f->rank == FINDING_NOTICE;
}

static void long_texts(struct diagnosis *d)
{
    struct finding *f = check_fail(d, PS1001, STR("subject"));
    finding_title(d, f,
                  "a title that is so long that the cause of it has no place behind it any more");
    finding_evidence(
        d, f,
        "10.9.0.53: NXDOMAIN in 3 ms for a-long-name.s3.eu-west-1.amazonaws.com; "
        "169.254.169.253: 52.218.104.10 in 3 ms, and more words until it does not fit");
    finding_evidence(d, f, "%0*d", 150, 7);
    finding_fix(d, f, "A sentence.");
    finding_fix(d, f, "aws ec2 a-command --with=%0*d --and another", 120, 7);
    finding_note(d, f, "a note");
    add(d, f);
    struct finding *effect = check_fail(d, PS4002, STR("registry.stk"));
    effect->rank = FINDING_CONSEQUENCE;
    effect->because = PS1001;
    finding_evidence(d, effect, "not told again");
    add(d, effect);
}

static void test_a_finding(void **state)
{
    static const char *const lines[] = {
        "x PS1001 a title that is so long that the cause of it has no place behind it any more",
        " cause 1: DHCP options without AWS DNS",
        " 10.9.0.53: NXDOMAIN in 3 ms for a-long-name.s3.eu-west-1.amazonaws.com;",
        " 169.254.169.253: 52.218.104.10 in 3 ms, and more words until it does not fit",
        " fix: A sentence.",
        " a note",
        " goes away with it:",
        " PS4002 the registry is registered, but your DNS server does not know it",
        "1 root cause, 1 consequence",
    };
    struct buf text;
    (void)state;
    write_finding(&text, false, long_texts);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!has_line(buf_str(&text), lines[i])) {
            print_error("not there: %s\n%.*s", lines[i], STR_ARG(buf_str(&text)));
            fail();
        }
    assert_false(str_contains(buf_str(&text), STR("not told again")));
    struct str rest = buf_str(&text), line;
    while (str_next(&rest, '\n', &line))
        assert_true(line.n <= DOCTOR_TEXT_COLUMNS || str_contains(line, STR("a-command")) ||
                    str_contains(line, STR("00000")));
    /* A command is one line, however long. */
    assert_true(str_contains(buf_str(&text), STR("7 --and another\n")));
    buf_done(&text);
}

static void test_colours(void **state)
{
    struct buf plain, coloured;
    size_t n = 0;
    (void)state;
    write_finding(&plain, false, long_texts);
    write_finding(&coloured, true, long_texts);
    assert_true(str_contains(buf_str(&coloured), STR("\033[31mx PS1001\033[0m")));
    for (size_t i = 0; i < coloured.n; i++) {
        if (coloured.p[i] == '\033')
            while (coloured.p[i] != 'm')
                i++;
        else
            assert_true(n < plain.n && plain.p[n++] == coloured.p[i]);
    }
    assert_int_equal(n, plain.n);
    buf_done(&plain);
    buf_done(&coloured);
}

static void test_short(void **state)
{
    struct fact_book b;
    struct diagnosis d;
    struct output o = { .has_colour = false };
    (void)state;
    fact_book_init(&b);
    buf_init(&o.text, OUTPUT_BYTES);
    build_network(&b, "10.9.0.53");
    says(&b, "10.9.0.53", "nxdomain", "nxdomain");
    says(&b, AMAZON, PUBLIC, "10.0.1.99");
    diagnose(&b.facts, &d);
    doctor_short(&d, &o);
    assert_true(str_starts(buf_str(&o.text),
                           STR("PS1001 error root: your first DNS server cannot resolve AWS names "
                               "[10.9.0.53]\nPS4002 error consequence: ")));
    assert_true(str_ends(buf_str(&o.text), STR("\n1 root cause, 1 consequence\n")));
    buf_done(&o.text);
    diagnosis_done(&d);
    fact_book_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_finding),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
