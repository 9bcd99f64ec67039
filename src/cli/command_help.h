#pragma once
/* Usage and help of the subcommands, made of their table. */
#include "base/buf.h"
#include "cli/commands.h"

/* "usage: penstock lookup NAME [TYPE] [--server ADDR[:PORT]] ...", wrapped; one newline at the end.
 */
void command_usage(enum cli_id id, struct buf *out);
/* What stands behind the usage: operands, options, examples, exit codes. */
void command_help(enum cli_id id, struct buf *out);
/* All subcommands. */
void command_list(struct buf *out);
/* "-o, --output FORMAT". */
void command_option_form(const struct cli_option *o, struct buf *out);
