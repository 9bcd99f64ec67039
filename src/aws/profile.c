#include "aws/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <unistd.h>

#include "aws/ini.h"

bool aws_read_file(const char *path, struct buf *out)
{
    buf_clear(out);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = false;
    for (;;) {
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n > 0)
            buf_append(out, str_of(chunk, (size_t)n));
        if (out->failed)
            errno = EFBIG;
        ok = n == 0;
        if (out->failed || n == 0 || (n < 0 && errno != EINTR))
            break;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

static void make_path(char *out, struct str given, struct str home, const char *usual)
{
    int n;
    if (given.n == 0)
        n = snprintf(out, AWS_PATH_BYTES, "%.*s/.aws/%s", STR_ARG(home), usual);
    else if (str_starts(given, STR("~/")))
        n = snprintf(out, AWS_PATH_BYTES, "%.*s%.*s", STR_ARG(home), STR_ARG(str_from(given, 1)));
    else
        n = snprintf(out, AWS_PATH_BYTES, "%.*s", STR_ARG(given));
    if (n >= AWS_PATH_BYTES || (given.n == 0 && home.n == 0))
        out[0] = 0;
}

static void read_text(const char *path, struct buf *out)
{
    buf_init(out, AWS_PROFILE_FILE_BYTES);
    if (path[0] != 0 && !aws_read_file(path, out))
        buf_clear(out);
}

void aws_profiles_read(struct aws_profiles *p, struct str credentials, struct str config,
                       struct str home)
{
    make_path(p->credentials_path, credentials, home, "credentials");
    make_path(p->config_path, config, home, "config");
    read_text(p->credentials_path, &p->credentials);
    read_text(p->config_path, &p->config);
}

void aws_profiles_done(struct aws_profiles *p)
{
    if (p->credentials.p != NULL)
        OPENSSL_cleanse(p->credentials.p, p->credentials.n);
    if (p->config.p != NULL)
        OPENSSL_cleanse(p->config.p, p->config.n);
    buf_done(&p->credentials);
    buf_done(&p->config);
}

bool aws_profiles_has(const struct aws_profiles *p, struct str profile)
{
    return ini_has_profile(buf_str(&p->credentials), INI_CREDENTIALS, profile) ||
           ini_has_profile(buf_str(&p->config), INI_CONFIG, profile);
}

struct str aws_profiles_get(const struct aws_profiles *p, struct str profile, struct str key)
{
    struct str value = STR("");
    if (!ini_get(buf_str(&p->credentials), INI_CREDENTIALS, profile, key, &value))
        ini_get(buf_str(&p->config), INI_CONFIG, profile, key, &value);
    return value;
}
