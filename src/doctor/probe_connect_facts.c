#include "doctor/probe_connect.h"
#include "doctor/probe_query.h"

#include <errno.h>
#include <openssl/x509v3.h>

enum { MAX_CERT_NAMES = 20, NAME_BYTES = 256 };

static const char *outcome_of(const struct probe_connection *c)
{
    const struct probe_http *h = &c->http;
    if (c->is_denied)
        return "denied";
    if (h->step != PROBE_HTTP_CONNECT)
        return "ok";
    if (h->is_late)
        return "timeout";
    switch (h->fault.sys_errno) {
    case ECONNREFUSED:
        return "refused";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "unreachable";
    case ECONNRESET:
        return "reset";
    case ETIMEDOUT:
        return "timeout";
    default:
        return "failed";
    }
}

/* NULL: it did not come to it. */
static const char *tls_outcome_of(const struct probe_http *h)
{
    if (h->request.tls == NULL || h->step == PROBE_HTTP_CONNECT)
        return NULL;
    if (h->step != PROBE_HTTP_TLS)
        return "ok";
    if (h->is_late)
        return "timeout";
    switch (h->fault.kind) {
    case FAULT_TLS_UNTRUSTED:
        return "untrusted";
    case FAULT_TLS_NAME:
        return "name";
    default:
        return h->is_closed ? "reset" : "failed";
    }
}

static const char *http_outcome_of(const struct probe_http *h)
{
    if (h->step == PROBE_HTTP_DONE)
        return "ok";
    if (h->step != PROBE_HTTP_RESPONSE)
        return NULL;
    return h->is_late ? "timeout" : h->is_closed ? "closed" : "malformed";
}

static void add_cert_names(struct fact_book *book, struct fact_texts *to, const X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && to->n < MAX_CERT_NAMES; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type == GEN_DNS)
            fact_add_text(book, to,
                          str_first(str_of((const char *)ASN1_STRING_get0_data(g->d.dNSName),
                                           (size_t)ASN1_STRING_length(g->d.dNSName)),
                                    NAME_BYTES));
    }
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
}

static void fill_certificate(struct fact_book *book, struct fact_connection *f,
                             const struct probe_http *h)
{
    char text[NAME_BYTES];
    int verify = 0;
    if (h->stream == NULL || h->stream->ssl == NULL)
        return;
    X509 *cert = io_tls_peer_certificate(h->stream->ssl, &verify);
    if (cert == NULL)
        return;
    f->tls_verify = verify;
    X509_NAME_oneline(X509_get_subject_name(cert), text, sizeof text);
    f->cert_subject = fact_text(book, str_from_c(text));
    X509_NAME_oneline(X509_get_issuer_name(cert), text, sizeof text);
    f->cert_issuer = fact_text(book, str_from_c(text));
    add_cert_names(book, &f->cert_names, cert);
}

static void fill_response(struct fact_book *book, struct fact_connection *f,
                          const struct probe_http *h)
{
    if (!h->has_head)
        return;
    const struct http_field *region = http_find_name(&h->head, STR("x-amz-bucket-region"));
    f->status = h->head.status;
    if (region != NULL)
        f->bucket_region = fact_text(book, str_first(region->value, NAME_BYTES));
}

static struct str text_or_none(struct fact_book *book, const char *text)
{
    return text != NULL ? fact_text(book, str_from_c(text)) : (struct str){ NULL, 0 };
}

static void fill_course(struct fact_book *book, struct fact_connection *f,
                        const struct probe_http *h)
{
    struct str detail = text_or_none(book, h->fault.detail[0] != 0 ? h->fault.detail : NULL);
    f->time_us = (int64_t)h->connect_us;
    f->tls = text_or_none(book, tls_outcome_of(h));
    f->http = text_or_none(book, http_outcome_of(h));
    if (h->step == PROBE_HTTP_TLS)
        f->tls_detail = detail;
    else
        f->detail = detail;
    fill_certificate(book, f, h);
    fill_response(book, f, h);
}

void probe_connection_add_fact(struct probe_connection *c)
{
    struct fact_book *book = c->all->book;
    struct fact_connection f;
    if (c->n_tries > 0 && probe_is_exhausted(c->http.fault.sys_errno))
        return;
    FACT_CLEAR(connection, &f);
    f.name = c->target->name->text;
    f.purpose = fact_text(book, str_from_c(c->target->purpose));
    f.address = c->address;
    f.port = c->target->port;
    f.servers = c->servers;
    f.outcome = fact_text(book, str_from_c(outcome_of(c)));
    f.tries = c->n_tries;
    f.skew_s = c->skew_s;
    if (c->n_tries > 0)
        fill_course(book, &f, &c->http);
    else if (!c->is_denied)
        f.detail = text_or_none(book, c->all->why_no_tls);
    fact_add(book, &book->facts.connections, &f);
}
