#include "aws/call.h"

#include "base/hash.h"

enum { MAX_TOKEN_BYTES = 16 * 1024, MAX_PAGE_PARAMS = 64 };

void aws_pages_init(struct aws_pages *p, struct aws_session *s, const struct aws_request *request,
                    unsigned max_pages)
{
    *p = (struct aws_pages){ .session = s, .request = request, .max_pages = max_pages };
    buf_init(&p->token, MAX_TOKEN_BYTES);
}

static bool call_with_params(struct aws_pages *p, const struct aws_service_row *service)
{
    struct aws_param params[MAX_PAGE_PARAMS];
    struct aws_request request = *p->request;
    if (request.n_params >= MAX_PAGE_PARAMS)
        return aws_error_set(&p->reply.error, AWS_BAD_REQUEST, "too many parameters");
    if (request.n_params > 0)
        memcpy(params, request.params, request.n_params * sizeof *params);
    if (p->token.n > 0)
        params[request.n_params++] = (struct aws_param){ service->token_in, buf_str(&p->token) };
    request.params = params;
    return aws_call(p->session, &request, &p->reply);
}

static bool call_with_body(struct aws_pages *p, const struct aws_service_row *service)
{
    struct aws_request request = *p->request;
    json_t *body = request.body != NULL ? json_copy((json_t *)request.body) : json_object();
    if (body == NULL ||
        (p->token.n > 0 &&
         json_object_set_new(body, service->token_in, json_stringn(p->token.p, p->token.n)) != 0)) {
        json_decref(body);
        return aws_error_set(&p->reply.error, AWS_PROTOCOL, "out of memory");
    }
    request.body = body;
    bool ok = aws_call(p->session, &request, &p->reply);
    json_decref(body);
    return ok;
}

static struct str next_token(const struct aws_pages *p, const struct aws_service_row *service)
{
    if (p->reply.json == NULL)
        return xml_text(xml_root(p->reply.xml), service->token_out);
    const json_t *token = json_object_get(p->reply.json, service->token_out);
    return json_is_string(token) ? str_of(json_string_value(token), json_string_length(token))
                                 : STR("");
}

/* False: this token came before, so that going on would never end. */
static bool keep_token(struct aws_pages *p, struct str token)
{
    static const struct hash_key key = { 0x70656e73746f636b, 0x7061676573 };
    const size_t n = sizeof p->seen / sizeof *p->seen;
    uint64_t hash = hash_bytes(&key, token);
    hash += hash == 0; /* 0: nothing yet */
    for (size_t i = 0; i < n; i++)
        if (p->seen[i] == hash)
            return false;
    p->seen[p->n_pages % n] = hash;
    buf_clear(&p->token);
    buf_append(&p->token, token);
    return !p->token.failed;
}

bool aws_pages_next(struct aws_pages *p)
{
    const struct aws_service_row *service = aws_service_row(p->request->service);
    if (p->is_over)
        return false;
    if (p->n_pages == p->max_pages) {
        p->is_over = p->is_cut = true;
        return false;
    }
    aws_reply_done(&p->reply);
    bool ok =
        service->protocol == AWS_JSON ? call_with_body(p, service) : call_with_params(p, service);
    if (!ok) {
        p->is_over = true;
        return false;
    }
    struct str token = next_token(p, service);
    p->n_pages++;
    if (token.n == 0) {
        p->is_over = true;
    } else if (!keep_token(p, token)) {
        p->is_over = true;
        aws_error_set(&p->reply.error, AWS_PROTOCOL,
                      "the listing does not end: a page's token came twice, or is too long");
        return false;
    }
    return true;
}

void aws_pages_done(struct aws_pages *p)
{
    aws_reply_done(&p->reply);
    buf_done(&p->token);
}
