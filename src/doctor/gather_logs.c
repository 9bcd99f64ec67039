#include "doctor/facts_view.h"
#include "doctor/gather_impl.h"
#include "doctor/log_report.h"

static void on_events(struct gather *g, const struct aws_reply *page, void *arg)
{
    size_t i;
    const json_t *event;
    json_array_foreach (json_object_get(page->json, "events"), i, event) {
        const json_t *time = json_object_get(event, "timestamp");
        log_report_line(g->request->log, json_integer_value(time), gather_json(event, "message"));
    }
}

/* Pages may be empty by the dozen: CloudWatch looks through so much and then says "go on". */
enum { MOST_LOG_PAGES = 1000 };

/*
 * Everything since log_from_s: CloudWatch's own patterns would leave out what nobody thought of.
 * How much that may be is bounded by pages and by the session's deadline; what was read counts.
 */
void gather_logs(struct gather *g)
{
    const struct gather_request *r = g->request;
    if (r->log_name.n == 0 || r->log == NULL)
        return;
    json_t *body = json_pack("{s:s%, s:I}", "logGroupName", r->log_name.p, r->log_name.n,
                             "startTime", (json_int_t)r->log_from_s * 1000);
    struct aws_request request = { .service = AWS_LOGS,
                                   .operation = "FilterLogEvents",
                                   .body = body };
    gather_pages(g, &request, MOST_LOG_PAGES, on_events, NULL);
    json_decref(body);
}

void gather_log_error(struct gather *g)
{
    const struct fact_call *call = view_call(&g->book->facts, "logs:FilterLogEvents");
    if (call != NULL && !view_is(call->outcome, "ok"))
        g->book->facts.log.error =
            fact_textf(g->book, "not all of it was read: %.*s",
                       STR_ARG(call->message.n > 0 ? call->message : call->outcome));
}
