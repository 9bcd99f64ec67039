#include "doctor/log_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE_BYTES = 256 * 1024 };

static bool read_all(struct log_report *r, int fd, char *piece, struct fault *f)
{
    for (;;) {
        ssize_t n = read(fd, piece, PIECE_BYTES);
        if (n == 0)
            return true;
        if (n > 0)
            log_report_feed(r, str_of(piece, (size_t)n));
        else if (errno != EINTR)
            return fault_sys(f, FAULT_SYSTEM, "log", errno);
    }
}

bool log_report_file(struct log_report *r, const char *path, struct fault *f)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fault_sys(f, FAULT_SYSTEM, "log", errno);
    char *piece = malloc(PIECE_BYTES);
    bool is_read =
        piece != NULL ? read_all(r, fd, piece, f) : fault_set(f, FAULT_NO_MEMORY, "log", NULL);
    log_report_end(r);
    free(piece);
    if (!is_stdin)
        close(fd);
    return is_read;
}
