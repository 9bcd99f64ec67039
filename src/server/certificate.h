#pragma once
/* The certificate of the TLS listener: read as the settings say, and told of in the log. */
#include "conf/settings.h"
#include "io/tls_identity.h"

enum { CERTIFICATE_WARN_DAYS = 14 };

/* NULL with a fault; made sure that OpenSSL serves with it. conf->tls_listen is not empty. Any
 * thread; blocks for the disk. */
struct io_tls_identity *certificate_read(const struct conf *conf, struct fault *f);

/*
 * What is to be said about its time at now_s (Unix time), for people; true when that is a warning:
 * expired, not valid yet, or within CERTIFICATE_WARN_DAYS of its end.
 */
bool certificate_judge(const struct io_tls_about *about, int64_t now_s, struct buf *out);

/* The event tls_certificate, and the metric of its end. For a certificate that is in use now. */
void certificate_tell(const struct io_tls_identity *i);
/* None is in use any more. */
void certificate_forget(void);
