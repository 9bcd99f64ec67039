#include "codec/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <time.h>

#include "codec/http1_chars.h"

enum { SHA256_BYTES = 32, HEX_BYTES = 2 * SHA256_BYTES, DATE_BYTES = 16, DAY_BYTES = 8 };

struct pair {
    struct str name, value;
};

/* All fields that are signed, names in lower case, in their order. */
struct fields {
    struct pair of[SIGV4_MAX_FIELDS + 3];
    size_t n;
    struct buf names;
};

static const char hex_digits[] = "0123456789abcdef";

static void put_encoded(struct buf *out, struct str s, bool keeps_slash)
{
    static const char upper_hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '.' ||
            c == '~' || (c == '/' && keeps_slash)) {
            buf_byte(out, c);
            continue;
        }
        uint8_t byte = (uint8_t)c;
        buf_append(out, str_of((char[]){ '%', upper_hex[byte >> 4], upper_hex[byte & 15] }, 3));
    }
}

/* One form for what may be written in several: "%7e", "~" and "%7E" are all "~". */
static void put_recoded(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%' && s.n - i > 2 && ascii_hex(s.p[i + 1]) >= 0 && ascii_hex(s.p[i + 2]) >= 0) {
            c = (char)(ascii_hex(s.p[i + 1]) << 4 | ascii_hex(s.p[i + 2]));
            i += 2;
        }
        put_encoded(out, str_of(&c, 1), false);
    }
}

