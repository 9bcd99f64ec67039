#include "doctor/answer.h"
#include "doctor/check.h"
#include "doctor/evidence.h"
#include "doctor/shell_word.h"
#include "doctor/words.h"

/* What each server that programs are told to ask says of the names that the task needs. */
static const enum finding_code codes[] = { PS1001, PS1002, PS1003, PS1004, PS1005, PS1020 };
enum { N_CODES = sizeof codes / sizeof *codes };

static const struct {
    enum finding_code code;
    const char *does; /* behind the server, in the title */
} titles[] = {
    { PS1001, "cannot resolve AWS names" },
    { PS1002, "refuses to answer for AWS names" },
    { PS1003, "fails for AWS names" },
    { PS1004, "does not answer" },
    { PS1005, "knows no address of AWS names" },
    { PS1020, "leads AWS names to a blocked or local address" },
};

static void set_title(struct diagnosis *d, struct finding *f, const struct fact_server *s)
{
    struct buf who;
    buf_init(&who, EVIDENCE_BYTES);
    evidence_put_server(s, &who);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].code == f->code)
            finding_title(d, f, "%.*s %s", STR_ARG(buf_str(&who)), titles[i].does);
    buf_done(&who);
}

/* The first failing server that counts gives the finding its name. */
static struct finding *fail(struct diagnosis *d, enum finding_code code,
                            const struct fact_server *s)
{
    bool is_new = !check_failed(d, code), counts = answer_counts(d->facts, s);
    struct finding *f = check_fail(d, code, s->address);
    if (f == NULL || (!is_new && (f->severity == FINDING_ERROR || !counts)))
        return f;
    f->severity = counts ? FINDING_ERROR : FINDING_WARNING;
    f->subject = fact_text(&d->book, s->address);
    f->cause = s->is_amazon == FACT_YES ? 'o' : '1';
    set_title(d, f, s);
    return f;
}

/* Amazon's own server fails: it is told something wrong. */
static void fix_amazon(struct diagnosis *d, struct finding *f)
{
    struct str vpc = shell_vpc(d->facts), region = shell_region(d);
    finding_fix(d, f,
                "Find out what takes the name from Amazon's DNS server: a Resolver rule, a private "
                "hosted zone, DNS Firewall, or DNS support turned off in the VPC.");
    finding_fix(d, f,
                "aws ec2 describe-vpc-attribute%.*s --vpc-id %.*s --attribute enableDnsSupport",
                STR_ARG(region), STR_ARG(vpc));
    finding_fix(d, f,
                "aws route53resolver list-resolver-rule-associations%.*s --filters "
                "Name=VPCId,Values=%.*s",
                STR_ARG(region), STR_ARG(vpc));
    finding_fix(d, f, "aws route53resolver list-firewall-rule-group-associations%.*s --vpc-id %.*s",
                STR_ARG(region), STR_ARG(vpc));
}

static void say_fix(struct diagnosis *d, struct finding *f, const struct fact_server *s)
{
    struct str a = s->address;
    if (s->is_amazon == FACT_YES) {
        fix_amazon(d, f);
        return;
    }
    if (f->code == PS1004)
        finding_fix(d, f,
                    "Let the task reach %.*s over UDP and TCP port 53 (VPN, Direct Connect, "
                    "firewall, network ACL, security group), or take it off the list.",
                    STR_ARG(a));
    if (f->code == PS1020)
        finding_fix(d, f, "Take AWS's names off the block list of %.*s.", STR_ARG(a));
    words_fix_dhcp(d, f);
    if (f->code == PS1002)
        finding_fix(d, f,
                    "Or let %.*s answer the VPC's addresses (BIND: allow-query and "
                    "allow-recursion; Unbound: access-control).",
                    STR_ARG(a));
    if (f->code != PS1004 && f->code != PS1020)
        words_fix_forwarding(d, f);
}

static void say_rest(struct diagnosis *d, struct finding *f, const struct fact_server *s)
{
    if (f == NULL)
        return;
    if (str_eq(f->subject, s->address))
        say_fix(d, f, s);
    words_note_proxy(d, f, s->address);
    if (f->severity < FINDING_ERROR && f->code != PS1004)
        finding_note(d, f,
                     "programs that stop at the first server's answer do not ask %.*s; musl "
                     "(Alpine) asks all servers at once and takes the first answer",
                     STR_ARG(s->address));
}

