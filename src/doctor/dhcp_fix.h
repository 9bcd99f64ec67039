#pragma once
/*
 * Carrying out a dhcp_plan: a new option set, its association, and where asked new tasks. One step
 * after the other; none after one that failed.
 */
#include "aws/session.h"
#include "doctor/dhcp_plan.h"
#include "doctor/facts.h"

/* What the plan is made from, out of facts; it borrows them. zones: corporate ones that were asked
 * for. state's lists are the book's. */
void dhcp_state_of(struct fact_book *book, struct dhcp_strs zones, struct dhcp_state *state);

enum dhcp_step { DHCP_STEP_CREATE, DHCP_STEP_ASSOCIATE, DHCP_STEP_REPLACE, DHCP_STEP_DONE };

enum { DHCP_ID_BYTES = 64 };

struct dhcp_applied {
    enum dhcp_step step; /* the one that failed, or DONE */
    struct aws_error error;
    char new_id[DHCP_ID_BYTES]; /* letters, digits, dashes; empty until the set was made */
    size_t n_replaced;          /* services whose tasks are being replaced */
};

/* replaces: services get new tasks, too (UpdateService, forceNewDeployment). True: all is done. */
bool dhcp_apply(struct aws_session *s, const struct dhcp_state *state, const struct dhcp_plan *plan,
                bool replaces, struct dhcp_applied *out);
/* The request of the step that failed was sent, and no reply says that it was not carried out. */
bool dhcp_is_uncertain(const struct dhcp_applied *a);
/* "ec2:CreateDhcpOptions" ...; for DONE an empty text */
const char *dhcp_step_action(enum dhcp_step step);
