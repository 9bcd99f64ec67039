#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "doctor/log_line.h"

#define N(rows) (sizeof(rows) / sizeof *(rows))
#define AT "2024/01/02 03:04:05 [error] 29#29: *7 "
#define REQUEST(path)                                                                              \
    ", client: 10.0.1.2, server: , request: \"GET " path " HTTP/1.1\", host: \"proxy.stk\""
#define S3 "s3.eu-west-1.amazonaws.com"
#define UPSTREAM                                                                                   \
    ", client: 10.0.1.2, server: , request: \"GET /" S3 "/b/k?X-Amz-Signature=aa HTTP/1.1\", "     \
    "upstream: \"https://52.218.1.2:443/b/k?X-Amz-Signature=aa\", host: \"proxy.stk\""

static struct log_words words;

struct row {
    const char *line;
    enum log_kind kind;
    const char *name, *server;
};

static void check(const struct row *rows, size_t n, enum log_writer writer)
{
    for (size_t i = 0; i < n; i++) {
        struct log_line l;
        size_t bytes = strlen(rows[i].line);
        char *copy = malloc(bytes + 1);
        assert_non_null(copy);
        memcpy(copy, rows[i].line, bytes);
        char *exact = realloc(copy, bytes ? bytes : 1);
        bool is_known = log_line_parse(&words, str_of(exact, bytes), &l);
        if (l.kind != rows[i].kind || is_known != (l.kind != LOG_KIND_NONE) ||
            !str_eq(l.name, str_from_c(rows[i].name)) ||
            !str_eq(l.server, str_from_c(rows[i].server)) || (is_known && l.writer != writer))
            fail_msg("%s: %s \"%.*s\" \"%.*s\" by %s", rows[i].line, log_kind_row(l.kind)->name,
                     STR_ARG(l.name), STR_ARG(l.server), log_writer_name(l.writer));
        free(exact);
    }
}

static void nginx_lines_of_names(void **state)
{
    static const struct row rows[] = {
        { AT S3 " could not be resolved (1: Format error)" REQUEST("/x"), LOG_KIND_FORMAT_ERROR, S3,
          "" },
        { AT S3 " could not be resolved (2: Server failure)" REQUEST("/x"), LOG_KIND_SERVER_FAILURE,
          S3, "" },
        { AT S3 " could not be resolved (3: Host not found)" REQUEST("/x"), LOG_KIND_NAME_UNKNOWN,
          S3, "" },
        { AT S3 " could not be resolved (4: Unimplemented)" REQUEST("/x"), LOG_KIND_NOT_IMPLEMENTED,
          S3, "" },
        { AT S3 " could not be resolved (5: Operation refused)" REQUEST("/x"), LOG_KIND_REFUSED, S3,
          "" },
        { AT S3 " could not be resolved (110: Operation timed out)" REQUEST("/x"),
          LOG_KIND_DNS_TIMEOUT, S3, "" },
        { AT S3 " could not be resolved (9: Unknown error)" REQUEST("/x"), LOG_KIND_UNRESOLVED, S3,
          "" },
        { AT S3 " could not be resolved" REQUEST("/x"), LOG_KIND_UNRESOLVED, S3, "" },
        { AT "\"registry.stk\" could not be resolved (3: Host not found)", LOG_KIND_NAME_UNKNOWN,
          "registry.stk", "" },
        { AT "registry could not be resolved (2: Server failure), client: 1.2.3.4",
          LOG_KIND_SERVER_FAILURE, "registry", "" },
        { AT "no resolver defined to resolve " S3 REQUEST("/x"), LOG_KIND_NO_RESOLVER, S3, "" },
        { "nginx: [emerg] host not found in upstream \"registry.stk\" in /etc/nginx/nginx.conf:12",
          LOG_KIND_UNRESOLVED_AT_START, "registry.stk", "" },
        { "2024/01/02 03:04:05 [emerg] 1#1: host not found in upstream \"registry.stk:80\" in "
          "/etc/nginx/nginx.conf:12",
          LOG_KIND_UNRESOLVED_AT_START, "registry.stk", "" },
        { "nginx: [emerg] invalid number of arguments in \"resolver\" directive in /n.conf:3",
          LOG_KIND_RESOLVER_EMPTY, "", "" },
        { "nginx: [emerg] invalid number of arguments in resolver directive in /n.conf:3",
          LOG_KIND_RESOLVER_EMPTY, "", "" },
        { "nginx: [emerg] invalid number of arguments in \"listen\" directive in /n.conf:3",
          LOG_KIND_NONE, "", "" },
        { "nginx: [emerg] invalid port in resolver \"fd00:ec2::253\" in /n.conf:3",
          LOG_KIND_RESOLVER_ADDRESS, "", "fd00:ec2::253" },
        { "nginx: [emerg] invalid port in upstream \"a:b\" in /n.conf:3", LOG_KIND_NONE, "", "" },
        { "nginx: [emerg] host not found in resolver \"fd00\" in /n.conf:3",
          LOG_KIND_RESOLVER_ADDRESS, "", "fd00" },
    };
    check(rows, N(rows), LOG_BY_NGINX);
}

