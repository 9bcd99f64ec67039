/* Programs in Go (agents of ECS, CloudWatch and SSM, and whatever else), and those that print what
 * libc says of a name. */
#include "doctor/log_read.h"

enum { NEAR = 1024 }; /* the reason stands right behind what failed */
#define N(rows) (sizeof(rows) / sizeof *(rows))

static bool found(struct log_line *out, enum log_writer writer, enum log_kind kind)
{
    out->kind = kind;
    out->writer = writer;
    return kind != LOG_KIND_NONE;
}

static bool begins_word(struct str line, size_t at)
{
    return at == 0 || !(ascii_is_alpha(line.p[at - 1]) || ascii_is_digit(line.p[at - 1]) ||
                        line.p[at - 1] == '_' || line.p[at - 1] == '-');
}

/* "lookup NAME on SERVER:53: REASON" (package net, type DNSError), "lookup NAME: REASON" */
bool log_go_lookup(struct str line, size_t at, struct log_line *out)
{
    static const struct log_phrase reasons[] = {
        { STR_INIT("no such host"), LOG_KIND_NAME_UNKNOWN },
        { STR_INIT("server misbehaving"), LOG_KIND_NO_USABLE_ANSWER },
        { STR_INIT("no answer from DNS server"), LOG_KIND_NO_USABLE_ANSWER },
        { STR_INIT("lame referral"), LOG_KIND_NO_USABLE_ANSWER },
        { STR_INIT("emporary failure in name resolution"), LOG_KIND_NO_USABLE_ANSWER },
        { STR_INIT("i/o timeout"), LOG_KIND_DNS_TIMEOUT },
        { STR_INIT("connection refused"), LOG_KIND_DNS_PORT_CLOSED },
        { STR_INIT("network is unreachable"), LOG_KIND_DNS_NO_ROUTE },
        { STR_INIT("no route to host"), LOG_KIND_DNS_NO_ROUTE },
        { STR_INIT("cannot unmarshal DNS message"), LOG_KIND_BAD_REPLY },
        { STR_INIT("invalid DNS response"), LOG_KIND_BAD_REPLY },
    };
    struct str rest = str_first(str_from(line, at + sizeof "lookup " - 1), NEAR);
    struct str name = log_host_at(rest);
    struct str behind = str_from(rest, (size_t)(name.p - rest.p) + name.n);
    if (!begins_word(line, at) || name.n == 0)
        return false;
    if (str_starts(behind, STR(".")))
        behind = str_from(behind, 1);
    if (str_starts(behind, STR(" on ")))
        out->server = log_server_at(str_from(behind, 4));
    else if (!str_starts(behind, STR(":")))
        return false;
    out->name = name;
    return found(out, LOG_BY_GO, log_first_phrase(behind, reasons, N(reasons)));
}

/* "dial tcp [FROM->]ADDRESS:443: REASON" (type OpError); the host is in the URL in front. */
bool log_go_dial(struct str line, size_t at, struct log_line *out)
{
    static const struct log_phrase reasons[] = {
        { STR_INIT("i/o timeout"), LOG_KIND_CONNECT_TIMEOUT },
        { STR_INIT("connection timed out"), LOG_KIND_CONNECT_TIMEOUT },
        { STR_INIT("connection refused"), LOG_KIND_CONNECT_REFUSED },
        { STR_INIT("network is unreachable"), LOG_KIND_CONNECT_UNREACHABLE },
        { STR_INIT("no route to host"), LOG_KIND_CONNECT_UNREACHABLE },
    };
    struct str rest = str_first(str_from(line, at + sizeof "dial tcp " - 1), NEAR);
    struct str server = log_server_at(rest);
    struct str behind = str_from(rest, (size_t)(server.p - rest.p) + server.n);
    if (str_starts(behind, STR("->")) || str_ends(server, STR("-"))) {
        server = log_server_at(log_behind(rest, STR("->")));
        behind = str_from(rest, (size_t)(server.p - rest.p) + server.n);
    }
    if (!begins_word(line, at) || server.n == 0 || !str_starts(behind, STR(":")))
        return false;
    log_last_url(str_first(line, at), out);
    out->server = server;
    enum log_kind kind = log_first_phrase(behind, reasons, N(reasons));
    return found(out, LOG_BY_GO,
                 kind != LOG_KIND_NONE && log_is_sinkhole(out) ? LOG_KIND_SINKHOLE : kind);
}

