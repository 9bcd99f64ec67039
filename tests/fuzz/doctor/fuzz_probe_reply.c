/* A datagram as the doctor reads it: two bytes choose the question's type and the ID, the rest
 * came. What it keeps has its bounds, and addresses are there only where the server gave an answer.
 */
#include "../exact.h"
#include "doctor/probe_query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct probe_reply reply;
    struct dns_ask ask = { .question = { .type = DNS_A, .class = DNS_CLASS_IN } };
    if (n < 1 || !dns_name_parse(STR("s3.eu-west-1.amazonaws.com"), &ask.question.name))
        return 0;
    if ((data[0] & 1) != 0)
        ask.question.type = DNS_AAAA;
    char *copy = exact_copy(data + 1, n - 1);
    struct str wire = str_of(copy, n - 1);
    uint16_t id = wire.n >= 2 && (data[0] & 2) == 0 ? dns_u16(wire, 0) : 7;
    if (probe_reply_read(wire, id, &ask, &reply)) {
        check(wire.n >= DNS_HEADER_BYTES && dns_u16(wire, 0) == id);
        check(reply.n_addresses <= PROBE_REPLY_ADDRESSES && reply.n_aliases <= PROBE_REPLY_ALIASES);
        check(reply.n_addresses == 0 || reply.outcome == DNS_ANSWERED);
        check(!reply.is_truncated || reply.n_addresses == 0);
        for (unsigned i = 0; i < reply.n_addresses; i++)
            check(addr_family(&reply.addresses[i]) ==
                  (ask.question.type == DNS_A ? AF_INET : AF_INET6));
    }
    free(copy);
    return 0;
}
