/* Lines of nginx's error log: "DATE [error] PID#TID: *CONNECTION MESSAGE, client: ..., request:
 * ..." */
#include "doctor/log_read.h"

#include "codec/addr.h"
#include "codec/s3_host.h"

struct message {
    struct str text;   /* from the words on, to the fields */
    struct str fields; /* ", client: ...", ", resolver: ..." */
};

/* The words stand in what nginx says itself: behind its level, before what the client sent. */
static bool message_at(struct str line, size_t at, struct message *m)
{
    static const struct str levels[] = { STR_INIT("[error]"), STR_INIT("[crit]"),
                                         STR_INIT("[alert]"), STR_INIT("[emerg]"),
                                         STR_INIT("[warn]"),  STR_INIT("[notice]"),
                                         STR_INIT("[info]"),  STR_INIT("[debug]") };
    struct str front = str_first(line, at + 1);
    size_t level = front.n;
    for (size_t i = 0; i < sizeof levels / sizeof *levels && level == front.n; i++)
        level = log_find(front, levels[i]);
    if (level == front.n)
        return false;
    struct str said = str_from(line, level);
    size_t client = log_find(said, STR(", client: ")),
           resolver = log_find(said, STR(", resolver: "));
    size_t end = client < resolver ? client : resolver;
    if (level + end <= at)
        return false;
    m->text = str_of(line.p + at, level + end - at);
    m->fields = str_from(said, end);
    return true;
}

static bool found(struct log_line *out, enum log_kind kind)
{
    out->kind = kind;
    out->writer = LOG_BY_NGINX;
    return kind != LOG_KIND_NONE;
}

/* `, upstream: "https://52.1.2.3:443/bucket/key"` names the address; the host stands in the
 * request's path where nginx takes it from there: `request: "GET /s3.REGION.amazonaws.com/...` */
static void read_upstream(const struct message *m, struct log_line *out)
{
    struct str url = log_behind(m->fields, STR(", upstream: "));
    log_authority_at(log_behind(url, STR("://")), out);
    struct str request = log_behind(m->fields, STR(", request: "));
    size_t slash = str_find(str_first(request, 32), '/', 0);
    struct str host = log_host_at(str_from(request, slash + 1));
    if (out->name.n == 0 && str_find(host, '.', 0) < host.n && host_name_is_valid(host))
        out->name = host;
}

static bool is_own_hop(const struct log_line *out)
{
    struct addr addr;
    return addr_parse(out->server, 80, &addr) && addr_classify(&addr) == ADDR_LOOPBACK;
}

/* "(3: Host not found)" at the start of s. */
static bool number_at(struct str s, unsigned *number)
{
    size_t n = 1;
    *number = 0;
    if (s.n == 0 || *s.p != '(')
        return false;
    for (; n < s.n && n < 6 && ascii_is_digit(s.p[n]); n++)
        *number = *number * 10 + (unsigned)(s.p[n] - '0');
    return n > 1 && n < s.n && s.p[n] == ':';
}

/* Of a number in nginx's text of a DNS failure; other where it is none of them. */
static enum log_kind of_number(unsigned number, enum log_kind other)
{
    static const enum log_kind kinds[] = {
        [1] = LOG_KIND_FORMAT_ERROR,    [2] = LOG_KIND_SERVER_FAILURE, [3] = LOG_KIND_NAME_UNKNOWN,
        [4] = LOG_KIND_NOT_IMPLEMENTED, [5] = LOG_KIND_REFUSED,
    };
    if (number == 110)
        return LOG_KIND_DNS_TIMEOUT;
    return number > 0 && number < sizeof kinds / sizeof *kinds ? kinds[number] : other;
}

bool log_nginx_unresolved(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    unsigned number;
    if (!message_at(line, at, &m))
        return false;
    bool is_told = number_at(str_from(m.text, sizeof " could not be resolved"), &number);
    out->name = log_host_before(line, at);
    out->server = log_server_at(log_behind(m.fields, STR(", resolver: ")));
    return found(out, of_number(is_told ? number : 0, LOG_KIND_UNRESOLVED));
}

bool log_nginx_no_resolver(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    if (!message_at(line, at, &m))
        return false;
    out->name = log_host_at(log_behind(m.text, STR("to resolve")));
    return found(out, LOG_KIND_NO_RESOLVER);
}

/* At its start: of upstream, of proxy_pass, and of resolver itself. */
bool log_nginx_not_found(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    if (!message_at(line, at, &m))
        return false;
    struct str where = log_behind(m.text, STR("found in "));
    struct str what = log_host_at(where);
    struct str value = str_from(where, (size_t)(what.p - where.p) + what.n);
    if (str_eq(what, STR("resolver"))) {
        out->server = log_server_at(value);
        return found(out, LOG_KIND_RESOLVER_ADDRESS);
    }
    out->name = log_host_at(value);
    return found(out, LOG_KIND_UNRESOLVED_AT_START);
}

static bool is_of_resolver(struct str text, struct str words)
{
    return str_eq(log_host_at(log_behind(text, words)), STR("resolver"));
}

bool log_nginx_arguments(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    return message_at(line, at, &m) && is_of_resolver(m.text, STR("arguments in ")) &&
           found(out, LOG_KIND_RESOLVER_EMPTY);
}

bool log_nginx_port(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    if (!message_at(line, at, &m) || !is_of_resolver(m.text, STR("port in ")))
        return false;
    out->server = log_server_at(log_behind(m.text, STR("in resolver ")));
    return found(out, LOG_KIND_RESOLVER_ADDRESS);
}

