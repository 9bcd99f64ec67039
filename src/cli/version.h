#pragma once
/* `penstock --version`: its own on the first line, those of the libraries it runs with on the
 * second, because security updates of these are not updates of penstock. libdeflate tells only
 * what it was built with. */
void version_print(void);
