/* option_values.c: what was given in a call, asked for by name. */
#include <string.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/num.h"
#include "cli/options.h"
#include "cli/say.h"

static bool is_known(const struct option *list, const char *name)
{
    for (; list && list->name; list++)
        if (strcmp(list->name, name) == 0)
            return true;
    return false;
}

const char *option_next(const struct call *c, const char *name, size_t *at)
{
    if (!is_known(c->cmd->options, name))
        BUG("an option that is not in the command's table");
    while (*at < c->given_count) {
        const struct given *g = &c->given[(*at)++];
        if (strcmp(g->option->name, name) == 0)
            return g->value ? g->value : "";
    }
    return NULL;
}

const char *option_value(const struct call *c, const char *name)
{
    const char *value = NULL;
    const char *next;
    for (size_t at = 0; (next = option_next(c, name, &at));)
        value = next;
    return value;
}

bool option_on(const struct call *c, const char *name)
{
    return option_value(c, name) != NULL;
}

int option_int(const struct call *c, const char *name, int64_t min, int64_t max, int64_t *out)
{
    const char *text = option_value(c, name);
    if (!text || num_parse(text, min, max, out))
        return 0;
    say("--%s %s: use a number from %lld to %lld", name, text, (long long)min, (long long)max);
    return -1;
}

int option_duration(const struct call *c, const char *name, int64_t *ms)
{
    const char *text = option_value(c, name);
    if (!text || duration_parse(text, ms))
        return 0;
    say("--%s %s: no duration; use 90, 90s, 5m, 2h, 7d", name, text);
    return -1;
}