static int str_order(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int pair_order(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = str_order(x->name, y->name);
    return order != 0 ? order : str_order(x->value, y->value);
}

/* Empty segments, "." and ".." go (RFC 3986 section 5.2.4, and runs of slashes are one). */
static bool put_normal_path(struct buf *out, struct str path)
{
    struct buf kept;
    struct str rest = path, part;
    buf_init(&kept, SIGV4_MAX_BYTES);
    while (str_next(&rest, '/', &part)) {
        if (part.n == 0 || str_eq(part, STR(".")))
            continue;
        if (str_eq(part, STR(".."))) {
            while (kept.n > 0 && kept.p[--kept.n] != '/')
                ;
            continue;
        }
        buf_byte(&kept, '/');
        buf_append(&kept, part);
    }
    if (kept.n == 0 || path.p[path.n - 1] == '/')
        buf_byte(&kept, '/');
    put_encoded(out, buf_str(&kept), true);
    bool ok = !kept.failed;
    buf_done(&kept);
    return ok;
}

static bool put_path(struct buf *out, struct str path, bool is_s3)
{
    if (path.n == 0)
        path = STR("/");
    if (!is_s3)
        return put_normal_path(out, path);
    buf_append(out, path);
    return true;
}

/* Pairs recoded into text one behind another, then sorted as they stand there. */
static bool put_query(struct buf *out, struct str query)
{
    struct {
        size_t at, name_n, n;
    } place[SIGV4_MAX_QUERY_PAIRS];
    struct pair pairs[SIGV4_MAX_QUERY_PAIRS];
    size_t n_pairs = 0;
    struct str part;
    struct buf text;
    buf_init(&text, SIGV4_MAX_BYTES);
    while (str_next(&query, '&', &part) && !text.failed) {
        if (part.n == 0)
            continue;
        if (n_pairs == SIGV4_MAX_QUERY_PAIRS) {
            text.failed = true;
            break;
        }
        size_t eq = str_find(part, '=', 0), at = text.n;
        put_recoded(&text, str_first(part, eq));
        place[n_pairs].at = at;
        place[n_pairs].name_n = text.n - at;
        put_recoded(&text, str_from(part, eq + 1));
        place[n_pairs++].n = text.n - at;
    }
    bool ok = !text.failed;
    for (size_t i = 0; ok && i < n_pairs; i++) {
        struct str both = str_first(str_from(buf_str(&text), place[i].at), place[i].n);
        pairs[i] =
            (struct pair){ str_first(both, place[i].name_n), str_from(both, place[i].name_n) };
    }
    if (ok && n_pairs > 0)
        qsort(pairs, n_pairs, sizeof *pairs, pair_order);
    for (size_t i = 0; ok && i < n_pairs; i++) {
        if (i > 0)
            buf_byte(out, '&');
        buf_append(out, pairs[i].name);
        buf_byte(out, '=');
        buf_append(out, pairs[i].value);
    }
    buf_done(&text);
    return ok;
}

static bool value_is_fine(struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (!http1_is(value.p[i], HTTP1_VALUE))
            return false;
    return true;
}

static bool is_ours(struct str name)
{
    static const struct str ours[] = { STR_INIT("authorization"), STR_INIT("x-amz-date"),
                                       STR_INIT("date"), STR_INIT("x-amz-content-sha256"),
                                       STR_INIT("x-amz-security-token") };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (str_eq_nocase(name, ours[i]))
            return true;
    return false;
}

/* Stable: fields of one name keep their order. */
static void fields_put(struct fields *f, struct str lower, struct str value)
{
    size_t at = f->n++;
    for (; at > 0 && str_order(f->of[at - 1].name, lower) > 0; at--)
        f->of[at] = f->of[at - 1];
    f->of[at] = (struct pair){ lower, value };
}

/* The names in lower case stand in f->names, which is reserved at once and so does not move. */
static enum sigv4_result fields_take(struct fields *f, const struct sigv4_request *r)
{
    size_t bytes = 0;
    bool has_host = false;
    if (r->n_fields > SIGV4_MAX_FIELDS)
        return SIGV4_TOO_BIG;
    for (size_t i = 0; i < r->n_fields; i++) {
        struct str name = r->fields[i].name;
        if (!http1_is_token(name) || !value_is_fine(r->fields[i].value) || is_ours(name))
            return SIGV4_BAD;
        has_host |= str_eq_nocase(name, STR("host"));
        if (name.n > SIGV4_MAX_BYTES || r->fields[i].value.n > SIGV4_MAX_BYTES)
            return SIGV4_TOO_BIG;
        bytes += name.n;
    }
    if (!has_host)
        return SIGV4_BAD;
    if (buf_reserve(&f->names, bytes) == NULL)
        return SIGV4_TOO_BIG;
    for (size_t i = 0; i < r->n_fields; i++) {
        struct str name = r->fields[i].name, lower = { f->names.p + f->names.n, name.n };
        for (size_t k = 0; k < name.n; k++)
            f->names.p[f->names.n++] = ascii_lower(name.p[k]);
        fields_put(f, lower, r->fields[i].value);
    }
    return SIGV4_OK;
}

/* Without white space at the ends, runs of it inside are one space. */
static void put_folded(struct buf *out, struct str value)
{
    value = str_trim(value);
    for (size_t i = 0; i < value.n; i++) {
        bool is_blank = value.p[i] == ' ' || value.p[i] == '\t';
        if (!is_blank)
            buf_byte(out, value.p[i]);
        else if (value.p[i - 1] != ' ' && value.p[i - 1] != '\t')
            buf_byte(out, ' ');
    }
}

static void put_fields(struct buf *out, const struct fields *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (i > 0 && str_eq(f->of[i].name, f->of[i - 1].name)) {
            buf_byte(out, ',');
        } else {
            if (i > 0)
                buf_byte(out, '\n');
            buf_append(out, f->of[i].name);
            buf_byte(out, ':');
        }
        put_folded(out, f->of[i].value);
    }
    buf_byte(out, '\n');
}

static void put_names(struct buf *out, const struct fields *f)
{
    for (size_t i = 0; i < f->n; i++) {
        if (i > 0 && str_eq(f->of[i].name, f->of[i - 1].name))
            continue;
        if (i > 0)
            buf_byte(out, ';');
        buf_append(out, f->of[i].name);
    }
}

