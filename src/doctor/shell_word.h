#pragma once
/* What stands in commands that people paste into a shell. Facts are bytes from outside. */
#include "doctor/diagnosis.h"

/* text where it is one harmless word and no option, else what: "vpc-1", VPC. Borrowed. */
struct str shell_word(struct str text, const char *what);
/* " --region eu-west-1", or nothing where the region is not known. The diagnosis'. */
struct str shell_region(struct diagnosis *d);
/* The VPC's ID by what is known of it, the cluster and the service of the task; VPC, CLUSTER and
 * SERVICE where that is not known. */
struct str shell_vpc(const struct fact_facts *f);
struct str shell_cluster(const struct fact_facts *f);
struct str shell_service(const struct fact_facts *f);
