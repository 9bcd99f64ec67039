#include "codec/http1_body.h"
#include "codec/http1_chars.h"

enum state {
    SIZE_START, /* at least one digit must come */
    SIZE,
    EXT_SPACE, /* white space behind the size: only an extension may follow */
    EXT,
    SIZE_LF,
    DATA, /* of a chunk, or of a body that is not chunked */
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    BROKEN,
    WHOLE = UINT8_MAX,
};

void http1_body_init(struct http1_body *b, enum http_framing framing, uint64_t content_length)
{
    *b = (struct http1_body){ .framing = framing, .state = DATA };
    buf_init(&b->trailers, HTTP_TRAILER_BYTES);
    if (framing == HTTP_LENGTH)
        b->left = content_length;
    if (framing == HTTP_CHUNKED)
        b->state = SIZE_START;
    if (http1_body_is_whole(b))
        b->state = WHOLE;
}

void http1_body_done(struct http1_body *b)
{
    buf_done(&b->trailers);
}

/* One character of a chunk-size line. Returns the next state. */
static enum state size_line(struct http1_body *b, char c)
{
    if (++b->line_bytes > HTTP_CHUNK_LINE_BYTES)
        return BROKEN;
    int digit = ascii_hex(c);
    switch (b->state) {
    case SIZE_START:
    case SIZE:
        if (digit >= 0) {
            if (b->left >> 59 != 0)
                return BROKEN; /* another digit would pass 63 bits */
            b->left = b->left << 4 | (uint64_t)digit;
            return SIZE;
        }
        if (b->state == SIZE_START)
            return BROKEN;
        if (c == '\r')
            return SIZE_LF;
        if (c == ' ' || c == '\t')
            return EXT_SPACE;
        return c == ';' ? EXT : BROKEN;
    case EXT_SPACE:
        if (c == ' ' || c == '\t')
            return EXT_SPACE;
        return c == ';' ? EXT : BROKEN;
    case EXT:
        if (c == '\r')
            return SIZE_LF;
        return http1_is(c, HTTP1_VALUE) ? EXT : BROKEN;
    default: /* SIZE_LF */
        if (c != '\n')
            return BROKEN;
        b->line_bytes = 0;
        return b->left > 0 ? DATA : TRAILER_START;
    }
}

/* Fields that would change what the message is or where it ends (RFC 9110 section 6.5.1). */
static bool may_be_trailer(struct str name)
{
    switch (http_field_id(name)) {
    case HTTP_F_HOST:
    case HTTP_F_CONTENT_LENGTH:
    case HTTP_F_CONTENT_TYPE:
    case HTTP_F_CONTENT_ENCODING:
    case HTTP_F_CONTENT_RANGE:
    case HTTP_F_TRANSFER_ENCODING:
    case HTTP_F_CONNECTION:
    case HTTP_F_TE:
    case HTTP_F_TRAILER:
    case HTTP_F_UPGRADE:
    case HTTP_F_AUTHORIZATION:
    case HTTP_F_PROXY_AUTHORIZATION:
    case HTTP_F_COOKIE:
    case HTTP_F_SET_COOKIE:
        return false;
    default:
        return true;
    }
}

/* The name that was just ended by a colon: what stands behind the last line's end. */
static struct str last_name(const struct http1_body *b)
{
    struct str s = buf_str(&b->trailers);
    size_t start = s.n;
    while (start > 0 && s.p[start - 1] != '\n')
        start--;
    return str_from(s, start);
}

static enum state trailer_state(struct http1_body *b, char c)
{
    switch (b->state) {
    case TRAILER_START:
        if (c == '\r')
            return LAST_LF;
        return http1_is(c, HTTP1_TCHAR) ? TRAILER_NAME : BROKEN;
    case TRAILER_NAME:
        if (c == ':')
            return may_be_trailer(last_name(b)) ? TRAILER_VALUE : BROKEN;
        return http1_is(c, HTTP1_TCHAR) ? TRAILER_NAME : BROKEN;
    case TRAILER_VALUE:
        if (c == '\r')
            return TRAILER_LF;
        return http1_is(c, HTTP1_VALUE) ? TRAILER_VALUE : BROKEN;
    case TRAILER_LF:
        return c == '\n' ? TRAILER_START : BROKEN;
    default: /* LAST_LF */
        return c == '\n' ? WHOLE : BROKEN;
    }
}

/* One character of the trailer section, which is kept but for its empty line. */
static enum state trailer_line(struct http1_body *b, char c)
{
    enum state next = trailer_state(b, c);
    if (next != BROKEN && next != LAST_LF && next != WHOLE) {
        if (++b->trailer_bytes > HTTP_TRAILER_BYTES)
            return BROKEN;
        buf_byte(&b->trailers, c);
        if (b->trailers.failed)
            return BROKEN;
    }
    return next;
}

static enum state chunk_step(struct http1_body *b, char c)
{
    if (b->state <= SIZE_LF)
        return size_line(b, c);
    if (b->state == DATA_CR)
        return c == '\r' ? DATA_LF : BROKEN;
    if (b->state == DATA_LF)
        return c == '\n' ? SIZE_START : BROKEN;
    return trailer_line(b, c);
}

/* Hands out what in has of the current span, which is not empty. */
static enum http1_body_step hand_out(struct http1_body *b, struct str in, size_t *used,
                                     struct str *data)
{
    *data = in;
    if (b->framing != HTTP_UNTIL_CLOSE) {
        if (b->left < in.n)
            data->n = (size_t)b->left;
        b->left -= data->n;
        if (b->left == 0)
            b->state = b->framing == HTTP_CHUNKED ? DATA_CR : WHOLE;
    }
    b->total += data->n;
    *used += data->n;
    return HTTP1_BODY_DATA;
}

enum http1_body_step http1_body_next(struct http1_body *b, struct str in, size_t *used,
                                     struct str *data)
{
    *used = 0;
    *data = STR("");
    while (b->state != WHOLE && b->state != BROKEN) {
        if (*used == in.n)
            return HTTP1_BODY_MORE;
        if (b->state == DATA)
            return hand_out(b, str_from(in, *used), used, data);
        b->state = (uint8_t)chunk_step(b, in.p[*used]);
        ++*used;
    }
    return b->state == WHOLE ? HTTP1_BODY_END : HTTP1_BODY_BAD;
}

bool http1_body_eof(struct http1_body *b)
{
    if (b->framing == HTTP_UNTIL_CLOSE)
        b->state = WHOLE;
    return b->state == WHOLE;
}

size_t http1_chunk_head(char out[static HTTP1_CHUNK_HEAD_BYTES], uint64_t n)
{
    static const char digits[] = "0123456789abcdef";
    size_t n_digits = 1;
    for (uint64_t rest = n >> 4; rest != 0; rest >>= 4)
        n_digits++;
    for (size_t i = n_digits; i-- > 0; n >>= 4)
        out[i] = digits[n & 15];
    out[n_digits] = '\r';
    out[n_digits + 1] = '\n';
    return n_digits + 2;
}
