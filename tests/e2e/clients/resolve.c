/* resolve NAME...: a line a name with what this C library's getaddrinfo says, addresses sorted. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MAX_ADDRESSES = 256 };

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void resolve(const char *name)
{
    static char text[MAX_ADDRESSES][INET6_ADDRSTRLEN];
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *list;
    int error = getaddrinfo(name, "443", &hints, &list);
    printf("%s", name);
    if (error != 0) {
        printf(" %s\n", error == EAI_NONAME || error == EAI_NODATA ? "none"
                        : error == EAI_AGAIN                       ? "again"
                                                                   : gai_strerror(error));
        return;
    }
    unsigned n = 0;
    for (struct addrinfo *a = list; a != NULL && n < MAX_ADDRESSES; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text[n], sizeof text[n], NULL, 0,
                        NI_NUMERICHOST) == 0)
            n++;
    qsort(text, n, sizeof text[0], by_text);
    for (unsigned i = 0; i < n; i++)
        printf(" %s", text[i]);
    printf("\n");
    freeaddrinfo(list);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        resolve(argv[i]);
}
