/* setleap.c: a leap second is inserted at the end of this day (adjtimex(2)).  For a
 * virtual machine only: it is the kernel's clock that is told. */
#include <stdio.h>
#include <sys/timex.h>

int main(void)
{
    struct timex t = {.modes = ADJ_STATUS, .status = STA_INS};
    if (adjtimex(&t) < 0) {
        perror("adjtimex");
        return 1;
    }
    return 0;
}
