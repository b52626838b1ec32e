/* beat.h: the page that all processes of a tree have mapped, and the test too
 * (trees.py knows the order). */
#ifndef TREES_BEAT_H
#define TREES_BEAT_H

#include <stdatomic.h>

struct beat {
    atomic_long up;      /* the tree stands */
    atomic_long over;    /* everybody is to leave: the test is at its end */
    atomic_long count;   /* links of a chain */
    atomic_long signals; /* that a bystander got */
    atomic_long overlap; /* a later run saw this one alive */
    atomic_long members; /* that have said they are there */
    atomic_long link;    /* chain-shy: the living one */
    atomic_long asked;   /* ... to go on to the next; so often */
};

#endif