static void nginx_lines_of_the_way_to_dns(void **state)
{
    static const struct row rows[] = {
        { "2024/01/02 03:04:05 [error] 29#29: connect() failed (111: Connection refused) while "
          "resolving, resolver: 10.0.2.53:53",
          LOG_KIND_DNS_PORT_CLOSED, "", "10.0.2.53:53" },
        { "2024/01/02 03:04:05 [alert] 29#29: recv() failed (111: Connection refused) while "
          "resolving, resolver: 10.0.2.53:53",
          LOG_KIND_DNS_PORT_CLOSED, "", "10.0.2.53:53" },
        { "2024/01/02 03:04:05 [error] 29#29: send() failed (101: Network is unreachable) while "
          "resolving, resolver: [fd00:ec2::253]:53",
          LOG_KIND_DNS_NO_ROUTE, "", "[fd00:ec2::253]:53" },
        { "2024/01/02 03:04:05 [crit] 29#29: connect() to 10.0.2.53:53 failed (113: No route to "
          "host) while resolving, resolver: 10.0.2.53:53",
          LOG_KIND_DNS_NO_ROUTE, "", "10.0.2.53:53" },
        { "2024/01/02 03:04:05 [error] 29#29: invalid number of questions in DNS response while "
          "resolving, resolver: 10.0.2.53:53",
          LOG_KIND_NO_QUESTION, "", "10.0.2.53:53" },
        { "2024/01/02 03:04:05 [error] 29#29: short DNS response while resolving, resolver: "
          "10.0.2.53:53",
          LOG_KIND_BAD_REPLY, "", "10.0.2.53:53" },
        { "2024/01/02 03:04:05 [error] 29#29: unexpected DNS response for a.test while resolving, "
          "resolver: 10.0.2.53:53",
          LOG_KIND_BAD_REPLY, "a.test", "10.0.2.53:53" },
        { "2024/01/02 03:04:05 [error] 29#29: DNS error (9: Unknown error), query id:4096 while "
          "resolving, resolver: 10.0.2.53:53",
          LOG_KIND_BAD_REPLY, "", "10.0.2.53:53" },
        { "2024/01/02 03:04:05 [error] 29#29: DNS error (1: Format error), query id:2052, "
          "name:\"a.test\"",
          LOG_KIND_FORMAT_ERROR, "a.test", "" },
        { "2024/01/02 03:04:05 [error] 29#29: wrong ident 7 in DNS response for a.test, expect 8",
          LOG_KIND_BAD_REPLY, "a.test", "" },
        { "2024/01/02 03:04:05 [error] 29#29: invalid number of questions in DNS response",
          LOG_KIND_NO_QUESTION, "", "" },
    };
    check(rows, N(rows), LOG_BY_NGINX);
}

