#include "dns/server.h"

static uint64_t budget_of(uint64_t per_s)
{
    if (per_s == 0)
        return DNS_BUDGET_PER_S;
    return per_s < DNS_MAX_BUDGET_PER_S ? per_s : DNS_MAX_BUDGET_PER_S;
}

void dns_server_set_budget(struct dns_server *s, uint64_t budget_per_s)
{
    s->budget_per_s = (uint32_t)budget_of(budget_per_s);
    if (s->budget_milli > s->budget_per_s * 1000)
        s->budget_milli = s->budget_per_s * 1000;
}

void dns_server_init(struct dns_server *s, const struct addr *addr, uint64_t budget_per_s,
                     uint64_t now_ms)
{
    budget_per_s = budget_of(budget_per_s);
    *s = (struct dns_server){ .addr = *addr,
                              .budget_at_ms = now_ms,
                              .budget_per_s = (uint32_t)budget_per_s,
                              .budget_milli = (uint32_t)budget_per_s * 1000 };
    list_init(&s->node);
}

static unsigned clamp(uint32_t v, unsigned least, unsigned most)
{
    return v < least ? least : v > most ? most : v;
}

unsigned dns_server_attempt_ms(const struct dns_server *s)
{
    if (!s->has_rtt)
        return DNS_FIRST_ATTEMPT_MS;
    /* RFC 6298's timeout; a server that did not answer lately gets longer. */
    uint32_t ms = (s->srtt_us + 4 * s->rttvar_us) / 1000 + 1;
    return clamp(ms << (s->n_failures < 6 ? s->n_failures : 6), DNS_MIN_ATTEMPT_MS,
                 DNS_MAX_ATTEMPT_MS);
}

unsigned dns_server_hedge_ms(const struct dns_server *s, unsigned at_least_ms)
{
    if (!s->has_rtt)
        return DNS_MAX_HEDGE_MS;
    uint32_t triple = 3 * s->srtt_us, usual = s->srtt_us + 4 * s->rttvar_us;
    return clamp((triple > usual ? triple : usual) / 1000, at_least_ms, DNS_MAX_HEDGE_MS);
}

static void measure(struct dns_server *s, uint32_t rtt_us)
{
    const uint32_t most = DNS_MAX_ATTEMPT_MS * 1000;
    if (rtt_us > most)
        rtt_us = most;
    if (!s->has_rtt) {
        s->has_rtt = true;
        s->srtt_us = rtt_us;
        s->rttvar_us = rtt_us / 2;
        return;
    }
    uint32_t off = rtt_us > s->srtt_us ? rtt_us - s->srtt_us : s->srtt_us - rtt_us;
    s->rttvar_us = (3 * s->rttvar_us + off) / 4;
    s->srtt_us = (7 * s->srtt_us + rtt_us) / 8;
}

bool dns_server_answered(struct dns_server *s, uint32_t rtt_us)
{
    bool was_suspect = s->is_suspect;
    s->n_failures = 0;
    s->is_suspect = false;
    if (rtt_us > 0)
        measure(s, rtt_us);
    return was_suspect;
}

unsigned dns_probe_wait_ms(unsigned step)
{
    /* The last one leaves room for the probe itself: repair is seen within five seconds. */
    static const unsigned waits[] = { 500, 1000, 2000, 4500 };
    return waits[step < 3 ? step : 3];
}

bool dns_server_failed(struct dns_server *s, uint64_t now_ms)
{
    if (s->n_failures < UINT16_MAX)
        s->n_failures++;
    if (s->is_suspect || s->n_failures < DNS_FAILURES_TO_SUSPECT)
        return false;
    s->is_suspect = true;
    s->probe_step = 0;
    s->probe_at_ms = now_ms + dns_probe_wait_ms(0);
    return true;
}

bool dns_server_wants_probes(const struct dns_server *s, uint64_t now_ms)
{
    return s->is_suspect && s->sample.question.name.n > 0 &&
           now_ms <= s->used_ms + DNS_PROBED_WHILE_USED_MS;
}

bool dns_server_claim_probe(struct dns_server *s, uint64_t now_ms)
{
    if (!dns_server_wants_probes(s, now_ms) || now_ms < s->probe_at_ms)
        return false;
    s->probe_step++;
    s->probe_at_ms = now_ms + dns_probe_wait_ms(s->probe_step);
    return true;
}

