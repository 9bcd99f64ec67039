#pragma once
/* What is known without sending anything: environment, interfaces, files. */
#include "codec/resolv_conf.h"
#include "doctor/probe_names.h"

/* The value of a variable; empty when it is not set. Borrowed from env. */
struct str probe_variable(char *const *env, const char *name);

/* Registry, buckets and global names of surroundings: what was asked for. */
void probe_arguments(const struct probe_request *r, struct fact_book *book);

/* Fills what is not set yet of surroundings. */
void probe_surroundings(const struct probe_request *r, struct fact_book *book);

/* resolv.conf into the book. Its servers as addresses into v, at most RESOLV_MAX_SERVERS; how many.
 */
unsigned probe_resolv_conf(const struct conf *conf, struct fact_book *book, struct addr *v);

/* Lines of the hosts file for these names: into the book and the names. */
void probe_hosts(const struct conf *conf, struct probe_names *names, struct fact_book *book);
