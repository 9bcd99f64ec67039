/* Any text. What was read lies inside it, and written out it reads the same. */
#include <stdlib.h>

#include "base/buf.h"
#include "codec/resolv_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_inside(struct str part, struct str text)
{
    if (part.n == 0 || part.p < text.p || part.n > (size_t)(text.p + text.n - part.p))
        abort();
}

static void write_conf(const struct resolv_conf *conf, struct buf *out)
{
    for (unsigned i = 0; i < conf->n_servers; i++)
        buf_printf(out, "nameserver %.*s\n", STR_ARG(conf->servers[i].text));
    for (unsigned i = 0; i < conf->n_search; i++)
        buf_printf(out, "%s %.*s", i == 0 ? "search" : "", STR_ARG(conf->search[i]));
    buf_printf(out, "\noptions ndots:%u timeout:%u attempts:%u%s%s%s\n", conf->ndots,
               conf->timeout_s, conf->attempts, conf->rotate ? " rotate" : "",
               conf->use_tcp ? " use-vc" : "", conf->edns0 ? " edns0" : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_of((const char *)data, n);
    struct resolv_conf conf, again;
    struct buf out;
    resolv_conf_parse(text, &conf);
    if (conf.n_servers > RESOLV_MAX_SERVERS || conf.n_search > RESOLV_MAX_SEARCH ||
        conf.ndots > 15 || conf.timeout_s - 1 >= 30 || conf.attempts - 1 >= 5)
        abort();
    for (unsigned i = 0; i < conf.n_servers; i++)
        check_inside(conf.servers[i].text, text);
    for (unsigned i = 0; i < conf.n_search; i++)
        check_inside(conf.search[i], text);
    buf_init(&out, RESOLV_CONF_BYTES);
    write_conf(&conf, &out);
    if (!out.failed) {
        resolv_conf_parse(buf_str(&out), &again);
        if (again.n_bad_lines != 0 || again.n_servers != conf.n_servers ||
            again.n_search != conf.n_search || again.ndots != conf.ndots ||
            again.timeout_s != conf.timeout_s || again.attempts != conf.attempts ||
            again.rotate != conf.rotate || again.use_tcp != conf.use_tcp ||
            again.edns0 != conf.edns0)
            abort();
        for (unsigned i = 0; i < conf.n_servers; i++)
            if (!str_eq(again.servers[i].text, conf.servers[i].text))
                abort();
        for (unsigned i = 0; i < conf.n_search; i++)
            if (!str_eq(again.search[i], conf.search[i]))
                abort();
    }
    buf_done(&out);
    return 0;
}
