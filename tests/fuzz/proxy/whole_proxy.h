#pragma once
/*
 * A whole proxy in the fuzzer's own thread: nothing listens at its origins' port, and the names
 * that it knows need no DNS. One a process; it is never taken down.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dns/engine.h"
#include "proxy/limits.h"
#include "proxy/proxy.h"

static struct {
    struct io_loop loop;
    struct conf *conf;
    struct dns_engine *dns;
    struct upstream *up;
    struct limits *limits;
    struct proxy proxy;
} px;

static inline void must(bool holds)
{
    if (!holds)
        abort();
}

static inline void px_load(char *hosts_setting)
{
    static char registry[] = "INTERNAL_REGISTRY_URL=http://registry.test:9",
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

/* From here on stdout, where the access lines go, is nowhere. */
static inline void px_start(void)
{
    char path[] = P_tmpdir "/penstock-fuzz-XXXXXX", setting[128];
    static const char line[] = "127.0.0.1 s3.test registry.test\n";
    int fd = mkstemp(path), null = open("/dev/null", O_WRONLY);
    must(fd >= 0 && null >= 0 && write(fd, line, sizeof line - 1) == sizeof line - 1);
    close(fd);
    snprintf(setting, sizeof setting, "PENSTOCK_HOSTS_FILE=%s", path);
    px_load(setting);
    unlink(path);
    dup2(null, STDOUT_FILENO);
    close(null);
}
