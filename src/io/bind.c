#include "io/bind.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sets the thread's effective right to low ports; *had is what it was. False: it is not permitted,
 * or the kernel does not let us. */
static bool set_right(bool wanted, bool *had)
{
    /* libc has no call for it, and a library for one bit is another file in the image. */
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
    const uint32_t bit = 1U << CAP_NET_BIND_SERVICE;
    if (syscall(SYS_capget, &head, caps) != 0)
        return false;
    *had = (caps[0].effective & bit) != 0;
    if (*had == wanted)
        return true;
    caps[0].effective ^= bit;
    return syscall(SYS_capset, &head, caps) == 0;
}

int io_bind(int fd, const struct addr *at)
{
    bool had, ignored;
    int r = bind(fd, &at->sa, addr_len(at));
    if (r == 0 || errno != EACCES)
        return r;
    if (!set_right(true, &had) || had) {
        errno = EACCES;
        return r;
    }
    r = bind(fd, &at->sa, addr_len(at));
    int e = errno;
    set_right(false, &ignored);
    errno = e;
    return r;
}
