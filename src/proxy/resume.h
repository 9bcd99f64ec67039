#pragma once
/*
 * Resuming a cut download: when the connection to S3 dies inside a GET body whose length and strong
 * ETag are known, the rest is fetched with Range and If-Match, so that the client gets one whole
 * object or a connection that is visibly cut, never two versions mixed. Pure decisions; proxy/tx.c
 * moves the bytes.
 */
#include "codec/http1.h"

enum { RESUME_ETAG_BYTES = 160, RESUME_MAX_BARREN = 5 };

/* What the client is getting, from the first response head. */
struct resume {
    bool is_possible; /* as far as the response tells; resume_next looks at the request too */
    const struct http_head *request; /* borrowed from resume_init, as is the target */
    struct str target;
    uint64_t first;     /* offset in the object of the first body byte */
    uint64_t last;      /* and of the last one */
    uint64_t total;     /* the object's size */
    uint64_t tried_at;  /* body bytes sent at the last try */
    unsigned n_barren;  /* tries in a row that brought no byte */
    unsigned n_resumes; /* for the access line */
    size_t etag_n;
    char etag[RESUME_ETAG_BYTES];
};

struct resume_plan {
    uint64_t from, to; /* inclusive */
    struct str etag;   /* borrowed from the struct resume */
};

/* Looks at the request and at its 200 or 206. target: what S3 was asked for, query included. */
void resume_init(struct resume *r, const struct http_head *request, struct str target,
                 const struct http_head *response);

/* After sent_bytes of body reached the client: what to ask for; false when it must be cut. */
bool resume_next(struct resume *r, uint64_t sent_bytes, struct resume_plan *plan);

enum resume_verdict {
    RESUME_GOES_ON,  /* the very bytes that were asked for */
    RESUME_REPLACED, /* another version: cut */
    RESUME_AGAIN,    /* 5xx, 429: try later */
    RESUME_NO,       /* anything else: cut */
};
enum resume_verdict resume_judge(const struct resume_plan *plan, const struct resume *r,
                                 const struct http_head *response);

/* "bytes FIRST-LAST/TOTAL", all three numbers. */
bool content_range_parse(struct str value, uint64_t *first, uint64_t *last, uint64_t *total);