/* "short DNS response", "unexpected DNS response for NAME" and the like */
bool log_nginx_reply(struct str line, size_t at, struct log_line *out)
{
    static const struct str no_question = STR_INIT("invalid number of questions in");
    struct message m;
    if (!message_at(line, at, &m))
        return false;
    out->server = log_server_at(log_behind(m.fields, STR(", resolver: ")));
    out->name = log_host_at(log_behind(m.text, STR("DNS response for ")));
    return found(out, str_ends(str_first(line, at), no_question) ? LOG_KIND_NO_QUESTION
                                                                 : LOG_KIND_BAD_REPLY);
}

/* "DNS error (1: Format error), query id:2052, name:"NAME"" */
bool log_nginx_error(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    unsigned number;
    if (!message_at(line, at, &m))
        return false;
    bool is_told = number_at(log_behind(m.text, STR("DNS error ")), &number);
    out->server = log_server_at(log_behind(m.fields, STR(", resolver: ")));
    out->name = log_host_at(log_behind(m.text, STR(", name:")));
    return found(out, of_number(is_told ? number : 0, LOG_KIND_BAD_REPLY));
}

static enum log_kind of_resolving(unsigned number)
{
    return number == 111 ? LOG_KIND_DNS_PORT_CLOSED : LOG_KIND_DNS_NO_ROUTE;
}

static enum log_kind of_connecting(unsigned number)
{
    switch (number) {
    case 111:
        return LOG_KIND_CONNECT_REFUSED;
    case 101:
    case 113:
        return LOG_KIND_CONNECT_UNREACHABLE;
    case 110:
        return LOG_KIND_CONNECT_TIMEOUT;
    default:
        return LOG_KIND_CONNECT_FAILED;
    }
}

static enum log_kind of_handshake(struct str text, unsigned number)
{
    if (number == 104)
        return LOG_KIND_TLS_CUT;
    if (number == 110)
        return LOG_KIND_TLS_TIMEOUT;
    if (str_contains(text, STR("certificate verify failed")))
        return LOG_KIND_CERT_UNTRUSTED;
    return LOG_KIND_TLS_FAILED;
}

/* "connect() failed (111: Connection refused) while connecting to upstream" and the like; what
 * fails with clients is none of ours. */
bool log_nginx_failed(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    unsigned number;
    if (!message_at(line, at, &m))
        return false;
    number_at(str_from(m.text, sizeof " failed " - 1), &number);
    if (str_contains(m.text, STR("while resolving"))) {
        out->server = log_server_at(log_behind(m.fields, STR(", resolver: ")));
        return found(out, of_resolving(number));
    }
    if (!str_contains(m.text, STR("upstream")))
        return false;
    read_upstream(&m, out);
    if (str_contains(m.text, STR("while connecting")))
        return found(out, log_is_sinkhole(out) ? LOG_KIND_SINKHOLE : of_connecting(number));
    if (str_contains(m.text, STR("SSL handshaking")))
        return found(out, of_handshake(m.text, number));
    return found(out, number == 110 ? LOG_KIND_SLOW : LOG_KIND_CLOSED);
}

bool log_nginx_timed_out(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    if (!message_at(line, at, &m))
        return false;
    read_upstream(&m, out);
    if (str_contains(m.text, STR("while connecting")))
        return found(out, LOG_KIND_CONNECT_TIMEOUT);
    if (str_contains(m.text, STR("SSL handshaking")))
        return found(out, LOG_KIND_TLS_TIMEOUT);
    return found(out, is_own_hop(out) ? LOG_KIND_OWN_HOP : LOG_KIND_SLOW);
}

bool log_nginx_certificate(struct str line, size_t at, struct log_line *out)
{
    enum { NOT_YET_VALID = 9, EXPIRED = 10, NAME_MISMATCH = 62, IP_MISMATCH = 64 };
    struct message m;
    unsigned number;
    if (!message_at(line, at, &m))
        return false;
    read_upstream(&m, out);
    if (str_contains(m.text, STR("does not match"))) {
        struct str name = log_host_at(log_behind(m.text, STR("does not match")));
        if (name.n > 0)
            out->name = name;
        return found(out, LOG_KIND_CERT_NAME);
    }
    if (!number_at(log_behind(m.text, STR("verify error: ")), &number))
        return false;
    if (number == NOT_YET_VALID || number == EXPIRED)
        return found(out, LOG_KIND_CERT_DATE);
    return found(out, number >= NAME_MISMATCH && number <= IP_MISMATCH ? LOG_KIND_CERT_NAME
                                                                       : LOG_KIND_CERT_UNTRUSTED);
}

bool log_nginx_handshake(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    if (!message_at(line, at, &m) || !str_contains(m.text, STR("upstream")))
        return false;
    read_upstream(&m, out);
    return found(out, LOG_KIND_TLS_CUT);
}

bool log_nginx_closed(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    if (!message_at(line, at, &m))
        return false;
    read_upstream(&m, out);
    return found(out, is_own_hop(out) ? LOG_KIND_OWN_HOP : LOG_KIND_CLOSED);
}

bool log_nginx_no_live(struct str line, size_t at, struct log_line *out)
{
    struct message m;
    if (!message_at(line, at, &m))
        return false;
    read_upstream(&m, out);
    return found(out, LOG_KIND_NO_LIVE_UPSTREAMS);
}
