#include "cli/own_dns.h"

#include "cli/own_http.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { TRIES = 4 };

/* A reply to this very question. */
static bool read_reply(struct str wire, uint16_t id, const struct dns_question *q,
                       struct own_dns_reply *r)
{
    struct dns_msg *m = malloc(sizeof *m);
    bool ok = m != NULL && dns_msg_parse(wire, m) == DNS_PARSE_OK && m->is_response &&
              m->id == id && (!m->has_question || dns_name_eq(&m->question.name, &q->name));
    if (ok) {
        *r = (struct own_dns_reply){ .rcode = m->rcode };
        for (size_t i = 0; i < m->n_rrs; i++)
            r->n_answers += m->rrs[i].section == DNS_ANSWER;
    }
    free(m);
    return ok;
}

/* Sends once and waits for its reply, passing over what is none. */
static bool try_once(int fd, const struct dns_question *q, int64_t deadline_ms,
                     struct own_dns_reply *r)
{
    uint8_t out[512];
    char in[DNS_UDP_BYTES];
    uint16_t id;
    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return false;
    size_t n = dns_write_query(out, id, q, (struct dns_query_flags){ .udp_bytes = DNS_UDP_BYTES });
    if (send(fd, out, n, MSG_NOSIGNAL) != (ssize_t)n)
        return false;
    while (own_wait(fd, POLLIN, deadline_ms)) {
        ssize_t got = recv(fd, in, sizeof in, MSG_DONTWAIT);
        if (got < 0)
            return false; /* nobody listens: the kernel said so */
        if (read_reply(str_of(in, (size_t)got), id, q, r))
            return true;
    }
    return false;
}

bool own_dns_ask(const struct addr *at, const struct dns_name *name, int timeout_ms,
                 struct own_dns_reply *r, const char **why)
{
    const struct dns_question q = { *name, DNS_A, DNS_CLASS_IN };
    *why = "nobody answers there";
    int fd = own_is_here(at) ? socket(addr_family(at), SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    bool is_answered = false;
    if (fd >= 0 && connect(fd, &at->sa, addr_len(at)) == 0) {
        int64_t begin_ms = own_now_ms();
        for (int i = 1; i <= TRIES && !is_answered; i++)
            is_answered = try_once(fd, &q, begin_ms + (int64_t)timeout_ms * i / TRIES, r);
    }
    if (fd >= 0)
        close(fd);
    return is_answered;
}
