/*
 * Any bytes as a TCP stream of a server: cut in any way, the same messages come out of it. The
 * first two bytes say how it is cut.
 */
#include <stdlib.h>

#include "base/hash.h"
#include "dns/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct hash_key key = { 0x70656e7374, 0x6f636b };

/* The next length of a piece: 1 to 256, or the whole when how is 0. */
static size_t next_piece(uint32_t *how)
{
    if (*how == 0)
        return SIZE_MAX;
    *how = *how * 1664525 + 1013904223;
    return *how >> 28 == 0 ? 1 + (*how >> 8 & 0xff) : 1 + (*how >> 8 & 7);
}

/* How many messages, and a digest of their lengths and bytes. */
static uint64_t run(struct str wire, uint32_t how, unsigned *n_messages)
{
    struct dns_frames f;
    struct str message;
    struct hash_key chain = key;
    size_t taken = 0, put = 0;
    dns_frames_init(&f);
    *n_messages = 0;
    while (wire.n > 0) {
        size_t room, n = next_piece(&how);
        char *to = dns_frames_room(&f, &room);
        if (to == NULL || room < 1)
            abort();
        n = n < room ? n : room;
        n = n < wire.n ? n : wire.n;
        memcpy(to, wire.p, n);
        dns_frames_add(&f, n);
        wire = str_from(wire, n);
        put += n;
        while (dns_frames_next(&f, &message)) {
            taken += 2 + message.n;
            chain.k0 = hash_bytes(&chain, message);
            chain.k1 += message.n;
            ++*n_messages;
        }
        /* Nothing that is whole stays inside, and nothing is made up. */
        if (taken > put || put - taken > 2 + 65534)
            abort();
    }
    dns_frames_done(&f);
    return chain.k0 ^ chain.k1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    unsigned n_whole, n_cut;
    struct str wire = str_of((const char *)data + 2, n - 2);
    uint64_t whole = run(wire, 0, &n_whole);
    uint64_t cut = run(wire, 1 + ((uint32_t)data[0] << 8 | data[1]), &n_cut);
    if (whole != cut || n_whole != n_cut)
        abort();
    return 0;
}