static void fail_name(struct diagnosis *d, enum finding_code code, const struct fact_server *s,
                      const struct fact_question *q, const struct fact_question *witness)
{
    struct finding *f = fail(d, code, s);
    struct buf line;
    buf_init(&line, EVIDENCE_BYTES);
    evidence_put_question(q, &line);
    if (witness != NULL && !str_eq(witness->server, q->server))
        evidence_put_beside(witness, &line);
    finding_evidence(d, f, "%.*s", STR_ARG(buf_str(&line)));
    buf_done(&line);
    say_rest(d, f, s);
}

/* No reply to any question. */
static void fail_silent(struct diagnosis *d, const struct fact_server *s,
                        const struct answer_traffic *t)
{
    struct finding *f = fail(d, PS1004, s);
    const struct fact_question *seen = NULL;
    struct buf line;
    buf_init(&line, EVIDENCE_BYTES);
    buf_printf(&line, "%.*s: no answer to %lld of %lld tries%s", STR_ARG(s->address),
               (long long)t->tries, (long long)t->tries,
               t->icmp > 0 ? " (ICMP: nobody listens there)" : "");
    for (size_t i = 0; i < d->facts->names.n && seen == NULL; i++)
        (void)answer_truth(d->facts, &d->facts->names.v[i], &seen);
    if (seen != NULL) {
        buf_append(&line, STR("; "));
        evidence_put_question(seen, &line);
    } else if (f != NULL) {
        f->cause = 'o';
    }
    finding_evidence(d, f, "%.*s", STR_ARG(buf_str(&line)));
    buf_done(&line);
    say_rest(d, f, s);
}

/* Every try for this name was lost, and none for any other: the server itself is silent on it. */
static bool is_silent_on(const struct fact_facts *f, const struct fact_server *s, struct str name)
{
    struct answer_traffic all = answer_traffic(f, s->address);
    int64_t tries = 0;
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (str_eq(q->server, s->address) && str_eq_nocase(q->name, name) &&
            view_is(q->transport, "udp"))
            tries += answer_tries(q);
    }
    return tries >= 3 && all.replies > 0 && all.tries - all.replies == tries;
}

/*
 * The question for which the server has no address where Amazon's has one: of the family that this
 * host uses, if the server knows only the other one. NULL when all is well.
 */
static const struct fact_question *missing(const struct fact_facts *f, const struct fact_server *s,
                                           struct str name, const struct answer *got,
                                           const struct fact_question *witness)
{
    if (witness == NULL) /* S3's public names have IPv4 addresses for certain, no more */
        return got->kind == ANSWER_NODATA && view_is(got->question->type, "A") ? got->question
                                                                               : NULL;
    if (got->kind == ANSWER_NODATA)
        return got->question;
    const char *type = view_is(got->question->type, "A") ? "AAAA" : "A";
    if (answer_is_usable(f, got->question->type.p) || !view_is(witness->type, type) ||
        view_server(f, witness->server) == NULL ||
        view_server(f, witness->server)->is_amazon != FACT_YES)
        return NULL;
    struct answer other = answer_of_type(f, s->address, name, type);
    return other.kind == ANSWER_NODATA ? other.question : NULL;
}

