#pragma once
/* The shared credentials and config files, read whole, and one profile of them. Owns the texts. */
#include "base/buf.h"

enum { AWS_PROFILE_FILE_BYTES = 1 << 20, AWS_PATH_BYTES = 4096 };

struct aws_profiles {
    struct buf credentials, config; /* empty where there is no such file */
    char credentials_path[AWS_PATH_BYTES], config_path[AWS_PATH_BYTES];
};

/* credentials, config: paths, "~/" is home; empty: home's .aws/credentials and .aws/config. What
 * cannot be read counts as empty. */
void aws_profiles_read(struct aws_profiles *p, struct str credentials, struct str config,
                       struct str home);
void aws_profiles_done(struct aws_profiles *p);

bool aws_profiles_has(const struct aws_profiles *p, struct str profile);
/* Empty where it is not set. The credentials file comes first. */
struct str aws_profiles_get(const struct aws_profiles *p, struct str profile, struct str key);

/* A whole small file, such as a token's, into out (emptied before). False: errno says why; EFBIG
 * where it is larger than out may be. */
bool aws_read_file(const char *path, struct buf *out);