bool dns_server_claim_look(struct dns_server *s, uint64_t now_ms)
{
    bool is_failing = s->n_failures > 0 && !s->is_suspect;
    if (s->is_looked || (!is_failing && s->looked_ms > 0 && now_ms < s->looked_ms + DNS_LOOK_MS))
        return false;
    s->is_looked = true;
    s->looked_ms = now_ms;
    return true;
}

void dns_server_looked(struct dns_server *s)
{
    s->is_looked = false;
}

static void avoid(struct dns_server *s, uint64_t zone, uint64_t until_ms, bool is_left_out)
{
    unsigned at = 0;
    for (unsigned i = 0; i < DNS_MAX_AVOIDED_ZONES; i++) {
        if (s->avoided[i].zone == zone) {
            at = i;
            break;
        }
        if (s->avoided[i].until_ms < s->avoided[at].until_ms)
            at = i;
    }
    s->avoided[at].zone = zone;
    s->avoided[at].until_ms = until_ms;
    s->avoided[at].is_left_out = is_left_out;
}

void dns_server_avoid(struct dns_server *s, uint64_t zone, uint64_t now_ms)
{
    if (!dns_server_is_left_out(s, zone, now_ms))
        avoid(s, zone, now_ms + DNS_AVOID_MS, false);
}

bool dns_server_is_avoided(const struct dns_server *s, uint64_t zone, uint64_t now_ms)
{
    for (unsigned i = 0; i < DNS_MAX_AVOIDED_ZONES; i++)
        if (s->avoided[i].zone == zone && now_ms < s->avoided[i].until_ms)
            return true;
    return false;
}

void dns_server_leave_out(struct dns_server *s, uint64_t zone, uint64_t now_ms)
{
    avoid(s, zone, now_ms + DNS_LOOP_OUT_MS, true);
}

bool dns_server_is_left_out(const struct dns_server *s, uint64_t zone, uint64_t now_ms)
{
    for (unsigned i = 0; i < DNS_MAX_AVOIDED_ZONES; i++)
        if (s->avoided[i].is_left_out && s->avoided[i].zone == zone &&
            now_ms < s->avoided[i].until_ms)
            return true;
    return false;
}

bool dns_server_takes_edns(const struct dns_server *s, bool is_needed, uint64_t now_ms)
{
    return now_ms >= s->edns_off_until_ms && (is_needed || now_ms >= s->edns_doubted_until_ms);
}

bool dns_server_may_drop_edns(const struct dns_server *s)
{
    unsigned n = s->n_failures;
    /* By turns once it is suspect: what is dead from the start is not to be taken for it. */
    return !s->answers_edns && n > 0 && (n < DNS_FAILURES_TO_SUSPECT || n % 2 == 1);
}

bool dns_server_drops_edns(const struct dns_server *s)
{
    return !s->answers_edns && s->has_rtt && s->n_failures == 1;
}

static uint64_t budget_milli(const struct dns_server *s, uint64_t now_ms)
{
    uint64_t full = (uint64_t)s->budget_per_s * 1000;
    uint64_t gone_ms = now_ms > s->budget_at_ms ? now_ms - s->budget_at_ms : 0;
    /* So many packets a second are as many thousandths a millisecond. */
    uint64_t have = s->budget_milli + (gone_ms > 1000 ? full : gone_ms * s->budget_per_s);
    return have < full ? have : full;
}

uint32_t dns_server_budget_left(const struct dns_server *s, uint64_t now_ms)
{
    return (uint32_t)(budget_milli(s, now_ms) / 1000);
}

bool dns_server_spend(struct dns_server *s, unsigned n_packets, uint64_t now_ms)
{
    uint64_t price = (uint64_t)n_packets * 1000, have = budget_milli(s, now_ms);
    bool ok = have >= price;
    s->budget_milli = (uint32_t)(ok ? have - price : have);
    /* Workers' clocks differ by a turn: what has been refilled once is not refilled again. */
    if (now_ms > s->budget_at_ms)
        s->budget_at_ms = now_ms;
    return ok;
}