static void judge_name(struct diagnosis *d, const struct fact_server *s,
                       const struct fact_name *name)
{
    const struct fact_question *witness = NULL, *q;
    enum answer_truth truth = answer_truth(d->facts, name, &witness);
    struct answer got = answer_of(d->facts, s->address, name->name);
    switch (got.kind) {
    case ANSWER_NXDOMAIN:
        if (truth == ANSWER_IS_THERE)
            fail_name(d, PS1001, s, got.question, witness);
        break;
    case ANSWER_REFUSED: /* and a failure: right for no name, unless nobody knows it anyway */
        if (truth != ANSWER_IS_NOT_THERE)
            fail_name(d, PS1002, s, got.question, witness);
        break;
    case ANSWER_SERVFAIL:
        if (truth != ANSWER_IS_NOT_THERE)
            fail_name(d, PS1003, s, got.question, witness);
        break;
    case ANSWER_LOST:
        if (truth == ANSWER_IS_THERE && is_silent_on(d->facts, s, name->name))
            fail_name(d, PS1004, s, got.question, witness);
        break;
    case ANSWER_BLOCKED: /* a registry may have been registered like that */
        if (name->is_aws == FACT_YES ||
            (truth != ANSWER_IS_NOT_THERE &&
             answer_of_amazon(d->facts, name->name).kind != ANSWER_BLOCKED))
            fail_name(d, PS1020, s, got.question, witness);
        break;
    case ANSWER_NODATA:
    case ANSWER_GOOD:
        q = truth == ANSWER_IS_THERE ? missing(d->facts, s, name->name, &got, witness) : NULL;
        if (q != NULL)
            fail_name(d, PS1005, s, q, witness);
        break;
    case ANSWER_NONE:
    case ANSWER_NO_ROUTE:
        break;
    }
}

/* A denial that nobody was there to contradict or confirm. */
static bool is_open(const struct fact_facts *f, const struct fact_server *s,
                    const struct fact_name *name)
{
    const struct fact_question *witness;
    struct answer got = answer_of(f, s->address, name->name);
    return (got.kind == ANSWER_NXDOMAIN || got.kind == ANSWER_NODATA) &&
           answer_truth(f, name, &witness) == ANSWER_UNSURE;
}

/* What was asked of the server and tells neither that it lives nor that it is dead: this host could
 * not send, or there was no time. */
static const struct fact_question *find_unseen(const struct fact_facts *f,
                                               const struct fact_server *s)
{
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (str_eq(q->server, s->address) && view_is(q->transport, "udp") &&
            (view_is(q->outcome, "failed") || view_is(q->outcome, "timeout")))
            return q;
    }
    return NULL;
}

static void leave_open(struct diagnosis *d, enum finding_code code, const struct fact_question *q)
{
    bool has_reason = q->detail.n > 0;
    check_unknown(d, code, "%.*s could not be asked%s%.*s", STR_ARG(q->server),
                  has_reason ? ": " : " often enough", STR_ARG(has_reason ? q->detail : STR("")));
}

static void conclude(struct diagnosis *d, unsigned n_judged, const struct fact_question *open,
                     const struct fact_question *unseen)
{
    for (size_t i = 0; i < N_CODES; i++) {
        bool is_denial = codes[i] == PS1001 || codes[i] == PS1005;
        if (d->facts->surroundings.inside == FACT_NO)
            check_skip(d, codes[i], "what this host's DNS servers say is not what the task sees");
        else if (unseen != NULL)
            leave_open(d, codes[i], unseen);
        else if (n_judged == 0)
            check_skip(d, codes[i], "no DNS server of the list was asked for a name");
        else if (is_denial && open != NULL)
            check_unknown(d, codes[i],
                          "%.*s does not know %.*s; whether Amazon's server does was not seen",
                          STR_ARG(open->server), STR_ARG(open->name));
        else
            check_pass(d, codes[i]);
    }
}

void check_answers(struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    const struct fact_server *servers[ANSWER_MAX_SERVERS];
    unsigned n = answer_servers(f, servers), n_judged = 0;
    const struct fact_question *open = NULL, *unseen = NULL;
    for (unsigned i = 0; i < n; i++) {
        struct answer_traffic t = answer_traffic(f, servers[i]->address);
        if (answer_is_silent(&t))
            fail_silent(d, servers[i], &t);
        n_judged += t.questions > 0;
        if (i == 0 && t.replied + t.no_route == 0 && !answer_is_silent(&t))
            unseen = find_unseen(f, servers[i]);
        for (size_t k = 0; k < f->names.n && t.replied > 0; k++) {
            const struct fact_name *name = &f->names.v[k];
            if (!answer_is_needed(f, name))
                continue;
            judge_name(d, servers[i], name);
            if (open == NULL && is_open(f, servers[i], name))
                open = answer_of(f, servers[i]->address, name->name).question;
        }
    }
    conclude(d, n_judged, open, unseen);
}
