#include "cli/aws_access.h"

#include "doctor/gather.h"
#include "io/loop.h"

#include <stdlib.h>
#include <unistd.h>

/* Behind that no further server is asked for the names of the APIs. */
enum { OTHER_SERVERS_US = 3000000 };

bool aws_access_open(struct aws_access *a, const struct aws_access_options *o)
{
    struct fault fault = { .kind = FAULT_NONE };
    a->names = calloc(1, sizeof *a->names);
    struct aws_session_options options = {
        .env = environ,
        .region = o->region,
        .profile = str_from_c(o->profile),
        .endpoint = str_from_c(o->endpoint_url),
        .ca_file = o->conf->ca_file,
        .is_link_local_allowed = o->conf->dns_aws_allowed,
        .resolve = api_names_find,
        .resolve_arg = a->names,
        .deadline_us = o->deadline_us,
    };
    a->session = a->names != NULL ? aws_session_new(&options) : NULL;
    if (a->session == NULL) {
        aws_access_close(a);
        return false;
    }
    api_names_init(a->names, a->session, gather_services, gather_n_services);
    if (o->probed != NULL)
        api_names_by_probes(a->names, o->probed);
    else
        api_names_by_engine(a->names, o->conf, io_now_us() + OTHER_SERVERS_US, &fault);
    return true;
}

void aws_access_close(struct aws_access *a)
{
    aws_session_free(a->session);
    free(a->names);
    *a = (struct aws_access){ NULL, NULL };
}
