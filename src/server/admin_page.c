#include "server/admin_page.h"

#include "server/page_files.def"

/*
 * Trusted Types make the browser itself refuse text as markup: names and paths on this page come
 * from strangers. frame-ancestors: nobody draws over it.
 */
static const struct str headers =
    STR_INIT("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
             "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
             "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n"
             "X-Content-Type-Options: nosniff\r\n"
             "Referrer-Policy: no-referrer\r\n"
             "Cross-Origin-Opener-Policy: same-origin\r\n"
             "Cross-Origin-Resource-Policy: same-origin\r\n");

static const struct file {
    struct str path, type;
    const unsigned char *bytes;
    size_t n;
} files[] = {
    { STR_INIT("/"), STR_INIT("text/html; charset=utf-8"), page_index_html,
      sizeof page_index_html },
    { STR_INIT("/page.css"), STR_INIT("text/css; charset=utf-8"), page_page_css,
      sizeof page_page_css },
    { STR_INIT("/page.js"), STR_INIT("text/javascript; charset=utf-8"), page_page_js,
      sizeof page_page_js },
    { STR_INIT("/icon.svg"), STR_INIT("image/svg+xml"), page_icon_svg, sizeof page_icon_svg },
};

static const struct file *find(struct str path)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (str_eq(files[i].path, path))
            return &files[i];
    return NULL;
}

bool admin_page_has(struct str path)
{
    return find(path) != NULL;
}

void admin_page_write(struct page *p, struct str path)
{
    const struct file *f = find(path);
    p->type = f->type;
    p->headers = headers;
    buf_append(&p->body, (struct str){ (const char *)f->bytes, f->n });
}
