#pragma once
/* Completion for shells, written from the table of subcommands. */
#include "base/buf.h"

/* shell: bash, zsh or fish. False for any other. */
bool completion_write(struct str shell, struct buf *out);
