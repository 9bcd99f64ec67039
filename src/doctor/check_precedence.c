#include "doctor/check.h"

void check_precedence(struct diagnosis *d)
{
    (void)d; /* filled next */
}
