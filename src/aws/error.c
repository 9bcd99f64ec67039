#include "aws/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"

/* The longest names in a message are role and session names: 64 bytes. */
enum { LONGEST_NAME_BYTES = 100, SIGNATURE_HEX = 64, MESSAGE_READ_BYTES = 64 * 1024 };

static const struct {
    const char *name, *sentence;
} kinds[] = {
#define AWS_KIND(id, name, sentence) [AWS_##id] = { name, sentence },
#include "aws/error.def"
#undef AWS_KIND
};

static const char *const reaches[] = {
    [AWS_REACHED] = "reached",
    [AWS_REACH_DNS] = "dns",
    [AWS_REACH_FORBIDDEN] = "forbidden",
    [AWS_REACH_CONNECT] = "connect",
    [AWS_REACH_TLS] = "tls",
    [AWS_REACH_TIMEOUT] = "timeout",
    [AWS_REACH_LOST] = "lost",
    [AWS_REACH_NO_TIME] = "no_time",
};

/* Codes as the services' API references list them; a '*' stands for any run of characters. */
static const struct {
    struct str pattern;
    enum aws_kind kind;
} codes[] = {
    { STR_INIT("AccessDenied*"), AWS_DENIED },
    { STR_INIT("UnauthorizedOperation"), AWS_DENIED },
    { STR_INIT("UnauthorizedAccess"), AWS_DENIED },
    { STR_INIT("NotAuthorized*"), AWS_DENIED },
    { STR_INIT("AuthorizationError*"), AWS_DENIED },
    { STR_INIT("Client.UnauthorizedOperation"), AWS_DENIED },
    { STR_INIT("OptInRequired"), AWS_DENIED },
    { STR_INIT("RequestExpired*"), AWS_CLOCK },
    { STR_INIT("RequestTimeTooSkewed"), AWS_CLOCK },
    { STR_INIT("RequestInTheFuture"), AWS_CLOCK },
    { STR_INIT("ExpiredToken*"), AWS_BAD_KEY },
    { STR_INIT("ExpiredIdentityToken*"), AWS_BAD_KEY },
    { STR_INIT("InvalidIdentityToken*"), AWS_BAD_KEY },
    { STR_INIT("IDPRejectedClaim*"), AWS_BAD_KEY },
    { STR_INIT("AuthFailure"), AWS_BAD_KEY },
    { STR_INIT("InvalidClientTokenId"), AWS_BAD_KEY },
    { STR_INIT("UnrecognizedClient*"), AWS_BAD_KEY },
    { STR_INIT("InvalidAccessKeyId"), AWS_BAD_KEY },
    { STR_INIT("InvalidSecurity*"), AWS_BAD_KEY },
    { STR_INIT("InvalidToken*"), AWS_BAD_KEY },
    { STR_INIT("InvalidSignature*"), AWS_BAD_KEY },
    { STR_INIT("SignatureDoesNotMatch"), AWS_BAD_KEY },
    { STR_INIT("IncompleteSignature*"), AWS_BAD_KEY },
    { STR_INIT("MissingAuthenticationToken*"), AWS_BAD_KEY },
    { STR_INIT("Throttl*"), AWS_THROTTLED },
    { STR_INIT("RequestThrottled*"), AWS_THROTTLED },
    { STR_INIT("TooManyRequests*"), AWS_THROTTLED },
    { STR_INIT("RequestLimitExceeded*"), AWS_THROTTLED },
    { STR_INIT("BandwidthLimitExceeded"), AWS_THROTTLED },
    { STR_INIT("LimitExceededException"), AWS_THROTTLED },
    { STR_INIT("PriorRequestNotComplete"), AWS_THROTTLED },
    { STR_INIT("SlowDown"), AWS_THROTTLED },
    { STR_INIT("EC2ThrottledException"), AWS_THROTTLED },
    { STR_INIT("*NotFound"), AWS_NOT_FOUND },
    { STR_INIT("*NotFoundException"), AWS_NOT_FOUND },
    { STR_INIT("*.NotFound"), AWS_NOT_FOUND },
    { STR_INIT("*NoSuch*"), AWS_NOT_FOUND },
    { STR_INIT("NamespaceNotFound*"), AWS_NOT_FOUND },
    { STR_INIT("InvalidVpcID*"), AWS_NOT_FOUND },
    { STR_INIT("InternalError*"), AWS_BROKEN },
    { STR_INIT("InternalFailure"), AWS_BROKEN },
    { STR_INIT("InternalServer*"), AWS_BROKEN },
    { STR_INIT("ServerException"), AWS_BROKEN },
    { STR_INIT("ServiceUnavailable*"), AWS_BROKEN },
    { STR_INIT("Unavailable"), AWS_BROKEN },
};

