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

/* Field names that the proxy looks at, recognised while parsing. */
enum http_field_id {
    HTTP_F_OTHER,
    HTTP_F_HOST,
    HTTP_F_CONNECTION,
    HTTP_F_CONTENT_LENGTH,
    HTTP_F_TRANSFER_ENCODING,
    HTTP_F_TE,
    HTTP_F_TRAILER,
    HTTP_F_UPGRADE,
    HTTP_F_KEEP_ALIVE,
    HTTP_F_PROXY_CONNECTION,
    HTTP_F_PROXY_AUTHENTICATE,
    HTTP_F_PROXY_AUTHORIZATION,
    HTTP_F_EXPECT,
    HTTP_F_COOKIE,
    HTTP_F_SET_COOKIE,
    HTTP_F_AUTHORIZATION,
    HTTP_F_ORIGIN,
    HTTP_F_RANGE,
    HTTP_F_IF_RANGE,
    HTTP_F_IF_MATCH,
    HTTP_F_IF_NONE_MATCH,
    HTTP_F_IF_MODIFIED_SINCE,
    HTTP_F_IF_UNMODIFIED_SINCE,
    HTTP_F_ETAG,
    HTTP_F_CONTENT_RANGE,
    HTTP_F_CONTENT_TYPE,
    HTTP_F_CONTENT_ENCODING,
    HTTP_F_LAST_MODIFIED,
    HTTP_F_LOCATION,
    HTTP_F_DATE,
    HTTP_F_SERVER,
    HTTP_F_USER_AGENT,
    HTTP_F_ACCEPT_ENCODING,
    HTTP_F_TRACEPARENT,
    HTTP_F_X_AMZ_REQUEST_ID,
    HTTP_F_ACCESS_CONTROL_REQUEST_METHOD,
    HTTP_F_ACCESS_CONTROL_REQUEST_HEADERS,
    HTTP_F_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK,
    HTTP_F_ACCESS_CONTROL_ALLOW_ORIGIN,
    HTTP_F_ACCESS_CONTROL_ALLOW_METHODS,
    HTTP_F_ACCESS_CONTROL_ALLOW_HEADERS,
    HTTP_F_ACCESS_CONTROL_MAX_AGE,
    HTTP_F_ACCESS_CONTROL_EXPOSE_HEADERS,
    HTTP_F_ACCESS_CONTROL_ALLOW_CREDENTIALS,
    HTTP_F_VARY,
    HTTP_F_CACHE_CONTROL,
    N_HTTP_FIELD_IDS
};

struct http_field {
    struct str name;  /* as it came */
    struct str value; /* without the white space around it */
    uint8_t id;       /* enum http_field_id */
    bool is_hop;      /* hop-by-hop: listed in RFC 9110 section 7.6.1, or named by Connection */
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
    struct str target; /* raw: origin-form, absolute-form, authority-form or "*" */
    /* response */
    unsigned status; /* 100-999 */
    struct str reason;
    /* both */
    unsigned minor; /* HTTP/1.minor; 1.2 and above are treated as 1.1 (RFC 9110 section 2.5) */
    unsigned n_fields;
    enum http_framing framing;
    uint64_t content_length; /* with HTTP_LENGTH */
    bool
        has_content_length; /* a Content-Length field came (HEAD and 304 have one without a body) */
    bool keep_alive;        /* by version and Connection */
    bool expects_continue;
    struct http_field fields[HTTP_MAX_FIELDS];
};

enum http_parse { HTTP_MORE, HTTP_DONE, HTTP_BAD };

/*
 * Parses one request head at the start of in. HTTP_DONE: *used bytes belong to it, the empty line
 * included. HTTP_MORE: not whole yet; call again with more bytes (all of them, from the start);
 * *scanned, 0 at first, remembers how far the search for the end went. HTTP_BAD: *f says why, with
 * the status to answer (400, 405 TRACE is not judged here, 414, 431, 501, 505); the connection
 * cannot be used further. One empty line before the request line is skipped (RFC 9112 section 2.2).
 *
 * Refused as 400: Content-Length with Transfer-Encoding, repeated Content-Length even when equal, a
 * Content-Length that is not 1*DIGIT or does not fit, none or two Host fields in HTTP/1.1 (two
 * in 1.0), an invalid Host value, bare CR or LF, obs-fold, space before the colon, empty name,
 * characters outside the grammars of tchar and field-content, control characters, space or DEL in
 * the target, Transfer-Encoding in HTTP/1.0, chunked not last or repeated. 501: any other transfer
 * coding.
 */
enum http_parse http1_parse_request(struct str in, size_t *scanned, struct http_head *head,
                                    size_t *used, struct fault *f);

/*
 * The same for a response to a request with `method`. 1xx are heads of their own (framing
 * HTTP_NO_BODY). A response with Transfer-Encoding and Content-Length both, differing repeated
 * Content-Lengths, or a wrong status line is HTTP_BAD with UPSTREAM_PROTOCOL; more than
 * HTTP_RESPONSE_HEAD_BYTES: UPSTREAM_HEAD_TOO_LARGE. The reason phrase may hold obs-text.
 */
enum http_parse http1_parse_response(struct str in, size_t *scanned, enum http_method method,
                                     struct http_head *head, size_t *used, struct fault *f);

/* First field with that id / name (ASCII case folded), or NULL. */
const struct http_field *http_find(const struct http_head *head, enum http_field_id id);
const struct http_field *http_find_name(const struct http_head *head, struct str name);
/* The value, or the empty string. */
struct str http_value(const struct http_head *head, enum http_field_id id);
/* Does a comma list hold this token (case folded)? */
bool http_list_has(struct str list, struct str token);

const char *http_reason(unsigned status);

/* Writing. `name: value CRLF`. */
void http1_write_field(struct buf *out, struct str name, struct str value);
