/*
 * Any bytes into a client's connection of a whole proxy, whose only S3 host refuses connections.
 * The first byte says how many go in at once. When the client has left, nothing of it is there any
 * more: no connection, no exchange, no dial.
 */
#include "whole_proxy.h"

#include <sys/socket.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { INPUT_BYTES = 64 * 1024, MAX_TURNS = 2000 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    px_start();
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
