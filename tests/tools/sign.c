/*
 * Our signatures beside another signer's (tests/e2e/test_sigv4.py). Standard input: requests, each
 * a JSON object on a line:
 *
 *     {"method", "path", "query", "headers": [[name, value]...], "body": hexadecimal, "unsigned":
 * bool, "id", "secret", "token", "region", "service", "time": seconds since 1970}
 *
 * Standard output: for each a line of JSON, the header lines that were made, or null.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/sigv4.h"

static struct str text_of(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    return str_of(json_string_value(v), json_string_length(v));
}

/* Of its exact size: a read past its end shows. */
static struct str bytes_of(const json_t *object, const char *name)
{
    struct str hex = text_of(object, name);
    char *p = malloc(hex.n / 2 + (hex.n == 0));
    for (size_t i = 0; p != NULL && i + 1 < hex.n; i += 2)
        p[i / 2] = (char)(ascii_hex(hex.p[i]) << 4 | ascii_hex(hex.p[i + 1]));
    return str_of(p, hex.n / 2);
}

static enum sigv4_result sign(const json_t *j, struct buf *out)
{
    struct sigv4_field fields[SIGV4_MAX_FIELDS + 1];
    const json_t *headers = json_object_get(j, "headers");
    size_t n = json_array_size(headers);
    for (size_t i = 0; i < n && i <= SIGV4_MAX_FIELDS; i++) {
        const json_t *pair = json_array_get(headers, i), *name = json_array_get(pair, 0),
                     *value = json_array_get(pair, 1);
        fields[i] =
            (struct sigv4_field){ str_of(json_string_value(name), json_string_length(name)),
                                  str_of(json_string_value(value), json_string_length(value)) };
    }
    struct str body = bytes_of(j, "body");
    struct sigv4_request request = {
        .method = text_of(j, "method"),
        .path = text_of(j, "path"),
        .query = text_of(j, "query"),
        .fields = fields,
        .n_fields = n,
        .body = body,
        .is_body_unsigned = json_is_true(json_object_get(j, "unsigned")),
    };
    struct sigv4_key key = { text_of(j, "id"), text_of(j, "secret"), text_of(j, "token") };
    struct sigv4_scope scope = { text_of(j, "region"), text_of(j, "service"),
                                 json_integer_value(json_object_get(j, "time")) };
    enum sigv4_result result = sigv4_sign(&request, &key, &scope, out);
    free((char *)body.p);
    return result;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        json_error_t error;
        json_t *j = json_loads(line, 0, &error);
        if (!json_is_object(j)) {
            fprintf(stderr, "sign: %s\n", error.text);
            return 1;
        }
        struct buf out;
        buf_init(&out, SIGV4_MAX_BYTES);
        json_t *said = sign(j, &out) == SIGV4_OK ? json_stringn(out.p, out.n) : json_null();
        char *text = json_dumps(said, JSON_ENCODE_ANY);
        puts(text);
        free(text);
        json_decref(said);
        json_decref(j);
        buf_done(&out);
    }
    free(line);
    return fflush(stdout) == 0 ? 0 : 1;
}
