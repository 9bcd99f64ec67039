#pragma once
/*
 * Facts by AWS's APIs: read-only calls, each noted with its outcome, so that a check whose fact is
 * missing can name the permission. Blocking; services are asked side by side in threads that end
 * before it returns.
 */
#include "aws/session.h"
#include "doctor/facts.h"

struct log_report;

struct gather_request {
    struct aws_session *session;
    struct str registry;    /* host name of the registry; empty: Cloud Map is not asked */
    struct str log_name;    /* of a CloudWatch log group; empty: none is read */
    struct log_report *log; /* takes its events; with log_name */
    int64_t log_from_s;     /* since 1970 */
};

/* What a session for these calls will talk to: for aws_session_hosts. */
extern const enum aws_service gather_services[];
extern const size_t gather_n_services;

/*
 * VPC, cluster and task are those of book->facts.surroundings, else of its metadata. Without
 * credentials only facts.identity is filled.
 */
void gather_aws(const struct gather_request *r, struct fact_book *book);

/*
 * What a change of the VPC's option set needs to know: the VPC and its set, the outbound endpoints
 * and rules of its resolver, and the ECS services that have tasks there (of all clusters, or of the
 * one of surroundings). False: there are no credentials (facts.identity.error).
 */
bool gather_for_fix(const struct gather_request *r, struct fact_book *book);
