#include "server/certificate.h"

#include "io/tls.h"
#include "obs/log.h"
#include "obs/metrics.h"

#include <time.h>

enum { DAY_S = 86400 };

struct io_tls_identity *certificate_read(const struct conf *conf, struct fault *f)
{
    struct io_tls_identity *i = io_tls_identity_read(conf->tls_cert.p, conf->tls_key.p, f);
    struct io_tls *t = i != NULL ? io_tls_server_new(i, NULL, f) : NULL;
    if (t == NULL) {
        io_tls_identity_free(i);
        return NULL;
    }
    io_tls_free(t);
    return i;
}

bool certificate_judge(const struct io_tls_about *about, int64_t now_s, struct buf *out)
{
    int64_t left_s = about->not_after_s - now_s;
    if (left_s <= 0)
        buf_append(out, STR("it has expired: clients refuse it"));
    else if (about->not_before_s > now_s)
        buf_append(out, STR("it is not valid yet: clients refuse it"));
    else if (left_s < (int64_t)CERTIFICATE_WARN_DAYS * DAY_S)
        buf_printf(out, "it expires in %lld days", (long long)(left_s / DAY_S));
    else
        return false;
    return true;
}

static struct str time_text(int64_t at_s, char text[static 32])
{
    struct tm tm;
    time_t at = (time_t)at_s;
    size_t n = gmtime_r(&at, &tm) != NULL ? strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) : 0;
    return str_of(text, n);
}

/* A gauge only goes up and down. */
static void set_metric(int64_t not_after_s)
{
    metric_sub(METRIC_TLS_NOT_AFTER, metric_read(METRIC_TLS_NOT_AFTER));
    metric_add(METRIC_TLS_NOT_AFTER, not_after_s > 0 ? (uint64_t)not_after_s : 0);
}

void certificate_tell(const struct io_tls_identity *i)
{
    struct io_tls_about about;
    char not_after[32];
    struct buf message;
    buf_init(&message, 256);
    io_tls_identity_about(i, &about);
    bool is_warning = certificate_judge(&about, time(NULL), &message);
    if (!is_warning)
        buf_append(&message, STR("the certificate that TLS clients are shown"));
    const struct log_field fields[] = {
        { "subject", str_from_c(about.subject) },
        { "names", str_from_c(about.names) },
        { "not_after", time_text(about.not_after_s, not_after) },
    };
    log_event_with(is_warning ? LOG_WARNING : LOG_INFO, "tls_certificate", fields,
                   sizeof fields / sizeof fields[0], buf_str(&message));
    set_metric(about.not_after_s);
    buf_done(&message);
}

void certificate_forget(void)
{
    set_metric(0);
}
