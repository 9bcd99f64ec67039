/* Where the forwarder listens: an address each, which a reload adds or gives up. */
#include "dns/front_impl.h"

#include <errno.h>
#include <stdlib.h>

static struct front_place *place_of(struct list *node)
{
    return LIST_ENTRY(node, struct front_place, node);
}

/* What an operator can do about it. */
static void explain_bind(const struct addr *at, const struct fault *cause, struct fault *f)
{
    char text[ADDR_TEXT_BYTES];
    addr_text(at, text);
    if (cause->sys_errno == EACCES)
        fault_set(f, FAULT_SYSTEM, "listen",
                  "DNS on %s: permission denied. Ports below 1024 need a right: run as root, or "
                  "with CAP_NET_BIND_SERVICE (containers: cap_add NET_BIND_SERVICE), or lower "
                  "net.ipv4.ip_unprivileged_port_start, or set PENSTOCK_DNS_LISTEN to another port",
                  text);
    else if (cause->sys_errno == EADDRINUSE)
        fault_set(f, FAULT_SYSTEM, "listen",
                  "DNS on %s: address already in use. On port 53 it is often systemd-resolved "
                  "(127.0.0.53; DNSStubListener=no frees it), dnsmasq or another resolver; `ss "
                  "-lunp` names it. Or set PENSTOCK_DNS_LISTEN to another address or port",
                  text);
    else
        fault_set(f, cause->kind, "listen", "DNS on %s", cause->detail);
    f->sys_errno = cause->sys_errno;
}

static void close_place(struct front_place *p)
{
    io_listener_close(&p->tcp);
    front_udp_close(&p->udp);
    list_remove(&p->node);
    free(p);
}

void front_socket_leave(struct front_socket *s)
{
    struct front_place *p = LIST_ENTRY(s, struct front_place, udp);
    if (--s->n_questions == 0 && p->is_given_up)
        close_place(p);
}

static bool has_addr(const struct conf_addrs *list, const struct addr *at)
{
    for (size_t i = 0; i < list->n; i++)
        if (addr_eq(&list->v[i], at))
            return true;
    return false;
}

static bool bind_place(struct dns_front_sockets *s, const struct addr *at, bool reuse_port,
                       struct fault *fault)
{
    struct front_place *p = calloc(1, sizeof *p);
    struct fault cause = { .kind = FAULT_NONE };
    if (p == NULL)
        return fault_set(fault, FAULT_NO_MEMORY, "listen", NULL);
    p->at = *at;
    p->udp.fd = -1;
    p->tcp.owner = p;
    p->tcp.on_accept = front_tcp_accept;
    list_push_back(&s->places, &p->node);
    /* Where there is no IPv6, or no port was named, TCP has found out what to do. */
    if (io_listener_bind(&p->tcp, at, reuse_port, &cause) &&
        front_udp_bind(&p->udp, &p->tcp.local, reuse_port, &cause))
        return true;
    explain_bind(at, &cause, fault);
    return false;
}

struct dns_front_sockets *dns_front_bind(const struct conf *conf, const struct conf *had,
                                         struct fault *fault)
{
    struct dns_front_sockets *s = calloc(1, sizeof *s);
    if (s == NULL) {
        fault_set(fault, FAULT_NO_MEMORY, "listen", NULL);
        return NULL;
    }
    list_init(&s->places);
    for (size_t i = 0; i < conf->dns_listen.n; i++) {
        const struct addr *at = &conf->dns_listen.v[i];
        if (had != NULL && has_addr(&had->dns_listen, at))
            continue;
        if (!bind_place(s, at, conf->workers > 1, fault)) {
            dns_front_sockets_free(s);
            return NULL;
        }
    }
    return s;
}

bool dns_front_listen(struct dns_front_sockets *s, struct fault *fault)
{
    LIST_EACH (it, after, &s->places) {
        struct front_place *p = place_of(it);
        struct fault cause = { .kind = FAULT_NONE };
        if (!io_listener_listen(&p->tcp, &cause)) {
            explain_bind(&p->at, &cause, fault);
            return false;
        }
    }
    return true;
}

void dns_front_sockets_free(struct dns_front_sockets *s)
{
    if (s == NULL)
        return;
    LIST_EACH (it, after, &s->places)
        close_place(place_of(it));
    free(s);
}

static bool start_place(struct dns_front *f, struct front_place *p, struct fault *fault)
{
    p->front = f;
    if (io_listener_start(&p->tcp, f->loop, fault) && front_udp_start(&p->udp, f, fault))
        return true;
    close_place(p);
    return false;
}

/* Who has connected is taken, and what was sent is answered. */
static void give_up_place(struct front_place *p)
{
    p->is_given_up = true;
    io_listener_retire(&p->tcp);
    p->udp.n_questions++;
    front_udp_stop(&p->udp);
    front_socket_leave(&p->udp);
}

bool front_places_set(struct dns_front *f, struct dns_front_sockets *s, struct fault *fault)
{
    bool ok = true;
    for (struct list *it = f->places.next, *after; it != &f->places; it = after) {
        struct front_place *p = place_of(it);
        after = it->next;
        if (!p->is_given_up && !has_addr(&f->conf->dns_listen, &p->at))
            give_up_place(p);
    }
    LIST_EACH (it, after, &s->places) {
        list_remove(it);
        list_push_back(&f->places, it);
        ok = start_place(f, place_of(it), fault) && ok;
    }
    free(s); /* its places are the front's now */
    return ok;
}

bool dns_front_is_free(const struct conf *conf, const struct conf *had, struct fault *fault)
{
    for (size_t i = 0; i < conf->dns_listen.n; i++) {
        const struct addr *at = &conf->dns_listen.v[i];
        struct fault cause = { .kind = FAULT_NONE };
        if (had != NULL && has_addr(&had->dns_listen, at))
            continue;
        if (!io_listener_is_free(at, &cause) || !front_udp_is_free(at, &cause)) {
            explain_bind(at, &cause, fault);
            return false;
        }
    }
    return true;
}

const struct addr *dns_front_addr(const struct dns_front *f, size_t i)
{
    for (struct list *it = f->places.next; it != &f->places; it = it->next)
        if (!place_of(it)->is_given_up && i-- == 0)
            return &place_of(it)->tcp.local;
    return NULL;
}

void front_places_stop(struct dns_front *f)
{
    LIST_EACH (it, after, &f->places) {
        io_listener_close(&place_of(it)->tcp);
        front_udp_stop(&place_of(it)->udp);
    }
}

void front_places_close(struct dns_front *f)
{
    LIST_EACH (it, after, &f->places)
        close_place(place_of(it));
}
