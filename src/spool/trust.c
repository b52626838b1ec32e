/* trust.c: see trust.h.
 *
 * The database may be slow (LDAP) and a thousand files may be dropped at once,
 * so an answer is kept for KEPT_US; not longer, since an operator who has just
 * put somebody into the group expects it to work.
 */
#include "spool/trust.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/text.h"

#define USERS_MAX 64
#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */
#define ENTRY_MAX ((size_t)16 << 20)
#define KEPT 16
#define KEPT_US (5 * US_PER_SEC)
#define SEPARATORS " \t,"

struct trust {
    uid_t user[USERS_MAX];
    size_t users;
    char *users_text;
    bool has_group;
    gid_t group;
    struct {
        uid_t uid;
        enum trust_answer answer;
        int64_t until_us; /* monotonic */
    } kept[KEPT];
    size_t next; /* of these to be overwritten */
};

struct trust *trust_new(void)
{
    return calloc(1, sizeof(struct trust));
}

void trust_free(struct trust *t)
{
    if (!t)
        return;
    free(t->users_text);
    free(t);
}

/* -- the user database ----------------------------------------------------- */

/* One entry, with the memory its strings lie in.  The ..._r calls: a program may
 * have a spool open in each of its threads. */
struct entry {
    struct passwd pw;
    struct group gr;
    char *text;
    size_t size;
};

static void entry_release(struct entry *e)
{
    free(e->text);
    e->text = NULL;
}

/* The last try found too little room: is there more for another?  (A group may have
 * thousands of members.)  If not, that it was too little is a lack of memory. */
static bool grow(struct entry *e, int *error)
{
    if (*error != ERANGE)
        return false;
    e->size = e->size ? 4 * e->size : 4096;
    free(e->text);
    e->text = e->size <= ENTRY_MAX ? malloc(e->size) : NULL;
    if (!e->text)
        *error = ENOMEM;
    return e->text != NULL;
}

/* What passes, and so says nothing about who is there. */
static bool is_passing(int error)
{
    static const int passing[] = {EAGAIN, EINTR, EIO, EMFILE, ENFILE, ENOMEM};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (error == passing[i])
            return true;
    return false;
}

/* Of what a ..._r call returned.  TRUST_NO: not there (systems have several numbers
 * for that). */
static enum trust_answer answer_of(bool found, int error)
{
    if (!found && is_passing(error)) {
        errno = error;
        return TRUST_UNKNOWN;
    }
    return found ? TRUST_YES : TRUST_NO;
}

/* By name, or with name NULL by number: is it there?  The caller releases. */
static enum trust_answer user_entry(const char *name, uid_t uid, struct entry *e)
{
    struct passwd *found = NULL;
    int r = ERANGE;
    *e = (struct entry){.text = NULL};
    while (grow(e, &r))
        r = name ? getpwnam_r(name, &e->pw, e->text, e->size, &found)
                 : getpwuid_r(uid, &e->pw, e->text, e->size, &found);
    return answer_of(found != NULL, r);
}

static enum trust_answer group_entry(const char *name, gid_t gid, struct entry *e)
{
    struct group *found = NULL;
    int r = ERANGE;
    *e = (struct entry){.text = NULL};
    while (grow(e, &r))
        r = name ? getgrnam_r(name, &e->gr, e->text, e->size, &found)
                 : getgrgid_r(gid, &e->gr, e->text, e->size, &found);
    return answer_of(found != NULL, r);
}

static void show_name(const char *name, uintmax_t number, char out[TRUST_NAME_MAX + 1])
{
    if (name && strlen(name) <= TRUST_NAME_MAX)
        text_copy(out, TRUST_NAME_MAX + 1, name);
    else
        snprintf(out, TRUST_NAME_MAX + 1, "%ju", number);
}

void trust_user_name(uid_t uid, char out[TRUST_NAME_MAX + 1])
{
    struct entry e;
    show_name(user_entry(NULL, uid, &e) == TRUST_YES ? e.pw.pw_name : NULL, uid, out);
    entry_release(&e);
}

void trust_group_name(gid_t gid, char out[TRUST_NAME_MAX + 1])
{
    struct entry e;
    show_name(group_entry(NULL, gid, &e) == TRUST_YES ? e.gr.gr_name : NULL, gid, out);
    entry_release(&e);
}

static int find_user(const char *name, uid_t *uid, struct err *err)
{
    struct entry e;
    int64_t number;
    int r = 0;
    enum trust_answer there = user_entry(name, 0, &e);
    if (there == TRUST_YES)
        *uid = e.pw.pw_uid;
    else if (num_parse(name, 0, UINT32_MAX - 1, &number))
        *uid = (uid_t)number;
    else if (there == TRUST_UNKNOWN)
        r = err_sys(err, "allow-users: cannot look up", name);
    else
        r = err_set(err, ERR_BAD, "allow-users: there is no user \"%.64s\" here", name);
    entry_release(&e);
    return r;
}

int trust_find_group(const char *name, gid_t *gid, struct err *err)
{
    struct entry e;
    int64_t number;
    int r = 0;
    enum trust_answer there = group_entry(name, 0, &e);
    if (there == TRUST_YES)
        *gid = e.gr.gr_gid;
    else if (num_parse(name, 0, UINT32_MAX - 1, &number))
        *gid = (gid_t)number;
    else if (there == TRUST_UNKNOWN)
        r = err_sys(err, "cannot look up group", name);
    else
        r = err_set(err, ERR_BAD, "there is no group \"%.64s\" here; make it: groupadd %.64s",
                    name, name);
    entry_release(&e);
    return r;
}

