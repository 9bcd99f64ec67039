/*
 * Whole exchanges: a client asks a forwarder over UDP, and what the forwarder's name servers reply
 * is the input. After what they are told to say they always say something true as well, so each
 * question must be answered; and what the client reads must be a message for its question, of a
 * size that it takes. Asked a second time, it may come out of the cache.
 *
 * The first byte is the question (NAMES, TYPES, EDNS with or without DO). Then come replies: a byte
 * of HOW, a byte of length, the message. A server takes replies off the input until one that is
 * LAST.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/dns_msg.h"
#include "dns/engine.h"
#include "dns/front.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
    N_SERVERS = 2,
    MAX_QUERIES = 200, /* that one question may cause */
    WAIT_MS = 8000,    /* the engine has 4.5 s for a question */
};
enum how {
    HOW_ID = 1,        /* with the query's ID */
    HOW_QUESTION = 2,  /* with its question behind the header */
    HOW_RESPONSE = 4,  /* QR is set, the opcode is QUERY */
    HOW_TRUNCATED = 8, /* TC is set; over UDP alone */
    HOW_STRANGER = 16, /* from another port */
    HOW_COOKIE = 32,   /* with the query's EDNS at the end, as it was */
    HOW_LAST = 64,
};

static const char *const names[] = { "s3.eu-west-1.amazonaws.com", "www.example",
                                     "_x._tcp.Service.Example", "registry.test" };
static const uint16_t types[] = { DNS_A, DNS_AAAA, DNS_TXT, DNS_HTTPS };

static struct {
    struct conf *conf;
    struct io_loop loop;
    struct dns_shared *shared;
    struct dns_engine *engine;
    struct dns_front *front;
    struct {
        int udp, tcp;
    } servers[N_SERVERS];
    int stranger, client;
    struct str input;
    unsigned n_queries;
} fz;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* ---- the name servers ---- */

static void open_server(unsigned i, struct addr *at)
{
    socklen_t at_n = sizeof *at;
    must(addr_parse(STR("127.0.0.1"), 0, at));
    fz.servers[i].tcp = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    fz.servers[i].udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(bind(fz.servers[i].tcp, &at->sa, addr_len(at)) == 0 && listen(fz.servers[i].tcp, 64) == 0);
    must(getsockname(fz.servers[i].tcp, &at->sa, &at_n) == 0);
    must(bind(fz.servers[i].udp, &at->sa, at_n) == 0);
}

/* The next reply of the input, as it says it shall be; false when there is none. */
static bool next_reply(struct str query, struct buf *out, uint8_t *how)
{
    if (fz.input.n < 2)
        return false;
    *how = (uint8_t)fz.input.p[0];
    size_t n = (uint8_t)fz.input.p[1], question = DNS_HEADER_BYTES;
    struct str said = str_from(fz.input, 2);
    if (n > said.n)
        n = said.n;
    fz.input = str_from(said, n);
    said = str_of(said.p, n);
    while (question < query.n && query.p[question] != 0)
        question += 1 + (size_t)(uint8_t)query.p[question];
    question += 5;
    must(question <= query.n);
    buf_clear(out);
    if (n < DNS_HEADER_BYTES) {
        buf_append(out, said);
        return true;
    }
    buf_append(out, str_of(said.p, DNS_HEADER_BYTES));
    if (*how & HOW_QUESTION) {
        memcpy(out->p + 4, "\0\1", 2);
        buf_append(out, str_of(query.p + DNS_HEADER_BYTES, question - DNS_HEADER_BYTES));
    }
    buf_append(out, str_from(said, DNS_HEADER_BYTES));
    if (*how & HOW_COOKIE && question < query.n) {
        out->p[11] = (char)(out->p[11] + 1);
        buf_append(out, str_from(query, question));
    }
    if (*how & HOW_ID)
        memcpy(out->p, query.p, 2);
    if (*how & HOW_RESPONSE)
        out->p[2] = (char)((out->p[2] & 7) | 0x80);
    if (*how & HOW_TRUNCATED)
        out->p[2] = (char)(out->p[2] | 2);
    return true;
}

