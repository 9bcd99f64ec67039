#pragma once
/*
 * Lines that several findings say in the same words: what a server answered, who is not affected,
 * how the option set is put right. They are true by the facts; ids are the real ones where known.
 */
#include "base/buf.h"
#include "doctor/diagnosis.h"

enum { WORDS_BYTES = 2048 };

/* "192.168.1.53: NXDOMAIN in 3 ms (2 of 2 tries) for registry.stk" */
void words_question(const struct fact_question *q, struct buf *out);
/* "10.0.1.99 in 1 ms" */
void words_outcome(const struct fact_question *q, struct buf *out);
/* "; 169.254.169.253: 10.0.1.99 in 1 ms"; nothing for NULL. */
void words_beside(const struct fact_question *other, struct buf *out);
/* "10.0.0.2, 10.9.0.53" */
void words_list(const struct fact_texts *texts, struct buf *out);

/* "your first DNS server", "DNS server 2 of resolv.conf", "Amazon's DNS server, your first,". */
void words_server(const struct fact_server *s, struct buf *out);

/* What to do about a server that does not know AWS's names. */
void words_fix_dhcp(struct diagnosis *d, struct finding *to);
/* The commands that start new tasks; nothing where there is no ECS. */
void words_fix_tasks(struct diagnosis *d, struct finding *to);
/* Forwarding on the server, for who cannot change the option set. */
void words_fix_forwarding(struct diagnosis *d, struct finding *to);
/* Whether the running proxy is affected by what server does. */
void words_note_proxy(struct diagnosis *d, struct finding *to, struct str server);

/* Whether the option set in force names nothing but Amazon's server. */
bool words_dhcp_is_right(const struct fact_facts *f);
/* Values of the option set in force, or NULL. */
const struct fact_texts *words_dhcp_option(const struct fact_facts *f, const char *key);
/* An address or the word AmazonProvidedDNS. */
bool words_is_amazon(const struct fact_facts *f, struct str server);
