#pragma once
/*
 * What penstock does with a request, told step by step: which route, by which rule, what goes to
 * the origin. Decided by proxy/route, as for a client. Pure: no name is looked up.
 */
#include "codec/http1.h"
#include "codec/json_write.h"
#include "proxy/route.h"

struct url_story {
    struct fault fault; /* of a request that is refused */
    struct route route; /* kind and, where it goes on to one, the origin; borrows from text */
    /* private */
    const struct conf *conf;
    struct buf text; /* the request's head */
    struct http_head head;
    bool has_head;
};

/* method and target as a client would send them; what no head can hold is refused as one that has
 * it. The struct is large. */
void url_story_init(struct url_story *s, const struct conf *conf, struct str method,
                    struct str target);
void url_story_done(struct url_story *s);
/* The request goes to an origin: there is a name, or an address, to connect to. */
bool url_story_goes_on(const struct url_story *s);
/* Members of an object: method, target, verdict, route, host, bucket, key, refusal, upstream. */
void url_story_write(const struct url_story *s, struct json *j);
