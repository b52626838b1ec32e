/* blocklog FOLDER MIB: a disk that remembers the order of what was written to it.
 *
 * A FUSE file system with four files, spoken straight to /dev/fuse:
 *   disk     MIB of zeros, for a loop device
 *   marks    each write(2) of a text puts that text into the log, between the writes
 *            to the disk that came before and those that come after
 *   log      one line a record:  W OFFSET LENGTH | F (a flush) | M TEXT
 *   control  commands, one a write(2):
 *              base        the log begins here, with the disk as it is
 *              rewind      the disk as it was at base; nothing is recorded any more
 *              advance N   records before N are on the disk, for good
 *              try N HOW SEED PIECE
 *                          the disk as a power cut leaves it after record N - 1: of what
 *                          was written since `advance`, all, none, or a random part (HOW),
 *                          PIECE bytes being written whole or not at all
 *              drop        as `advance` left it; what was tried and written since is gone
 * It prints "ready" once mounted, and ends when it is unmounted or its parent dies.
 * Everything is in memory.  One request at a time: the order of the log is the truth.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define WRITE_MAX (1024 * 1024)
#define COUNT(a) (sizeof(a) / sizeof *(a))

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void *must(void *p)
{
    if (!p)
        die("memory");
    return p;
}

/* -- the disk ------------------------------------------------------------ */

/* Pages as they were, to go back to. */
struct layer {
    bool *has;
    struct {
        size_t no;
        char bytes[PAGE];
    } *page;
    size_t n, cap;
};

static char *image;
static size_t image_size;
static struct layer since_base, since_advance;
static bool replaying;

static void layer_save(struct layer *l, size_t no)
{
    if (l->has[no])
        return;
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->page = must(realloc(l->page, l->cap * sizeof *l->page));
    }
    l->has[no] = true;
    l->page[l->n].no = no;
    memcpy(l->page[l->n++].bytes, image + no * PAGE, PAGE);
}

static void layer_forget(struct layer *l)
{
    for (size_t i = 0; i < l->n; i++)
        l->has[l->page[i].no] = false;
    l->n = 0;
}

static void layer_restore(struct layer *l)
{
    for (size_t i = 0; i < l->n; i++)
        memcpy(image + l->page[i].no * PAGE, l->page[i].bytes, PAGE);
    layer_forget(l);
}

static void put(size_t offset, const char *bytes, size_t n, struct layer *l)
{
    for (size_t no = offset / PAGE; n > 0 && no <= (offset + n - 1) / PAGE; no++)
        layer_save(l, no);
    memcpy(image + offset, bytes, n);
}

/* -- the log ------------------------------------------------------------- */

struct record {
    char kind; /* W, F, M */
    size_t offset, n;
    char *bytes;
};

static struct record *record;
static size_t record_n, record_cap, applied;

static void note(char kind, size_t offset, const char *bytes, size_t n)
{
    if (record_n == record_cap) {
        record_cap = record_cap ? 2 * record_cap : 1024;
        record = must(realloc(record, record_cap * sizeof *record));
    }
    record[record_n] = (struct record){kind, offset, n, must(malloc(n + 1))};
    if (n > 0)
        memcpy(record[record_n].bytes, bytes, n);
    record[record_n++].bytes[n] = '\0';
}

static void forget_log(void)
{
    for (size_t i = 0; i < record_n; i++)
        free(record[i].bytes);
    record_n = applied = 0;
}

/* Its text, made when the file is opened. */
static char *log_text;
static size_t log_size;

static void print_log(void)
{
    free(log_text);
    FILE *f = must(open_memstream(&log_text, &log_size));
    for (size_t i = 0; i < record_n; i++) {
        const struct record *r = &record[i];
        if (r->kind == 'W')
            fprintf(f, "W %zu %zu\n", r->offset, r->n);
        else
            fprintf(f, "%c %s\n", r->kind, r->bytes);
    }
    fclose(f);
}

/* -- power cuts ---------------------------------------------------------- */

static unsigned long long seed;