static void nginx_lines_that_are_not_dns(void **state)
{
    static const struct row rows[] = {
        { AT "connect() failed (111: Connection refused) while connecting to upstream" UPSTREAM,
          LOG_KIND_CONNECT_REFUSED, S3, "52.218.1.2:443" },
        { AT "connect() failed (113: No route to host) while connecting to upstream" UPSTREAM,
          LOG_KIND_CONNECT_UNREACHABLE, S3, "52.218.1.2:443" },
        { AT "connect() to [fd00::1]:443 failed (101: Network is unreachable) while connecting to "
             "upstream, client: 10.0.1.2, upstream: \"https://[fd00::1]:443/b\"",
          LOG_KIND_CONNECT_UNREACHABLE, "", "[fd00::1]:443" },
        { AT "connect() failed (110: Connection timed out) while connecting to upstream" UPSTREAM,
          LOG_KIND_CONNECT_TIMEOUT, S3, "52.218.1.2:443" },
        { AT "upstream timed out (110: Connection timed out) while connecting to upstream" UPSTREAM,
          LOG_KIND_CONNECT_TIMEOUT, S3, "52.218.1.2:443" },
        { AT "upstream timed out (110: Connection timed out) while reading response header from "
             "upstream" UPSTREAM,
          LOG_KIND_SLOW, S3, "52.218.1.2:443" },
        { AT "upstream timed out (110: Connection timed out) while SSL handshaking to "
             "upstream" UPSTREAM,
          LOG_KIND_TLS_TIMEOUT, S3, "52.218.1.2:443" },
        { AT "upstream timed out (110: Connection timed out) while reading response header from "
             "upstream, client: 10.0.1.2, server: , request: \"GET /x HTTP/1.1\", upstream: "
             "\"http://127.0.0.1:8080/x\", host: \"p\"",
          LOG_KIND_OWN_HOP, "", "127.0.0.1:8080" },
        { AT "upstream SSL certificate verify error: (10:certificate has expired) while SSL "
             "handshaking to upstream" UPSTREAM,
          LOG_KIND_CERT_DATE, S3, "52.218.1.2:443" },
        { AT "upstream SSL certificate verify error: (9:certificate is not yet valid) while SSL "
             "handshaking to upstream" UPSTREAM,
          LOG_KIND_CERT_DATE, S3, "52.218.1.2:443" },
        { AT "upstream SSL certificate verify error: (18:self-signed certificate) while SSL "
             "handshaking to upstream" UPSTREAM,
          LOG_KIND_CERT_UNTRUSTED, S3, "52.218.1.2:443" },
        { AT "upstream SSL certificate verify error: (19:self-signed certificate in certificate "
             "chain) while SSL handshaking to upstream" UPSTREAM,
          LOG_KIND_CERT_UNTRUSTED, S3, "52.218.1.2:443" },
        { AT "upstream SSL certificate verify error: (20:unable to get local issuer certificate) "
             "while SSL handshaking to upstream" UPSTREAM,
          LOG_KIND_CERT_UNTRUSTED, S3, "52.218.1.2:443" },
        { AT "upstream SSL certificate does not match \"" S3 "\" while SSL handshaking to "
             "upstream" UPSTREAM,
          LOG_KIND_CERT_NAME, S3, "52.218.1.2:443" },
        { AT "peer closed connection in SSL handshake while SSL handshaking to upstream" UPSTREAM,
          LOG_KIND_TLS_CUT, S3, "52.218.1.2:443" },
        { AT "peer closed connection in SSL handshake (104: Connection reset by peer) while SSL "
             "handshaking to upstream" UPSTREAM,
          LOG_KIND_TLS_CUT, S3, "52.218.1.2:443" },
        { AT "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong version number) "
             "while SSL handshaking to upstream" UPSTREAM,
          LOG_KIND_TLS_FAILED, S3, "52.218.1.2:443" },
        { AT "SSL_do_handshake() failed (SSL: error:0A000086:SSL routines::certificate verify "
             "failed) while SSL handshaking to upstream" UPSTREAM,
          LOG_KIND_CERT_UNTRUSTED, S3, "52.218.1.2:443" },
        { AT "upstream prematurely closed connection while reading response header from "
             "upstream" UPSTREAM,
          LOG_KIND_CLOSED, S3, "52.218.1.2:443" },
        { AT "recv() failed (104: Connection reset by peer) while reading response header from "
             "upstream" UPSTREAM,
          LOG_KIND_CLOSED, S3, "52.218.1.2:443" },
        { AT "no live upstreams while connecting to upstream, client: 10.0.1.2, server: , request: "
             "\"GET /x HTTP/1.1\", upstream: \"https://backend/x\", host: \"p\"",
          LOG_KIND_NO_LIVE_UPSTREAMS, "backend", "" },
        { "2024/01/02 03:04:05 [warn] 29#29: *7 upstream server temporarily disabled while "
          "connecting to upstream, client: 10.0.1.2, upstream: \"http://10.0.3.98:80/x\"",
          LOG_KIND_NO_LIVE_UPSTREAMS, "", "10.0.3.98:80" },
        { AT "connect() failed (111: Connection refused) while connecting to upstream, client: "
             "10.0.1.2, server: , request: \"GET /" S3 "/b HTTP/1.1\", upstream: "
             "\"https://0.0.0.0:443/b\"",
          LOG_KIND_SINKHOLE, S3, "0.0.0.0:443" },
        { AT "connect() failed (111: Connection refused) while connecting to upstream, client: "
             "10.0.1.2, server: , request: \"GET /" S3 "/b HTTP/1.1\", upstream: "
             "\"http://127.0.0.1:8080/b\"",
          LOG_KIND_CONNECT_REFUSED, S3, "127.0.0.1:8080" },
        /* clients' failures, and what a client wrote */
        { AT "recv() failed (104: Connection reset by peer) while reading client request line, "
             "client: 10.0.1.2, server: ",
          LOG_KIND_NONE, "", "" },
        { AT "open() \"/x could not be resolved\" failed (2: No such file or directory), client: "
             "10.0.1.2",
          LOG_KIND_UNRESOLVED, "x", "" },
        { AT "client sent invalid header line, client: 10.0.1.2, request: \"GET "
             "/a could not be resolved (3: Host not found) HTTP/1.1\"",
          LOG_KIND_NONE, "", "" },
        { "10.0.1.2 - - [02/Jan/2024:03:04:05 +0000] \"GET / HTTP/1.1\" 200 8 \"-\" \"a could not "
          "be resolved (3: Host not found)\"",
          LOG_KIND_NONE, "", "" },
        { AT "*1 client intended to send too large body, client: 10.0.1.2", LOG_KIND_NONE, "", "" },
        { "", LOG_KIND_NONE, "", "" },
    };
    check(rows, N(rows), LOG_BY_NGINX);
}