static bool sha256(struct str s, char hex[static HEX_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    unsigned n = 0;
    if (EVP_Digest(s.n > 0 ? s.p : "", s.n, digest, &n, EVP_sha256(), NULL) != 1)
        return false;
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        hex[2 * i] = hex_digits[digest[i] >> 4];
        hex[2 * i + 1] = hex_digits[digest[i] & 15];
    }
    return true;
}

static bool mac(struct str key, struct str text, uint8_t out[static SHA256_BYTES])
{
    unsigned n = 0;
    const uint8_t *bytes = (const uint8_t *)(text.n > 0 ? text.p : "");
    return HMAC(EVP_sha256(), key.p, (int)key.n, bytes, text.n, out, &n) != NULL;
}

/* The chain of keys; each link takes the place of the one before. */
static bool put_signature(struct buf *out, struct str secret, const struct sigv4_scope *scope,
                          struct str day, struct str text)
{
    uint8_t link[SHA256_BYTES];
    struct str links[] = { day, scope->region, scope->service, STR("aws4_request"), text };
    struct buf first;
    buf_init(&first, SIGV4_MAX_BYTES);
    buf_append(&first, STR("AWS4"));
    buf_append(&first, secret);
    struct str key = buf_str(&first);
    bool ok = !first.failed;
    for (size_t i = 0; ok && i < sizeof links / sizeof *links; i++) {
        uint8_t next[SHA256_BYTES];
        ok = mac(key, links[i], next);
        memcpy(link, next, sizeof link);
        key = str_of((const char *)link, sizeof link);
    }
    for (size_t i = 0; ok && i < SHA256_BYTES; i++)
        buf_append(out, str_of((char[]){ hex_digits[link[i] >> 4], hex_digits[link[i] & 15] }, 2));
    OPENSSL_cleanse(link, sizeof link);
    if (first.p != NULL)
        OPENSSL_cleanse(first.p, first.n);
    buf_done(&first);
    return ok;
}

/* "20150830T123600Z" */
static bool date_of(int64_t unix_s, char out[static DATE_BYTES + 1])
{
    time_t t = unix_s;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year < 1 - 1900 || tm.tm_year > 9999 - 1900)
        return false;
    tm.tm_year += 1900;
    char *p = out;
    int parts[] = { tm.tm_year / 100, tm.tm_year % 100, tm.tm_mon + 1, tm.tm_mday,
                    tm.tm_hour,       tm.tm_min,        tm.tm_sec };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (i == 4)
            *p++ = 'T';
        *p++ = (char)('0' + parts[i] / 10);
        *p++ = (char)('0' + parts[i] % 10);
    }
    *p++ = 'Z';
    *p = 0;
    return true;
}

static bool text_is_fine(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= ' ' || s.p[i] == 127)
            return false;
    return true;
}

static bool arguments_are_fine(const struct sigv4_request *r, const struct sigv4_key *key,
                               const struct sigv4_scope *scope)
{
    return http1_is_token(r->method) && text_is_fine(r->path) && text_is_fine(r->query) &&
           (r->path.n == 0 || r->path.p[0] == '/') && key->id.n > 0 && text_is_fine(key->id) &&
           text_is_fine(key->token) && scope->region.n > 0 && text_is_fine(scope->region) &&
           scope->service.n > 0 && text_is_fine(scope->service);
}

/* What is being signed, in the guide's words: canonical request, then string to sign. */
struct signing {
    const struct sigv4_scope *scope;
    bool is_s3;
    char date[DATE_BYTES + 1];
    char digest[HEX_BYTES];
    struct str payload;
    struct fields fields;
};

static bool put_canonical(struct buf *out, const struct sigv4_request *r, const struct signing *s)
{
    for (size_t i = 0; i < r->method.n; i++)
        buf_byte(out, (char)(r->method.p[i] >= 'a' && r->method.p[i] <= 'z' ? r->method.p[i] - 32
                                                                            : r->method.p[i]));
    buf_byte(out, '\n');
    if (!put_path(out, r->path, s->is_s3))
        return false;
    buf_byte(out, '\n');
    if (!put_query(out, r->query))
        return false;
    buf_byte(out, '\n');
    put_fields(out, &s->fields);
    buf_byte(out, '\n');
    put_names(out, &s->fields);
    buf_byte(out, '\n');
    buf_append(out, s->payload);
    return !out->failed;
}

