#include "doctor/probe.h"

bool probe_run(const struct probe_request *r, struct fact_book *book, struct fault *f)
{
    (void)f; /* what can be missing is opened next */
    book->facts.surroundings.inside = fact_truth_of(r->inside);
    return true;
}

bool probe_resolve(struct fact_book *book, const struct str *names, unsigned n,
                   struct probe_addresses *out)
{
    memset(out, 0, n * sizeof *out);
    return n == 0;
}
