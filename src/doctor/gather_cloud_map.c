#include "doctor/facts_view.h"
#include "doctor/gather_impl.h"

static bool cloud_map(struct gather *g, const char *operation, json_t *body,
                      gather_on_page *on_page, void *arg)
{
    struct aws_request request = { .service = AWS_CLOUD_MAP, .operation = operation, .body = body };
    bool is_whole = gather_pages(g, &request, GATHER_MAX_PAGES, on_page, arg);
    json_decref(body);
    return is_whole;
}

static void on_namespaces(struct gather *g, const struct aws_reply *page, void *arg)
{
    size_t i;
    const json_t *from;
    json_array_foreach (json_object_get(page->json, "Namespaces"), i, from) {
        struct fact_namespace n;
        FACT_CLEAR(namespace, &n);
        const json_t *dns = json_object_get(json_object_get(from, "Properties"), "DnsProperties");
        n.id = gather_keep(g, gather_json(from, "Id"));
        n.name = gather_keep(g, gather_json(from, "Name"));
        n.type = gather_keep(g, gather_json(from, "Type"));
        n.hosted_zone_id = gather_keep(g, gather_zone_id(gather_json(dns, "HostedZoneId")));
        fact_add(g->book, &g->book->facts.namespaces, &n);
    }
}

static void on_instances(struct gather *g, const struct aws_reply *page, void *arg)
{
    struct fact_map_service *service = arg;
    size_t i;
    const json_t *from;
    json_array_foreach (json_object_get(page->json, "Instances"), i, from) {
        struct fact_instance n;
        FACT_CLEAR(instance, &n);
        const json_t *attributes = json_object_get(from, "Attributes");
        struct str v4 = gather_json(attributes, "AWS_INSTANCE_IPV4");
        n.id = gather_keep(g, gather_json(from, "Id"));
        n.address = gather_keep(g, v4.n > 0 ? v4 : gather_json(attributes, "AWS_INSTANCE_IPV6"));
        n.health = gather_keep(g, gather_json(attributes, "AWS_INIT_HEALTH_STATUS"));
        fact_add(g->book, &service->instances, &n);
    }
}

static void on_health(struct gather *g, const struct aws_reply *page, void *arg)
{
    struct fact_map_service *service = arg;
    const json_t *status = json_object_get(page->json, "Status");
    for (size_t i = 0; i < service->instances.n; i++) {
        struct fact_instance *n = &service->instances.v[i];
        if (n->id.n > 0 && gather_json(status, n->id.p).n > 0)
            n->health = gather_keep(g, gather_json(status, n->id.p));
    }
}

static void add_service(struct gather *g, const json_t *from, struct str namespace_id)
{
    struct fact_map_service s;
    size_t i;
    const json_t *record;
    FACT_CLEAR(map_service, &s);
    s.id = gather_keep(g, gather_json(from, "Id"));
    s.name = gather_keep(g, gather_json(from, "Name"));
    s.namespace_id = namespace_id;
    const json_t *dns = json_object_get(from, "DnsConfig");
    json_array_foreach (json_object_get(dns, "DnsRecords"), i, record)
        fact_add_text(g->book, &s.record_types, gather_json(record, "Type"));
    if (s.id.n == 0)
        return;
    bool is_whole =
        cloud_map(g, "ListInstances", json_pack("{s:s}", "ServiceId", s.id.p), on_instances, &s);
    if (is_whole && s.instances.n > 0) {
        cloud_map(g, "GetInstancesHealthStatus", json_pack("{s:s}", "ServiceId", s.id.p), on_health,
                  &s);
        gather_live_instances(g, &s);
    }
    fact_add(g->book, &g->book->facts.map_services, &s);
}

/* Services of a namespace, those of the registry's name alone. */
struct wanted {
    const struct fact_namespace *space;
    struct str service; /* what stands before the namespace in the registry's name */
};

static void on_services(struct gather *g, const struct aws_reply *page, void *arg)
{
    const struct wanted *wanted = arg;
    size_t i;
    const json_t *from;
    json_array_foreach (json_object_get(page->json, "Services"), i, from)
        if (str_eq_nocase(gather_json(from, "Name"), wanted->service))
            add_service(g, from, wanted->space->id);
}

void gather_cloud_map(struct gather *g)
{
    const struct fact_many_namespace *spaces = &g->book->facts.namespaces;
    struct str registry = g->request->registry;
    if (registry.n == 0)
        return;
    if (registry.p[registry.n - 1] == '.')
        registry.n--;
    cloud_map(g, "ListNamespaces", json_object(), on_namespaces, NULL);
    for (size_t i = 0; i < spaces->n; i++) {
        const struct fact_namespace *space = &spaces->v[i];
        if (registry.n <= space->name.n + 1 || !view_is_below(registry, space->name))
            continue;
        struct wanted wanted = { space, str_first(registry, registry.n - space->name.n - 1) };
        cloud_map(g, "ListServices",
                  json_pack("{s:[{s:s, s:[s], s:s}]}", "Filters", "Name", "NAMESPACE_ID", "Values",
                            space->id.p != NULL ? space->id.p : "", "Condition", "EQ"),
                  on_services, &wanted);
    }
}