static void lines_of_go(void **state)
{
    static const struct row rows[] = {
        { "Get \"https://api.ecr.eu-west-1.amazonaws.com/\": dial tcp: lookup "
          "api.ecr.eu-west-1.amazonaws.com on 10.0.2.53:53: no such host",
          LOG_KIND_NAME_UNKNOWN, "api.ecr.eu-west-1.amazonaws.com", "10.0.2.53:53" },
        { "dial tcp: lookup a.test on 10.0.2.53:53: server misbehaving", LOG_KIND_NO_USABLE_ANSWER,
          "a.test", "10.0.2.53:53" },
        { "dial tcp: lookup a.test on 10.0.2.53:53: read udp 10.0.1.2:4000->10.0.2.53:53: i/o "
          "timeout",
          LOG_KIND_DNS_TIMEOUT, "a.test", "10.0.2.53:53" },
        { "dial tcp: lookup a.test. on [fd00::53]:53: read udp: read: connection refused",
          LOG_KIND_DNS_PORT_CLOSED, "a.test", "[fd00::53]:53" },
        { "lookup a.test on 10.0.2.53:53: dial udp 10.0.2.53:53: connect: network is unreachable",
          LOG_KIND_DNS_NO_ROUTE, "a.test", "10.0.2.53:53" },
        { "dial tcp: lookup a.test: i/o timeout", LOG_KIND_DNS_TIMEOUT, "a.test", "" },
        { "dial tcp: lookup a.test: no such host", LOG_KIND_NAME_UNKNOWN, "a.test", "" },
        { "dial tcp: lookup a.test on 10.0.2.53:53: cannot unmarshal DNS message",
          LOG_KIND_BAD_REPLY, "a.test", "10.0.2.53:53" },
        { "lookup table a.test: no such host", LOG_KIND_NONE, "", "" },
        { "nslookup a.test: no such host", LOG_KIND_NONE, "", "" },
        { "lookup a.test on 10.0.2.53:53: operation was canceled", LOG_KIND_NONE, "", "" },
        { "Get \"https://" S3 "/b/k\": dial tcp 52.218.1.2:443: i/o timeout",
          LOG_KIND_CONNECT_TIMEOUT, S3, "52.218.1.2:443" },
        { "Get \"https://u:p@" S3 "/b/k\": dial tcp [fd00::1]:443: connect: connection refused",
          LOG_KIND_CONNECT_REFUSED, S3, "[fd00::1]:443" },
        { "dial tcp 10.0.1.2:50000->52.218.1.2:443: connect: no route to host",
          LOG_KIND_CONNECT_UNREACHABLE, "", "52.218.1.2:443" },
        { "Get \"https://" S3 "/\": dial tcp 127.0.0.1:443: connect: connection refused",
          LOG_KIND_SINKHOLE, S3, "127.0.0.1:443" },
        { "dial tcp 52.218.1.2:443: operation was canceled", LOG_KIND_NONE, "", "" },
        { "Get \"https://" S3 "/\": x509: certificate signed by unknown authority",
          LOG_KIND_CERT_UNTRUSTED, S3, "" },
        { "Get \"https://1.2.3.4/\": tls: failed to verify certificate: x509: certificate is valid "
          "for a.test, b.test, not " S3,
          LOG_KIND_CERT_NAME, S3, "1.2.3.4" },
        { "Get \"https://" S3 "/\": x509: certificate has expired or is not yet valid: current "
          "time 2024-01-02T03:04:05Z is after 2023-01-01T00:00:00Z",
          LOG_KIND_CERT_DATE, S3, "" },
        { "Get \"https://" S3 "/\": net/http: TLS handshake timeout", LOG_KIND_TLS_TIMEOUT, S3,
          "" },
    };
    check(rows, N(rows), LOG_BY_GO);
}

