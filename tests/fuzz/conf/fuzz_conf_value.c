/*
 * Each setting's own grammar: the input is one entry of the environment, "PENSTOCK_LISTEN=:80" (a
 * name without its value's grammar in mind is found by the seeds, which hold all of them).
 */
#include "conf_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char registry[] = "INTERNAL_REGISTRY_URL=http://r", workers[] = "PENSTOCK_WORKERS=1";
    char *entry = malloc(size + 1);
    char *env[] = { entry, registry, workers, NULL };
    if (entry == NULL)
        return 0;
    memcpy(entry, data, size);
    entry[size] = 0;
    struct str text = str_from_c(entry);
    if (str_starts(text, STR("INTERNAL_REGISTRY_URL=")))
        env[1] = workers, env[2] = NULL;
    else if (str_starts(text, STR("PENSTOCK_WORKERS=")))
        env[2] = NULL;
    struct conf *c = load(env, NULL, STR(""));
    if (c) {
        check_bounds(c);
        check_shown(c);
    }
    conf_unref(c);
    free(entry);
    return 0;
}
