#pragma once
/*
 * ECS's task metadata, version 4, as JSON -> facts. It comes from outside: what has another type
 * than it should is passed over. Pure.
 */
#include "doctor/facts.h"

enum { METADATA_BYTES = 256 * 1024, METADATA_MAX_NETWORKS = 32, METADATA_MAX_ITEMS = 16 };

/* What ECS_CONTAINER_METADATA_URI_V4 itself gives: this container. False: no JSON object. */
bool metadata_read_container(struct str json, struct fact_book *book, struct fact_metadata *out);
/* /task behind it: the task and all its containers, whose networks take the place of the
 * container's own. */
bool metadata_read_task(struct str json, struct fact_book *book, struct fact_metadata *out);

/* "eu-west-1" of "arn:aws:ecs:eu-west-1:...", or empty. Borrowed. */
struct str metadata_region_of_arn(struct str arn);
