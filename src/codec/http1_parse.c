#include "codec/http1.h"
#include "codec/http1_chars.h"
#include "codec/http1_framing.h"

/* One parse of one head. */
struct parse {
    const char *p;
    const char *end; /* behind the head: the last four bytes before it are CR LF CR LF */
    struct http_head *head;
    enum fault_kind bad;   /* what a broken head is */
    enum fault_kind large; /* what too large a head is */
    struct fault *f;
};

static bool refuse(const struct parse *s, const char *why)
{
    return fault_set(s->f, s->bad, "head", "%s", why);
}

enum scan { SCAN_MORE, SCAN_END, SCAN_BARE_LF };

/*
 * Looks for the empty line, from where the last call stopped. A bare LF ends the search: some
 * parsers take it for a line end, so that nothing behind it can be trusted.
 */
static enum scan scan_head(struct str in, size_t *scanned, size_t *end)
{
    for (size_t at = *scanned; (at = str_find(in, '\n', at)) < in.n; at++) {
        if (at == 0 || in.p[at - 1] != '\r')
            return SCAN_BARE_LF;
        if (at >= 2 && in.p[at - 2] == '\n') {
            *end = at + 1;
            return SCAN_END;
        }
    }
    *scanned = in.n;
    return SCAN_MORE;
}

/* CR LF at s->p, which moves behind it. */
static bool skip_line_end(struct parse *s)
{
    if (s->p[0] != '\r' || s->p[1] != '\n')
        return false;
    s->p += 2;
    return true;
}

static struct str take(struct parse *s, uint8_t class)
{
    const char *start = s->p;
    while (http1_is(*s->p, class))
        s->p++;
    return str_of(start, (size_t)(s->p - start));
}

/* What may not stand where it stands, in words. */
static const char *odd_name(char c)
{
    if (c == ' ' || c == '\t')
        return "white space before the colon";
    return c == '\r' ? "a line without a colon, or a bare CR"
                     : "a character that no field name has";
}

/*
 * The field lines and the empty line. Every loop stops at the head's end at the latest: CR and LF
 * are in none of the classes.
 */
static bool parse_fields(struct parse *s)
{
    struct http_head *head = s->head;
    while (*s->p != '\r') {
        if (head->n_fields == HTTP_MAX_FIELDS)
            return fault_set(s->f, s->large, "head", "more than %d fields", HTTP_MAX_FIELDS);
        if (*s->p == ' ' || *s->p == '\t')
            return refuse(s, "a folded line");
        struct str name = take(s, HTTP1_TCHAR);
        if (*s->p != ':')
            return refuse(s, odd_name(*s->p));
        if (name.n == 0)
            return refuse(s, "an empty field name");
        s->p++;
        while (*s->p == ' ' || *s->p == '\t')
            s->p++;
        const char *value = s->p;
        s->p = http1_skip_value(value, s->end);
        const char *value_end = s->p;
        if (!skip_line_end(s))
            return refuse(s, "a control character in a field value");
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t'))
            value_end--;
        head->fields[head->n_fields++] = (struct http_field){
            .name = name,
            .value = str_of(value, (size_t)(value_end - value)),
            .id = (uint8_t)http_field_id(name),
        };
    }
    return skip_line_end(s) || refuse(s, "a bare CR");
}

static enum http_method method_of(struct str m)
{
    static const struct str names[HTTP_OTHER_METHOD] = {
        [HTTP_GET] = { "GET", 3 },         [HTTP_HEAD] = { "HEAD", 4 },
        [HTTP_PUT] = { "PUT", 3 },         [HTTP_POST] = { "POST", 4 },
        [HTTP_DELETE] = { "DELETE", 6 },   [HTTP_OPTIONS] = { "OPTIONS", 7 },
        [HTTP_PATCH] = { "PATCH", 5 },     [HTTP_TRACE] = { "TRACE", 5 },
        [HTTP_CONNECT] = { "CONNECT", 7 },
    };
    unsigned i = 0;
    while (i < HTTP_OTHER_METHOD && !str_eq(m, names[i]))
        i++;
    return (enum http_method)i;
}

