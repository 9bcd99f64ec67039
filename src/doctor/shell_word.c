#include "doctor/shell_word.h"

enum { MOST_WORD_BYTES = 256 };

static bool is_harmless(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("._:/@+=,-", c) != NULL);
}

struct str shell_word(struct str text, const char *what)
{
    bool is_word = text.n > 0 && text.n <= MOST_WORD_BYTES && text.p[0] != '-';
    for (size_t i = 0; is_word && i < text.n; i++)
        is_word = is_harmless(text.p[i]);
    return is_word ? text : str_from_c(what);
}

struct str shell_region(struct diagnosis *d)
{
    struct str region = shell_word(d->facts->surroundings.region, "");
    return region.n > 0 ? fact_textf(&d->book, " --region %.*s", STR_ARG(region)) : STR("");
}

struct str shell_vpc(const struct fact_facts *f)
{
    const struct str ids[] = { f->vpc.id, f->surroundings.vpc_id, f->task.vpc_id };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i].n > 0)
            return shell_word(ids[i], "VPC");
    return STR("VPC");
}

struct str shell_cluster(const struct fact_facts *f)
{
    struct str cluster =
        f->surroundings.cluster.n > 0 ? f->surroundings.cluster : f->metadata.cluster;
    return shell_word(cluster, "CLUSTER");
}

struct str shell_service(const struct fact_facts *f)
{
    return shell_word(f->task.service, "SERVICE");
}
