#include "codec/http1_framing.h"
#include "codec/http1_chars.h"

struct facts {
    enum fault_kind kind; /* of what is refused */
    unsigned n_hosts;
    unsigned n_lengths;
    bool has_coding;
    bool has_chunked;
    bool has_other_coding;
    bool has_close;
    bool has_keep_alive;
    unsigned n_options; /* names in Connection fields that are neither close nor keep-alive */
};

/* Fields that no Connection field can take away: without them the next hop would see another
 * message than the one that we judged. */
static bool is_essential(enum http_field_id id)
{
    switch (id) {
    case HTTP_F_HOST:
    case HTTP_F_CONTENT_LENGTH:
    case HTTP_F_CONTENT_TYPE:
    case HTTP_F_CONTENT_ENCODING:
    case HTTP_F_CONTENT_RANGE:
        return true;
    default:
        return false;
    }
}

static void mark_named(struct http_head *head, struct str option)
{
    enum http_field_id id = http_field_id(option);
    if (is_essential(id))
        return;
    for (unsigned i = 0; i < head->n_fields; i++) {
        struct http_field *field = &head->fields[i];
        if (field->id == id && (id != HTTP_F_OTHER || str_eq_nocase(field->name, option)))
            field->is_hop = true;
    }
}

static bool read_connection(struct http_head *head, struct str value, struct facts *facts,
                            struct fault *f)
{
    struct str option;
    while (str_next(&value, ',', &option)) {
        option = str_trim(option);
        if (str_eq_nocase(option, STR("close"))) {
            facts->has_close = true;
        } else if (str_eq_nocase(option, STR("keep-alive"))) {
            facts->has_keep_alive = true;
        } else if (option.n > 0) {
            /* Each is compared with every field: a bound on the product. */
            if (++facts->n_options > HTTP_MAX_FIELDS)
                return fault_set(f, facts->kind, "head", "too many options in Connection");
            mark_named(head, option);
        }
    }
    return true;
}

/*
 * RFC 9112 section 6.1. chunked must be the last coding, once, and bare; whatever stands behind a
 * chunked is refused rather than read, since others would take it for the end of the list. The
 * elements are tokens: quotes, empty elements and the like are refused too.
 */
static bool read_transfer_encoding(struct str value, struct facts *facts, struct fault *f)
{
    facts->has_coding = true;
    if (value.n == 0 || value.p[value.n - 1] == ',')
        return fault_set(f, facts->kind, "head", "empty element in Transfer-Encoding");
    struct str coding;
    while (str_next(&value, ',', &coding)) {
        size_t parameters = str_find(coding, ';', 0);
        struct str name = str_trim(str_first(coding, parameters));
        if (!http1_is_token(name))
            return fault_set(f, facts->kind, "head", "malformed Transfer-Encoding");
        if (facts->has_chunked)
            return fault_set(f, facts->kind, "head", "chunked is not the last transfer coding");
        if (!str_eq_nocase(name, STR("chunked")))
            facts->has_other_coding = true;
        else if (parameters < coding.n)
            return fault_set(f, facts->kind, "head", "chunked with parameters");
        else
            facts->has_chunked = true;
    }
    return true;
}

static bool read_content_length(struct http_head *head, struct http_field *field,
                                struct facts *facts, struct fault *f)
{
    uint64_t length;
    if (!str_to_u64(field->value, &length) || length > INT64_MAX)
        return fault_set(f, facts->kind, "head", "invalid Content-Length");
    if (facts->n_lengths++ > 0) {
        bool is_request = facts->kind == FAULT_BAD_REQUEST;
        if (is_request || length != head->content_length)
            return fault_set(f, facts->kind, "head", "repeated Content-Length");
        field->is_hop = true;
    }
    head->has_content_length = true;
    head->content_length = length;
    return true;
}

