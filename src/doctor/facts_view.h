#pragma once
/* Questions that several checks ask of the facts. Pure; what they return is borrowed. */
#include "base/buf.h"
#include "doctor/facts.h"

/* The question that stands for (server, name, type): over UDP with EDNS where one was asked so,
 * else without. NULL when there was none. type NULL: A, or AAAA where that alone has an answer. */
const struct fact_question *view_question(const struct fact_facts *f, struct str server,
                                          struct str name, const char *type);
/* The first server of resolv.conf (or of the settings) that was asked. NULL: none. */
const struct fact_server *view_first_server(const struct fact_facts *f);
const struct fact_server *view_server(const struct fact_facts *f, struct str address);
/* A server of Amazon's that gave any reply. NULL: none was asked, or all were silent. */
const struct fact_server *view_amazon(const struct fact_facts *f);
/* Whether address is one of Amazon's resolver: link-local, the VPC's primary CIDR plus two, or the
 * word AmazonProvidedDNS. */
bool view_is_amazon(const struct fact_facts *f, struct str address);
/* The call, or NULL. The last one counts. */
const struct fact_call *view_call(const struct fact_facts *f, const char *action);
bool view_call_is_ok(const struct fact_facts *f, const char *action);
const struct fact_name *view_name(const struct fact_facts *f, const char *purpose);
/* S3's, a bucket's or the registry's: not one that a search domain made. */
bool view_is_needed(const struct fact_name *name);
bool view_is_in_hosts(const struct fact_facts *f, struct str name);
/* The address took a connection, with the right certificate where TLS was tried. */
bool view_connects(const struct fact_connection *c);
/* Values of the option set in force; none where there is no such option. */
const struct fact_texts *view_dhcp_option(const struct fact_facts *f, const char *key);
/* Whether the option set in force names nothing but Amazon's server. */
bool view_dhcp_is_right(const struct fact_facts *f);
/* "NXDOMAIN", "SERVFAIL", "no answer", "10.0.1.99": what a person reads of a question. */
void view_answer_text(const struct fact_question *q, struct buf *out);
/* ASCII case and a last dot do not count: name is zone or stands below it. */
bool view_is_below(struct str name, struct str zone);
bool view_is_same_name(struct str a, struct str b);

static inline bool view_is(struct str text, const char *literal)
{
    return str_eq(text, str_from_c(literal));
}