enum { VERSION_BYTES = 8 };

/* "HTTP/" DIGIT "." DIGIT */
static bool take_version(struct parse *s, unsigned *major, unsigned *minor)
{
    if (s->end - s->p < VERSION_BYTES || memcmp(s->p, "HTTP/", 5) != 0 ||
        !ascii_is_digit(s->p[5]) || s->p[6] != '.' || !ascii_is_digit(s->p[7]))
        return false;
    *major = (unsigned)(s->p[5] - '0');
    *minor = (unsigned)(s->p[7] - '0');
    s->p += VERSION_BYTES;
    return true;
}

bool http1_origin_form(struct str target, struct str *authority, struct str *origin)
{
    if (str_eq(target, STR("*")) || (target.n > 0 && target.p[0] == '/')) {
        *authority = STR("");
        *origin = target;
        return true;
    }
    size_t colon = str_find(target, ':', 0);
    struct str scheme = str_first(target, colon);
    struct str rest = str_from(target, colon);
    if ((!str_eq_nocase(scheme, STR("http")) && !str_eq_nocase(scheme, STR("https"))) ||
        !str_starts(rest, STR("://")))
        return false;
    rest = str_from(rest, 3);
    size_t slash = 0;
    while (slash < rest.n && rest.p[slash] != '/' && rest.p[slash] != '?')
        slash++;
    if (!http1_authority_is_valid(str_first(rest, slash)))
        return false;
    *authority = str_first(rest, slash);
    *origin = slash < rest.n && rest.p[slash] == '/' ? str_from(rest, slash) : STR("/");
    return true;
}

static bool target_is_right(const struct http_head *head)
{
    struct str authority, origin;
    if (head->method == HTTP_CONNECT)
        return true;
    return http1_origin_form(head->target, &authority, &origin) &&
           (!str_eq(origin, STR("*")) || head->method == HTTP_OPTIONS);
}

static bool parse_request_line(struct parse *s)
{
    struct http_head *head = s->head;
    head->method_text = take(s, HTTP1_TCHAR);
    if (head->method_text.n == 0 || *s->p != ' ')
        return refuse(s, "a malformed method");
    head->method = method_of(head->method_text);
    s->p++;
    head->target = take(s, HTTP1_TARGET);
    if (head->target.n > HTTP_TARGET_BYTES)
        return fault_set(s->f, FAULT_TARGET_TOO_LONG, "head", "more than %d bytes",
                         HTTP_TARGET_BYTES);
    if (head->target.n == 0 || *s->p != ' ')
        return refuse(s, "a malformed target");
    s->p++;
    unsigned major;
    if (!take_version(s, &major, &head->minor) || !skip_line_end(s))
        return refuse(s, "a malformed version");
    if (major != 1)
        return fault_set(s->f, FAULT_VERSION, "head", "HTTP/%u.%u", major, head->minor);
    return target_is_right(head) || refuse(s, "a target of no known form");
}

static bool parse_status_line(struct parse *s)
{
    struct http_head *head = s->head;
    unsigned major;
    if (!take_version(s, &major, &head->minor) || major != 1 || *s->p != ' ')
        return refuse(s, "a malformed version");
    s->p++;
    for (int i = 0; i < 3; i++, s->p++) {
        if (!ascii_is_digit(*s->p))
            return refuse(s, "a malformed status");
        head->status = head->status * 10 + (unsigned)(*s->p - '0');
    }
    if (head->status < 100 || head->status == 101)
        return refuse(s,
                      head->status == 101 ? "101, which was not asked for" : "a malformed status");
    /* Some servers leave the space out with the reason; nobody can read that in two ways. */
    if (*s->p == ' ') {
        const char *reason = ++s->p;
        s->p = http1_skip_value(reason, s->end);
        head->reason = str_of(reason, (size_t)(s->p - reason));
    }
    return skip_line_end(s) || refuse(s, "a malformed status line");
}

static void head_init(struct http_head *head)
{
    /* Not the fields: n_fields says how many are valid. */
    memset(head, 0, offsetof(struct http_head, fields));
    head->method = HTTP_OTHER_METHOD;
}

