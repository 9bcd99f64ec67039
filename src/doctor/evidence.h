#pragma once
/* Lines of evidence that several checks write: a question and its reply, a connection and its end.
 */
#include "doctor/diagnosis.h"

/* "192.168.1.53 says NXDOMAIN for registry.stk (3.0 ms)". f may be NULL, like with all of these. */
void evidence_question(struct diagnosis *d, struct finding *f, const struct fact_question *q);
/* "s3.eu-west-1.amazonaws.com at 52.1.2.3:443: timeout (3000 ms, 2 tries), address by 10.9.0.53" */
void evidence_connection(struct diagnosis *d, struct finding *f, const struct fact_connection *c);
/* "10.0.0.1, 10.0.0.2"; the first few of them. The diagnosis' own. */
struct str evidence_list(struct diagnosis *d, const struct fact_texts *texts);
