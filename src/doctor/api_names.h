#pragma once
/*
 * Addresses of the AWS APIs' hosts, looked up before the calls, so that libcurl never asks anybody:
 * by the servers that were found to answer, or by an engine with the settings' routes. Filled once,
 * then only read: from any thread.
 */
#include "aws/session.h"
#include "conf/settings.h"
#include "doctor/facts.h"

struct api_name {
    char host[AWS_HOST_BYTES];
    size_t n_addrs;
    struct addr addrs[AWS_MAX_ADDRS];
};

struct api_names {
    size_t n;
    struct api_name v[AWS_MAX_HOSTS];
};

/* What calls to these services will ask for. Without addresses yet. */
void api_names_init(struct api_names *names, const struct aws_session *s,
                    const enum aws_service *services, size_t n_services);
/* By the servers that answered in probe_run, within its budget of packets. */
void api_names_by_probes(struct api_names *names, struct fact_book *book);
/*
 * By an engine of its own, as penstock serves: the system's servers, Amazon's where allowed. The
 * first server's "no such name" is final there; here each of the system's is asked then, alone,
 * while it is not until_us (io_now_us()) yet. False: it could not begin.
 */
bool api_names_by_engine(struct api_names *names, const struct conf *conf, uint64_t until_us,
                         struct fault *f);

/* An aws_resolve_fn; arg is the struct api_names. */
bool api_names_find(void *arg, struct str host, struct addr *out, size_t *n, struct fault *f);
