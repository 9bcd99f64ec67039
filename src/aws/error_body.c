#include "aws/error_body.h"

#include <jansson.h>

#include "aws/xml.h"

/* AWS takes requests that are up to five minutes off ("Troubleshooting Signature Version 4"). */
enum { MAX_SKEW_S = 300 };

/* What is shown of a code; anything else in it becomes '?'. */
static void set_code(struct aws_error *e, struct str code)
{
    size_t hash = str_find(code, '#', 0);
    if (hash < code.n)
        code = str_from(code, hash + 1);
    code = str_trim(str_first(code, str_find(code, ':', 0)));
    code = str_first(code, sizeof e->code - 1);
    for (size_t i = 0; i < code.n; i++) {
        char c = code.p[i];
        bool is_fine = ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '_' || c == '-';
        e->code[i] = (char)(is_fine ? c : '?');
    }
    e->code[code.n] = 0;
}

/* The first line: what follows in some is the request as it should have been signed. */
static void set_message(struct aws_error *e, const struct aws_error_body *from, struct str message)
{
    aws_error_tell(e, str_first(message, str_find(message, '\n', 0)), from->secrets,
                   from->n_secrets);
}

static void read_xml(struct aws_error *e, const struct aws_error_body *from)
{
    const char *why;
    struct xml_doc *doc = xml_parse(from->body, &why);
    const struct xml *root = xml_root(doc);
    const struct xml *error = xml_at(root, "Errors/Error");
    if (error == NULL)
        error = xml_at(root, "Error");
    if (error == NULL && root != NULL && str_eq(root->name, STR("Error")))
        error = root;
    if (error != NULL) {
        if (e->code[0] == 0)
            set_code(e, xml_text(error, "Code"));
        set_message(e, from, xml_text(error, "Message"));
    }
    xml_free(doc);
}

static struct str member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? str_of(json_string_value(value), json_string_length(value))
                                 : STR("");
}

static void read_json(struct aws_error *e, const struct aws_error_body *from)
{
    static const char *const codes[] = { "__type", "code", "Code" };
    static const char *const messages[] = { "message", "Message", "errorMessage" };
    json_error_t ignored;
    json_t *root = json_loadb(from->body.p, from->body.n, JSON_ALLOW_NUL, &ignored);
    for (size_t i = 0; i < 3 && e->code[0] == 0; i++)
        set_code(e, member(root, codes[i]));
    for (size_t i = 0; i < 3 && e->message[0] == 0; i++)
        set_message(e, from, member(root, messages[i]));
    json_decref(root);
}

static bool is_about_time(const struct aws_error *e)
{
    struct str message = str_from_c(e->message);
    return str_starts(message, STR("Signature expired")) ||
           str_starts(message, STR("Signature not yet current"));
}

void aws_error_read(struct aws_error *e, const struct aws_error_body *from)
{
    struct str body = str_trim(from->body);
    e->code[0] = e->message[0] = 0;
    e->http_status = from->status;
    e->reach = AWS_REACHED;
    e->skew_s = 0;
    set_code(e, from->error_type);
    if (body.n > 0 && body.p[0] == '<')
        read_xml(e, from);
    else if (body.n > 0 && body.p[0] == '{')
        read_json(e, from);
    struct str code = str_from_c(e->code);
    e->kind = aws_kind_of_code(code, from->status);
    bool is_off = from->has_skew && (from->skew_s > MAX_SKEW_S || from->skew_s < -MAX_SKEW_S);
    if (e->kind == AWS_BAD_KEY &&
        (is_about_time(e) || (is_off && !str_starts(code, STR("Expired")))))
        e->kind = AWS_CLOCK;
    if (e->kind == AWS_CLOCK && from->has_skew)
        e->skew_s = from->skew_s;
    if (e->message[0] == 0)
        aws_error_tell(e, str_from_c(aws_kind_sentence(e->kind)), NULL, 0);
}
