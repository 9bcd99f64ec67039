#include "demo/dns_server.h"

#include "io/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    PORT_TRIES = 32,
    DATAGRAMS_PER_TURN = 64,
    SOA_MINIMUM_S = 2,
    FRAME_BYTES = 2,
    OUT_BYTES = 1 << 20
};

/* One connection: messages with their length in front (RFC 1035 section 4.2.2), answered in turn.
 */
struct dns_client {
    struct list node;
    struct demo_dns_server *server;
    struct io_stream *stream;
    struct io_timer idle;
    struct buf in, out;
};

static bool record_is_for(const struct demo_dns_record *r, const struct dns_name *name)
{
    struct str pattern = str_from_c(r->name);
    struct dns_name own;
    bool is_wildcard = str_starts(pattern, STR("*."));
    if (!dns_name_parse(is_wildcard ? str_from(pattern, 2) : pattern, &own))
        return false;
    if (is_wildcard)
        return dns_name_is_in(name, &own) && !dns_name_eq(name, &own);
    return dns_name_eq(name, &own);
}

static const struct demo_dns_record *find(const struct demo_dns_zone *zone,
                                          const struct dns_name *name)
{
    for (size_t i = 0; i < zone->n_records; i++)
        if (record_is_for(&zone->records[i], name))
            return &zone->records[i];
    return NULL;
}

/* What says how long a negative answer lives (RFC 2308): the SOA of a zone named as the question.
 */
static void write_soa(struct dns_writer *w, const struct dns_name *owner)
{
    struct dns_name server;
    uint8_t rdata[2 * DNS_NAME_BYTES + 20];
    size_t n = 0;
    dns_name_parse(STR("ns.demo"), &server);
    for (int i = 0; i < 2; i++, n += server.n) /* MNAME, RNAME */
        memcpy(rdata + n, server.wire, server.n);
    memset(rdata + n, 0, 20); /* SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM */
    rdata[n + 19] = SOA_MINIMUM_S;
    dns_write_rr(w, DNS_AUTHORITY, owner, DNS_SOA, DNS_CLASS_IN, SOA_MINIMUM_S,
                 str_of((const char *)rdata, n + 20));
}

static void write_records(struct dns_writer *w, const struct demo_dns_record *r,
                          const struct dns_question *q)
{
    struct addr ip;
    size_t n;
    bool is_ip = addr_parse_ip(str_from_c(r->ip), &ip);
    uint16_t type = is_ip && addr_family(&ip) == AF_INET6 ? DNS_AAAA : DNS_A;
    if (is_ip && (q->type == type || q->type == DNS_ANY)) {
        const uint8_t *bytes = addr_bytes(&ip, &n);
        dns_write_rr(w, DNS_ANSWER, &q->name, type, DNS_CLASS_IN, DEMO_DNS_TTL_S,
                     str_of((const char *)bytes, n));
    } else {
        write_soa(w, &q->name);
    }
}

static uint16_t rcode_for(const struct demo_dns_zone *zone, const struct dns_msg *m,
                          enum dns_parse parsed, const struct demo_dns_record **record)
{
    *record = NULL;
    if (parsed != DNS_PARSE_OK)
        return DNS_FORMERR;
    if (m->opcode != 0)
        return DNS_NOTIMP;
    if (!m->has_question)
        return DNS_FORMERR;
    if (m->edns.is_present && m->edns.version != 0)
        return DNS_BADVERS;
    if (m->question.class != DNS_CLASS_IN || m->question.type == DNS_AXFR ||
        m->question.type == DNS_IXFR)
        return DNS_REFUSED;
    *record = find(zone, &m->question.name);
    return (uint16_t)(*record != NULL ? DNS_NOERROR : zone->unlisted);
}

static size_t room_for(const struct dns_msg *m, bool by_tcp)
{
    if (by_tcp)
        return DNS_MESSAGE_BYTES;
    if (!m->edns.is_present || m->edns.udp_bytes < 512)
        return 512;
    return m->edns.udp_bytes < DNS_UDP_BYTES ? m->edns.udp_bytes : DNS_UDP_BYTES;
}

