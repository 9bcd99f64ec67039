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
    { STR_INIT("ServiceUnavailable*"), AWS_THROTTLED },
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

static void set(struct aws_error *e, enum aws_kind kind, const char *format, va_list ap)
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

/* The bytes of one word: what tokens, digests and encoded messages are made of. */
static size_t word_at(struct str rest, bool *is_hex)
{
    size_t n = 0;
    *is_hex = true;
    for (; n < rest.n; n++) {
        char c = rest.p[n];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '+' && c != '=' && c != '-' &&
            c != '_' && c != '/')
            break;
        *is_hex &= ascii_hex(c) >= 0;
    }
    return n;
}

/* Longest stretch without '/': resource names have those, and tokens few of them. */
static size_t longest_part(struct str word)
{
    struct str part;
    size_t longest = 0;
    while (str_next(&word, '/', &part))
        longest = part.n > longest ? part.n : longest;
    return longest;
}

void aws_error_tell(struct aws_error *e, struct str message, const struct str *secrets,
                    size_t n_secrets)
{
    struct buf out;
    struct str rest = str_first(message, MESSAGE_READ_BYTES);
    bool is_hex;
    buf_init(&out, sizeof e->message - 1);
    while (rest.n > 0 && !out.failed) {
        size_t n = hidden_at(rest, secrets, n_secrets), word = 0;
        if (n == 0 && (word = word_at(rest, &is_hex)) > 0) {
            for (size_t i = 0; i < word && n == 0; i++)
                if (hidden_at(str_from(rest, i), secrets, n_secrets) > 0)
                    word = i;
            if ((is_hex && word >= SIGNATURE_HEX) ||
                longest_part(str_first(rest, word)) > LONGEST_NAME_BYTES)
                n = word;
        }
        if (n > 0) {
            buf_append(&out, STR("***"));
            rest = str_from(rest, n);
            continue;
        }
        n = word > 0 ? word : 1;
        for (size_t i = 0; i < n && out.n < out.max_bytes; i++)
            buf_byte(&out, rest.p[i] >= ' ' && rest.p[i] <= '~' ? rest.p[i] : '?');
        if (out.n == out.max_bytes)
            break;
        rest = str_from(rest, n);
    }
    if (out.n > 0)
        memcpy(e->message, out.p, out.n);
    e->message[out.n] = 0;
    buf_done(&out);
}

enum aws_kind aws_kind_of_code(struct str code, int http_status)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (str_glob(codes[i].pattern, code))
            return codes[i].kind;
    if (http_status == 429 || http_status == 503)
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
