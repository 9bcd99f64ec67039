#include "io/tls_sessions.h"

#include <stdlib.h>

enum {
    MAX_PEERS = 256,
    MAX_SESSIONS = 4, /* of one peer: servers send one or two tickets a connection, pools open
                         several at once */
};

struct peer {
    struct list node;
    unsigned n_sessions;
    SSL_SESSION *sessions[MAX_SESSIONS]; /* oldest first */
    size_t n_name;
    char name[];
};

void tls_sessions_init(struct tls_sessions *s)
{
    list_init(&s->peers);
    s->n_peers = 0;
}

static void drop(struct tls_sessions *s, struct peer *p)
{
    list_remove(&p->node);
    s->n_peers--;
    for (unsigned i = 0; i < p->n_sessions; i++)
        SSL_SESSION_free(p->sessions[i]);
    free(p);
}

void tls_sessions_done(struct tls_sessions *s)
{
    while (!list_is_empty(&s->peers))
        drop(s, LIST_ENTRY(s->peers.next, struct peer, node));
}

/* A scan of 256 names is small beside the handshake that it serves. */
static struct peer *find(struct tls_sessions *s, struct str name)
{
    LIST_EACH (it, after, &s->peers) {
        struct peer *p = LIST_ENTRY(it, struct peer, node);
        if (!str_eq(str_of(p->name, p->n_name), name))
            continue;
        list_remove(&p->node);
        list_push_front(&s->peers, &p->node);
        return p;
    }
    return NULL;
}

static struct peer *add(struct tls_sessions *s, struct str name)
{
    struct peer *p = calloc(1, sizeof *p + name.n);
    if (p == NULL)
        return NULL;
    memcpy(p->name, name.p, name.n);
    p->n_name = name.n;
    if (s->n_peers == MAX_PEERS)
        drop(s, LIST_ENTRY(s->peers.prev, struct peer, node));
    list_push_front(&s->peers, &p->node);
    s->n_peers++;
    return p;
}

/* Takes session i out, with its reference. */
static SSL_SESSION *pull(struct peer *p, unsigned i)
{
    SSL_SESSION *session = p->sessions[i];
    p->n_sessions--;
    for (; i < p->n_sessions; i++)
        p->sessions[i] = p->sessions[i + 1];
    return session;
}

bool tls_sessions_put(struct tls_sessions *s, struct str name, SSL_SESSION *session)
{
    struct peer *p = find(s, name);
    if (p == NULL)
        p = add(s, name);
    if (p == NULL)
        return false;
    if (p->n_sessions == MAX_SESSIONS)
        SSL_SESSION_free(pull(p, 0));
    p->sessions[p->n_sessions++] = session;
    return true;
}

SSL_SESSION *tls_sessions_take(struct tls_sessions *s, struct str name)
{
    struct peer *p = find(s, name);
    while (p != NULL && p->n_sessions > 0) {
        SSL_SESSION *session = p->sessions[p->n_sessions - 1];
        bool is_ticket_13 = SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
        /* A fatal alert on its connection takes a session out of use. */
        if (!SSL_SESSION_is_resumable(session)) {
            SSL_SESSION_free(pull(p, p->n_sessions - 1));
            continue;
        }
        if (is_ticket_13 && p->n_sessions > 1)
            return pull(p, p->n_sessions - 1);
        SSL_SESSION_up_ref(session);
        return session;
    }
    return NULL;
}
