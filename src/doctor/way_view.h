#pragma once
/*
 * Which way the VPC's configuration gives the task: its subnet, route table and endpoints. Pure;
 * what is returned is borrowed from the facts.
 */
#include "doctor/facts_view.h"

/* The task's, or the one that this host's addresses are in. NULL: not known. */
const struct fact_subnet *way_subnet(const struct fact_facts *f);
/* The subnet's own table, else the main one. NULL: not known. */
const struct fact_route_table *way_table(const struct fact_facts *f);
/* An active route that leaves the VPC for everywhere, or for an address that S3's name has.
 * NULL: there is none. */
const struct fact_route *way_out(const struct fact_facts *f, const struct fact_route_table *t);
/* An active route to another network (transit gateway, peering, VPN): endpoints may stand there.
 */
const struct fact_route *way_elsewhere(const struct fact_route_table *t);

/* The endpoint for the service ("s3", "ecr.api") of this type (NULL: any), available ones first. */
const struct fact_endpoint *way_endpoint(const struct fact_facts *f, const char *service,
                                         const char *type);
bool way_is_available(const struct fact_endpoint *e);
/* The gateway endpoint is in the route table, with no dead route. */
bool way_is_in_table(const struct fact_endpoint *e, const struct fact_route_table *t);
/* An available interface endpoint of the service whose private DNS answers inside the VPC. */
bool way_has_private_dns(const struct fact_facts *f, const char *service);
