#include "conf/value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONF_ARENA_BYTES = 8 << 20, WHERE_BYTES = 512 };

struct load {
    struct conf *conf;
    struct buf *errors;
    const char *file;
    bool is_in_file[N_CONF_SETTINGS], is_in_env[N_CONF_SETTINGS];
    bool has_failed;
};

static bool bad_at(struct load *l, const char *where, const char *problem)
{
    struct conf_reader r = { .conf = l->conf, .where = where, .errors = l->errors };
    l->has_failed = true;
    return conf_bad(&r, "%s", problem);
}

/* A value that a stronger source gives later is checked too: a wrong one is never left lying. */
static void take_value(struct load *l, enum conf_setting s, const char *where, struct str text,
                       enum conf_source source, unsigned line)
{
    struct conf_reader r = {
        .conf = l->conf, .row = &conf_rows[s], .where = where, .errors = l->errors
    };
    struct str kept = arena_copy(&l->conf->arena, str_trim(text));
    if (kept.p == NULL ? !conf_no_memory(&r) : !conf_read_value(&r, text)) {
        l->has_failed = true;
        return;
    }
    l->conf->origins[s] = (struct conf_origin){ source, kept, line };
}

static void load_defaults(struct load *l)
{
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        struct str text = str_from_c(conf_rows[s].initial);
        if (text.n > 0)
            take_value(l, (enum conf_setting)s, conf_rows[s].key, text, CONF_FROM_DEFAULT, 0);
    }
}

/* Optimal string alignment is not needed: insertions, deletions and changes find most typos. */
static unsigned distance(struct str a, struct str b)
{
    unsigned row[64];
    if (a.n >= 64 || b.n >= 64)
        return 64;
    for (unsigned j = 0; j <= b.n; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned best = diagonal + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]));
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.n];
}

static void bad_key(struct load *l, const char *where, struct str key)
{
    struct conf_reader r = { .conf = l->conf, .where = where, .errors = l->errors };
    unsigned best = 64, nearest = 0;
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        unsigned d = distance(key, str_from_c(conf_rows[s].key));
        if (d < best) {
            best = d;
            nearest = s;
        }
    }
    l->has_failed = true;
    if (best <= 3)
        conf_bad(&r, "unknown setting %.*s; did you mean %s?", CONF_SHOWN(key),
                 conf_rows[nearest].key);
    else
        conf_bad(&r, "unknown setting %.*s", CONF_SHOWN(key));
}

/* The file */

static const char *place(const struct load *l, char text[static WHERE_BYTES], unsigned line,
                         unsigned column, const char *key)
{
    snprintf(text, WHERE_BYTES, "%s:%u:%u%s%s", l->file, line, column, key ? ": " : "",
             key ? key : "");
    return text;
}

static bool on_key(void *arg, const struct conf_pair *p, char *separator)
{
    struct load *l = arg;
    char where[WHERE_BYTES];
    enum conf_setting s = conf_find(p->key);
    if (s == N_CONF_SETTINGS) {
        bad_key(l, place(l, where, p->key_line, p->key_column, NULL), p->key);
        return false;
    }
    if (l->is_in_file[s])
        return bad_at(l, place(l, where, p->key_line, p->key_column, conf_rows[s].key),
                      "set a second time");
    l->is_in_file[s] = true;
    *separator = conf_types[conf_rows[s].type].separator;
    return true;
}

static void on_pair(void *arg, const struct conf_pair *p)
{
    struct load *l = arg;
    char where[WHERE_BYTES];
    enum conf_setting s = conf_find(p->key);
    if (str_trim(p->value).n > 0)
        take_value(l, s, place(l, where, p->line, p->column, conf_rows[s].key), p->value,
                   CONF_FROM_FILE, p->key_line);
}

static void on_error(void *arg, unsigned line, unsigned column, const char *problem)
{
    struct load *l = arg;
    char where[WHERE_BYTES];
    bad_at(l, place(l, where, line, column, NULL), problem);
}

/* The environment */

/*
 * Kubernetes gives every pod variables about the services of its namespace: one named penstock, or
 * penstock-admin, makes PENSTOCK_SERVICE_HOST, PENSTOCK_PORT=tcp://..., PENSTOCK_PORT_80_TCP_ADDR.
 */
static bool is_from_kubernetes(struct str key, struct str value)
{
    return str_ends(key, STR("_SERVICE_HOST")) || str_contains(key, STR("_SERVICE_PORT")) ||
           ((str_ends(key, STR("_PORT")) || str_contains(key, STR("_PORT_"))) &&
            (str_contains(value, STR("://")) || str_contains(key, STR("_TCP")) ||
             str_contains(key, STR("_UDP"))));
}

