/* client.c: the public interface from outside: built by install.bats against the
 * installed header, archive and queuectl.pc.  Argument: a spool with a worker. */
#include <queuectl.h>
#include <stdio.h>
#include <string.h>

static struct queuectl *q;

static void must(enum queuectl_error got, enum queuectl_error want, const char *what)
{
    if (got == want)
        return;
    fprintf(stderr, "%s: %d instead of %d: %s\n", what, got, want, queuectl_error_text(q));
    queuectl_close(q);
    _Exit(1);
}

static int count(const struct queuectl_job *job, void *arg)
{
    *(int *)arg += job->state == QUEUECTL_DONE && strstr(job->document, "\"state\"") != NULL;
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const many[] = {"{\"id\":\"m1\",\"command\":\"true\"}",
                                       "{\"command\":\"true\"}", "{\"argv\":[\"true\"]}"};
    char ids[3][QUEUECTL_ID_SIZE], one[QUEUECTL_ID_SIZE];
    struct queuectl_job job;
    enum queuectl_end end;
    size_t bad;
    int n = 0, added = 0, again = 1;

    must(queuectl_open(argc > 1 ? argv[1] : NULL, QUEUECTL_WRITE, &q), QUEUECTL_OK, "open");
    if (strcmp(queuectl_version(), QUEUECTL_VERSION) != 0)
        return 1;
    must(queuectl_enqueue(q, "{\"id\":\"a\",\"command\":\"echo hi\",\"mine\":1e2}", 0, one),
         QUEUECTL_OK, "enqueue");
    must(queuectl_enqueue(q, "{\"id\":\"a\",\"command\":\"x\"}", 0, NULL), QUEUECTL_EXISTS, "twice");
    must(queuectl_enqueue(q, "{\"command\":1}", 0, NULL), QUEUECTL_BAD, "bad");
    must(queuectl_enqueue_many(q, many, 3, ids, &bad), QUEUECTL_OK, "many");
    must(queuectl_wait(q, (const char *const[]){one, ids[0], ids[1], ids[2]}, 4, 20000, &end),
         QUEUECTL_OK, "wait");
    must(queuectl_find(q, one, &job), QUEUECTL_OK, "find");
    if (end != QUEUECTL_END_DONE || job.state != QUEUECTL_DONE ||
        strlen(job.document) != job.document_size || !strstr(job.document, "\"mine\": 1e2"))
        return fprintf(stderr, "end %d, state %d, %s\n", end, job.state, job.document), 1;
    must(queuectl_list(q, QUEUECTL_ANY, 0, count, &n), QUEUECTL_OK, "list");
    must(queuectl_cancel(q, one, 0), QUEUECTL_STATE, "cancel what is done");
    must(queuectl_retry(q, one), QUEUECTL_OK, "retry");
    must(queuectl_wait(q, NULL, 0, 20000, &end), QUEUECTL_OK, "wait for all");
    must(queuectl_enqueue_unique(q, "{\"id\":\"a\",\"command\":\"true\",\"delay\":90}", 0, one,
                                 &added),
         QUEUECTL_OK, "unique, in the place of what is done");
    must(queuectl_enqueue_unique(q, "{\"id\":\"a\",\"command\":\"x\"}", 0, NULL, &again),
         QUEUECTL_OK, "unique, there already");
    must(queuectl_find(q, one, &job), QUEUECTL_OK, "find what is new");
    if (!added || again || job.state != QUEUECTL_PENDING || strstr(job.document, "\"x\""))
        return fprintf(stderr, "added %d %d: %s\n", added, again, job.document), 1;
    must(queuectl_enqueue_unique(q, "{\"command\":\"x\"}", 0, NULL, NULL), QUEUECTL_BAD,
         "unique without an id");
    must(queuectl_delete(q, one), QUEUECTL_OK, "delete");
    must(queuectl_find(q, one, &job), QUEUECTL_UNKNOWN, "find what is deleted");
    queuectl_close(q);
    printf("%d jobs done, m1 is %s\n", n, ids[0]);
    return n == 4 ? 0 : 1;
}
