#pragma once
/* Shared by the files of gather: one per service. */
#include "aws/call.h"
#include "doctor/gather.h"

enum { GATHER_MAX_PAGES = 50 };

struct gather {
    const struct gather_request *request;
    struct fact_book *book;
    struct aws_session *session;
    char vpc_id[64]; /* empty: not known */
};

/* One call, its outcome noted. False: there is no reply. Done with aws_reply_done in either case.
 */
bool gather_call(struct gather *g, const struct aws_request *request, struct aws_reply *reply);
/* All pages, outcome noted; on_page gets each. False: the last one failed, or there are more than
 * most. */
typedef void gather_on_page(struct gather *g, const struct aws_reply *page, void *arg);
bool gather_pages(struct gather *g, const struct aws_request *request, unsigned most,
                  gather_on_page *on_page, void *arg);

/* JSON members; {NULL, 0} where there is none of that type. Borrowed. */
struct str gather_json(const json_t *object, const char *member);
/* A hosted zone's ID, with or without "/hostedzone/" before it. */
struct str gather_zone_id(struct str id);
/* The book's own copy. */
struct str gather_keep(struct gather *g, struct str text);
enum fact_truth gather_json_truth(const json_t *object, const char *member);
/* Appends every string of an array. */
void gather_json_texts(struct gather *g, const json_t *array, struct fact_texts *to);

/* The task and, by it, the VPC. First of all. */
void gather_ecs(struct gather *g);
/* g->vpc_id, where it was not asked for: of the task's interface or subnet. */
void gather_find_vpc(struct gather *g);
/* The VPC, its attributes and its option set. */
void gather_vpc(struct gather *g);
/* Endpoints and rules of Route 53 Resolver. */
void gather_resolver_rules(struct gather *g);
/* ECS services with tasks in the VPC's subnets; gather_subnets before. */
void gather_services_of_vpc(struct gather *g);
void gather_subnets(struct gather *g);
/* These run side by side. */
void gather_ec2(struct gather *g);
void gather_cloud_map(struct gather *g);
void gather_resolver(struct gather *g);
void gather_logs(struct gather *g);
/* Why not all of the log was read; when the calls are over. */
void gather_log_error(struct gather *g);
/* Marks instances of Cloud Map whose address is on an interface of the VPC. */
void gather_live_instances(struct gather *g, struct fact_map_service *service);
