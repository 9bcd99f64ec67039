#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/front_impl.h"

#include <stdlib.h>
#include <unistd.h>

enum { N_CLIENTS = 3, LONG = 1232 };

struct rig {
    struct front_socket from;
    struct front_batch *batch;
    int clients[N_CLIENTS];
    struct addr at[N_CLIENTS];
    unsigned n;
    char bytes[FRONT_BATCH][LONG];
};

static int bound(const char *ip, struct addr *at)
{
    socklen_t n = sizeof *at;
    assert_true(addr_parse(str_from_c(ip), 0, at));
    int fd = socket(addr_family(at), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, &at->sa, addr_len(at)), 0);
    assert_int_equal(getsockname(fd, &at->sa, &n), 0);
    return fd;
}

static struct rig *open_rig(const char *server, const char *client)
{
    struct rig *r = calloc(1, sizeof *r);
    struct addr at;
    assert_non_null(r);
    assert_non_null(r->batch = calloc(1, sizeof *r->batch));
    front_udp_prepare(r->batch);
    r->from.fd = bound(server, &at);
    for (unsigned i = 0; i < N_CLIENTS; i++)
        r->clients[i] = bound(client, &r->at[i]);
    return r;
}

static void close_rig(struct rig *r)
{
    for (unsigned i = 0; i < N_CLIENTS; i++)
        close(r->clients[i]);
    close(r->from.fd);
    free(r->batch);
    free(r);
}

/* The number of the answer stands in its first byte, and its last. */
static void add(struct rig *r, unsigned client, size_t length, struct str control)
{
    struct front_batch *b = r->batch;
    unsigned i = r->n++;
    struct msghdr *h = &b->out[i].msg_hdr;
    memset(r->bytes[i], 0x55, length);
    r->bytes[i][0] = r->bytes[i][length - 1] = (char)i;
    b->out_at[i] = (struct iovec){ r->bytes[i], length };
    memcpy(&b->peers[i], &r->at[client].sa, addr_len(&r->at[client]));
    memcpy(b->controls[i], control.p, control.n);
    h->msg_name = &b->peers[i];
    h->msg_namelen = addr_len(&r->at[client]);
    h->msg_control = control.n > 0 ? b->controls[i] : NULL;
    h->msg_controllen = control.n;
}

/* The next datagram at a client: its number, and its length; -1 when there is none. */
static int take(struct rig *r, unsigned client, size_t *length, struct addr *from)
{
    char p[2 * LONG];
    socklen_t from_n = sizeof *from;
    ssize_t n =
        recvfrom(r->clients[client], p, sizeof p, MSG_DONTWAIT, from ? &from->sa : NULL, &from_n);
    if (n <= 0)
        return -1;
    assert_int_equal(p[0], p[n - 1]);
    *length = (size_t)n;
    return p[0];
}

/* Three clients by turns, every fifth answer of another length, the last the longest there is. */
static void fill(struct rig *r, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        add(r, i % N_CLIENTS, i + 1 == n ? LONG : i % 5 == 4 ? 70 : 50, STR(""));
}

static void check_all_came(struct rig *r, unsigned n)
{
    bool came[FRONT_BATCH] = { 0 };
    for (unsigned client = 0; client < N_CLIENTS; client++) {
        size_t length;
        for (int i; (i = take(r, client, &length, NULL)) >= 0;) {
            assert_true((unsigned)i < n && !came[i]);
            assert_int_equal((unsigned)i % N_CLIENTS, client);
            assert_int_equal(length, r->batch->out_at[i].iov_len);
            came[i] = true;
        }
    }
    for (unsigned i = 0; i < n; i++)
        assert_true(came[i]);
}

static void each_answer_is_a_datagram_of_its_own(void **state)
{
    static const struct {
        const char *row, *server, *client;
        unsigned n;
        bool is_apart, has_no_checksum;
    } rows[] = {
        { "one", "127.0.0.1", "127.0.0.1", 1, false, false },
        { "two for different clients", "127.0.0.1", "127.0.0.1", 2, false, false },
        { "a batch", "127.0.0.1", "127.0.0.1", FRONT_BATCH, false, false },
        { "a batch, IPv6", "::1", "::1", FRONT_BATCH, false, false },
        { "a socket that sends them apart", "127.0.0.1", "127.0.0.1", FRONT_BATCH, true, false },
        { "a kernel that refuses groups", "127.0.0.1", "127.0.0.1", FRONT_BATCH, false, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].row);
        struct rig *r = open_rig(rows[i].server, rows[i].client);
        r->from.is_apart = rows[i].is_apart;
        /* Without checksums there are no segments either. */
        if (rows[i].has_no_checksum)
            setsockopt(r->from.fd, SOL_SOCKET, SO_NO_CHECK, &(int){ 1 }, sizeof(int));
        fill(r, rows[i].n);
        front_send_batch(&r->from, r->batch, rows[i].n);
        check_all_came(r, rows[i].n);
        assert_int_equal(r->from.is_apart, rows[i].is_apart || rows[i].has_no_checksum);
        close_rig(r);
    }
}

static struct str from_address(uint8_t control[static FRONT_CONTROL_BYTES], const char *ip)
{
    struct addr a;
    struct in_pktinfo info = { 0 };
    struct cmsghdr *c = (struct cmsghdr *)(void *)control;
    assert_true(addr_parse(str_from_c(ip), 0, &a));
    info.ipi_spec_dst = a.v4.sin_addr;
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    return str_of((const char *)control, CMSG_SPACE(sizeof info));
}

/* Equal in all but the address that was asked: each comes from its own, in groups or not. */
static void each_answer_comes_from_the_address_that_was_asked(void **state)
{
    static const char *const asked[] = { "127.0.0.2", "127.0.0.3" };
    _Alignas(struct cmsghdr) uint8_t control[FRONT_CONTROL_BYTES] = { 0 };
    for (int has_no_checksum = 0; has_no_checksum < 2; has_no_checksum++) {
        struct rig *r = open_rig("0.0.0.0", "127.0.0.1");
        unsigned n_came = 0;
        setsockopt(r->from.fd, SOL_SOCKET, SO_NO_CHECK, &has_no_checksum, sizeof(int));
        for (unsigned i = 0; i < 20; i++)
            add(r, 0, 60, from_address(control, asked[i % 2]));
        front_send_batch(&r->from, r->batch, 20);
        struct addr from;
        size_t length;
        for (int i; (i = take(r, 0, &length, &from)) >= 0; n_came++) {
            char text[ADDR_TEXT_BYTES];
            assert_string_equal(addr_ip_text(&from, text), asked[i % 2]);
        }
        assert_int_equal(n_came, 20);
        close_rig(r);
    }
}

/* What cannot be sent takes nobody else with it. */
static void one_that_fails_is_alone(void **state)
{
    struct rig *r = open_rig("127.0.0.1", "127.0.0.1");
    size_t length;
    add(r, 0, 50, STR(""));
    add(r, 1, 50, STR(""));
    add(r, 2, 50, STR(""));
    r->batch->peers[1].sin6_family = AF_UNIX;
    front_send_batch(&r->from, r->batch, 3);
    assert_int_equal(take(r, 0, &length, NULL), 0);
    assert_int_equal(take(r, 1, &length, NULL), -1);
    assert_int_equal(take(r, 2, &length, NULL), 2);
    close_rig(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_is_a_datagram_of_its_own),
        cmocka_unit_test(each_answer_comes_from_the_address_that_was_asked),
        cmocka_unit_test(one_that_fails_is_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
