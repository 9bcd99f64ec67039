#pragma once
/*
 * What a server is asked: a question, and the two bits of a client that change the answer to it. It
 * is what makes two questions in flight, or in the cache, equal.
 */
#include "codec/dns_msg.h"

struct dns_ask {
    struct dns_question question;
    bool dnssec_ok;         /* EDNS's DO: signatures are wanted */
    bool checking_disabled; /* the header's CD */
};

static inline bool dns_ask_eq(const struct dns_ask *a, const struct dns_ask *b)
{
    return a->question.type == b->question.type && a->question.class == b->question.class &&
           a->dnssec_ok == b->dnssec_ok && a->checking_disabled == b->checking_disabled &&
           dns_name_eq(&a->question.name, &b->question.name);
}
