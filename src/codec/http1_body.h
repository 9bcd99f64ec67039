#pragma once
/*
 * Body framing (RFC 9112 sections 6 and 7) as a state machine over whatever pieces arrive. It hands
 * back spans of the input that are body, and never copies.
 */
#include "codec/http1.h"

enum {
    HTTP_CHUNK_LINE_BYTES = 4096, /* one chunk-size line with its extensions */
    HTTP_TRAILER_BYTES = 16 * 1024,
};

struct http1_body {
    enum http_framing framing;
    uint64_t left;  /* bytes of this chunk, or of the whole body, still to come */
    uint64_t total; /* body bytes handed out so far */
    /* private */
    uint8_t state;
    uint32_t line_bytes;
    uint32_t trailer_bytes;
    struct buf trailers; /* trailer fields as they came: "Name: value CRLF"..., at most
                            HTTP_TRAILER_BYTES */
};

void http1_body_init(struct http1_body *b, enum http_framing framing, uint64_t content_length);
void http1_body_done(struct http1_body *b);

enum http1_body_step {
    HTTP1_BODY_MORE, /* in is used up (*used == in.n) and the body is not at its end */
    HTTP1_BODY_DATA, /* *data is a span of in; call again with what is behind *used */
    HTTP1_BODY_END, /* the last byte of the body was consumed; bytes behind *used belong to the next
                       message */
    HTTP1_BODY_BAD, /* chunk framing is broken: the message cannot be trusted */
};

/*
 * Takes bytes from the front of in: *used of them, data included. Chunk extensions are dropped.
 * Strict: sizes are 1*HEXDIG that fit 63 bits, lines end in CR LF, bare CR or LF is BAD, chunk-ext
 * has no control characters, trailer fields obey the field grammar.
 */
enum http1_body_step http1_body_next(struct http1_body *b, struct str in, size_t *used,
                                     struct str *data);

/* The connection ended: true when that is the body's proper end (HTTP_UNTIL_CLOSE, or nothing was
 * left). */
bool http1_body_eof(struct http1_body *b);

static inline bool http1_body_is_whole(const struct http1_body *b)
{
    return b->framing == HTTP_NO_BODY || (b->framing == HTTP_LENGTH && b->left == 0) ||
           b->state == UINT8_MAX;
}

enum { HTTP1_CHUNK_HEAD_BYTES = 20 };
/* "1a2b CRLF" for a chunk of n > 0 bytes into out; returns its length. The chunk's data is followed
 * by CRLF. */
size_t http1_chunk_head(char out[static HTTP1_CHUNK_HEAD_BYTES], uint64_t n);
