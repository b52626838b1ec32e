/* talk.c: a frame is written with one send(2) and is far smaller than a socket's
 * buffer, so it arrives whole; MSG_WAITALL covers the case that it does not. */
#include "worker/talk.h"
#include "base/text.h"

#include <errno.h>
#include <sys/socket.h>

int talk_send(int fd, enum talk_op op, enum dir d, enum talk_end end, const char *name)
{
    struct talk t = {(unsigned char)op, (unsigned char)d, (unsigned char)end, ""};
    ssize_t n;
    text_copy(t.name, sizeof t.name, name);
    do
        n = send(fd, &t, sizeof t, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof t ? 0 : -1;
}

int talk_receive(int fd, struct talk *t)
{
    ssize_t n;
    char c;
    do
        n = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n <= 0)
        return -1;
    do
        n = recv(fd, t, sizeof *t, MSG_WAITALL);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *t)
        return -1;
    t->name[sizeof t->name - 1] = '\0';
    return 1;
}