/* The type of the list differs between systems. */
#ifdef __APPLE__
typedef int group_id;
#else
typedef gid_t group_id;
#endif

/* The *n groups of a user, to be freed; NULL and errno. */
static group_id *groups_of(const struct passwd *pw, int *n)
{
    for (int room = 64; room <= GROUPS_MAX; room *= 4) {
        group_id *list = calloc((size_t)room, sizeof *list);
        if (!list)
            return NULL;
        *n = room;
        if (getgrouplist(pw->pw_name, (group_id)pw->pw_gid, list, n) >= 0)
            return list;
        free(list);
    }
    errno = ERANGE;
    return NULL;
}

static enum trust_answer looks_in(const struct passwd *pw, gid_t group)
{
    int n;
    enum trust_answer answer = TRUST_NO;
    group_id *list = groups_of(pw, &n);
    if (!list)
        return TRUST_UNKNOWN;
    for (int i = 0; i < n; i++)
        if ((gid_t)list[i] == group)
            answer = TRUST_YES;
    free(list);
    return answer;
}

static enum trust_answer is_member(uid_t uid, gid_t group)
{
    struct entry e;
    enum trust_answer answer = user_entry(NULL, uid, &e);
    if (answer == TRUST_YES)
        answer = looks_in(&e.pw, group);
    int saved = errno;
    entry_release(&e);
    errno = saved;
    return answer;
}

/* -- who is named ------------------------------------------------------------ */

static int add_users(struct trust *t, char *words, struct err *err)
{
    int r = 0;
    char *rest = NULL;
    for (char *word = strtok_r(words, SEPARATORS, &rest); word;
         word = strtok_r(NULL, SEPARATORS, &rest)) {
        uid_t uid = 0;
        if (t->users == USERS_MAX)
            return err_set(err, ERR_BAD, "allow-users: more than %d; use allow-group", USERS_MAX);
        if (find_user(word, &uid, r == 0 ? err : NULL) == 0)
            t->user[t->users++] = uid;
        else
            r = -1;
    }
    return r;
}

static int set_group(struct trust *t, const char *group, struct err *err)
{
    if (!group || !*group)
        return 0;
    t->has_group = trust_find_group(group, &t->group, err) == 0;
    return t->has_group ? 0 : err_prefix(err, "allow-group");
}

/* Not to know who is meant is another thing than to trust nobody: then the file of
 * a trusted user would be put aside for good. */
int trust_set(struct trust *t, const char *users, const char *group, struct err *err)
{
    struct err first = ERR_INIT, second = ERR_INIT;
    struct trust named = {.users_text = strdup(users ? users : "")};
    char *words = strdup(users ? users : "");
    if (!words || !named.users_text)
        err_no_memory(&first);
    else if (add_users(&named, words, &first) == 0 || first.kind != ERR_SYSTEM)
        set_group(&named, group, &second);
    free(words);
    bool is_known = first.kind != ERR_SYSTEM && second.kind != ERR_SYSTEM;
    free(is_known ? t->users_text : named.users_text);
    if (is_known)
        *t = named;
    if (first.kind == ERR_NONE)
        first = second;
    if (first.kind != ERR_NONE && err)
        *err = is_known || second.kind != ERR_SYSTEM ? first : second;
    return first.kind == ERR_NONE ? 0 : -1;
}

bool trust_is_shared(const struct trust *t)
{
    return t->has_group || t->users > 0;
}

bool trust_is_group(const struct trust *t, gid_t gid)
{
    return t->has_group && t->group == gid;
}

/* -- a file's owner ---------------------------------------------------------- */

static bool is_named(const struct trust *t, uid_t uid)
{
    for (size_t i = 0; i < t->users; i++)
        if (t->user[i] == uid)
            return true;
    return false;
}

static enum trust_answer ask_group(struct trust *t, uid_t uid)
{
    int64_t now = clock_mono_us();
    for (size_t i = 0; i < KEPT; i++)
        if (t->kept[i].uid == uid && now < t->kept[i].until_us)
            return t->kept[i].answer;
    enum trust_answer answer = is_member(uid, t->group);
    if (answer == TRUST_UNKNOWN)
        return answer;
    t->kept[t->next].uid = uid;
    t->kept[t->next].answer = answer;
    t->kept[t->next].until_us = now + KEPT_US;
    t->next = (t->next + 1) % KEPT;
    return answer;
}

enum trust_answer trust_owner(struct trust *t, uid_t uid)
{
    if (uid == geteuid() || uid == 0 || is_named(t, uid))
        return TRUST_YES;
    return t->has_group ? ask_group(t, uid) : TRUST_NO;
}

void trust_with_user(const struct trust *t, uid_t uid, char *out, size_t size)
{
    char name[TRUST_NAME_MAX + 1];
    bool some = t->users_text && t->users_text[strspn(t->users_text, SEPARATORS)];
    trust_user_name(uid, name);
    snprintf(out, size, "%s%s%s", some ? t->users_text : "", some ? " " : "", name);
}
