#include "proxy/resume.h"

bool content_range_parse(struct str value, uint64_t *first, uint64_t *last, uint64_t *total)
{
    struct str rest = value, from, to;
    if (!str_eq_nocase(str_first(rest, 6), STR("bytes ")))
        return false;
    rest = str_from(rest, 6);
    uint64_t a, b, n;
    if (!str_next(&rest, '-', &from) || !str_next(&rest, '/', &to) || !str_to_u64(from, &a) ||
        !str_to_u64(to, &b) || !str_to_u64(rest, &n) || a > b || b >= n)
        return false;
    *first = a;
    *last = b;
    *total = n;
    return true;
}

/* Does a ';' list of field names, perhaps followed by '&' or ',', hold one that resuming has to
 * change? */
static bool list_signs_ours(struct str list, struct str separators)
{
    static const struct str ours[] = { STR_INIT("range"), STR_INIT("if-match"),
                                       STR_INIT("if-range") };
    while (list.n > 0) {
        size_t n = 0;
        while (n < list.n && memchr(separators.p, list.p[n], separators.n) == NULL)
            n++;
        struct str name = str_first(list, n);
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
            if (str_eq_nocase(name, ours[i]))
                return true;
        list = str_from(list, n + 1);
    }
    return false;
}

/* Signature version 4: SignedHeaders=a;b;c in Authorization, X-Amz-SignedHeaders=a%3Bb in a
 * presigned query. */
static bool signs_ours(const struct http_head *request, struct str target)
{
    struct str value = http_value(request, HTTP_F_AUTHORIZATION);
    const char *at = value.n ? memmem(value.p, value.n, "SignedHeaders=", 14) : NULL;
    if (at != NULL) {
        struct str list = str_from(value, (size_t)(at - value.p) + 14);
        list = str_first(list, str_find(list, ',', 0));
        if (list_signs_ours(str_trim(list), STR("; ")))
            return true;
    }
    struct str query = str_from(target, str_find(target, '?', 0));
    at = query.n ? memmem(query.p, query.n, "X-Amz-SignedHeaders=", 20) : NULL;
    if (at == NULL)
        return false;
    struct str list = str_from(query, (size_t)(at - query.p) + 20);
    list = str_first(list, str_find(list, '&', 0));
    for (size_t i = 0; i + 2 < list.n; i++)
        if (list.p[i] == '%' && list.p[i + 1] == '3' && ascii_lower(list.p[i + 2]) == 'b') {
            /* Names do not hold percent signs, so "3b" in front of the next name is the separator's
             * rest. */
            struct str name = str_from(list, i + 3);
            name = str_first(name, str_find(name, '%', 0));
            if (list_signs_ours(name, STR(";")))
                return true;
        }
    return list_signs_ours(str_first(list, str_find(list, '%', 0)), STR(";"));
}

static bool keep_strong_etag(struct resume *r, struct str etag)
{
    if (!http_etag_is_strong(etag) || etag.n > sizeof r->etag)
        return false;
    memcpy(r->etag, etag.p, etag.n);
    r->etag_n = etag.n;
    return true;
}

void resume_init(struct resume *r, const struct http_head *request, struct str target,
                 const struct http_head *response)
{
    r->is_possible = false;
    r->tried_at = 0;
    r->n_barren = r->n_resumes = 0;
    if (request->method != HTTP_GET || request->framing != HTTP_NO_BODY ||
        response->framing != HTTP_LENGTH || response->content_length == 0)
        return;
    if (response->status == 200) {
        r->first = 0;
        r->total = response->content_length;
        r->last = r->total - 1;
    } else if (response->status != 206 ||
               !content_range_parse(http_value(response, HTTP_F_CONTENT_RANGE), &r->first, &r->last,
                                    &r->total) ||
               r->last - r->first + 1 != response->content_length) {
        return;
    }
    r->request = request;
    r->target = target;
    r->is_possible = keep_strong_etag(r, http_value(response, HTTP_F_ETAG));
}

bool resume_next(struct resume *r, uint64_t sent_bytes, struct resume_plan *plan)
{
    /* What was signed is looked at here: most bodies are whole and never ask. */
    if (!r->is_possible || sent_bytes > r->last - r->first || signs_ours(r->request, r->target))
        return false;
    r->n_barren = r->n_resumes > 0 && sent_bytes == r->tried_at ? r->n_barren + 1 : 0;
    if (r->n_barren >= RESUME_MAX_BARREN)
        return false;
    r->tried_at = sent_bytes;
    r->n_resumes++;
    *plan = (struct resume_plan){
        .from = r->first + sent_bytes,
        .to = r->last,
        .etag = str_of(r->etag, r->etag_n),
    };
    return true;
}

enum resume_verdict resume_judge(const struct resume_plan *plan, const struct resume *r,
                                 const struct http_head *response)
{
    uint64_t first, last, total;
    if (response->status == 412)
        return RESUME_REPLACED;
    if (response->status >= 500 || response->status == 429)
        return RESUME_AGAIN;
    if (response->status != 206)
        return response->status == 200 || response->status == 404 ? RESUME_REPLACED : RESUME_NO;
    if (!str_eq(http_value(response, HTTP_F_ETAG), plan->etag))
        return RESUME_REPLACED;
    if (!content_range_parse(http_value(response, HTTP_F_CONTENT_RANGE), &first, &last, &total) ||
        first != plan->from || last != plan->to || total != r->total ||
        response->framing != HTTP_LENGTH || response->content_length != last - first + 1)
        return RESUME_NO;
    return RESUME_GOES_ON;
}
