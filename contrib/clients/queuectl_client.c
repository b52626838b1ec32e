/* queuectl_client.c: enqueue a job in a queuectl spool and wait for its end.  MIT; copy it.
 *
 * Needs C99, POSIX 2008 and the spool, not the program queuectl or its library:
 *  1. check the id; done/ID.json or dead/ID.json is there: in use
 *  2. make tmp/UNIQUE with O_EXCL and mode 0640, write the document, fsync, close
 *  3. link(2) it to pending/ID.json, which overwrites nothing; unlink tmp/UNIQUE
 *  4. fsync pending/: now the job is acknowledged
 *  5. watch done/ and dead/, look, wait, look: ID.json there, or dead/rejected-...
 *
 *     struct qc_ticket t;
 *     char *document = NULL;                 (the caller frees it)
 *     int r = qc_enqueue(&t, spool, "report-42", "{\"command\":\"make report\"}");
 *     if (r == QC_OK)
 *         r = qc_wait(&t, 60000, &document); (-1: for ever; QC_OK done, QC_DEAD dead)
 *     qc_close(&t);                          (in any case; t.why is the reason otherwise)
 *
 * The members are text, in which the id is set: one of its own in there would be a
 * second one, which the queue refuses.
 *
 * In a program of yours: compile it as a file of its own with -DQC_NO_MAIN, and have its
 * declarations, and nothing else, by
 *
 *     #define QC_HEADER
 *     #include "queuectl_client.c"
 *
 * Or define QC_NO_MAIN and include it whole, before any system header.
 * A ticket keeps the file open, for reading: so its inode number, which names the
 * report, is not used again, and its link count tells when the queue has taken it in. */
#ifndef QC_DECLARED
#define QC_DECLARED
enum { QC_OK = 0, QC_DEAD = -1, QC_TROUBLE = 1, QC_USAGE = 2, QC_REFUSED = 3, QC_TIMEOUT = 124 };

struct qc_ticket {
    int spool, file, watch; /* descriptors: the folder, the job's file, inotify */
    char id[129], why[512];
};

int qc_enqueue(struct qc_ticket *t, const char *spool, const char *id, const char *members);
int qc_wait(struct qc_ticket *t, long long timeout_ms, char **document);
void qc_close(struct qc_ticket *t);
#endif
#ifndef QC_HEADER /* from here on: the client itself */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for O_PATH */
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/inotify.h>
#endif
#ifndef O_PATH /* with it a spool that cannot be listed will do */
#define O_PATH O_RDONLY
#endif

/* With errno's words after it where the system is to blame. */
static int fail(struct qc_ticket *t, int code, const char *what)
{
    const char *why = code == QC_TROUBLE ? strerror(errno) : "";
    snprintf(t->why, sizeof t->why, "%s%s%s", what, *why ? ": " : "", why);
    return code;
}

static int in_use(struct qc_ticket *t)
{
    snprintf(t->why, sizeof t->why, "id \"%s\" is in use", t->id);
    return QC_REFUSED;
}