/* splitmix64 */
static unsigned long long next_random(void)
{
    unsigned long long z = (seed += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static bool chance(unsigned percent)
{
    return next_random() % 100 < percent;
}

/* Some cuts leave nearly all of it, some nearly nothing; some tear writes apart. */
static void put_part(size_t from, size_t to, size_t piece)
{
    static const unsigned shares[] = {10, 50, 90};
    unsigned share = shares[next_random() % COUNT(shares)];
    bool torn = chance(50);
    for (size_t i = from; i < to; i++) {
        const struct record *r = &record[i];
        if (r->kind != 'W')
            continue;
        for (size_t at = 0, n; at < r->n; at += n) {
            n = !torn || r->n - at < piece ? r->n - at : piece;
            if (chance(share))
                put(r->offset + at, r->bytes + at, n, &since_advance);
        }
    }
}

static void put_all(size_t from, size_t to, struct layer *l)
{
    for (size_t i = from; i < to; i++)
        if (record[i].kind == 'W')
            put(record[i].offset, record[i].bytes, record[i].n, l);
}

static int advance(size_t to)
{
    if (!replaying || to < applied || to > record_n)
        return -EINVAL;
    layer_restore(&since_advance);
    put_all(applied, to, &since_base);
    applied = to;
    return 0;
}

static int try(size_t to, const char *how, size_t piece)
{
    if (!replaying || to < applied || to > record_n || piece == 0)
        return -EINVAL;
    layer_restore(&since_advance);
    if (strcmp(how, "all") == 0)
        put_all(applied, to, &since_advance);
    else if (strcmp(how, "random") == 0)
        put_part(applied, to, piece);
    else if (strcmp(how, "none") != 0)
        return -EINVAL;
    return 0;
}

static int obey(const char *text)
{
    char how[16];
    size_t n, piece;
    if (strcmp(text, "base") == 0) {
        layer_forget(&since_base);
        forget_log();
    } else if (strcmp(text, "rewind") == 0) {
        layer_restore(&since_advance);
        layer_restore(&since_base);
        replaying = true;
        applied = 0;
    } else if (strcmp(text, "drop") == 0)
        layer_restore(&since_advance);
    else if (sscanf(text, "advance %zu", &n) == 1)
        return advance(n);
    else if (sscanf(text, "try %zu %15s %llu %zu", &n, how, &seed, &piece) == 4)
        return try(n, how, piece);
    else
        return -EINVAL;
    return 0;
}

/* -- the file system ----------------------------------------------------- */

enum node { ROOT = FUSE_ROOT_ID, DISK, MARKS, LOG, CONTROL, NODE_END };
static const char *const names[NODE_END] = {
    [DISK] = "disk", [MARKS] = "marks", [LOG] = "log", [CONTROL] = "control"};

static int fuse;

static void reply(const struct fuse_in_header *in, int error, const void *bytes, size_t n)
{
    struct fuse_out_header out = {
        .len = (unsigned)(sizeof out + n), .error = error, .unique = in->unique};
    struct iovec v[] = {{&out, sizeof out}, {(void *)(size_t)bytes, n}};
    if (writev(fuse, v, 2) < 0 && errno != ENOENT) /* ENOENT: interrupted */
        die("reply");
}

static struct fuse_attr attr(uint64_t node)
{
    struct fuse_attr a = {.ino = node, .mode = S_IFREG | 0666, .nlink = 1, .blksize = PAGE};
    if (node == ROOT)
        a.mode = S_IFDIR | 0755;
    a.size = node == DISK ? image_size : node == LOG ? log_size : 0;
    return a;
}

static void look_up(const struct fuse_in_header *in, const char *name)
{
    for (uint64_t node = DISK; node < NODE_END; node++)
        if (strcmp(name, names[node]) == 0) {
            struct fuse_entry_out out = {.nodeid = node, .attr = attr(node)};
            reply(in, 0, &out, sizeof out);
            return;
        }
    reply(in, -ENOENT, NULL, 0);
}

static void read_file(const struct fuse_in_header *in, const struct fuse_read_in *r)
{
    const char *from = in->nodeid == DISK ? image : in->nodeid == LOG ? log_text : NULL;
    size_t size = from ? attr(in->nodeid).size : 0;
    size_t n = r->offset >= size ? 0 : size - r->offset;
    reply(in, 0, n > 0 ? from + r->offset : NULL, n < r->size ? n : r->size);
}

static int write_disk(size_t offset, const char *bytes, size_t n)
{
    if (offset > image_size || n > image_size - offset)
        return -ENOSPC;
    put(offset, bytes, n, replaying ? &since_advance : &since_base);
    if (!replaying)
        note('W', offset, bytes, n);
    return 0;
}

static void write_file(const struct fuse_in_header *in, const struct fuse_write_in *w)
{
    const char *bytes = (const char *)(w + 1);
    char text[4096];
    int error = 0;
    snprintf(text, sizeof text, "%.*s", (int)w->size, bytes);
    text[strcspn(text, "\n")] = '\0';
    if (in->nodeid == DISK)
        error = write_disk(w->offset, bytes, w->size);
    else if (in->nodeid == CONTROL)
        error = obey(text);
    else if (in->nodeid == MARKS && !replaying)
        note('M', 0, text, strlen(text));
    struct fuse_write_out out = {.size = w->size};
    reply(in, error, &out, error ? 0 : sizeof out);
}

static void start(const struct fuse_in_header *in, const struct fuse_init_in *init)
{
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FUSE_KERNEL_MINOR_VERSION < init->minor ? FUSE_KERNEL_MINOR_VERSION : init->minor,
        .max_readahead = init->max_readahead,
        .flags = init->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES),
        .max_background = 16,
        .congestion_threshold = 12,
        .max_write = WRITE_MAX,
        .max_pages = WRITE_MAX / PAGE};
    reply(in, 0, &out, sizeof out);
    puts("ready");
    fflush(stdout);
}