static void lines_of_other_programs(void **state)
{
    static const struct row rows[] = {
        { "2024-01-02T03:04:05Z could not resolve internal registry hostname", LOG_KIND_UNRESOLVED,
          "", "" },
        { "Error: could not resolve internal registry hostname: registry.stk", LOG_KIND_UNRESOLVED,
          "registry.stk", "" },
        { "could not resolve internal registry hostname, giving up", LOG_KIND_UNRESOLVED, "", "" },
        { "curl: (6) Could not resolve host: " S3, LOG_KIND_UNRESOLVED, S3, "" },
        { "npm ERR! Could not resolve dependency: peer react", LOG_KIND_NONE, "", "" },
        { "Error: getaddrinfo ENOTFOUND " S3, LOG_KIND_NAME_UNKNOWN, S3, "" },
        { "Error: getaddrinfo EAI_AGAIN registry.stk:80", LOG_KIND_NO_USABLE_ANSWER, "registry.stk",
          "" },
        { "HTTPSConnectionPool(host='" S3 "', port=443): Max retries exceeded with url: / (Caused "
          "by NameResolutionError(\"<conn>: Failed to resolve '" S3 "' ([Errno -2] Name or service "
          "not known)\"))",
          LOG_KIND_NAME_UNKNOWN, S3, "" },
        { "ping: registry.stk: Name or service not known", LOG_KIND_NAME_UNKNOWN, "registry.stk",
          "" },
        { "socket.gaierror: [Errno -3] Temporary failure in name resolution",
          LOG_KIND_NO_USABLE_ANSWER, "", "" },
        { "socket.gaierror: [Errno -5] No address associated with hostname", LOG_KIND_NO_ADDRESS,
          "", "" },
        { "An error occurred (RequestTimeTooSkewed) when calling the GetObject operation",
          LOG_KIND_CLOCK, "", "" },
    };
    check(rows, N(rows), LOG_BY_OTHERS);
}