static int no_spool(struct qc_ticket *t, const char *spool)
{
    if (errno != ENOENT && errno != ENOTDIR)
        return fail(t, QC_TROUBLE, spool);
    snprintf(t->why, sizeof t->why, "no spool at %s", spool);
    return QC_TROUBLE;
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int write_file(int fd, const char *text)
{
    size_t left = strlen(text);
    int r = fchmod(fd, 0640); /* whatever the umask: the worker may be of our group */
    while (r == 0 && left > 0) {
        ssize_t n = write(fd, text, left);
        if (n >= 0)
            text += n, left -= (size_t)n;
        else if (errno != EINTR)
            r = -1;
    }
    return r == 0 ? fsync(fd) : r;
}

/* Steps 2 to 4. */
static int publish(struct qc_ticket *t, const char *text)
{
    struct timespec now;
    char tmp[64], pending[160];
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(tmp, sizeof tmp, "tmp/c-%ld-%lld.%09ld", (long)getpid(), (long long)now.tv_sec, now.tv_nsec);
    snprintf(pending, sizeof pending, "pending/%s.json", t->id);
    int fd = openat(t->spool, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return fail(t, QC_TROUBLE, tmp);
    int ok = write_file(fd, text) == 0;
    ok = close(fd) == 0 && ok;
    ok = ok && (t->file = openat(t->spool, tmp, O_RDONLY | O_CLOEXEC)) >= 0;
    ok = ok && linkat(t->spool, tmp, t->spool, pending, 0) == 0;
    int r = ok ? QC_OK : errno == EEXIST ? in_use(t) : fail(t, QC_TROUBLE, tmp);
    if (unlinkat(t->spool, tmp, 0) != 0 && ok)
        r = fail(t, QC_TROUBLE, tmp);
    if (r != QC_OK)
        return r;
    int folder = openat(t->spool, "pending", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || fsync(folder) != 0)
        r = fail(t, QC_TROUBLE, "pending");
    if (folder >= 0)
        close(folder);
    return r;
}

/* Arms the watch; where there is none, qc_wait() polls. */
static void arm(struct qc_ticket *t, const char *spool)
{
#ifdef __linux__
    char path[4096];
    t->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    for (int i = 0; i < 2 && t->watch >= 0; i++) {
        int n = snprintf(path, sizeof path, "%s/%s", spool, i ? "dead" : "done");
        if (n < (int)sizeof path && inotify_add_watch(t->watch, path, IN_CREATE | IN_MOVED_TO) >= 0)
            continue;
        close(t->watch);
        t->watch = -1;
    }
#else
    (void)t, (void)spool;
#endif
}

int qc_enqueue(struct qc_ticket *t, const char *spool, const char *id, const char *members)
{
    static const char space[] = " \t\r\n";
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    struct stat st;
    char name[160];
    size_t n = strlen(id);
    *t = (struct qc_ticket){.spool = -1, .file = -1, .watch = -1};
    if (n == 0 || n > 128 || strspn(id, plain) != n || strchr("._-", id[0]))
        return fail(t, QC_USAGE, "an id is 1 to 128 of A-Za-z0-9._-, a letter or digit first");
    memcpy(t->id, id, n + 1);
    members += strspn(members, space);
    if (*members++ != '{')
        return fail(t, QC_USAGE, "the members must be a JSON object");
    if ((t->spool = open(spool, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        fstatat(t->spool, "tmp", &st, 0) != 0)
        return no_spool(t, spool);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s/%s.json", i ? "dead" : "done", id);
        if (fstatat(t->spool, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return in_use(t);
    }
    size_t size = strlen(members) + n + 16;
    char *text = malloc(size);
    if (!text)
        return fail(t, QC_TROUBLE, "the document");
    snprintf(text, size, "{\"id\":\"%s\"%s%s", id, members[strspn(members, space)] == '}' ? "" : ",", members);
    int r = publish(t, text);
    free(text);
    arm(t, spool);
    return r;
}

/* The text of a file, NULL with errno if there is none; *inode is its own. */
static char *slurp(int spool, const char *name, ino_t *inode)
{
    struct stat st;
    int fd = openat(spool, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    char *text = fstat(fd, &st) == 0 ? calloc(1, (size_t)st.st_size + 1) : NULL;
    if (text && read(fd, text, (size_t)st.st_size) != (ssize_t)st.st_size) {
        free(text); /* files appear whole and never change */
        text = NULL;
        errno = EIO;
    }
    close(fd);
    if (text)
        *inode = st.st_ino;
    return text;
}

/* The queue's own report, one member a line: its last_error. */
static void take_reason(struct qc_ticket *t, char **report)
{
    static const char member[] = "\"last_error\": \"";
    const char *at = strstr(*report, member);
    size_t n = 0;
    for (at = at ? at + sizeof member - 1 : ""; *at && *at != '"' && n < sizeof t->why - 1; at++) {
        at += *at == '\\' && at[1];
        t->why[n++] = *at;
    }
    t->why[n] = '\0';
    free(*report);
    *report = NULL;
}

/* QC_TIMEOUT here: not yet. */
static int look(struct qc_ticket *t, char **document)
{
    static const int code[] = {QC_REFUSED, QC_OK, QC_DEAD};
    struct stat own;
    ino_t inode;
    char name[3][160];
    if (fstat(t->file, &own) != 0)
        return fail(t, QC_TROUBLE, "fstat");
    snprintf(name[1], sizeof name[1], "done/%s.json", t->id);
    snprintf(name[2], sizeof name[2], "dead/%s.json", t->id);
    snprintf(name[0], sizeof name[0], "dead/rejected-%.80s-%llx.json", name[1] + 5, (unsigned long long)own.st_ino);
    for (int i = 0; i < 3; i++) {
        char *text = slurp(t->spool, name[i], &inode);
        if (!text && errno != ENOENT)
            return fail(t, QC_TROUBLE, name[i]);
        /* Not taken in yet: then what lies there is another's, or ours moved by hand. */
        if (text && (i == 0 || own.st_nlink == 0 || own.st_ino == inode)) {
            *document = text;
            return code[i];
        }
        free(text);
    }
    return QC_TIMEOUT;
}

int qc_wait(struct qc_ticket *t, long long timeout_ms, char **document)
{
    char events[4096];
    long long start = now_ms(), nap = 10;
    for (;;) {
        int r = look(t, document);
        if (r == QC_REFUSED)
            take_reason(t, document);
        if (r != QC_TIMEOUT)
            return r;
        long long left = timeout_ms < 0 ? 2000 : timeout_ms - (now_ms() - start);
        if (left <= 0) {
            snprintf(t->why, sizeof t->why, "job \"%s\" has not ended after %.15g s", t->id, (double)timeout_ms / 1000);
            return QC_TIMEOUT;
        }
        /* Events are hints: look each 2 s without one. */
        long long most = t->watch >= 0 ? 2000 : nap;
        struct pollfd p = {.fd = t->watch, .events = POLLIN};
        if (poll(&p, t->watch >= 0, (int)(left < most ? left : most)) > 0 &&
            read(t->watch, events, sizeof events) < 0 && errno != EAGAIN)
            return fail(t, QC_TROUBLE, "inotify");
        nap = nap < 125 ? 2 * nap : 250;
    }
}

void qc_close(struct qc_ticket *t)
{
    int *const fd[] = {&t->spool, &t->file, &t->watch};
    for (size_t i = 0; i < sizeof fd / sizeof *fd; i++) {
        if (*fd[i] >= 0)
            close(*fd[i]);
        *fd[i] = -1;
    }
}

#ifndef QC_NO_MAIN
int main(int argc, char **argv)
{
    struct qc_ticket t;
    char *document = NULL;
    size_t digits = argc == 5 ? strspn(argv[4], "0123456789") : 1;
    if (argc < 4 || argc > 5 || digits == 0 || digits > 9 || (argc == 5 && argv[4][digits])) {
        fprintf(stderr, "usage: queuectl_client SPOOL ID MEMBERS_JSON [TIMEOUT_SECONDS]\n");
        return QC_USAGE;
    }
    int r = qc_enqueue(&t, argv[1], argv[2], argv[3]);
    if (r == QC_OK)
        r = qc_wait(&t, argc == 5 ? atoll(argv[4]) * 1000 : -1, &document);
    qc_close(&t);
    if (document && (fputs(document, stdout) == EOF || fflush(stdout) != 0))
        r = fail(&t, QC_TROUBLE, "stdout");
    free(document);
    if (r > 0)
        fprintf(stderr, "queuectl_client: %s\n", t.why);
    return r == QC_DEAD ? 1 : r;
}
#endif /* QC_NO_MAIN */
#endif /* QC_HEADER */
