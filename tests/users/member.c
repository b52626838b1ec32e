/* member.c: the public interface on another user's spool, where the job "busy"
 * runs: built and run by members.bats. */
#include <queuectl.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    static const char *const many[] = {"{\"id\":\"m1\",\"command\":\"true\"}",
                                       "{\"argv\":[\"true\"]}"};
    static const char *const busy = "busy";
    static const char *const busy_again = "{\"id\":\"busy\",\"command\":\"true\"}";
    struct queuectl *q;
    char id[QUEUECTL_ID_SIZE], ids[2][QUEUECTL_ID_SIZE];
    const char *const wanted[3] = {id, ids[0], ids[1]};
    enum queuectl_end end = QUEUECTL_END_TIMEOUT;
    size_t bad;
    int good = queuectl_open(NULL, QUEUECTL_WRITE, &q) == QUEUECTL_OK &&
               queuectl_enqueue(q, "{\"command\":\"echo hi\"}", 0, id) == QUEUECTL_OK &&
               queuectl_enqueue_many(q, many, 2, ids, &bad) == QUEUECTL_OK &&
               queuectl_wait(q, wanted, 3, 20000, &end) == QUEUECTL_OK &&
               end == QUEUECTL_END_DONE &&
               queuectl_enqueue(q, busy_again, 0, NULL) == QUEUECTL_OK &&
               queuectl_wait(q, &busy, 1, 20000, &end) == QUEUECTL_OK &&
               end == QUEUECTL_END_DEAD && queuectl_delete(q, id) == QUEUECTL_BAD &&
               queuectl_retry(q, id) == QUEUECTL_BAD &&
               queuectl_cancel(q, id, 0) == QUEUECTL_BAD &&
               queuectl_enqueue_unique(q, many[0], 0, NULL, NULL) == QUEUECTL_BAD &&
               strstr(queuectl_error_text(q), "sudo -u alice");
    puts(good ? "as promised" : queuectl_error_text(q));
    queuectl_close(q);
    return !good;
}