#define ACCESS(host, end, detail)                                                                  \
    "{\"time\":\"2024-01-02T03:04:05.678Z\",\"event\":\"access\",\"id\":\"0000000000000001\","     \
    "\"client\":\"10.0.1.2:4000\",\"method\":\"GET\",\"host\":\"" host "\",\"bucket\":\"b\","      \
    "\"path\":\"/b/k\",\"status\":502,\"bytes_in\":0,\"bytes_out\":200,\"total_ms\":12.000,"       \
    "\"end\":\"" end "\",\"detail\":\"" detail "\"}"
#define EVENT(level, event, message)                                                               \
    "{\"time\":\"2024-01-02T03:04:05.678Z\",\"level\":\"" level "\",\"event\":\"" event            \
    "\",\"message\":\"" message "\"}"

static void lines_of_penstock(void **state)
{
    static const struct row rows[] = {
        { ACCESS(S3, "dns_failed", "10.0.2.53 NXDOMAIN in 3 ms; 169.254.169.253 no reply for 2 s"),
          LOG_KIND_NAME_UNKNOWN, S3, "10.0.2.53" },
        { ACCESS(S3, "dns_failed", "[fd00::53]:5353 REFUSED in 3 ms"), LOG_KIND_REFUSED, S3,
          "[fd00::53]:5353" },
        { ACCESS(S3, "dns_failed", "fd00::53 SERVFAIL over TCP in 3 ms"), LOG_KIND_SERVER_FAILURE,
          S3, "fd00::53" },
        { ACCESS(S3, "dns_failed", "10.0.2.53 NODATA in 3 ms"), LOG_KIND_NO_ADDRESS, S3,
          "10.0.2.53" },
        { ACCESS(S3, "dns_failed", "10.0.2.53 unreachable in 0.1 ms"), LOG_KIND_DNS_NO_ROUTE, S3,
          "10.0.2.53" },
        { ACCESS(S3, "dns_failed", "the name is never asked for"), LOG_KIND_UNRESOLVED, S3, "" },
        { ACCESS(S3, "dns_timeout", "10.0.2.53 no reply for 5.0 s"), LOG_KIND_DNS_TIMEOUT, S3,
          "10.0.2.53" },
        { ACCESS(S3, "dns_no_server", ""), LOG_KIND_NO_RESOLVER, S3, "" },
        { ACCESS(S3, "address_denied", "10.0.2.53 gave only addresses that are never dialled"),
          LOG_KIND_SINKHOLE, S3, "10.0.2.53" },
        { ACCESS(S3, "connect_refused",
                 "10.0.3.98:443 Connection refused; DNS: 10.0.2.53 NXDOMAIN "
                 "in 2 ms"),
          LOG_KIND_CONNECT_REFUSED, S3, "10.0.3.98:443" },
        { ACCESS(S3, "connect_timeout", "10.0.3.97:443 no reply"), LOG_KIND_CONNECT_TIMEOUT, S3,
          "10.0.3.97:443" },
        { ACCESS(S3, "tls_untrusted", "10.0.3.12:443 certificate has expired (certificate /CN=x)"),
          LOG_KIND_CERT_DATE, S3, "10.0.3.12:443" },
        { ACCESS(S3, "tls_untrusted", "10.0.3.12:443 self-signed certificate"),
          LOG_KIND_CERT_UNTRUSTED, S3, "10.0.3.12:443" },
        { ACCESS(S3, "tls_failed", "10.0.3.12:443 the peer closed the connection"),
          LOG_KIND_TLS_CUT, S3, "10.0.3.12:443" },
        { ACCESS(S3, "upstream_head_timeout", "no response head within 60000 ms"), LOG_KIND_SLOW,
          S3, "" },
        { ACCESS("registry.stk", "dns_failed",
                 "\\\"dns_failed.txt\\\" of " S3 ": 10.0.2.53 REFUSED in 1 ms"),
          LOG_KIND_REFUSED, S3, "10.0.2.53" },
        { ACCESS(S3, "ok", "dns_failed"), LOG_KIND_NONE, "", "" },
        { ACCESS(S3 "/dns_failed", "client_gone", ""), LOG_KIND_NONE, "", "" },
        { ACCESS("x\\\",\\\"end\\\":\\\"dns_failed\\\"", "ok", ""), LOG_KIND_NONE, "", "" },
        { EVENT("warning", "dns_no_server", "no DNS server"), LOG_KIND_NO_RESOLVER, "", "" },
        { EVENT("warning", "dns_server_suspect", "DNS server 10.0.2.53:53 failed three times"),
          LOG_KIND_DNS_SUSPECT, "", "10.0.2.53:53" },
        { EVENT("warning", "dns_group_switched", S3 " is asked of the vpc servers first now"),
          LOG_KIND_DNS_SWITCHED, S3, "" },
        { EVENT("warning", "dns_over_budget", "DNS server 10.0.2.53:53 has had its packets"),
          LOG_KIND_DNS_BUDGET, "", "10.0.2.53:53" },
        { EVENT("info", "start", "dns_failed"), LOG_KIND_NONE, "", "" },
    };
    check(rows, N(rows), LOG_BY_PENSTOCK);
}