bool log_go_x509(struct str line, size_t at, struct log_line *out)
{
    static const struct log_phrase reasons[] = {
        { STR_INIT("has expired or is not yet valid"), LOG_KIND_CERT_DATE },
        { STR_INIT("certificate is valid for"), LOG_KIND_CERT_NAME },
        { STR_INIT("certificate is not valid for any names"), LOG_KIND_CERT_NAME },
        { STR_INIT("cannot validate certificate for"), LOG_KIND_CERT_NAME },
        { STR_INIT("certificate "), LOG_KIND_CERT_UNTRUSTED },
    };
    struct str rest = str_first(str_from(line, at), NEAR);
    log_last_url(str_first(line, at), out);
    struct str wanted = log_host_at(log_behind(rest, STR(", not ")));
    if (wanted.n == 0)
        wanted = log_host_at(log_behind(rest, STR("wanted to match ")));
    if (wanted.n > 0 && !log_is_address(wanted))
        out->name = wanted;
    for (size_t i = 0; i < N(reasons); i++)
        if (str_contains(rest, reasons[i].text))
            return found(out, LOG_BY_GO, reasons[i].kind);
    return false;
}

bool log_go_handshake(struct str line, size_t at, struct log_line *out)
{
    log_last_url(str_first(line, at), out);
    return found(out, LOG_BY_GO, LOG_KIND_TLS_TIMEOUT);
}

/* Node: "getaddrinfo ENOTFOUND NAME" */
bool log_other_getaddrinfo(struct str line, size_t at, struct log_line *out)
{
    struct str rest = str_from(line, at + sizeof "getaddrinfo " - 1);
    struct str code = log_host_at(rest);
    out->name = log_host_at(str_from(rest, (size_t)(code.p - rest.p) + code.n));
    if (str_eq(code, STR("ENOTFOUND")))
        return found(out, LOG_BY_OTHERS, LOG_KIND_NAME_UNKNOWN);
    return str_eq(code, STR("EAI_AGAIN")) && found(out, LOG_BY_OTHERS, LOG_KIND_NO_USABLE_ANSWER);
}

static bool is_dotted_name(struct str host)
{
    return str_find(host, '.', 0) < host.n && !log_is_address(host);
}

/* Who prints libc's text names the host in front: "resolve 'NAME'" (urllib3), "host='NAME'",
 * "address 'NAME'" (wget), "NAME: " (ping and others), a URL (botocore). */
static void name_in_front(struct str line, size_t at, struct log_line *out)
{
    static const struct str marks[] = { STR_INIT("resolve '"), STR_INIT("host='"),
                                        STR_INIT("address '"), STR_INIT("address \xe2\x80\x98") };
    struct str front = str_first(line, at);
    for (size_t i = 0; i < N(marks) && out->name.n == 0; i++)
        out->name = log_host_at(log_behind(front, marks[i]));
    if (out->name.n == 0)
        log_last_url(front, out);
    if (out->name.n > 0 || at < 3)
        return;
    /* at stands behind the text's first letter */
    struct str name = str_ends(str_first(front, at - 1), STR(": ")) ? log_host_before(line, at - 3)
                                                                    : str_of(line.p, 0);
    if (is_dotted_name(name))
        out->name = name;
}

bool log_other_not_known(struct str line, size_t at, struct log_line *out)
{
    name_in_front(line, at, out);
    return found(out, LOG_BY_OTHERS, LOG_KIND_NAME_UNKNOWN);
}

bool log_other_no_address(struct str line, size_t at, struct log_line *out)
{
    name_in_front(line, at, out);
    return found(out, LOG_BY_OTHERS, LOG_KIND_NO_ADDRESS);
}

bool log_other_temporary(struct str line, size_t at, struct log_line *out)
{
    name_in_front(line, at, out);
    return found(out, LOG_BY_OTHERS, LOG_KIND_NO_USABLE_ANSWER);
}

/* "Could not resolve host: NAME" (curl), "could not resolve internal registry hostname" */
bool log_other_unresolved(struct str line, size_t at, struct log_line *out)
{
    static const struct str whats[] = { STR_INIT("internal registry hostname"),
                                        STR_INIT("hostname"), STR_INIT("host"), STR_INIT("proxy") };
    struct str rest = str_from(line, at + sizeof "ould not resolve " - 1);
    for (size_t i = 0; i < N(whats); i++) {
        if (!str_starts(rest, whats[i]))
            continue;
        struct str behind = str_from(rest, whats[i].n);
        if (behind.n > 0 && *behind.p == ':')
            behind = str_from(behind, 1);
        struct str name = log_host_at(behind);
        if (i > 0 || is_dotted_name(name))
            out->name = name;
        return found(out, LOG_BY_OTHERS, LOG_KIND_UNRESOLVED);
    }
    return false;
}

bool log_other_clock(struct str line, size_t at, struct log_line *out)
{
    return found(out, LOG_BY_OTHERS, LOG_KIND_CLOCK);
}
