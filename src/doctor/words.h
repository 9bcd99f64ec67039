#pragma once
/*
 * Advice that several findings give in the same words: how the option set is put right, who is not
 * affected. Ids in commands are the real ones where known.
 */
#include "doctor/diagnosis.h"

/* What to do about a server that does not know AWS's names. */
void words_fix_dhcp(struct diagnosis *d, struct finding *to);
/* The commands that start new tasks; nothing where there is no ECS. */
void words_fix_tasks(struct diagnosis *d, struct finding *to);
/* Forwarding on the server, for who cannot change the option set. */
void words_fix_forwarding(struct diagnosis *d, struct finding *to);
/* Whether the running proxy is affected by what server does. */
void words_note_proxy(struct diagnosis *d, struct finding *to, struct str server);
