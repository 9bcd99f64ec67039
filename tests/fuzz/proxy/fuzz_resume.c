/*
 * Request, response and the response to the continuation, each behind two bytes of length. What is
 * asked for lies inside what the client was promised, and only exactly that is accepted.
 */
#include <stdlib.h>

#include "proxy/resume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool next_part(struct str *in, struct str *part)
{
    if (in->n < 2)
        return false;
    size_t n = (size_t)(uint8_t)in->p[0] << 8 | (uint8_t)in->p[1];
    *in = str_from(*in, 2);
    *part = str_first(*in, n);
    *in = str_from(*in, part->n);
    return true;
}

static bool read_response(struct str *in, struct http_head *head)
{
    struct fault f = { .kind = FAULT_NONE };
    struct str part;
    size_t scanned = 0, used = 0;
    return next_part(in, &part) &&
           http1_parse_response(part, &scanned, HTTP_GET, head, &used, &f) == HTTP_DONE;
}

static void check_plan(const struct resume *r, const struct resume_plan *plan, uint64_t sent)
{
    if (plan->from != r->first + sent || plan->from > plan->to || plan->to != r->last ||
        plan->to >= r->total || plan->etag.n < 2 || plan->etag.n > RESUME_ETAG_BYTES)
        abort();
}

static void check_content_range(struct str value)
{
    uint64_t first, last, total;
    if (content_range_parse(value, &first, &last, &total) && (first > last || last >= total))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct http_head request, response, rest;
    struct fault f = { .kind = FAULT_NONE };
    struct str in = str_of((const char *)data, n), part;
    size_t scanned = 0, used = 0;
    struct resume r;
    struct resume_plan plan;
    if (!next_part(&in, &part) ||
        http1_parse_request(part, &scanned, &request, &used, &f) != HTTP_DONE ||
        !read_response(&in, &response))
        return 0;
    check_content_range(http_value(&response, HTTP_F_CONTENT_RANGE));
    resume_init(&r, &request, request.target, &response);
    if (!r.is_possible)
        return 0;
    uint64_t sent = r.last - r.first;
    if (resume_next(&r, sent + 1, &plan))
        abort(); /* all of it was sent */
    if (!resume_next(&r, sent, &plan))
        return 0; /* the client signed what would have to change */
    check_plan(&r, &plan, sent);
    for (unsigned i = 1; i <= RESUME_MAX_BARREN; i++) {
        bool is_next = resume_next(&r, sent, &plan);
        if (is_next != (i < RESUME_MAX_BARREN))
            abort();
        if (is_next)
            check_plan(&r, &plan, sent);
    }
    if (read_response(&in, &rest) && resume_judge(&plan, &r, &rest) == RESUME_GOES_ON &&
        (rest.status != 206 || rest.content_length != plan.to - plan.from + 1 ||
         !str_eq(http_value(&rest, HTTP_F_ETAG), plan.etag)))
        abort();
    return 0;
}