const char *aws_kind_name(enum aws_kind kind)
{
    return kind < N_AWS_KINDS ? kinds[kind].name : "unknown";
}

const char *aws_kind_sentence(enum aws_kind kind)
{
    return kind < N_AWS_KINDS ? kinds[kind].sentence : "";
}

const char *aws_reach_name(enum aws_reach reach)
{
    return reach <= AWS_REACH_NO_TIME ? reaches[reach] : "unknown";
}

static void make_printable(char *text)
{
    for (; *text != 0; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

__attribute__((format(printf, 3, 0))) static void set(struct aws_error *e, enum aws_kind kind,
                                                      const char *format, va_list ap)
{
    e->kind = kind;
    e->message[0] = 0;
    if (format != NULL)
        vsnprintf(e->message, sizeof e->message, format, ap);
    make_printable(e->message);
}

bool aws_error_set(struct aws_error *e, enum aws_kind kind, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    set(e, kind, format, ap);
    va_end(ap);
    return false;
}

bool aws_error_reach(struct aws_error *e, enum aws_reach reach, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    set(e, AWS_UNREACHABLE, format, ap);
    va_end(ap);
    e->reach = reach;
    return false;
}

/* How many bytes from here on nobody may see; 0: this one is fine. */
static size_t hidden_at(struct str rest, const struct str *secrets, size_t n_secrets)
{
    for (size_t i = 0; i < n_secrets; i++)
        if (secrets[i].n > 0 && str_starts(rest, secrets[i]))
            return secrets[i].n;
    return 0;
}

/* Letters, digits and what else tokens, digests and encoded messages are made of. */
static size_t word_at(struct str rest)
{
    size_t n = 0;
    while (n < rest.n && (ascii_is_alpha(rest.p[n]) || ascii_is_digit(rest.p[n]) ||
                          memchr("+=-_/", rest.p[n], 5) != NULL))
        n++;
    return n;
}

/* A signature or digest, or a stretch without '/' that is no resource's name. */
static bool word_is_hidden(struct str word)
{
    size_t n_hex = 0, n_part = 0;
    for (size_t i = 0; i < word.n; i++) {
        n_hex = ascii_hex(word.p[i]) >= 0 ? n_hex + 1 : 0;
        n_part = word.p[i] != '/' ? n_part + 1 : 0;
        if (n_hex >= SIGNATURE_HEX || n_part > LONGEST_NAME_BYTES)
            return true;
    }
    return false;
}

/* How many bytes from here on go out together; is_hidden: as "***". */
static size_t piece_at(struct str rest, const struct str *secrets, size_t n_secrets,
                       bool *is_hidden)
{
    size_t n = hidden_at(rest, secrets, n_secrets);
    *is_hidden = n > 0;
    if (n > 0)
        return n;
    struct str word = str_first(rest, word_at(rest));
    for (size_t i = 1; i < word.n; i++)
        if (hidden_at(str_from(rest, i), secrets, n_secrets) > 0)
            word.n = i;
    *is_hidden = word_is_hidden(word);
    return word.n > 0 ? word.n : 1;
}

void aws_error_tell(struct aws_error *e, struct str message, const struct str *secrets,
                    size_t n_secrets)
{
    struct buf out;
    struct str rest = str_first(message, MESSAGE_READ_BYTES);
    buf_init(&out, sizeof e->message - 1);
    while (rest.n > 0 && out.n < out.max_bytes && !out.failed) {
        bool is_hidden;
        size_t n = piece_at(rest, secrets, n_secrets, &is_hidden);
        struct str piece = is_hidden ? STR("***") : str_first(rest, n);
        buf_append(&out, str_first(piece, out.max_bytes - out.n));
        rest = str_from(rest, n);
    }
    if (out.n > 0)
        memcpy(e->message, out.p, out.n);
    e->message[out.n] = 0;
    for (size_t i = 0; i < out.n; i++) /* a NUL inside too */
        if (e->message[i] < ' ' || e->message[i] > '~')
            e->message[i] = '?';
    buf_done(&out);
}

enum aws_kind aws_kind_of_code(struct str code, int http_status)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (str_glob(codes[i].pattern, code))
            return codes[i].kind;
    if (http_status == 429)
        return AWS_THROTTLED;
    if (http_status >= 500)
        return AWS_BROKEN;
    if (code.n > 0)
        return AWS_BAD_REQUEST;
    if (http_status == 401 || http_status == 403)
        return AWS_DENIED;
    if (http_status == 404)
        return AWS_NOT_FOUND;
    return http_status >= 400 ? AWS_BAD_REQUEST : AWS_PROTOCOL;
}
