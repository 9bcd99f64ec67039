/*
 * Any bytes into a client's connection of a whole proxy, whose only S3 host refuses connections.
 * The first byte says how many go in at once. When the client has left, nothing of it is there any
 * more: no connection, no exchange, no dial.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/engine.h"
#include "proxy/limits.h"
#include "proxy/proxy.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { INPUT_BYTES = 64 * 1024, MAX_TURNS = 2000 };

static struct {
    struct io_loop loop;
    struct conf *conf;
    struct dns_engine *dns;
    struct upstream *up;
    struct limits *limits;
    struct proxy proxy;
} px;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Nothing listens on the discard port, and the one name that is known needs no DNS. */
static void start(char *hosts_setting)
{
    static char registry[] = "INTERNAL_REGISTRY_URL=http://registry.test",
                loopback[] = "PENSTOCK_ALLOW_ADDRESSES=127.0.0.0/8",
                allowed[] = "PENSTOCK_ALLOW_HOSTS=s3.test:9=http",
                servers[] = "PENSTOCK_DNS_SERVERS=127.0.0.1:9", aws[] = "PENSTOCK_DNS_AWS=off";
    char *env[] = { registry, loopback, allowed, servers, aws, hosts_setting, NULL };
    struct fault f = { .kind = FAULT_NONE };
    struct buf errors;
    buf_init(&errors, 4096);
    px.conf = conf_load(env, NULL, CONF_FOR_SERVE, &errors);
    must(px.conf != NULL && io_loop_init(&px.loop));
    buf_done(&errors);
    struct dns_shared *shared = dns_shared_new(px.conf, &f);
    px.dns = shared == NULL ? NULL : dns_engine_new(&px.loop, shared, &f);
    struct io_tls *tls = io_tls_client_new(NULL, &f);
    must(px.dns != NULL && tls != NULL);
    px.up = upstream_new(&px.loop, px.dns, tls, px.conf, &f);
    px.limits = limits_new(100, 0);
    must(px.up != NULL && px.limits != NULL);
    must(proxy_init(&px.proxy, &px.loop, px.conf, px.up, px.limits, &f));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[] = P_tmpdir "/penstock-fuzz-XXXXXX", setting[128];
    static const char line[] = "127.0.0.1 s3.test\n";
    int fd = mkstemp(path), null = open("/dev/null", O_WRONLY);
    must(fd >= 0 && null >= 0 && write(fd, line, sizeof line - 1) == sizeof line - 1);
    close(fd);
    snprintf(setting, sizeof setting, "PENSTOCK_HOSTS_FILE=%s", path);
    start(setting);
    unlink(path);
    dup2(null, STDOUT_FILENO); /* the access lines */
    close(null);
    return 0;
}

/* What the proxy says is read, so that it never waits for that. */
static void turn(int fd)
{
    char bytes[16 * 1024];
    uv_run(&px.loop.uv, UV_RUN_NOWAIT);
    while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct addr peer;
    int fds[2];
    if (n < 2 || n > INPUT_BYTES)
        return 0;
    size_t step = data[0] == 0 ? n : (size_t)data[0] * data[0];
    must(addr_parse_ip(STR("127.0.0.1"), &peer));
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    proxy_accept(&px.proxy, fds[1], &peer, PROXY_PORT_PUBLIC);
    for (size_t at = 1; at < n; at += step) {
        size_t one = step < n - at ? step : n - at;
        if (send(fds[0], data + at, one, MSG_NOSIGNAL) < 0)
            break;
        turn(fds[0]);
    }
    for (int i = 0; i < 4; i++)
        turn(fds[0]);
    close(fds[0]);
    struct upstream_counts busy = { .n_busy = 1 };
    for (int i = 0; i < MAX_TURNS && (px.proxy.n_clients > 0 || busy.n_busy + busy.n_dialling > 0);
         i++) {
        uv_run(&px.loop.uv, UV_RUN_NOWAIT);
        busy = upstream_count(px.up);
    }
    must(px.proxy.n_clients == 0 && busy.n_busy == 0 && busy.n_dialling == 0);
    must(limits_n(px.limits) == 0);
    return 0;
}
