#include "dns/watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STAT_MS = 5000, SETTLE_MS = 20, DEFAULT_PORT = 53 };

struct file {
    struct dns_watched at;
    uv_fs_event_t *dir;
};

struct dns_watch {
    struct dns_engine *engine;
    struct io_timer timer;
    bool is_settling; /* the timer stands at SETTLE_MS */
    struct file resolv_conf, hosts;
};

/* False: not there, not readable, or larger than it may be. */
static bool read_file(const char *path, size_t max_bytes, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool ok = false;
    if (fd < 0)
        return false;
    for (;;) {
        /* One byte more than may be, so that a larger file shows itself. */
        size_t left = max_bytes - out->n + 1, want = left < 4096 ? left : 4096;
        char *to = buf_reserve(out, want);
        ssize_t n = to != NULL ? read(fd, to, want) : -1;
        if (n <= 0) {
            ok = n == 0;
            break;
        }
        out->n += (size_t)n;
        if (out->n > max_bytes)
            break;
    }
    close(fd);
    return ok;
}

static char *path_of(struct str s)
{
    return s.n > 0 ? strndup(s.p, s.n) : NULL;
}

bool dns_system_read(const struct conf *conf, struct dns_system *out)
{
    struct resolv_conf rc;
    struct buf text;
    out->n = 0;
    char *path = path_of(conf->resolv_conf);
    buf_init(&text, RESOLV_CONF_BYTES + 1);
    if (path != NULL && read_file(path, RESOLV_CONF_BYTES, &text)) {
        resolv_conf_parse(buf_str(&text), &rc);
        out->is_trusted = rc.trust_ad;
        for (unsigned i = 0; i < rc.n_servers; i++) {
            struct addr *at = &out->v[out->n].addr;
            if (!addr_parse(rc.servers[i].text, DEFAULT_PORT, at) &&
                !addr_parse_ip(rc.servers[i].text, at))
                continue;
            if (addr_port(at) == 0)
                addr_set_port(at, DEFAULT_PORT);
            out->v[out->n++].line = rc.servers[i].line;
        }
    }
    buf_done(&text);
    free(path);
    return out->n > 0;
}

struct dns_routes *dns_routes_of_system(struct dns_shared *s, const struct conf *conf,
                                        const struct dns_own *own, const struct dns_system *system)
{
    struct addr addrs[RESOLV_MAX_SERVERS];
    for (size_t i = 0; i < system->n; i++)
        addrs[i] = system->v[i].addr;
    struct dns_routes *r = dns_routes_new(s, conf, own, addrs, system->n);
    if (r == NULL)
        return NULL;
    r->n_system = system->n;
    memcpy(r->system, system->v, system->n * sizeof system->v[0]);
    r->trusts_system = system->is_trusted;
    return r;
}

static bool set_routes(struct dns_shared *s, struct dns_routes *r)
{
    if (r != NULL)
        dns_shared_set_routes(s, r);
    return r != NULL;
}

struct dns_hosts *dns_hosts_read(const struct conf *conf)
{
    struct dns_hosts *h = NULL;
    struct buf text;
    char *path = path_of(conf->hosts_file);
    buf_init(&text, HOSTS_BYTES + 1);
    if (path != NULL && read_file(path, HOSTS_BYTES, &text) && text.n > 0)
        h = dns_hosts_new(buf_str(&text));
    buf_done(&text);
    free(path);
    return h;
}

bool dns_watch_read_first(struct dns_shared *s)
{
    struct dns_system system = { .n = 0 };
    const struct conf *conf = s->conf;
    const struct conf_addrs *given = &conf->dns_servers;
    struct dns_hosts *hosts = dns_hosts_read(conf);
    if (hosts != NULL)
        dns_shared_set_hosts(s, hosts);
    if (given->n > 0)
        return set_routes(s, dns_routes_new(s, conf, &s->own, given->v, given->n));
    dns_system_read(conf, &system);
    return set_routes(s, dns_routes_of_system(s, conf, &s->own, &system));
}

static void reload_resolv_conf(struct dns_watch *w)
{
    struct dns_shared *s = w->engine->shared;
    struct dns_system system = { .n = 0 };
    if (s->conf->dns_servers.n > 0)
        return;
    bool ok = dns_system_read(s->conf, &system) &&
              set_routes(s, dns_routes_of_system(s, s->conf, &s->own, &system));
    struct dns_event event = { .kind = ok ? DNS_EVENT_RESOLV_CONF : DNS_EVENT_RESOLV_CONF_KEPT,
                               .path = w->resolv_conf.at.path,
                               .n = (unsigned)system.n };
    dns_engine_tell(w->engine, &event);
}

