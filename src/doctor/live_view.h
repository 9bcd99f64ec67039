#pragma once
/*
 * What connections were seen to work or to fail from where programs run. It goes before whatever
 * configuration suggests: no check says "there is no way" about a connection that works. Pure; what
 * is returned is borrowed from the facts.
 */
#include "doctor/answer.h"

/* False: the doctor runs elsewhere, and what it sees says nothing about the task. */
bool live_is_inside(const struct fact_facts *f);

/* What has to resolve: the names that were asked for; where none were, because the doctor runs
 * elsewhere, S3's of the region and the registry's. book keeps what is made. */
enum { LIVE_MAX_NAMES = 16 };
struct live_name {
    struct str name;
    bool is_registry;
};
unsigned live_names(const struct fact_facts *f, struct fact_book *book,
                    struct live_name out[static LIVE_MAX_NAMES]);
/* Host of "http://registry.stk:8080/x"; empty where there is none. Borrowed. */
struct str live_url_host(struct str url);
bool live_is_s3(const struct fact_connection *c); /* to S3 or a bucket */

/* A try was made to reach the address: not one that was only refused to be dialled. */
bool live_was_dialled(const struct fact_connection *c);
/* Connected, and whatever came behind that (TLS, HTTP) went well too. */
bool live_works(const struct fact_connection *c);
/* From inside, TCP to S3's or a bucket's address was tried; was established at least once. */
bool live_tried_s3(const struct fact_facts *f);
bool live_reaches_s3(const struct fact_facts *f);
/* From inside, a connection to the name works. */
bool live_name_works(const struct fact_facts *f, struct str name);
/* That is so for all needed names, and there is one. */
bool live_all_works(const struct fact_facts *f);

/*
 * From inside, the server's answers are as good as Amazon's: it has addresses for every needed name
 * that it was asked for (but for those that Amazon does not know either), and they are private
 * where Amazon's are, or connect.
 */
bool live_server_is_good(const struct fact_facts *f, struct str address);