/* A head without an end in HTTP_REQUEST_HEAD_BYTES: is it the target? */
static bool refuse_large_request(struct str in, struct fault *f)
{
    if (str_starts(in, STR("\r\n")))
        in = str_from(in, 2);
    struct str line = str_first(in, str_find(in, '\n', 0));
    struct str target = str_from(line, str_find(line, ' ', 0) + 1);
    if (str_find(target, ' ', 0) > HTTP_TARGET_BYTES)
        return fault_set(f, FAULT_TARGET_TOO_LONG, "head", "more than %d bytes", HTTP_TARGET_BYTES);
    return fault_set(f, FAULT_HEAD_TOO_LARGE, "head", "more than %d bytes",
                     HTTP_REQUEST_HEAD_BYTES);
}

/* Can a request begin so? Asked before the head is whole, so that a TLS hello on a plain port is
 * answered and not waited for. */
static bool may_be_request(struct str in)
{
    if (in.n > 0 && in.p[0] == '\r') {
        if (in.n > 1 && in.p[1] != '\n')
            return false;
        in = str_from(in, 2);
    }
    return in.n == 0 || http1_is(in.p[0], HTTP1_TCHAR);
}

static bool may_be_response(struct str in)
{
    struct str start = str_first(STR("HTTP/1."), in.n);
    return str_starts(in, start);
}

enum http_parse http1_parse_request(struct str in, size_t *scanned, struct http_head *head,
                                    size_t *used, struct fault *f)
{
    struct parse s = {
        .head = head, .bad = FAULT_BAD_REQUEST, .large = FAULT_HEAD_TOO_LARGE, .f = f
    };
    size_t end = 0;
    if (!may_be_request(in)) {
        refuse(&s, "not HTTP");
        return HTTP_BAD;
    }
    switch (scan_head(str_first(in, HTTP_REQUEST_HEAD_BYTES), scanned, &end)) {
    case SCAN_MORE:
        if (in.n < HTTP_REQUEST_HEAD_BYTES)
            return HTTP_MORE;
        refuse_large_request(str_first(in, HTTP_REQUEST_HEAD_BYTES), f);
        return HTTP_BAD;
    case SCAN_BARE_LF:
        refuse(&s, "a bare LF");
        return HTTP_BAD;
    case SCAN_END:
        break;
    }
    s.p = in.p;
    s.end = in.p + end;
    head_init(head);
    if (*s.p == '\r')
        s.p += 2;
    if (!parse_request_line(&s) || !parse_fields(&s) || !http1_frame_request(head, f))
        return HTTP_BAD;
    *used = end;
    *scanned = 0;
    return HTTP_DONE;
}

enum http_parse http1_parse_response(struct str in, size_t *scanned, enum http_method method,
                                     struct http_head *head, size_t *used, struct fault *f)
{
    struct parse s = {
        .head = head, .bad = FAULT_UPSTREAM_PROTOCOL, .large = FAULT_UPSTREAM_HEAD_TOO_LARGE, .f = f
    };
    size_t end = 0;
    if (!may_be_response(in)) {
        refuse(&s, "not HTTP/1");
        return HTTP_BAD;
    }
    switch (scan_head(str_first(in, HTTP_RESPONSE_HEAD_BYTES), scanned, &end)) {
    case SCAN_MORE:
        if (in.n < HTTP_RESPONSE_HEAD_BYTES)
            return HTTP_MORE;
        fault_set(f, s.large, "head", "more than %d bytes", HTTP_RESPONSE_HEAD_BYTES);
        return HTTP_BAD;
    case SCAN_BARE_LF:
        refuse(&s, "a bare LF");
        return HTTP_BAD;
    case SCAN_END:
        break;
    }
    s.p = in.p;
    s.end = in.p + end;
    head_init(head);
    if (!parse_status_line(&s) || !parse_fields(&s) || !http1_frame_response(head, method, f))
        return HTTP_BAD;
    *used = end;
    *scanned = 0;
    return HTTP_DONE;
}