/* An address for A, nothing for others; it repeats the EDNS of the query. */
static void true_reply(struct str query, struct buf *out)
{
    static struct dns_msg q;
    struct dns_writer w;
    must(dns_msg_parse(query, &q) == DNS_PARSE_OK && q.has_question && !q.is_response);
    struct dns_reply_flags flags = { .id = q.id,
                                     .recursion_desired = true,
                                     .recursion_available = true,
                                     .has_opt = q.edns.is_present };
    buf_clear(out);
    dns_write_begin(&w, out, DNS_UDP_BYTES, flags, &q.question);
    if (q.question.type == DNS_A)
        dns_write_rr(&w, DNS_ANSWER, &q.question.name, DNS_A, q.question.class, 60,
                     STR("\300\0\2\1"));
    if (q.edns.is_present)
        dns_write_opt(&w, DNS_UDP_BYTES, DNS_NOERROR, false, -1, STR(""));
    dns_write_end(&w);
}

static void serve_udp(int fd)
{
    char query[2048];
    struct addr from;
    socklen_t from_n = sizeof from;
    ssize_t n;
    while ((n = recvfrom(fd, query, sizeof query, 0, &from.sa, &from_n)) > 0) {
        struct str q = str_of(query, (size_t)n);
        struct buf out;
        uint8_t how = 0;
        buf_init(&out, 4096);
        must(++fz.n_queries <= MAX_QUERIES);
        while (!(how & HOW_LAST) && next_reply(q, &out, &how))
            sendto(how & HOW_STRANGER ? fz.stranger : fd, out.p, out.n, 0, &from.sa, from_n);
        true_reply(q, &out);
        sendto(fd, out.p, out.n, 0, &from.sa, from_n);
        buf_done(&out);
        from_n = sizeof from;
    }
}

static void send_frame(int fd, struct str message)
{
    char head[2] = { (char)(message.n >> 8), (char)message.n };
    if (send(fd, head, 2, MSG_NOSIGNAL) == 2)
        send(fd, message.p, message.n, MSG_NOSIGNAL);
}

/* All that came on a connection is answered at once, and then it ends. */
static void serve_tcp(int listener)
{
    char bytes[4096];
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct pollfd readable = { .fd = fd, .events = POLLIN };
    while (poll(&readable, 1, 0) == 0)
        uv_run(&fz.loop.uv, UV_RUN_NOWAIT); /* it writes once it is connected */
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    struct str all = str_of(bytes, n > 0 ? (size_t)n : 0);
    struct buf out;
    buf_init(&out, 4096);
    while (all.n > 2) {
        size_t one = (size_t)(uint8_t)all.p[0] << 8 | (uint8_t)all.p[1];
        uint8_t how = 0;
        if (one > all.n - 2)
            break;
        struct str q = str_of(all.p + 2, one);
        must(++fz.n_queries <= MAX_QUERIES);
        while (!(how & HOW_LAST) && next_reply(q, &out, &how))
            if (!(how & HOW_STRANGER))
                send_frame(fd, buf_str(&out));
            else
                send(fd, out.p, out.n, MSG_NOSIGNAL); /* whatever length it may seem to have */
        true_reply(q, &out);
        send_frame(fd, buf_str(&out));
        all = str_from(all, 2 + one);
    }
    buf_done(&out);
    close(fd);
}

/* ---- the forwarder and its client ---- */

static void make_settings(const char *folder, const struct addr servers[N_SERVERS])
{
    static char both[128], group[160],
        listen[] = "PENSTOCK_DNS_LISTEN=127.0.0.1:0", aws[] = "PENSTOCK_DNS_AWS=on",
        rate[] = "PENSTOCK_DNS_CLIENT_RATE=0", budget[] = "PENSTOCK_DNS_BUDGET=1000000",
        registry[] = "INTERNAL_REGISTRY_URL=http://registry.test", hosts[128], resolv[128];
    char a[ADDR_TEXT_BYTES], b[ADDR_TEXT_BYTES];
    snprintf(both, sizeof both, "PENSTOCK_DNS_SERVERS=%s", addr_text(&servers[0], a));
    snprintf(group, sizeof group, "PENSTOCK_DNS_AWS_SERVERS=%s,%s", addr_text(&servers[1], a),
             addr_text(&servers[0], b));
    snprintf(hosts, sizeof hosts, "PENSTOCK_HOSTS_FILE=%s/hosts", folder);
    snprintf(resolv, sizeof resolv, "PENSTOCK_RESOLV_CONF=%s/resolv.conf", folder);
    char *env[] = { both, group, listen, aws, rate, budget, registry, hosts, resolv, NULL };
    struct buf errors;
    buf_init(&errors, 4096);
    fz.conf = conf_load(env, NULL, CONF_FOR_DNS, &errors);
    if (fz.conf == NULL)
        fprintf(stderr, "%.*s\n", (int)errors.n, errors.p);
    must(fz.conf != NULL);
    buf_done(&errors);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char folder[] = P_tmpdir "/penstock-fuzz-XXXXXX";
    struct addr servers[N_SERVERS], any;
    must(mkdtemp(folder) != NULL && io_loop_init(&fz.loop));
    for (unsigned i = 0; i < N_SERVERS; i++)
        open_server(i, &servers[i]);
    make_settings(folder, servers);
    rmdir(folder);
    must(addr_parse(STR("127.0.0.1"), 0, &any));
    fz.stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(bind(fz.stranger, &any.sa, addr_len(&any)) == 0);
    return 0;
}

