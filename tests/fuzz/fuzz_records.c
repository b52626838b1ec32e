/* fuzz_records.c: the small files that say who lives and whose a spool is: those of
 * workers/ (src/spool/live.h), .queue (mark.h), and the names in control/ (request.h).
 *
 * Input: such a file; in .queue @I, @H and @B stand for what must be there: the number
 * of its inode, this host and this boot.  Asserted:
 *   - read(print(read(x))) == read(x), whatever x; what is too long is cut, not overrun
 *   - a record goes by the name of its file, whatever it says
 *   - a spool is ours only if .queue names its own inode, a format we know, and this
 *     host or this boot; adopting asks for the format alone
 *   - a request is its kind's word and what it is about
 */
#include "fuzz.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "queue/request.h"
#include "spool/live.h"
#include "spool/mark.h"

#define TOKEN "0a1b2c3d-4711-99887766-deadbeef"

/* --- workers/ ------------------------------------------------------------------- */

static bool same(const struct live_record *a, const struct live_record *b)
{
    return strcmp(a->token, b->token) == 0 && strcmp(a->pool, b->pool) == 0 &&
           strcmp(a->run, b->run) == 0 && a->pid == b->pid && a->since_us == b->since_us &&
           a->pid_ns == b->pid_ns && a->run_pid == b->run_pid && a->run_boot_us == b->run_boot_us;
}

static void visit(const struct live_record *r, bool alive, void *arg)
{
    *(int *)arg += 1;
    must(strcmp(r->token, TOKEN) == 0 && !alive, "%s goes by %s", TOKEN, r->token);
}

static void check_record(const char *text, size_t n)
{
    struct spool sp = {.dir = {[DIR_WORKERS] = fuzz_folder()}};
    struct live_record read, again;
    int visited = 0;
    fuzz_write_file(fuzz_folder(), TOKEN ".worker", text, n);
    int rc = live_read(&sp, TOKEN, LIVE_WORKER, &read);
    live_each(&sp, visit, &visited);
    must(visited == (rc == 0) && (rc == 0) == (n <= 2 * LIVE_RECORD_LEN), "%zu bytes: %d visited",
         n, visited);
    if (rc != 0)
        return;
    must(read.pid >= 0 && read.since_us >= 0 && read.run_pid >= 0 && read.run_boot_us >= 0,
         "a number below nothing");
    int fd = openat(fuzz_folder(), TOKEN ".worker", O_WRONLY | O_TRUNC | O_CLOEXEC);
    must(fd >= 0 && live_update(fd, &read) == 0, "cannot write it");
    close(fd);
    must(live_read(&sp, TOKEN, LIVE_WORKER, &again) == 0 && same(&read, &again),
         "a record does not come back: run %s, then %s", read.run, again.run);
    unlinkat(fuzz_folder(), TOKEN ".worker", 0);
}

/* --- .queue --------------------------------------------------------------------- */

struct ours {
    char inode[24], host[SYS_ID_LEN + 1], boot[SYS_ID_LEN + 1];
};

static void look_here(struct ours *o)
{
    struct stat st;
    fuzz_write_file(fuzz_folder(), MARK_FILE, "", 0);
    must(fstatat(fuzz_folder(), MARK_FILE, &st, 0) == 0 && sys_host_id(o->host) == 0 &&
         sys_boot_id(o->boot) == 0, "where are we?");
    snprintf(o->inode, sizeof o->inode, "%ju", (uintmax_t)st.st_ino);
}

/* The text with @I, @H, @B filled in. */
static void fill_in(const char *text, size_t n, const struct ours *o, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        char what = text[i] == '@' && i + 1 < n ? text[i + 1] : '\0';
        const char *word = what == 'I' ? o->inode : what == 'H' ? o->host
                         : what == 'B' ? o->boot : NULL;
        if (word != NULL)
            buf_adds(out, word);
        else
            buf_addc(out, text[i]);
        i += word != NULL;
    }
}

/* Is there a line of just this word and value?  What follows a NUL is not read. */
static bool says(const struct buf *file, const char *word, const char *value)
{
    size_t n = strlen(word), m = strlen(value);
    for (const char *at = buf_str(file), *end; *at != '\0'; at = *end ? end + 1 : end) {
        end = at + strcspn(at, "\n");
        if ((size_t)(end - at) == n + 1 + m && strncmp(at, word, n) == 0 && at[n] == ' ' &&
            strncmp(at + n + 1, value, m) == 0)
            return true;
    }
    return false;
}

static void check_mark(const char *text, size_t n)
{
    struct ours here;
    struct buf file = BUF_INIT;
    struct err err = ERR_INIT;
    look_here(&here);
    fill_in(text, n, &here, &file);
    fuzz_write_file(fuzz_folder(), MARK_FILE, buf_str(&file), file.len);
    if (mark_check(fuzz_folder(), false, "x", &err) == 0) {
        must(says(&file, "format", "1") && says(&file, "inode", here.inode), "a stranger's: %s",
             buf_str(&file));
        /* A line that is longer is another host's, though it begins like ours. */
        must(says(&file, "host", here.host) || says(&file, "boot", here.boot),
             "another host's: %s", buf_str(&file));
        must(mark_check(fuzz_folder(), true, "x", &err) == 0, "ours, and not to be adopted");
    } else
        must(err.text[0] != '\0' && strchr(err.text, '\n') == NULL, "the error \"%s\"", err.text);
    buf_release(&file);
}

/* --- control/ ------------------------------------------------------------------- */

static void check_request(const char *file)
{
    static const char *const words[] = {[REQUEST_PAUSE] = "pause", [REQUEST_STOP] = "stop.",
                                        [REQUEST_STOP_NOW] = "stop-now.",
                                        [REQUEST_CANCEL] = "cancel."};
    enum request what;
    const char *of;
    if (!request_parse(file, &what, &of))
        return;
    size_t n = strlen(words[what]);
    must(strncmp(file, words[what], n) == 0 && strcmp(file + n, of) == 0, "%s is about %s", file, of);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    check_record(text, size);
    check_mark(text, size);
    check_request(text);
    free(text);
    return 0;
}
