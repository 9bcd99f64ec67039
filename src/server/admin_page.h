#pragma once
/*
 * The admin port's page for people: "/" and the style, script and icon that it loads from beside
 * it. They stand in src/server/page/ and are part of the program; what the page shows it reads
 * from /status.json. Nothing outside of this listener is ever loaded: the Content-Security-Policy
 * says so to the browser.
 */
#include "proxy/page.h"

bool admin_page_has(struct str path);
/* Fills a whole page. path is one that admin_page_has. */
void admin_page_write(struct page *p, struct str path);
