#pragma once
/*
 * Lines of evidence, in the same words whichever check writes them: a question and its reply, a
 * connection and its end, a server of the list. What is true by the facts, no more.
 */
#include "base/buf.h"
#include "doctor/diagnosis.h"

enum { EVIDENCE_BYTES = 4096 };

/* "192.168.1.53: NXDOMAIN in 3 ms (2 of 2 tries) for registry.stk" */
void evidence_put_question(const struct fact_question *q, struct buf *out);
/* "10.0.1.99 in 1 ms" */
void evidence_put_outcome(const struct fact_question *q, struct buf *out);
/* "; 169.254.169.253: 10.0.1.99 in 1 ms"; nothing for NULL. */
void evidence_put_beside(const struct fact_question *other, struct buf *out);
/* "your first DNS server", "DNS server 2 of resolv.conf", "Amazon's DNS server, your first,". */
void evidence_put_server(const struct fact_server *s, struct buf *out);

/* The line of evidence_put_question. f may be NULL, as with all that take a finding. */
void evidence_question(struct diagnosis *d, struct finding *f, const struct fact_question *q);
/* "s3.eu-west-1.amazonaws.com at 52.1.2.3:443: timeout in 3000 ms (2 tries), address by 10.9.0.53"
 */
void evidence_connection(struct diagnosis *d, struct finding *f, const struct fact_connection *c);
/* "10.0.0.1, 10.0.0.2"; the first few of them. The diagnosis' own. */
struct str evidence_list(struct diagnosis *d, const struct fact_texts *texts);
