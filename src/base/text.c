#include "base/text.h"

#include <string.h>

void text_copy(char *to, size_t size, const char *from)
{
    size_t n = strnlen(from, size - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

struct text text_in(char *to, size_t size)
{
    to[0] = '\0';
    return (struct text){.to = to, .size = size};
}

void text_add(struct text *t, const char *bytes, size_t n)
{
    size_t room = t->size - 1 - t->len;
    if (n > room)
        n = room;
    memcpy(t->to + t->len, bytes, n);
    t->len += n;
    t->to[t->len] = '\0';
}

void text_adds(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_addc(struct text *t, char c)
{
    text_add(t, &c, 1);
}

void text_add_digits(struct text *t, uint64_t value, size_t least)
{
    char digits[20];
    char *end = digits + sizeof digits, *at = end;
    for (; value > 0 || (size_t)(end - at) < least; value /= 10)
        *--at = (char)('0' + value % 10);
    text_add(t, at, (size_t)(end - at));
}

void text_add_uint(struct text *t, uint64_t value)
{
    text_add_digits(t, value, 1);
}

void text_add_int(struct text *t, int64_t value)
{
    if (value < 0)
        text_addc(t, '-');
    text_add_uint(t, value < 0 ? -(uint64_t)value : (uint64_t)value);
}