static void load_env(struct load *l, char *const *env)
{
    for (; *env; env++) {
        struct str entry = str_from_c(*env);
        size_t equals = str_find(entry, '=', 0);
        struct str key = str_first(entry, equals), value = str_from(entry, equals + 1);
        enum conf_setting s = conf_find(key);
        if (str_trim(value).n == 0)
            continue;
        if (s == N_CONF_SETTINGS) {
            if (str_starts(key, STR("PENSTOCK_")) && !is_from_kubernetes(key, value))
                bad_key(l, "environment", key);
            continue;
        }
        if (l->is_in_env[s])
            bad_at(l, conf_rows[s].key, "set twice in the environment");
        l->is_in_env[s] = true;
        take_value(l, s, conf_rows[s].key, value, CONF_FROM_ENV, 0);
    }
}

static bool env_has(char *const *env, struct str key)
{
    for (; *env; env++) {
        struct str entry = str_from_c(*env);
        if (str_starts(entry, key) && entry.n > key.n + 1 && entry.p[key.n] == '=')
            return true;
    }
    return false;
}

static void decide_dns_aws(struct conf *c, char *const *env)
{
    bool is_ecs = env_has(env, STR("ECS_CONTAINER_METADATA_URI_V4")) ||
                  env_has(env, STR("ECS_CONTAINER_METADATA_URI"));
    c->dns_aws_allowed =
        c->dns_aws == CONF_DNS_AWS_ON || (c->dns_aws == CONF_DNS_AWS_AUTO && is_ecs);
}

/* Only what listens has addresses in use, and the forwarder alone is there to listen for DNS. */
static void apply_use(struct load *l, enum conf_use use)
{
    struct conf *c = l->conf;
    bool was_said = l->is_in_env[CONF_DNS_LISTEN] || l->is_in_file[CONF_DNS_LISTEN];
    if (use == CONF_FOR_SERVE)
        return;
    c->listen = c->tls_listen = (struct conf_addrs){ 0 };
    if (use == CONF_FOR_DNS && !was_said)
        take_value(l, CONF_DNS_LISTEN, conf_rows[CONF_DNS_LISTEN].key, STR("[::]:53"),
                   CONF_FROM_DEFAULT, 0);
    if (use == CONF_FOR_TOOL)
        c->dns_listen = (struct conf_addrs){ 0 };
}

/* Workers share their addresses (SO_REUSEPORT), so that the system would let two listeners of
 * different kinds share one, too, and each would get some of the other's connections. */
static void check_apart(struct load *l, enum conf_setting s, const struct conf_addrs *its,
                        const char *problem, const struct conf_addrs *others)
{
    for (size_t i = 0; i < others->n; i++)
        for (size_t j = 0; j < its->n; j++)
            if (addr_port(&its->v[j]) != 0 && addr_eq(&others->v[i], &its->v[j]))
                bad_at(l, conf_rows[s].key, problem);
}

/* The listener's address, certificate and key: what is there is no use without the rest. */
static void check_tls(struct load *l)
{
    const struct conf *c = l->conf;
    bool has[] = { c->tls_listen.n > 0, c->tls_cert.n > 0, c->tls_key.n > 0 };
    static const enum conf_setting settings[] = { CONF_TLS_LISTEN, CONF_TLS_CERT, CONF_TLS_KEY };
    int given = has[0] ? 0 : has[1] ? 1 : 2;
    for (int i = 0; i < 3 && has[given] && !l->has_failed; i++) {
        char problem[160];
        snprintf(problem, sizeof problem,
                 "%s is not set; PENSTOCK_TLS_LISTEN, PENSTOCK_TLS_CERT and PENSTOCK_TLS_KEY go "
                 "together: all three or none",
                 conf_rows[settings[i]].key);
        if (!has[i])
            bad_at(l, conf_rows[settings[given]].key, problem);
    }
}

