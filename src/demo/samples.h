#pragma once
/* The objects that the demo's bucket begins with. */
#include "demo/s3_store.h"

#define DEMO_SAMPLE_PAGE "index.html"
#define DEMO_SAMPLE_TEXT "hello.txt"

bool demo_samples_write(struct demo_store *s, struct fault *f);
