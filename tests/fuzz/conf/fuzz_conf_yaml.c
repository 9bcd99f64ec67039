/* The settings file: any text gives settings, or errors with their places. */
#include "conf_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char registry[] = "INTERNAL_REGISTRY_URL=http://r", workers[] = "PENSTOCK_WORKERS=1";
    char *env[] = { registry, workers, NULL };
    struct conf *c = load(env, "f", str_of((const char *)data, size));
    if (c) {
        check_bounds(c);
        check_shown(c);
    }
    conf_unref(c);
    return 0;
}