static bool read_fields(struct http_head *head, struct facts *facts, struct fault *f)
{
    for (unsigned i = 0; i < head->n_fields; i++) {
        struct http_field *field = &head->fields[i];
        switch ((enum http_field_id)field->id) {
        case HTTP_F_HOST:
            facts->n_hosts++;
            break;
        case HTTP_F_CONTENT_LENGTH:
            if (!read_content_length(head, field, facts, f))
                return false;
            break;
        case HTTP_F_TRANSFER_ENCODING:
            field->is_hop = true;
            if (!read_transfer_encoding(field->value, facts, f))
                return false;
            break;
        case HTTP_F_CONNECTION:
            field->is_hop = true;
            if (!read_connection(head, field->value, facts, f))
                return false;
            break;
        case HTTP_F_TE:
        case HTTP_F_UPGRADE:
        case HTTP_F_KEEP_ALIVE:
        case HTTP_F_PROXY_CONNECTION:
        case HTTP_F_PROXY_AUTHENTICATE:
        case HTTP_F_PROXY_AUTHORIZATION:
            field->is_hop = true;
            break;
        default:
            break;
        }
    }
    if (facts->has_coding && head->has_content_length)
        return fault_set(f, facts->kind, "head", "Transfer-Encoding with Content-Length");
    if (facts->has_coding && head->minor == 0)
        return fault_set(f, facts->kind, "head", "Transfer-Encoding in HTTP/1.0");
    head->keep_alive = !facts->has_close && (head->minor > 0 || facts->has_keep_alive);
    return true;
}

static bool host_is_right(const struct http_head *head, const struct facts *facts, struct fault *f)
{
    if (facts->n_hosts > 1)
        return fault_set(f, facts->kind, "head", "repeated Host");
    if (facts->n_hosts == 0)
        return head->minor == 0 || fault_set(f, facts->kind, "head", "no Host");
    /* RFC 9112 section 3.2: empty where the target has no authority. */
    struct str host = http_value(head, HTTP_F_HOST);
    return host.n == 0 || http1_authority_is_valid(host) ||
           fault_set(f, facts->kind, "head", "invalid Host");
}

bool http1_frame_request(struct http_head *head, struct fault *f)
{
    struct facts facts = { .kind = FAULT_BAD_REQUEST };
    if (!read_fields(head, &facts, f) || !host_is_right(head, &facts, f))
        return false;
    if (facts.has_other_coding)
        return fault_set(f, FAULT_TRANSFER_CODING, "head", NULL);
    head->framing = facts.has_chunked          ? HTTP_CHUNKED
                    : head->has_content_length ? HTTP_LENGTH
                                               : HTTP_NO_BODY;
    bool has_body = facts.has_chunked || head->content_length > 0;
    head->expects_continue = head->minor > 0 && has_body &&
                             http_list_has(http_value(head, HTTP_F_EXPECT), STR("100-continue"));
    return true;
}

bool http1_frame_response(struct http_head *head, enum http_method method, struct fault *f)
{
    struct facts facts = { .kind = FAULT_UPSTREAM_PROTOCOL };
    if (!read_fields(head, &facts, f))
        return false;
    if (facts.has_other_coding)
        return fault_set(f, facts.kind, "head", "unknown transfer coding");
    bool is_interim = head->status < 200;
    bool may_not_frame = is_interim || head->status == 204;
    bool has_frame = facts.has_chunked || head->content_length > 0;
    if (is_interim && has_frame)
        return fault_set(f, facts.kind, "head", "an interim response with a body");
    if (method == HTTP_HEAD || head->status == 304 || may_not_frame) {
        head->framing = HTTP_NO_BODY;
        /* RFC 9110 section 8.6: no server may send this; bytes may follow that belong to nothing,
         * and whoever got the length from us might wait for them. */
        for (unsigned i = 0; i < head->n_fields && may_not_frame; i++)
            if (head->fields[i].id == HTTP_F_CONTENT_LENGTH)
                head->fields[i].is_hop = true;
        if (may_not_frame && has_frame)
            head->keep_alive = false;
    } else if (facts.has_chunked) {
        head->framing = HTTP_CHUNKED;
    } else if (head->has_content_length) {
        head->framing = HTTP_LENGTH;
    } else {
        head->framing = HTTP_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return true;
}
