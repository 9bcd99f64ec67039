#include "doctor/check.h"

void check_registry(struct diagnosis *d)
{
    (void)d; /* filled next */
}