static void answer(const struct fuse_in_header *in)
{
    const void *arg = in + 1;
    struct fuse_attr_out attr_out = {.attr = attr(in->nodeid)};
    struct fuse_open_out open_out = {.open_flags = FOPEN_DIRECT_IO};
    struct fuse_statfs_out statfs_out = {.st = {.bsize = PAGE, .namelen = 255}};
    switch (in->opcode) {
    case FUSE_INIT:
        start(in, arg);
        break;
    case FUSE_LOOKUP:
        look_up(in, arg);
        break;
    case FUSE_GETATTR:
    case FUSE_SETATTR: /* O_TRUNC, times: nothing changes */
        reply(in, 0, &attr_out, sizeof attr_out);
        break;
    case FUSE_OPEN:
        if (in->nodeid == LOG)
            print_log();
        reply(in, 0, &open_out, sizeof open_out);
        break;
    case FUSE_READ:
        read_file(in, arg);
        break;
    case FUSE_WRITE:
        write_file(in, arg);
        break;
    case FUSE_FSYNC:
        if (in->nodeid == DISK && !replaying)
            note('F', 0, NULL, 0);
        reply(in, 0, NULL, 0);
        break;
    case FUSE_STATFS:
        reply(in, 0, &statfs_out, sizeof statfs_out);
        break;
    case FUSE_FLUSH: /* close(2) */
    case FUSE_RELEASE:
    case FUSE_OPENDIR:
    case FUSE_RELEASEDIR:
    case FUSE_READDIR:
    case FUSE_ACCESS:
        reply(in, 0, NULL, 0);
        break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        break; /* these want no answer */
    default:
        reply(in, -ENOSYS, NULL, 0);
    }
}

static void serve(void)
{
    static char request[WRITE_MAX + 2 * PAGE];
    for (;;) {
        ssize_t n = read(fuse, request, sizeof request);
        if (n < 0 && errno == ENODEV)
            return; /* unmounted */
        if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
            die("/dev/fuse");
        if (n >= (ssize_t)sizeof(struct fuse_in_header))
            answer((struct fuse_in_header *)request);
    }
}

static void *reserve(size_t n)
{
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    return must(p == MAP_FAILED ? NULL : p);
}

int main(int argc, char **argv)
{
    char options[100];
    if (argc != 3)
        return fputs("usage: blocklog FOLDER MIB\n", stderr), 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    image_size = strtoul(argv[2], NULL, 10) * 1024 * 1024;
    image = reserve(image_size);
    since_base.has = reserve(image_size / PAGE * sizeof(bool));
    since_advance.has = reserve(image_size / PAGE * sizeof(bool));
    fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse < 0)
        die("/dev/fuse");
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
    if (mount("blocklog", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) != 0)
        die("mount");
    serve();
    return 0;
}
