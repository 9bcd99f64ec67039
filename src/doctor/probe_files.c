#include "doctor/probe_local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* At most max_bytes of it. 0, or errno. */
static int read_file(const char *path, size_t max_bytes, struct buf *out, int64_t *changed_s)
{
    struct stat st;
    int result = 0;
    /* NONBLOCK: a pipe there must not hang us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno;
    if (fstat(fd, &st) == 0)
        *changed_s = st.st_mtime;
    while (out->n < max_bytes) {
        char *to = buf_reserve(out, 4096);
        ssize_t n = to != NULL ? read(fd, to, 4096) : -1;
        if (n < 0)
            result = to == NULL ? ENOMEM : errno;
        if (n <= 0)
            break;
        out->n += (size_t)n;
    }
    close(fd);
    return result;
}

static unsigned keep_servers(const struct resolv_conf *rc, struct fact_book *book, struct addr *v)
{
    enum { PORT = 53 };
    unsigned n = 0;
    for (unsigned i = 0; i < rc->n_servers; i++) {
        fact_add_text(book, &book->facts.resolv_conf.servers, rc->servers[i].text);
        if (!addr_parse(rc->servers[i].text, PORT, &v[n]) &&
            !addr_parse_ip(rc->servers[i].text, &v[n]))
            continue;
        if (addr_port(&v[n]) == 0)
            addr_set_port(&v[n], PORT);
        n++;
    }
    return n;
}

unsigned probe_resolv_conf(const struct conf *conf, struct fact_book *book, struct addr *v)
{
    struct fact_resolv_conf *to = &book->facts.resolv_conf;
    struct resolv_conf rc;
    struct buf text;
    unsigned n = 0;
    buf_init(&text, (size_t)2 * RESOLV_CONF_BYTES);
    to->path = fact_text(book, conf->resolv_conf);
    int e =
        to->path.n > 0 ? read_file(to->path.p, RESOLV_CONF_BYTES, &text, &to->changed_s) : ENOENT;
    if (e != 0) {
        to->error = fact_text(book, str_from_c(strerror(e)));
    } else {
        resolv_conf_parse(buf_str(&text), &rc);
        n = keep_servers(&rc, book, v);
        for (unsigned i = 0; i < rc.n_search; i++)
            fact_add_text(book, &to->search, rc.search[i]);
        to->ndots = rc.ndots;
        to->timeout_s = rc.timeout_s;
        to->attempts = rc.attempts;
        to->rotate = fact_truth_of(rc.rotate);
        to->bad_lines = rc.n_bad_lines;
    }
    buf_done(&text);
    return n;
}

struct hosts_reader {
    struct probe_names *names;
    struct fact_book *book;
};

static bool on_hosts_entry(void *arg, struct str address, struct str name, unsigned line)
{
    struct hosts_reader *h = arg;
    struct dns_name dns;
    struct addr a;
    if (!addr_parse_ip(address, &a) || !dns_name_parse(name, &dns))
        return true;
    for (unsigned i = 0; i < h->names->n; i++) {
        struct probe_name *n = &h->names->v[i];
        struct fact_host fact;
        if (n->dns.n == 0 || !dns_name_eq(&n->dns, &dns) || n->n_known == PROBE_HOSTS_ADDRESSES)
            continue;
        n->known[n->n_known++] = a;
        FACT_CLEAR(host, &fact);
        fact.name = n->text;
        fact.address = fact_text(h->book, address);
        fact_add(h->book, &h->book->facts.hosts, &fact);
    }
    return true;
}

void probe_hosts(const struct conf *conf, struct probe_names *names, struct fact_book *book)
{
    struct buf text;
    int64_t changed_s;
    struct str path = fact_text(book, conf->hosts_file);
    buf_init(&text, (size_t)2 * HOSTS_BYTES);
    if (path.n > 0 && read_file(path.p, HOSTS_BYTES, &text, &changed_s) == 0)
        hosts_parse(buf_str(&text), on_hosts_entry,
                    &(struct hosts_reader){ .names = names, .book = book });
    buf_done(&text);
}
