#pragma once
/*
 * One AWS API call: signed, sent, tried again where that helps (throttled, 5xx, connection; three
 * times at most, within the deadline), read, and its failure named. Blocking; any thread.
 */
#include <jansson.h>

#include "aws/credentials.h"
#include "aws/session.h"
#include "aws/xml.h"

struct aws_param {
    const char *name; /* "Filter.1.Name" */
    struct str value; /* as it is: encoding is the call's */
};

struct aws_request {
    enum aws_service service;
    const char *operation;          /* "DescribeVpcs"; with the service it is the IAM action */
    const struct aws_param *params; /* query form: the form; REST: the query */
    size_t n_params;
    const json_t *body; /* JSON services; NULL: {} */
    const char *path;   /* REST: "/2013-04-01/hostedzonesbyvpc" */
};

struct aws_reply {
    struct xml_doc *xml; /* query form and REST; else NULL */
    json_t *json;        /* JSON services; else NULL */
    struct aws_error error;
    bool has_skew;  /* a reply had a date: */
    int64_t skew_s; /* this machine's time minus the service's, to a second or two */
};

/* True: the reply's xml or json is there. False: error says why. Give both back with
 * aws_reply_done. */
bool aws_call(struct aws_session *s, const struct aws_request *request, struct aws_reply *reply);
void aws_reply_done(struct aws_reply *reply);

/*
 * All pages of a listing, one after another, by nextToken or NextToken. Empty pages are legal, and
 * a token that comes again ends it with an error (PROTOCOL). The request and what it points to
 * stay the caller's and must outlive the pages.
 *
 *     struct aws_pages pages;
 *     aws_pages_init(&pages, session, &request, 100);
 *     while (aws_pages_next(&pages))
 *         use(pages.reply.json);
 *     if (aws_error_is_set(&pages.reply.error)) ...
 *     aws_pages_done(&pages);
 */
struct aws_pages {
    struct aws_reply reply; /* the page; dies with the next one */
    unsigned n_pages;       /* so far, this one included */
    bool is_cut;            /* there are more than max_pages */
    /* private */
    struct aws_session *session;
    const struct aws_request *request;
    unsigned max_pages;
    bool is_over;
    struct buf token;
    uint64_t seen[16]; /* hashes of the last tokens */
};

void aws_pages_init(struct aws_pages *p, struct aws_session *s, const struct aws_request *request,
                    unsigned max_pages);
bool aws_pages_next(struct aws_pages *p);
void aws_pages_done(struct aws_pages *p);