static void put_scope(struct buf *out, const struct signing *s)
{
    buf_append(out, str_of(s->date, DAY_BYTES));
    buf_byte(out, '/');
    buf_append(out, s->scope->region);
    buf_byte(out, '/');
    buf_append(out, s->scope->service);
    buf_append(out, STR("/aws4_request"));
}

static bool put_line(struct buf *out, struct str name, struct str value)
{
    buf_append(out, name);
    buf_append(out, STR(": "));
    buf_append(out, value);
    buf_append(out, STR("\r\n"));
    return !out->failed;
}

static bool put_result(struct buf *out, struct signing *s, const struct sigv4_request *r,
                       const struct sigv4_key *key, struct buf *work)
{
    char digest[HEX_BYTES];
    if (!put_canonical(work, r, s) || !sha256(buf_str(work), digest))
        return false;
    buf_clear(work);
    buf_append(work, STR("AWS4-HMAC-SHA256\n"));
    buf_append(work, str_of(s->date, DATE_BYTES));
    buf_byte(work, '\n');
    put_scope(work, s);
    buf_byte(work, '\n');
    buf_append(work, str_of(digest, HEX_BYTES));
    put_line(out, STR("X-Amz-Date"), str_of(s->date, DATE_BYTES));
    if (s->is_s3)
        put_line(out, STR("X-Amz-Content-Sha256"), s->payload);
    if (key->token.n > 0)
        put_line(out, STR("X-Amz-Security-Token"), key->token);
    buf_append(out, STR("Authorization: AWS4-HMAC-SHA256 Credential="));
    buf_append(out, key->id);
    buf_byte(out, '/');
    put_scope(out, s);
    buf_append(out, STR(", SignedHeaders="));
    put_names(out, &s->fields);
    buf_append(out, STR(", Signature="));
    if (work->failed ||
        !put_signature(out, key->secret, s->scope, str_of(s->date, DAY_BYTES), buf_str(work)))
        return false;
    buf_append(out, STR("\r\n"));
    return !out->failed;
}

enum sigv4_result sigv4_sign(const struct sigv4_request *request, const struct sigv4_key *key,
                             const struct sigv4_scope *scope, struct buf *out)
{
    struct signing s = { .scope = scope, .is_s3 = str_eq(scope->service, STR("s3")) };
    struct buf work;
    size_t before = out->n;
    if (out->failed)
        return SIGV4_TOO_BIG;
    if (!arguments_are_fine(request, key, scope) || !date_of(scope->unix_s, s.date))
        return SIGV4_BAD;
    buf_init(&work, SIGV4_MAX_BYTES);
    buf_init(&s.fields.names, SIGV4_MAX_BYTES);
    enum sigv4_result result = fields_take(&s.fields, request);
    if (result == SIGV4_OK) {
        bool is_unsigned = request->is_body_unsigned;
        s.payload = is_unsigned ? STR("UNSIGNED-PAYLOAD") : str_of(s.digest, HEX_BYTES);
        fields_put(&s.fields, STR("x-amz-date"), str_of(s.date, DATE_BYTES));
        if (s.is_s3)
            fields_put(&s.fields, STR("x-amz-content-sha256"), s.payload);
        if (key->token.n > 0)
            fields_put(&s.fields, STR("x-amz-security-token"), key->token);
        if ((!is_unsigned && !sha256(request->body, s.digest)) ||
            !put_result(out, &s, request, key, &work)) {
            out->n = before;
            out->failed = false;
            result = SIGV4_TOO_BIG;
        }
    }
    if (work.p != NULL) /* the canonical request has the token in it */
        OPENSSL_cleanse(work.p, work.cap);
    buf_done(&work);
    buf_done(&s.fields.names);
    return result;
}
