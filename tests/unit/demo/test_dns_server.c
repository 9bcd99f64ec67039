#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "demo/dns_server.h"
#include "io/timer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct demo_dns_record records[] = {
    { "intranet.corp.demo", "10.1.2.3" },
    { "v6.corp.demo", "fd00::1" },
    { "*.s3.us-east-1.amazonaws.com", "127.0.0.1" },
};
static const struct demo_dns_zone zone = { records, 3, DNS_NXDOMAIN };

static struct dns_question question(const char *name, uint16_t type)
{
    struct dns_question q = { .type = type, .class = DNS_CLASS_IN };
    assert_true(dns_name_parse(str_from_c(name), &q.name));
    return q;
}

static void parse_reply(const struct buf *b, struct dns_msg *m)
{
    assert_false(b->failed);
    assert_int_equal(dns_msg_parse(buf_str(b), m), DNS_PARSE_OK);
    assert_true(m->is_response);
}

static void answers(void **state)
{
    static const struct {
        const char *says, *name;
        uint16_t type, rcode;
        size_t n_answers;
    } rows[] = {
        { "a name of the zone has its address", "intranet.corp.demo", DNS_A, DNS_NOERROR, 1 },
        { "case does not matter", "Intranet.CORP.demo", DNS_A, DNS_NOERROR, 1 },
        { "another type is NODATA", "intranet.corp.demo", DNS_AAAA, DNS_NOERROR, 0 },
        { "an IPv6 address is AAAA", "v6.corp.demo", DNS_AAAA, DNS_NOERROR, 1 },
        { "and not A", "v6.corp.demo", DNS_A, DNS_NOERROR, 0 },
        { "ANY gets what there is", "v6.corp.demo", DNS_ANY, DNS_NOERROR, 1 },
        { "a wildcard has names below", "b.s3.us-east-1.amazonaws.com", DNS_A, DNS_NOERROR, 1 },
        { "and two labels below", "a.b.s3.us-east-1.amazonaws.com", DNS_A, DNS_NOERROR, 1 },
        { "but not the zone", "s3.us-east-1.amazonaws.com", DNS_A, DNS_NXDOMAIN, 0 },
        { "whole labels", "xs3.us-east-1.amazonaws.com", DNS_A, DNS_NXDOMAIN, 0 },
        { "other names do not exist", "example.test", DNS_A, DNS_NXDOMAIN, 0 },
        { "zone transfers are refused", "intranet.corp.demo", DNS_AXFR, DNS_REFUSED, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int has_edns = 0; has_edns < 2; has_edns++) {
            uint8_t query[512];
            struct buf reply;
            struct dns_msg m;
            struct dns_question q = question(rows[i].name, rows[i].type);
            struct dns_query_flags flags = { .udp_bytes = has_edns ? 1232 : 0 };
            size_t n = dns_write_query(query, 77, &q, flags), n_answers = 0;
            buf_init(&reply, 65535);
            demo_dns_answer(&zone, str_of((char *)query, n), false, &reply);
            parse_reply(&reply, &m);
            for (size_t k = 0; k < m.n_rrs; k++)
                n_answers += m.rrs[k].section == DNS_ANSWER;
            if (m.id != 77 || m.rcode != rows[i].rcode || n_answers != rows[i].n_answers ||
                m.edns.is_present != (has_edns != 0))
                fail_msg("%s", rows[i].says);
            assert_memory_equal(m.question.name.wire, q.name.wire, q.name.n);
            /* A negative answer says how long it lives. */
            if (m.rcode == DNS_NXDOMAIN || (m.rcode == DNS_NOERROR && n_answers == 0)) {
                uint32_t minimum;
                assert_int_equal(m.n_rrs, 1);
                assert_true(dns_rr_soa_minimum(&m, &m.rrs[0], &minimum));
            }
            buf_done(&reply);
        }
}

static void hostile_bytes(void **state)
{
    uint8_t query[512];
    struct dns_question q = question("intranet.corp.demo", DNS_A);
    size_t n = dns_write_query(query, 1, &q, (struct dns_query_flags){ .udp_bytes = 1232 });
    struct buf reply;
    struct dns_msg m;
    buf_init(&reply, 65535);
    for (size_t cut = 0; cut < n; cut++) {
        buf_clear(&reply);
        demo_dns_answer(&zone, str_of((char *)query, cut), false, &reply);
        if (cut < DNS_HEADER_BYTES) {
            assert_int_equal(reply.n, 0);
            continue;
        }
        parse_reply(&reply, &m);
        assert_int_equal(m.rcode, DNS_FORMERR);
    }
    query[2] |= 0x80; /* QR: a reply gets none */
    buf_clear(&reply);
    demo_dns_answer(&zone, str_of((char *)query, n), false, &reply);
    assert_int_equal(reply.n, 0);
    query[2] = 0x29; /* another opcode */
    demo_dns_answer(&zone, str_of((char *)query, n), true, &reply);
    parse_reply(&reply, &m);
    assert_int_equal(m.rcode, DNS_NOTIMP);
    buf_done(&reply);
}

/* Both transports on one port, with a plain blocking client beside the loop. */
static void over_sockets(void **state)
{
    struct io_loop loop;
    struct demo_dns_server s;
    struct fault f = { 0 };
    struct addr at;
    uint8_t query[514], reply[1024];
    struct dns_msg m;
    struct dns_question q = question("intranet.corp.demo", DNS_A);
    assert_true(io_loop_init(&loop));
    assert_true(addr_parse(STR("127.0.0.1:0"), 0, &at));
    assert_true(demo_dns_server_open(&s, &loop, &zone, &at, &f));
    size_t n = dns_write_query(query + 2, 9, &q, (struct dns_query_flags){ 0 });
    query[0] = (uint8_t)(n >> 8);
    query[1] = (uint8_t)n;
    for (int by_tcp = 0; by_tcp < 2; by_tcp++) {
        size_t frame = by_tcp ? 2 : 0, got = 0;
        int fd = socket(AF_INET, by_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
        assert_int_equal(connect(fd, &s.local.sa, addr_len(&s.local)), 0);
        if (by_tcp) { /* in two pieces */
            assert_int_equal(send(fd, query, 5, 0), 5);
            uv_run(&loop.uv, UV_RUN_NOWAIT);
            assert_int_equal(send(fd, query + 5, n - 3, 0), n - 3);
        } else {
            assert_int_equal(send(fd, query + 2, n, 0), n);
        }
        for (int turns = 0; turns < 2000 && got < frame + DNS_HEADER_BYTES; turns++) {
            uv_run(&loop.uv, UV_RUN_NOWAIT);
            ssize_t r = recv(fd, reply + got, sizeof reply - got, MSG_DONTWAIT);
            if (r > 0)
                got += (size_t)r;
            else
                usleep(500);
        }
        assert_true(got > frame);
        assert_int_equal(dns_msg_parse(str_of((char *)reply + frame, got - frame), &m),
                         DNS_PARSE_OK);
        assert_int_equal(m.id, 9);
        assert_int_equal(m.n_rrs, 1);
        assert_int_equal(m.rrs[0].rdata_n, 4);
        if (!by_tcp)
            close(fd);
        /* The TCP client stays open: closing the server ends it. */
        else
            demo_dns_server_close(&s);
        if (by_tcp) {
            assert_int_equal(recv(fd, reply, 1, 0), 0);
            close(fd);
        }
    }
    demo_dns_server_close(&s);
    io_loop_done(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(over_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
