#include "demo/demo.h"

#include "demo/s3_request.h"
#include "demo/samples.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ENV_BYTES = 16 * 1024, NFTW_FDS = 16 };

/* What stands in the company's own DNS, which was never told of AWS. */
static const struct demo_dns_record corporate_records[] = {
    { DEMO_INTRANET_HOST, "127.0.0.1" },
    { "wiki.corp.demo", "127.0.0.1" },
};
static const struct demo_dns_zone corporate_zone = { corporate_records, 2, DNS_NXDOMAIN };

static const struct demo_dns_record amazon_records[] = {
    { DEMO_HOST, "127.0.0.1" },
    { "*." DEMO_HOST, "127.0.0.1" },
    { DEMO_REGISTRY_HOST, "127.0.0.1" },
};
static const struct demo_dns_zone amazon_zone = { amazon_records, 3, DNS_NXDOMAIN };

static void loopback(uint16_t port, struct addr *out)
{
    addr_from_bytes(AF_INET, (const uint8_t[4]){ 127, 0, 0, 1 }, port, out);
}

/* A temporary folder, unless the caller has one. */
static bool choose_dir(struct demo *d, const char *dir, struct fault *f)
{
    const char *tmp = getenv("TMPDIR");
    int n = dir != NULL ? snprintf(d->dir, sizeof d->dir, "%s", dir)
                        : snprintf(d->dir, sizeof d->dir, "%s/penstock-demo-XXXXXX",
                                   tmp != NULL && tmp[0] != 0 ? tmp : "/tmp");
    if (n < 0 || (size_t)n >= sizeof d->dir)
        return fault_set(f, FAULT_CONFIG, "directory", "the path is too long");
    if (dir == NULL && mkdtemp(d->dir) == NULL)
        return fault_set(f, FAULT_SYSTEM, "directory", "%s: %s", d->dir, strerror(errno));
    d->is_dir_ours = dir == NULL;
    return demo_store_open(&d->store, d->dir, f) &&
           (!d->is_dir_ours || demo_samples_write(&d->store, f));
}

static bool open_servers(struct demo *d, struct fault *f)
{
    struct addr any;
    loopback(0, &any);
    if (!io_loop_init(&d->loop))
        return fault_set(f, FAULT_SYSTEM, "start", "no event loop");
    d->has_loop = true;
    if (!demo_ca_init(&d->ca, "DNS:" DEMO_HOST ",DNS:*." DEMO_HOST, f))
        return false;
    d->tls = io_tls_server_new_from(d->ca.cert, d->ca.key, f);
    return d->tls != NULL &&
           demo_dns_server_open(&d->corporate, &d->loop, &corporate_zone, &any, f) &&
           demo_dns_server_open(&d->amazon, &d->loop, &amazon_zone, &any, f) &&
           demo_s3_origin_open(&d->origin, &d->loop, d->tls, &d->store, &any, f) &&
           demo_registry_open(&d->registry, &d->loop, &d->store, &any, f);
}

