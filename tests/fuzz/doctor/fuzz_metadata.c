/* ECS's metadata, and the proxy's own JSON: any bytes. Texts of facts are NUL-terminated and
 * printable, lists have their bounds. */
#include "../exact.h"
#include "doctor/metadata_json.h"
#include "doctor/probe_proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_text(struct str s)
{
    check(s.p == NULL || s.p[s.n] == 0);
    for (size_t i = 0; i < s.n; i++)
        check((unsigned char)s.p[i] >= ' ' && s.p[i] != 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fact_book book;
    char *copy = exact_copy(data, n);
    struct str json = str_of(copy, n);
    fact_book_init(&book);
    struct fact_metadata *m = &book.facts.metadata;
    struct fact_proxy *p = &book.facts.proxy;
    metadata_read_container(json, &book, m);
    metadata_read_task(json, &book, m);
    probe_proxy_read_lookup(json, &book, p);
    probe_proxy_read_routes(json, STR("s3.eu-west-1.amazonaws.com"), 1700000000, &book, p);
    free(copy);
    check(m->networks.n <= METADATA_MAX_NETWORKS);
    for (size_t i = 0; i < m->networks.n; i++) {
        check(m->networks.v[i].dns_servers.n <= METADATA_MAX_ITEMS);
        check_text(m->networks.v[i].mac);
    }
    check_text(m->task_arn);
    check_text(p->used);
    check_text(p->group);
    fact_book_done(&book);
    return 0;
}
