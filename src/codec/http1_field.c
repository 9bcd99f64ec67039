#include "codec/http1.h"

/* What the switch of http_field_id looks at; different for every row of the table. */
#define KEY(n, first, fourth, last)                                                                \
    ((uint32_t)(n) << 24 | (uint32_t)(first) << 16 | (uint32_t)(fourth) << 8 | (uint32_t)(last))

#define FIELD(id, name, n, first, fourth, last) [HTTP_F_##id] = { (name), (n) },
static const struct str known[N_HTTP_FIELD_IDS] = {
#include "codec/http1_fields.def"
};
#undef FIELD

#define FIELD(id, name, n, first, fourth, last) _Static_assert(sizeof(name) == (n) + 1, name);
#include "codec/http1_fields.def"
#undef FIELD

static enum http_field_id guess(struct str name)
{
    uint8_t first = (uint8_t)ascii_lower(name.p[0]);
    uint8_t fourth = name.n < 4 ? 0 : (uint8_t)ascii_lower(name.p[name.n - 4]);
    uint8_t last = (uint8_t)ascii_lower(name.p[name.n - 1]);
    switch (KEY(name.n, first, fourth, last)) {
#define FIELD(id, name, n, first, fourth, last)                                                    \
    case KEY(n, first, fourth, last):                                                              \
        return HTTP_F_##id;
#include "codec/http1_fields.def"
#undef FIELD
    default:
        return HTTP_F_OTHER;
    }
}

enum http_field_id http_field_id(struct str name)
{
    if (name.n == 0 || name.n > UINT8_MAX)
        return HTTP_F_OTHER;
    enum http_field_id id = guess(name);
    return id != HTTP_F_OTHER && str_eq_nocase(name, known[id]) ? id : HTTP_F_OTHER;
}

const struct http_field *http_find(const struct http_head *head, enum http_field_id id)
{
    for (unsigned i = 0; i < head->n_fields; i++)
        if (head->fields[i].id == id)
            return &head->fields[i];
    return NULL;
}

const struct http_field *http_find_name(const struct http_head *head, struct str name)
{
    for (unsigned i = 0; i < head->n_fields; i++)
        if (str_eq_nocase(head->fields[i].name, name))
            return &head->fields[i];
    return NULL;
}

struct str http_value(const struct http_head *head, enum http_field_id id)
{
    const struct http_field *field = http_find(head, id);
    return field ? field->value : STR("");
}

bool http_etag_is_strong(struct str etag)
{
    return etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"';
}

bool http_list_has(struct str list, struct str token)
{
    struct str part;
    while (str_next(&list, ',', &part))
        if (str_eq_nocase(str_trim(part), token))
            return true;
    return false;
}
