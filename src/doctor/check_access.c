#include "doctor/check.h"

void check_access(struct diagnosis *d)
{
    (void)d; /* filled next */
}
