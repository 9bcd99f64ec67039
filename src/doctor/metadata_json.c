#include "doctor/metadata_json.h"

#include <jansson.h>

enum { TEXT_BYTES = 512 };

static struct str text_of(const json_t *from, const char *key)
{
    const json_t *v = json_object_get(from, key);
    if (!json_is_string(v))
        return (struct str){ NULL, 0 };
    return str_first(str_of(json_string_value(v), json_string_length(v)), TEXT_BYTES);
}

/* Where it says nothing, what was known stays. */
static void set_text(struct fact_book *book, struct str *to, const json_t *from, const char *key)
{
    struct str text = text_of(from, key);
    if (text.n > 0)
        *to = fact_text(book, text);
}

static void add_texts(struct fact_book *book, struct fact_texts *to, const json_t *from,
                      const char *key)
{
    const json_t *v;
    size_t i;
    json_array_foreach (json_object_get(from, key), i, v)
        if (json_is_string(v) && to->n < METADATA_MAX_ITEMS)
            fact_add_text(
                book, to,
                str_first(str_of(json_string_value(v), json_string_length(v)), TEXT_BYTES));
}

static void add_networks(struct fact_book *book, struct fact_metadata *out, const json_t *container)
{
    const json_t *v;
    size_t i;
    json_array_foreach (json_object_get(container, "Networks"), i, v) {
        struct fact_network n;
        if (!json_is_object(v) || out->networks.n >= METADATA_MAX_NETWORKS)
            continue;
        FACT_CLEAR(network, &n);
        set_text(book, &n.container, container, "Name");
        set_text(book, &n.mode, v, "NetworkMode");
        set_text(book, &n.mac, v, "MACAddress");
        set_text(book, &n.gateway, v, "SubnetGatewayIpv4Address");
        set_text(book, &n.subnet_cidr, v, "IPv4SubnetCIDRBlock");
        add_texts(book, &n.dns_servers, v, "DomainNameServers");
        add_texts(book, &n.dns_search, v, "DomainNameSearchList");
        add_texts(book, &n.addresses, v, "IPv4Addresses");
        add_texts(book, &n.addresses, v, "IPv6Addresses");
        fact_add(book, &out->networks, &n);
    }
}

static json_t *load(struct str json)
{
    json_t *v = json.n > 0 && json.n <= METADATA_BYTES ? json_loadb(json.p, json.n, 0, NULL) : NULL;
    if (v != NULL && !json_is_object(v)) {
        json_decref(v);
        v = NULL;
    }
    return v;
}

bool metadata_read_container(struct str json, struct fact_book *book, struct fact_metadata *out)
{
    json_t *v = load(json);
    if (v == NULL)
        return false;
    const json_t *labels = json_object_get(v, "Labels"), *log = json_object_get(v, "LogOptions");
    set_text(book, &out->cluster, labels, "com.amazonaws.ecs.cluster");
    set_text(book, &out->task_arn, labels, "com.amazonaws.ecs.task-arn");
    set_text(book, &out->family, labels, "com.amazonaws.ecs.task-definition-family");
    set_text(book, &out->log_group, log, "awslogs-group");
    set_text(book, &out->log_region, log, "awslogs-region");
    add_networks(book, out, v);
    json_decref(v);
    return true;
}

bool metadata_read_task(struct str json, struct fact_book *book, struct fact_metadata *out)
{
    const json_t *container;
    size_t i;
    json_t *v = load(json);
    if (v == NULL)
        return false;
    set_text(book, &out->cluster, v, "Cluster");
    set_text(book, &out->task_arn, v, "TaskARN");
    set_text(book, &out->family, v, "Family");
    set_text(book, &out->launch_type, v, "LaunchType");
    if (json_array_size(json_object_get(v, "Containers")) > 0)
        memset(&out->networks, 0, sizeof out->networks);
    json_array_foreach (json_object_get(v, "Containers"), i, container)
        add_networks(book, out, container);
    json_decref(v);
    return true;
}

struct str metadata_region_of_arn(struct str arn)
{
    struct str part = { NULL, 0 };
    if (!str_starts(arn, STR("arn:")))
        return part;
    for (unsigned i = 0; i < 4; i++)
        if (!str_next(&arn, ':', &part))
            return (struct str){ NULL, 0 };
    return part;
}