#define NGINX_LINE AT "a.test could not be resolved (3: Host not found), client: 10.0.1.2"
enum { SECOND = 1000 };
static const int64_t jan_2 = 1704164645LL * SECOND; /* 2024-01-02T03:04:05Z */

static void prefixes_and_times(void **state)
{
    static const struct {
        const char *line;
        int64_t plus_ms;
    } rows[] = {
        { NGINX_LINE, 0 },
        { "s3-proxy-1  | " NGINX_LINE, 0 },
        { "s3-proxy/s3-proxy/8f03ab " NGINX_LINE, 0 },
        { "2024-01-02T03:04:06.250000+00:00 s3-proxy/s3-proxy/8f03ab " NGINX_LINE, 1250 },
        { "2024-01-02T03:04:06.123456789Z " NGINX_LINE, 1123 },
        { "2024-01-02T05:04:06.5+02:00 " NGINX_LINE, 1500 },
        { "2024-01-01T22:04:06-0500 " NGINX_LINE, 1000 },
        { "Jan  2 03:04:05 host nginx: " NGINX_LINE, 0 },
        { "1704164647000,\"" NGINX_LINE "\"", 2000 },
        { "EVENTS\t38001234567890123456789012345678901234567890123456789012\t1704164648000\ts"
          "\t" NGINX_LINE "\t1704164645000",
          3000 },
        { "{\"log\":\"" NGINX_LINE "\\n\",\"stream\":\"stderr\",\"time\":\"2024-01-02T03:04:09Z\"}",
          0 },
        { "            \"message\": \"" NGINX_LINE "\",", 0 },
        { "level=error time=2024-01-02T03:04:05Z msg=\"lookup a.test on 10.0.0.2:53: no such "
          "host\"",
          0 },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct log_line l;
        bool is_known = log_line_parse(&words, str_from_c(rows[i].line), &l);
        if (!is_known || l.kind != LOG_KIND_NAME_UNKNOWN || !str_eq(l.name, STR("a.test")) ||
            !l.has_time || l.time_ms != jan_2 + rows[i].plus_ms)
            fail_msg("%s: %s, %lld", rows[i].line, log_kind_row(l.kind)->name,
                     (long long)(l.time_ms - jan_2));
    }
}