static void open_forwarder(void)
{
    struct fault f = { 0 };
    fz.shared = dns_shared_new(fz.conf, &f);
    must(fz.shared != NULL);
    fz.engine = dns_engine_new(&fz.loop, fz.shared, &f);
    must(fz.engine != NULL);
    /* The port that UDP was given may be taken for TCP. */
    for (int i = 0; i < 100 && fz.front == NULL; i++)
        fz.front = dns_front_new(&fz.loop, fz.engine, fz.conf, &f);
    must(fz.front != NULL);
    const struct addr *at = dns_front_addr(fz.front, 0);
    fz.client = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(connect(fz.client, &at->sa, addr_len(at)) == 0);
}

static void close_forwarder(void)
{
    dns_front_free(fz.front);
    fz.front = NULL;
    dns_engine_free(fz.engine);
    for (int i = 0; i < 4; i++)
        uv_run(&fz.loop.uv, UV_RUN_NOWAIT);
    dns_shared_free(fz.shared);
    close(fz.client);
    int fd;
    for (unsigned i = 0; i < N_SERVERS; i++) /* what nobody waits for any more */
        while ((fd = accept4(fz.servers[i].tcp, NULL, NULL, SOCK_CLOEXEC)) >= 0)
            close(fd);
}

static void check_reply(const struct dns_question *q, uint16_t id, bool has_edns, struct str reply)
{
    static struct dns_msg m;
    must(reply.n <= (has_edns ? DNS_UDP_BYTES : 512));
    must(dns_msg_parse(reply, &m) == DNS_PARSE_OK);
    must(m.id == id && m.is_response && m.has_question && m.question.type == q->type &&
         dns_name_eq(&m.question.name, &q->name) && m.edns.is_present == has_edns);
    must(m.rcode == DNS_NOERROR || m.n_rrs == 0 || m.rcode == DNS_NXDOMAIN);
}

static void ask(uint8_t how)
{
    struct dns_question q = { .type = types[how >> 2 & 3], .class = DNS_CLASS_IN };
    struct dns_query_flags flags = { .dnssec_ok = (how & 0x20) != 0,
                                     .checking_disabled = (how & 0x40) != 0,
                                     .udp_bytes = how & 0x10 ? 4096 : 0 };
    uint8_t query[512];
    char reply[4096];
    ssize_t n = -1;
    must(dns_name_parse(str_from_c(names[how & 3]), &q.name));
    size_t query_n = dns_write_query(query, 4711, &q, flags);
    must(send(fz.client, query, query_n, 0) == (ssize_t)query_n);
    fz.n_queries = 0;
    for (uint64_t end = io_now_us() + WAIT_MS * 1000ull; n < 0 && io_now_us() < end;) {
        uv_run(&fz.loop.uv, UV_RUN_NOWAIT);
        for (unsigned i = 0; i < N_SERVERS; i++) {
            serve_udp(fz.servers[i].udp);
            serve_tcp(fz.servers[i].tcp);
        }
        n = recv(fz.client, reply, sizeof reply, 0);
    }
    must(n > 0);
    check_reply(&q, 4711, flags.udp_bytes > 0, str_of(reply, (size_t)n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    fz.input = str_of((const char *)data + 1, n - 1);
    open_forwarder();
    ask(data[0]);
    ask(data[0]);
    close_forwarder();
    return 0;
}
