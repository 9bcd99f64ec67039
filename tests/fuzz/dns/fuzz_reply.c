/*
 * Any bytes as a request to the forwarder. What is answered gets a message that we can read, within
 * its size, with the request's ID and question: whether the answer is known, is made of several
 * parts, or is an error. The first byte chooses what the answer is, and how old.
 */
#include <stdlib.h>

#include "../exact.h"
#include "dns/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { HEAD_BYTES = 1, MANY = 120 };

static struct dns_msg m;

static bool is_same_route(void *arg, const struct dns_name *name)
{
    return true;
}

/* An answer to this question: an alias, n addresses, or a no. */
static struct dns_set *keep(const struct dns_question *q, unsigned n_addrs, bool is_alias,
                            bool is_no)
{
    struct dns_writer w;
    struct dns_verdict v;
    struct dns_ask ask = { .question = *q };
    struct dns_set *set = NULL;
    struct buf b;
    struct dns_reply_flags flags = { .rcode = is_no ? DNS_NXDOMAIN : DNS_NOERROR,
                                     .recursion_available = true };
    buf_init(&b, DNS_MESSAGE_BYTES);
    dns_write_begin(&w, &b, DNS_MESSAGE_BYTES, flags, q);
    if (is_alias)
        dns_write_rr(&w, DNS_ANSWER, &q->name, DNS_CNAME, q->class, 60, STR("\5alias\4test\0"));
    for (unsigned i = 0; i < n_addrs; i++)
        dns_write_rr(&w, DNS_ANSWER, &q->name, q->type, q->class, 60, STR("\1\2\3\4"));
    dns_write_end(&w);
    if (dns_judge(buf_str(&b), 0, &ask, is_same_route, NULL, &m, &v) &&
        v.outcome <= DNS_NXDOMAIN_OUTCOME)
        set = dns_set_new(&m, q, &v, 60, 3600);
    buf_done(&b);
    return set;
}

static void check(const struct buf *out, size_t max_bytes, struct str wire,
                  const struct dns_request *req, bool has_question)
{
    if (out->n > max_bytes || dns_msg_parse(buf_str(out), &m) != DNS_PARSE_OK)
        abort();
    if (m.id != req->id || !m.is_response || m.opcode != req->opcode ||
        m.has_question != has_question || m.edns.is_present != req->has_edns)
        abort();
    size_t question_n = has_question ? req->question.name.n + 4u : 0;
    if (memcmp(out->p, wire.p, 2) != 0 ||
        memcmp(out->p + DNS_HEADER_BYTES, wire.p + DNS_HEADER_BYTES, question_n) != 0)
        abort();
}

static void answer(uint8_t how, const struct dns_request *req, struct str wire, size_t max_bytes)
{
    struct dns_question tail = { .type = req->question.type, .class = req->question.class };
    bool is_alias = how & 1;
    unsigned n_addrs = how & 2 ? MANY : 1;
    uint32_t age_s = how & 4 ? 100 : 7;
    dns_name_parse(STR("alias.test"), &tail.name);
    struct dns_part parts[2] = {
        { keep(&req->question, is_alias ? 0 : n_addrs, is_alias, how & 8), 3 },
        { keep(&tail, n_addrs, false, how & 8), age_s },
    };
    struct buf out;
    buf_init(&out, DNS_MESSAGE_BYTES);
    unsigned n_parts = is_alias && parts[1].set != NULL ? 2 : 1;
    if (parts[0].set != NULL) {
        if (dns_reply_parts(&out, max_bytes, req, parts, n_parts) == DNS_REPLIED_NONE)
            abort();
        check(&out, max_bytes, wire, req, true);
    }
    dns_set_unref(parts[0].set);
    dns_set_unref(parts[1].set);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char text[300];
    struct dns_request req;
    struct buf out;
    enum dns_replied replied;
    if (n < HEAD_BYTES)
        return 0;
    char *copy = exact_copy(data + HEAD_BYTES, n - HEAD_BYTES);
    struct str wire = str_of(copy, n - HEAD_BYTES);
    enum dns_request_read read = dns_request_read(wire, &req);
    if (read == DNS_REQUEST_NONE)
        goto done;
    /* The reader of whole messages, where it is content, has read the same. */
    if (read == DNS_REQUEST_OK && req.opcode == 0 && dns_msg_parse(wire, &m) == DNS_PARSE_OK &&
        (!m.has_question || m.id != req.id || m.edns.is_present != req.has_edns ||
         m.edns.dnssec_ok != req.dnssec_ok || m.question.type != req.question.type ||
         !dns_name_eq(&m.question.name, &req.question.name)))
        abort();
    size_t max_bytes = data[0] & 16 ? DNS_MESSAGE_BYTES : dns_reply_room(&req);
    memset(text, 'x', sizeof text);
    buf_init(&out, DNS_MESSAGE_BYTES);
    if (dns_reply_at_once(&out, max_bytes, &req, read, &replied))
        check(&out, max_bytes, wire, &req, req.has_question);
    else
        answer(data[0], &req, wire, max_bytes);
    buf_clear(&out);
    dns_reply_error(&out, max_bytes, &req, DNS_SERVFAIL, DNS_EDE_OTHER, str_of(text, sizeof text));
    check(&out, max_bytes, wire, &req, req.has_question);
    buf_done(&out);
done:
    free(copy);
    return 0;
}