/* Quotes escaped by JSON, doubled by CSV. */
static void quotes_of_exports(void **state)
{
    static const struct row nginx[] = {
        { "{\"message\": \"nginx: [emerg] host not found in upstream \\\"a.test\\\" in /n:1\"}",
          LOG_KIND_UNRESOLVED_AT_START, "a.test", "" },
        { "1704164647000,\"nginx: [emerg] host not found in upstream \"\"a.test\"\" in /n:1\"",
          LOG_KIND_UNRESOLVED_AT_START, "a.test", "" },
        { "1,\"nginx: [emerg] invalid number of arguments in \"\"resolver\"\" directive\"",
          LOG_KIND_RESOLVER_EMPTY, "", "" },
        { "{\"message\":\"" AT "upstream timed out (110: Connection timed out) while connecting to "
          "upstream, client: 1.2.3.4, request: \\\"GET /" S3 "/b HTTP/1.1\\\", upstream: "
          "\\\"https://52.218.1.2:443/b\\\"\"}",
          LOG_KIND_CONNECT_TIMEOUT, S3, "52.218.1.2:443" },
    };
    static const struct row penstock[] = {
        { "{\"message\": \"{\\\"time\\\":\\\"2024-01-02T03:04:05Z\\\",\\\"event\\\":\\\"access\\\","
          "\\\"host\\\":\\\"a.test\\\",\\\"end\\\":\\\"dns_failed\\\",\\\"detail\\\":\\\"10.0.2.53 "
          "REFUSED in 1 ms\\\"}\"}",
          LOG_KIND_REFUSED, "a.test", "10.0.2.53" },
        { "1704164647000,\"{\"\"time\"\":\"\"2024\"\",\"\"event\"\":\"\"access\"\",\"\"host\"\":"
          "\"\"a.test\"\",\"\"end\"\":\"\"dns_timeout\"\"}\"",
          LOG_KIND_DNS_TIMEOUT, "a.test", "" },
    };
    check(nginx, N(nginx), LOG_BY_NGINX);
    check(penstock, N(penstock), LOG_BY_PENSTOCK);
}

static void a_task_that_did_not_start(void **state)
{
    struct log_line l;
    assert_true(log_line_parse(
        &words,
        STR("ResourceInitializationError: unable to pull secrets or registry auth: dial tcp: "
            "lookup api.ecr.eu-west-1.amazonaws.com on 10.0.2.53:53: no such host"),
        &l));
    assert_true(l.is_start);
    assert_false(l.has_time);
    assert_true(log_line_parse(&words, STR("lookup a.test: no such host"), &l));
    assert_false(l.is_start);
}

static void the_rows_of_kinds(void **state)
{
    for (unsigned i = 1; i < N_LOG_KINDS; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(log_kind_row(i)->name, log_kind_row(k)->name);
    assert_true(log_kind_row(LOG_KIND_NO_LIVE_UPSTREAMS)->is_consequence);
    assert_int_not_equal(log_kind_row(LOG_KIND_SLOW)->about, LOG_ABOUT_DNS);
}

/* docs/LOGS.md: "| `NAME` | ... | MEANING | CODES |", for whoever looks a kind up. */
static void the_document_has_the_rows(void **state)
{
    static char text[256 * 1024];
    char path[1024], row[1024];
    const char *root = getenv("PENSTOCK_SOURCE_ROOT");
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/docs/LOGS.md", root);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    for (unsigned i = 1; i < N_LOG_KINDS; i++) {
        const struct log_kind_row *k = log_kind_row(i);
        snprintf(row, sizeof row, "\n| `%s` | ", k->name);
        const char *begins = strstr(text, row);
        snprintf(row, sizeof row, " | %s | %s |\n", k->meaning, k->hints[0] ? k->hints : "-");
        const char *ends = begins != NULL ? strstr(begins, row) : NULL;
        if (ends == NULL || strchr(begins + 1, '\n') != ends + strlen(row) - 1)
            fail_msg("docs/LOGS.md has no row \"| `%s` |...%s\"", k->name, row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nginx_lines_of_names),
        cmocka_unit_test(nginx_lines_of_the_way_to_dns),
        cmocka_unit_test(nginx_lines_that_are_not_dns),
        cmocka_unit_test(lines_of_go),
        cmocka_unit_test(lines_of_other_programs),
        cmocka_unit_test(lines_of_penstock),
        cmocka_unit_test(prefixes_and_times),
        cmocka_unit_test(quotes_of_exports),
        cmocka_unit_test(a_task_that_did_not_start),
        cmocka_unit_test(the_rows_of_kinds),
        cmocka_unit_test(the_document_has_the_rows),
    };
    log_words_init(&words);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
