/* A program that uses what the C library promises, and says "ok" or what is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    printf("hello %s %g\n", "services", 1.5);
    return 0;
}