static void reload_hosts(struct dns_watch *w)
{
    struct dns_hosts *h = dns_hosts_read(w->engine->shared->conf);
    struct dns_event event = { .kind = h != NULL ? DNS_EVENT_HOSTS : DNS_EVENT_HOSTS_KEPT,
                               .path = w->hosts.at.path,
                               .n = h != NULL ? (unsigned)dns_hosts_n(h) : 0 };
    if (h != NULL)
        dns_shared_set_hosts(w->engine->shared, h);
    dns_engine_tell(w->engine, &event);
}

/* A file that is gone has the zero stat. */
static struct stat stat_of(const char *path)
{
    struct stat st = { 0 };
    if (path == NULL || stat(path, &st) != 0)
        st = (struct stat){ 0 };
    return st;
}

static bool has_changed(struct file *f)
{
    struct stat st = stat_of(f->at.path), seen = f->at.seen;
    f->at.seen = st;
    return st.st_ino != seen.st_ino || st.st_dev != seen.st_dev || st.st_size != seen.st_size ||
           st.st_mtim.tv_sec != seen.st_mtim.tv_sec || st.st_mtim.tv_nsec != seen.st_mtim.tv_nsec;
}

void dns_watched_init(const struct conf *conf, struct dns_watched *resolv_conf,
                      struct dns_watched *hosts)
{
    *resolv_conf = *hosts = (struct dns_watched){ 0 };
    if (conf->dns_servers.n == 0)
        resolv_conf->path = path_of(conf->resolv_conf);
    hosts->path = path_of(conf->hosts_file);
    resolv_conf->seen = stat_of(resolv_conf->path);
    hosts->seen = stat_of(hosts->path);
}

static void on_timer(struct io_timer *t)
{
    struct dns_watch *w = LIST_ENTRY(t, struct dns_watch, timer);
    w->is_settling = false;
    if (has_changed(&w->resolv_conf))
        reload_resolv_conf(w);
    if (has_changed(&w->hosts))
        reload_hosts(w);
    io_timer_arm(w->engine->loop, &w->timer, STAT_MS);
}

static void on_dir_event(uv_fs_event_t *dir, const char *name, int events, int status)
{
    struct dns_watch *w = dir->data;
    /* A writer may be half way: look a moment later. The first of many events counts, as others in
     * a busy directory would put the look off for ever. Disarmed first, as a deadline that is armed
     * again would only move away. */
    if (w == NULL || w->is_settling)
        return;
    w->is_settling = true;
    io_timer_disarm(w->engine->loop, &w->timer);
    io_timer_arm(w->engine->loop, &w->timer, SETTLE_MS);
}

static void close_dir(struct file *f)
{
    if (f->dir == NULL)
        return;
    f->dir->data = NULL;
    io_close_and_free(f->dir);
    f->dir = NULL;
}

static void open_dir(struct dns_watch *w, struct file *f)
{
    char *slash = f->at.path != NULL ? strrchr(f->at.path, '/') : NULL;
    if (f->at.path == NULL || (f->dir = malloc(sizeof *f->dir)) == NULL)
        return;
    size_t n = slash == f->at.path ? 1 : (size_t)(slash - f->at.path);
    char *dir = slash == NULL ? strdup(".") : strndup(f->at.path, n);
    if (uv_fs_event_init(&w->engine->loop->uv, f->dir) != 0) {
        free(f->dir);
        f->dir = NULL;
    } else {
        f->dir->data = w;
        if (dir == NULL || uv_fs_event_start(f->dir, on_dir_event, dir, 0) != 0)
            close_dir(f);
        else
            uv_unref((uv_handle_t *)f->dir);
    }
    free(dir);
}

static bool is_same_path(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What was seen of a file that goes on being watched stays: what has changed since is read anew. */
static void follow(struct dns_watch *w, struct file *f, struct dns_watched *now)
{
    if (is_same_path(f->at.path, now->path))
        return;
    close_dir(f);
    free(f->at.path);
    f->at = *now;
    now->path = NULL;
    open_dir(w, f);
}

void dns_watch_follow(struct dns_watch *w, struct dns_watched *resolv_conf,
                      struct dns_watched *hosts)
{
    follow(w, &w->resolv_conf, resolv_conf);
    follow(w, &w->hosts, hosts);
}

struct dns_watch *dns_watch_new(struct dns_engine *e)
{
    struct dns_watch *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->engine = e;
    w->timer.on_fire = on_timer;
    dns_watched_init(e->shared->conf, &w->resolv_conf.at, &w->hosts.at);
    open_dir(w, &w->resolv_conf);
    open_dir(w, &w->hosts);
    io_timer_arm(e->loop, &w->timer, STAT_MS);
    return w;
}

void dns_watch_free(struct dns_watch *w)
{
    if (w == NULL)
        return;
    io_timer_disarm(w->engine->loop, &w->timer);
    close_dir(&w->resolv_conf);
    close_dir(&w->hosts);
    free(w->resolv_conf.at.path);
    free(w->hosts.at.path);
    free(w);
}
