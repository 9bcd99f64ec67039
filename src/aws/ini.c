#include "aws/ini.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without the line's end and, where one stands behind white space, without a comment. */
static struct str without_comment(struct str line)
{
    for (size_t i = 0; i < line.n; i++)
        if ((line.p[i] == '#' || line.p[i] == ';') && (i == 0 || is_blank(line.p[i - 1])))
            return str_trim(str_first(line, i));
    return str_trim(line);
}

/* "[profile name]": which profile's section begins here. Empty: one of something else. */
static struct str profile_of_section(struct str line, enum ini_file kind)
{
    struct str name = str_trim(str_from(str_first(line, str_find(line, ']', 0)), 1));
    struct str word = STR("profile");
    if (kind == INI_CONFIG) {
        bool has_word = str_starts(name, word) && name.n > word.n && is_blank(name.p[word.n]);
        if (has_word)
            name = str_trim(str_from(name, word.n));
        else if (!str_eq(name, STR("default")))
            return STR("");
    }
    if (name.n >= 2 && (name.p[0] == '"' || name.p[0] == '\'') && name.p[name.n - 1] == name.p[0])
        name = str_first(str_from(name, 1), name.n - 2);
    return name;
}

struct walk {
    struct str rest;
    enum ini_file kind;
    struct str profile;
};

enum found { FOUND_END, FOUND_SECTION, FOUND_KEY };

/* The next section of any profile, or the next key in one. */
static enum found walk_next(struct walk *w, struct str *key, struct str *value)
{
    struct str line;
    while (str_next(&w->rest, '\n', &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0 || is_blank(line.p[0]))
            continue;
        line = without_comment(line);
        if (line.n == 0)
            continue;
        if (line.p[0] == '[') {
            w->profile = profile_of_section(line, w->kind);
            return FOUND_SECTION;
        }
        size_t eq = str_find(line, '=', 0);
        if (eq == line.n || w->profile.n == 0)
            continue;
        *key = str_trim(str_first(line, eq));
        *value = str_trim(str_from(line, eq + 1));
        return FOUND_KEY;
    }
    return FOUND_END;
}

bool ini_has_profile(struct str text, enum ini_file kind, struct str profile)
{
    struct walk w = { .rest = text, .kind = kind };
    struct str key, value;
    for (enum found f; profile.n > 0 && (f = walk_next(&w, &key, &value)) != FOUND_END;)
        if (f == FOUND_SECTION && str_eq(w.profile, profile))
            return true;
    return false;
}

bool ini_get(struct str text, enum ini_file kind, struct str profile, struct str key,
             struct str *value)
{
    struct walk w = { .rest = text, .kind = kind };
    struct str name, found;
    bool has = false;
    for (enum found f; (f = walk_next(&w, &name, &found)) != FOUND_END;) {
        if (f != FOUND_KEY || !str_eq(w.profile, profile) || !str_eq_nocase(name, key))
            continue;
        *value = found;
        has = true;
    }
    return has;
}