static void check_together(struct load *l, enum conf_use use)
{
    struct conf *c = l->conf;
    bool was_given = l->is_in_env[CONF_REGISTRY] || l->is_in_file[CONF_REGISTRY];
    if (use == CONF_FOR_SERVE && c->registry.host.n == 0 && !(was_given && l->has_failed))
        bad_at(l, conf_rows[CONF_REGISTRY].key,
               "not set; it is the registry's URL, such as http://registry.example");
    /* One list takes a third of what all may take (proxy/limits.h): a longer one would be told to
     * come back later, for ever. */
    if (c->max_manifest > c->max_manifest_total / 3)
        bad_at(
            l, conf_rows[CONF_MAX_MANIFEST].key,
            "more than a third of PENSTOCK_MAX_MANIFEST_TOTAL, which is as much as one list gets");
    check_apart(l, CONF_ADMIN, &c->admin, "the same address as PENSTOCK_LISTEN", &c->listen);
    check_apart(l, CONF_DNS_LISTEN, &c->dns_listen, "the same address as PENSTOCK_LISTEN",
                &c->listen);
    check_apart(l, CONF_DNS_LISTEN, &c->dns_listen, "the same address as PENSTOCK_ADMIN",
                &c->admin);
    check_apart(l, CONF_TLS_LISTEN, &c->tls_listen, "the same address as PENSTOCK_LISTEN",
                &c->listen);
    check_apart(l, CONF_TLS_LISTEN, &c->tls_listen, "the same address as PENSTOCK_ADMIN",
                &c->admin);
    check_apart(l, CONF_TLS_LISTEN, &c->tls_listen, "the same address as PENSTOCK_DNS_LISTEN",
                &c->dns_listen);
    if (use == CONF_FOR_SERVE)
        check_tls(l);
}

struct conf *conf_load_text(char *const *env, const char *file, struct str yaml, enum conf_use use,
                            struct buf *errors)
{
    static const struct conf_yaml_events events = { on_key, on_pair, on_error };
    struct load l = { .conf = calloc(1, sizeof *l.conf), .errors = errors, .file = file };
    if (l.conf == NULL) {
        buf_append(errors, STR("out of memory\n"));
        return NULL;
    }
    arena_init(&l.conf->arena, CONF_ARENA_BYTES);
    load_defaults(&l);
    if (file) {
        l.conf->file = arena_copy(&l.conf->arena, str_from_c(file));
        conf_read_yaml(yaml, &events, &l);
    }
    load_env(&l, env);
    apply_use(&l, use);
    check_together(&l, use);
    decide_dns_aws(l.conf, env);
    if (!l.has_failed && !errors->failed)
        return l.conf;
    conf_unref(l.conf);
    return NULL;
}

/* A start waits for a pipe's end, as commands do. A running process does not. */
static int open_file(const char *file, bool is_running)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | (is_running ? O_NONBLOCK : 0));
    struct stat st;
    if (fd < 0 || !is_running || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

static bool read_whole(const char *file, bool is_running, struct buf *into, struct load *l)
{
    int fd = open_file(file, is_running);
    bool is_read = fd >= 0;
    while (is_read) {
        char *p = buf_reserve(into, 16384);
        errno = EFBIG;
        ssize_t n = p ? read(fd, p, 16384) : -1;
        if (n <= 0) {
            is_read = n == 0;
            break;
        }
        into->n += (size_t)n;
    }
    if (!is_read)
        bad_at(l, file, errno == EINVAL ? "not a regular file" : strerror(errno));
    if (fd >= 0)
        close(fd);
    return is_read;
}

/* The files that a start could not do without. resolv.conf and the hosts file may come later. */
static struct conf *check_files(struct conf *c, struct load *l)
{
    if (c == NULL || c->ca_file.n == 0 || access(c->ca_file.p, R_OK) == 0)
        return c;
    buf_printf(l->errors, "%s: %.*s: %s\n", conf_rows[CONF_CA_FILE].key, STR_ARG(c->ca_file),
               strerror(errno));
    conf_unref(c);
    return NULL;
}

static struct conf *load_file(char *const *env, const char *file, enum conf_use use,
                              bool is_running, struct buf *errors)
{
    struct load l = { .errors = errors, .file = file };
    struct conf *c = NULL;
    struct buf text;
    if (file == NULL)
        return check_files(conf_load_text(env, NULL, STR(""), use, errors), &l);
    buf_init(&text, CONF_FILE_BYTES);
    if (read_whole(file, is_running, &text, &l))
        c = check_files(conf_load_text(env, file, buf_str(&text), use, errors), &l);
    buf_done(&text);
    return c;
}

struct conf *conf_load(char *const *env, const char *file, enum conf_use use, struct buf *errors)
{
    return load_file(env, file, use, false, errors);
}

struct conf *conf_load_again(char *const *env, const char *file, enum conf_use use,
                             struct buf *errors)
{
    return load_file(env, file, use, true, errors);
}
