#pragma once
/*
 * HTTP/1.0 and 1.1 heads (RFC 9112), strictly: what two parsers could read differently is refused,
 * never repaired. Pure functions; parsed strings borrow from the input.
 */
#include "base/buf.h"
#include "base/fault.h"

enum {
    HTTP_MAX_FIELDS = 100,
    HTTP_REQUEST_HEAD_BYTES = 32 * 1024,
    HTTP_TARGET_BYTES = 24 * 1024, /* a longer target is 414; the rest of the head is 431 */
    HTTP_RESPONSE_HEAD_BYTES = 64 * 1024,
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_PUT,
    HTTP_POST,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_PATCH,
    HTTP_TRACE,
    HTTP_CONNECT,
    HTTP_OTHER_METHOD, /* any other token: see head->method_text */
};

/* Field names that the proxy looks at, recognised while parsing: HTTP_F_HOST ... (rows of the
 * table). */
enum http_field_id {
    HTTP_F_OTHER,
#define FIELD(id, name, n, first, fourth, last) HTTP_F_##id,
#include "codec/http1_fields.def"
#undef FIELD
    N_HTTP_FIELD_IDS
};

struct http_field {
    struct str name;  /* as it came */
    struct str value; /* without the white space around it */
    uint8_t id;       /* enum http_field_id */
    /*
     * Not to be passed on: Connection, Proxy-Connection, Keep-Alive, TE, Transfer-Encoding,
     * Upgrade, Proxy-Authenticate, Proxy-Authorization (RFC 9110 section 7.6.1), what Connection
     * names, and the second of two equal Content-Lengths of a response. Never Host, Content-Length
     * and the other fields that say what the body is, even when Connection names them. Trailer is
     * passed on: it goes with trailers that are, and is a hint without effect elsewhere.
     */
    bool is_hop;
};

/* How the body's end is told. */
enum http_framing {
    HTTP_NO_BODY,
    HTTP_LENGTH, /* content_length bytes, 0 included */
    HTTP_CHUNKED,
    HTTP_UNTIL_CLOSE, /* responses only */
};

struct http_head {
    /* request */
    enum http_method method;
    struct str method_text;
    struct str target; /* raw: origin-form, absolute-form (http and https), "*" with OPTIONS;
                          anything with CONNECT */
    /* response */
    unsigned status; /* 100-999 */
    struct str reason;
    /* both */
    unsigned minor; /* HTTP/1.minor; 1.2 and above are treated as 1.1 (RFC 9110 section 2.5) */
    unsigned n_fields;
    enum http_framing framing;
    uint64_t content_length; /* with HTTP_LENGTH */
    bool has_content_length; /* the field came (HEAD and 304 have one without a body) */
    bool keep_alive;         /* by version, Connection and framing */
    bool expects_continue;   /* Expect: 100-continue in HTTP/1.1, and a body is to come */
    struct http_field fields[HTTP_MAX_FIELDS];
};

enum http_parse { HTTP_MORE, HTTP_DONE, HTTP_BAD };

/*
 * Parses one request head at the start of in. HTTP_DONE: *used bytes belong to it, the empty line
 * included. HTTP_MORE: not whole yet; call again with more bytes (all of them, from the start);
 * *scanned, 0 at first and again after HTTP_DONE, remembers how far the search for the end went.
 * HTTP_BAD: *f says why, with the status to answer (400, 414, 431, 501, 505; that TRACE is 405 and
 * CONNECT 400 is not judged here); the connection cannot be used further. One empty line before the
 * request line is skipped (RFC 9112 section 2.2). What can be seen at the first byte to be no HTTP
 * (a TLS hello) and a bare LF are refused at once, all else when the head is whole.
 *
 * Refused as 400: Content-Length with Transfer-Encoding, repeated Content-Length even when equal, a
 * Content-Length that is not 1*DIGIT or does not fit 63 bits, none or two Host fields in HTTP/1.1
 * (two in 1.0), an invalid Host value, bare CR or LF, obs-fold, space before the colon, empty name,
 * characters outside the grammars of tchar and field-content, control characters, space, DEL or '#'
 * in the target, a target of no known form, Transfer-Encoding in HTTP/1.0, chunked not last,
 * repeated or with parameters. 501: any other transfer coding. 505: another major version. 414: a
 * target over HTTP_TARGET_BYTES. 431: a head over HTTP_REQUEST_HEAD_BYTES or HTTP_MAX_FIELDS.
 */
enum http_parse http1_parse_request(struct str in, size_t *scanned, struct http_head *head,
                                    size_t *used, struct fault *f);

/*
 * The same for a response to a request with `method`. 1xx are heads of their own (framing
 * HTTP_NO_BODY), but 101, which nobody asked for, is HTTP_BAD. A response with Transfer-Encoding
 * and Content-Length both, Transfer-Encoding in HTTP/1.0 or other than chunked, differing repeated
 * Content-Lengths, or a wrong status line is HTTP_BAD with UPSTREAM_PROTOCOL; more than
 * HTTP_RESPONSE_HEAD_BYTES or HTTP_MAX_FIELDS: UPSTREAM_HEAD_TOO_LARGE. The reason phrase may hold
 * obs-text, and the space before an empty one may be missing.
 */
enum http_parse http1_parse_response(struct str in, size_t *scanned, enum http_method method,
                                     struct http_head *head, size_t *used, struct fault *f);

/*
 * Takes a target apart. "http://AUTHORITY/PATH?QUERY" (scheme http or https in any letter case, no
 * userinfo) gives AUTHORITY and "/PATH?QUERY"; where the path is empty *origin is "/" (a query
 * behind an empty path is dropped: "/" is a page that takes none). A target that begins with '/',
 * and "*", comes back as it is with an empty authority. False for anything else.
 */
bool http1_origin_form(struct str target, struct str *authority, struct str *origin);

/* HTTP_F_OTHER when the name (any letter case) is none of the table's. */
enum http_field_id http_field_id(struct str name);
/* First field with that id / name (ASCII case folded), or NULL. */
const struct http_field *http_find(const struct http_head *head, enum http_field_id id);
const struct http_field *http_find_name(const struct http_head *head, struct str name);
/* The value, or the empty string. */
struct str http_value(const struct http_head *head, enum http_field_id id);
/* Quoted, without W/ in front (RFC 9110 section 8.8.3): equal ones are of the same bytes. */
bool http_etag_is_strong(struct str etag);
/* Does a comma list hold this token (case folded)? */
bool http_list_has(struct str list, struct str token);

const char *http_reason(unsigned status);

/*
 * Writing. Nothing that could be read as another line is written: a name that is no token, a value
 * or a target with a control character, sets out->failed instead.
 */
void http1_write_request_line(struct buf *out, struct str method, struct str target);
void http1_write_status_line(struct buf *out, unsigned status);
/* `name: value CRLF`. */
void http1_write_field(struct buf *out, struct str name, struct str value);
/*
 * Fields [from, to) of a parsed head, byte for byte as they came: lines of one head lie one behind
 * the other, so that a run of them is one copy.
 */
void http1_copy_fields(struct buf *out, const struct http_head *head, unsigned from, unsigned to);