void demo_dns_answer(const struct demo_dns_zone *zone, struct str query, bool by_tcp,
                     struct buf *out)
{
    struct dns_msg m;
    const struct demo_dns_record *record;
    struct dns_writer w;
    if (query.n < DNS_HEADER_BYTES)
        return;
    enum dns_parse parsed = dns_msg_parse(query, &m);
    if (m.is_response)
        return;
    uint16_t rcode = rcode_for(zone, &m, parsed, &record);
    struct dns_reply_flags flags = {
        .id = m.id,
        .opcode = m.opcode,
        .rcode = rcode,
        .recursion_desired = m.recursion_desired,
        .recursion_available = true, /* it plays a resolver, as both servers of a VPC are */
        .checking_disabled = m.checking_disabled,
        .has_opt = m.edns.is_present,
    };
    bool is_read = parsed == DNS_PARSE_OK && m.has_question;
    dns_write_begin(&w, out, room_for(&m, by_tcp), flags, is_read ? &m.question : NULL);
    if (record != NULL)
        write_records(&w, record, &m.question);
    else if (rcode == DNS_NXDOMAIN)
        write_soa(&w, &m.question.name);
    if (m.edns.is_present)
        dns_write_opt(&w, DNS_UDP_BYTES, rcode, m.edns.dnssec_ok, -1, STR(""));
    dns_write_end(&w);
}

static void on_datagrams(uv_poll_t *h, int status, int events)
{
    struct demo_dns_server *s = h->data;
    char query[4096];
    struct buf reply;
    if (status < 0)
        return;
    buf_init(&reply, DNS_MESSAGE_BYTES);
    for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
        struct addr from;
        socklen_t n_from = sizeof from;
        ssize_t n = recvfrom(s->fd, query, sizeof query, 0, &from.sa, &n_from);
        if (n < 0)
            break;
        buf_clear(&reply);
        demo_dns_answer(s->zone, str_of(query, (size_t)n), false, &reply);
        if (reply.n > 0 && !reply.failed)
            sendto(s->fd, reply.p, reply.n, MSG_NOSIGNAL, &from.sa, n_from);
    }
    buf_done(&reply);
}

static void client_close(struct dns_client *c)
{
    struct demo_dns_server *s = c->server;
    io_timer_disarm(s->loop, &c->idle);
    io_stream_close(c->stream);
    buf_done(&c->in);
    buf_done(&c->out);
    list_remove(&c->node);
    s->n_clients--;
    io_free_later(s->loop, c);
}

static void on_idle(struct io_timer *t)
{
    client_close(LIST_ENTRY(t, struct dns_client, idle));
}

/* The next whole message of c->in, answered into c->out with its length in front. */
static bool answer_next(struct dns_client *c)
{
    struct str in = buf_str(&c->in);
    if (in.p == NULL || in.n < FRAME_BYTES)
        return false;
    size_t n = (size_t)(uint8_t)in.p[0] << 8 | (uint8_t)in.p[1];
    if (in.n < FRAME_BYTES + n)
        return false;
    size_t at = c->out.n;
    buf_append(&c->out, str_of("\0\0", FRAME_BYTES));
    demo_dns_answer(c->server->zone, str_of(in.p + FRAME_BYTES, n), true, &c->out);
    size_t n_reply = c->out.n - at - FRAME_BYTES;
    if (c->out.failed)
        return false;
    if (n_reply == 0) {
        c->out.n = at;
    } else {
        c->out.p[at] = (char)(n_reply >> 8);
        c->out.p[at + 1] = (char)n_reply;
    }
    buf_drop(&c->in, FRAME_BYTES + n);
    return true;
}

/* False: the connection is done. */
static bool flush(struct dns_client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    size_t n;
    if (c->out.n > 0) {
        struct iovec v = { c->out.p, c->out.n };
        if (io_stream_writev(c->stream, &v, 1, &n, &f) == IO_FAILED)
            return false;
        buf_drop(&c->out, n);
    }
    /* Who does not read its replies is asked for no further question. */
    io_stream_want(c->stream, c->out.n > 0 ? IO_WRITE : IO_READ);
    return true;
}