/* Can a listener be opened there? With port 0, *at gets one that is free now. */
static bool is_free(struct addr *at)
{
    socklen_t n = sizeof *at;
    int fd = socket(addr_family(at), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    bool is = bind(fd, &at->sa, addr_len(at)) == 0 && listen(fd, 1) == 0 &&
              getsockname(fd, &at->sa, &n) == 0;
    close(fd);
    return is;
}

/* The usual port on loopback, or any that is free; never the one of `other`. */
static bool choose(uint16_t usual, const struct addr *other, struct addr *out)
{
    loopback(usual, out);
    if (usual != addr_port(other) && is_free(out))
        return true;
    do {
        loopback(0, out);
        if (!is_free(out))
            return false;
    } while (addr_port(out) == addr_port(other));
    return true;
}

/* A port that was asked for is taken as it is: the proxy says so when it cannot have it. */
static bool choose_listeners(struct demo *d, const struct addr *listen, struct fault *f)
{
    loopback(DEMO_PORT, &d->proxy);
    if (listen != NULL)
        d->proxy = *listen;
    else if (!is_free(&d->proxy))
        addr_set_port(&d->proxy, 0);
    if ((listen == NULL || addr_port(&d->proxy) == 0) && !is_free(&d->proxy))
        return fault_set(f, FAULT_SYSTEM, "listen", "no free port on loopback");
    if (!choose(DEMO_ADMIN_PORT, &d->proxy, &d->admin) ||
        !choose(DEMO_DNS_PORT, &d->proxy, &d->dns))
        return fault_set(f, FAULT_SYSTEM, "listen", "no free port on loopback");
    return true;
}

__attribute__((format(printf, 2, 3))) static void set(struct demo *d, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct str kept = arena_copy(&d->arena, str_from_c(text));
    if (kept.p != NULL && d->n_env < DEMO_MAX_ENV)
        d->env[d->n_env++] = (char *)kept.p;
}

/* As an operator would set them; that origin and registry have ports of their own is all that is
 * special. */
static void write_env(struct demo *d)
{
    char at[ADDR_TEXT_BYTES];
    unsigned port = addr_port(&d->origin.local);
    set(d, "PENSTOCK_LISTEN=%s", addr_text(&d->proxy, at));
    set(d, "PENSTOCK_ADMIN=%s", addr_text(&d->admin, at));
    set(d, "PENSTOCK_DNS_LISTEN=%s", addr_text(&d->dns, at));
    set(d, "PENSTOCK_DNS_SERVERS=%s", addr_text(&d->corporate.local, at));
    set(d, "PENSTOCK_DNS_AWS=on");
    set(d, "PENSTOCK_DNS_AWS_SERVERS=%s", addr_text(&d->amazon.local, at));
    set(d, "PENSTOCK_ALLOW_HOSTS=" DEMO_HOST ":%u=https,*." DEMO_HOST ":%u=https", port, port);
    set(d, "PENSTOCK_ALLOW_ADDRESSES=127.0.0.0/8");
    set(d, "INTERNAL_REGISTRY_URL=http://" DEMO_REGISTRY_HOST ":%u", addr_port(&d->registry.local));
    set(d, "PENSTOCK_HOSTS_FILE=/dev/null");
    set(d, "PENSTOCK_RESOLV_CONF=/dev/null");
    set(d, "PENSTOCK_WORKERS=1");
    set(d, "PENSTOCK_LOG_LEVEL=warning");
    set(d, "PENSTOCK_SELF_CHECK=off");
    set(d, "PENSTOCK_DRAIN_TIMEOUT_MS=5000");
}

static void run(void *arg)
{
    io_loop_run(&((struct demo *)arg)->loop);
}

bool demo_start(struct demo *d, const struct demo_options *options, struct fault *f)
{
    *d = (struct demo){ .store.dir = -1 };
    arena_init(&d->arena, ENV_BYTES);
    if (choose_dir(d, options->dir, f) && open_servers(d, f) &&
        choose_listeners(d, options->listen, f)) {
        write_env(d);
        d->has_thread = uv_thread_create(&d->thread, run, d) == 0;
        if (d->has_thread)
            return true;
        fault_set(f, FAULT_SYSTEM, "thread", NULL);
    }
    demo_stop(d);
    return false;
}

/* On the servers' own thread, while it runs. */
static void close_servers(void *arg)
{
    struct demo *d = arg;
    demo_http_server_close(&d->origin);
    demo_http_server_close(&d->registry);
    demo_dns_server_close(&d->corporate);
    demo_dns_server_close(&d->amazon);
    io_loop_stop(&d->loop);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    remove(path);
    return 0;
}

void demo_stop(struct demo *d)
{
    /* Without memory for a post the servers live on until the process ends: so does what they use.
     */
    if (d->has_thread && !io_loop_post(&d->loop, close_servers, d))
        return;
    if (d->has_thread)
        uv_thread_join(&d->thread);
    else if (d->has_loop)
        close_servers(d);
    d->has_thread = false;
    if (d->has_loop)
        io_loop_done(&d->loop);
    d->has_loop = false;
    io_tls_free(d->tls);
    d->tls = NULL;
    demo_ca_done(&d->ca);
    demo_store_close(&d->store);
    if (d->is_dir_ours)
        nftw(d->dir, remove_one, NFTW_FDS, FTW_DEPTH | FTW_PHYS);
    d->is_dir_ours = false;
    arena_done(&d->arena);
}