static void on_client_ready(struct io_stream *stream, unsigned events)
{
    struct dns_client *c = stream->owner;
    struct fault f = { .kind = FAULT_NONE };
    char piece[4096];
    size_t n;
    if ((events & IO_READ) != 0 && c->out.n == 0) {
        enum io_result r = io_stream_read(stream, piece, sizeof piece, &n, &f);
        if (r == IO_EOF || r == IO_FAILED) {
            client_close(c);
            return;
        }
        buf_append(&c->in, str_of(piece, n));
        while (answer_next(c))
            ;
        io_timer_arm(c->server->loop, &c->idle, DEMO_DNS_TCP_IDLE_MS);
    }
    if (c->in.failed || c->out.failed || !flush(c))
        client_close(c);
}

static void on_accept(struct io_listener *l, int fd, const struct addr *peer)
{
    struct demo_dns_server *s = l->owner;
    struct dns_client *c = s->n_clients < DEMO_DNS_MAX_TCP ? calloc(1, sizeof *c) : NULL;
    if (c == NULL || (c->stream = io_stream_new(s->loop, fd)) == NULL) {
        free(c);
        close(fd);
        return;
    }
    c->server = s;
    c->stream->owner = c;
    c->stream->on_ready = on_client_ready;
    c->idle.on_fire = on_idle;
    buf_init(&c->in, FRAME_BYTES + DNS_MESSAGE_BYTES + 4096);
    buf_init(&c->out, OUT_BYTES);
    list_push_back(&s->clients, &c->node);
    s->n_clients++;
    io_timer_arm(s->loop, &c->idle, DEMO_DNS_TCP_IDLE_MS);
    io_stream_want(c->stream, IO_READ);
}

static int open_udp(struct addr *at)
{
    socklen_t n = sizeof *at;
    int fd = socket(addr_family(at), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, &at->sa, addr_len(at)) != 0 || getsockname(fd, &at->sa, &n) != 0)) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

/* UDP chooses a port; TCP may have it in use already, and then another one is tried. */
static bool open_both(struct demo_dns_server *s, const struct addr *at, struct fault *f)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        fault_clear(f);
        s->local = *at;
        s->fd = open_udp(&s->local);
        if (s->fd < 0)
            return fault_sys(f, FAULT_SYSTEM, "DNS over UDP", errno);
        if (io_listener_open(&s->tcp, s->loop, &s->local, false, f))
            return true;
        close(s->fd);
        s->fd = -1;
        if (addr_port(at) != 0)
            return false;
    }
    return false;
}

bool demo_dns_server_open(struct demo_dns_server *s, struct io_loop *loop,
                          const struct demo_dns_zone *zone, const struct addr *at, struct fault *f)
{
    *s = (struct demo_dns_server){ .loop = loop, .zone = zone, .fd = -1 };
    list_init(&s->clients);
    s->tcp.owner = s;
    s->tcp.on_accept = on_accept;
    if (!open_both(s, at, f))
        return false;
    s->udp = calloc(1, sizeof *s->udp);
    if (s->udp == NULL || uv_poll_init(&loop->uv, s->udp, s->fd) != 0) {
        free(s->udp);
        s->udp = NULL;
        io_listener_close(&s->tcp);
        close(s->fd);
        return fault_set(f, FAULT_NO_MEMORY, "DNS over UDP", NULL);
    }
    s->udp->data = s;
    uv_poll_start(s->udp, UV_READABLE, on_datagrams);
    return true;
}

void demo_dns_server_close(struct demo_dns_server *s)
{
    if (s->udp == NULL)
        return;
    while (!list_is_empty(&s->clients))
        client_close(LIST_ENTRY(s->clients.next, struct dns_client, node));
    io_listener_close(&s->tcp);
    io_close_and_free(s->udp);
    s->udp = NULL;
    close(s->fd);
    s->fd = -1;
}
