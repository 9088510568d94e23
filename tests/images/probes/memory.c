#include "probe.h"

#include <linux/mman.h>
#include <sys/resource.h>

#define PAGE 4096
static char *const at = (char *)0x1000000000;

static const char *map_errno(void *map)
{
    return map == MAP_FAILED ? strerrorname_np(errno) : "mapped";
}
#define MAP(expression) say("%s: %s", #expression, map_errno(expression))

/* Pages as /proc/self/maps has them between two addresses. */
static void show(const char *what)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    say("%s:", what);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to, offset;
        char mode[8];
        if (sscanf(line, "%lx-%lx %7s %lx", &from, &to, mode, &offset) == 4 &&
            from >= (unsigned long)at && to <= (unsigned long)at + 0x1000000)
            say("  +%lx %lx %s %lx", from - (unsigned long)at, to - from, mode, offset);
    }
    fclose(maps);
}

static char *fresh(size_t pages)
{
    char *map = mmap(at, pages * PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    MUST(map == at ? 0 : -1);
    return map;
}

PROBE(memory, maps_that_fail)
{
    write_text("file", "text");
    int fd = (int)MUST(open("file", O_RDWR)), in = (int)MUST(open("file", O_RDONLY)),
        out = (int)MUST(open("file", O_WRONLY));
    int dir = (int)MUST(open(".", O_RDONLY)), ends[2];
    MUST(pipe(ends));
    MAP(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 5));
    MAP(mmap(NULL, (size_t)1 << 60, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MAP(mmap(NULL, (size_t)-1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MAP(mmap(at + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    MAP(mmap((void *)-4096L, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 5));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, -PAGE));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, out, 0));
    MAP(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, in, 0));
    MAP(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, in, 0));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_PRIVATE, fd, 0));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
    MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0));
    MAP(mmap(NULL, PAGE, 0x100 | PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MAP(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, (int)MUST(open("/dev/zero", O_RDWR)),
             0));
    MAP(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, (int)MUST(open("/dev/null", O_RDWR)),
             0));
    MAP(mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    MAP(mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    VALUE(mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == at);
    struct rlimit limit = { 64 << 20, RLIM_INFINITY };
    MUST(setrlimit(RLIMIT_AS, &limit));
    MAP(mmap(NULL, 100 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

PROBE(memory, changes)
{
    char *map = fresh(8);
    show("8 pages");
    TRY(munmap(map + 2 * PAGE, PAGE));
    show("a hole");
    TRY(mprotect(map, 2 * PAGE, PROT_READ));
    TRY(mprotect(map, 4 * PAGE, PROT_READ));
    show("read only");
    TRY(mprotect(map + 3 * PAGE, PAGE, PROT_NONE));
    TRY(mprotect(map + 4 * PAGE, PAGE, PROT_READ | PROT_EXEC));
    show("three kinds");
    TRY(mprotect(map + 3 * PAGE, 5 * PAGE, PROT_READ | PROT_WRITE));
    show("one again");
    TRY(mprotect(map + 1, PAGE, PROT_READ));
    TRY(mprotect(map, 0, PROT_READ));
    TRY(mprotect(map, PAGE, 0x100));
    TRY(mprotect((void *)0x1000, PAGE, PROT_READ));
    TRY(munmap(map + 1, PAGE));
    TRY(munmap(map, 0));
    TRY(munmap(map, (size_t)-PAGE));
    TRY(munmap((void *)0x1000, PAGE));
    TRY(munmap(map, 1));
    show("the first is gone");
    TRY(munmap(map, 0x100000));
    show("nothing");
    write_text("file", "text");
    int in = (int)MUST(open("file", O_RDONLY));
    map = mmap(at, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, in, 0);
    TRY(mprotect(map, PAGE, PROT_READ | PROT_WRITE));
    map = mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, in, 0);
    TRY(mprotect(map, PAGE, PROT_READ | PROT_WRITE));
    map[0] = 'T';
    say("%s", text_of("file"));
}

PROBE(memory, moves)
{
    char *map = fresh(4);
    map[0] = 'a';
    map[3 * PAGE] = 'd';
    TRY(mremap(map, 0, PAGE, 0) == MAP_FAILED);
    MAP(mremap(map + 1, PAGE, PAGE, 0));
    MAP(mremap(map, PAGE, 0, 0));
    MAP(mremap(map, 4 * PAGE, 2 * PAGE, 8));
    MAP(mremap(map, 4 * PAGE, 2 * PAGE, MREMAP_FIXED, at + 0x100000));
    MAP(mremap(map, 4 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, at + 1));
    MAP(mremap(map, 4 * PAGE, 4 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, at + PAGE));
    MAP(mremap((void *)0x1000, PAGE, PAGE * 2, 0));
    MAP(mremap(map, 8 * PAGE, 9 * PAGE, MREMAP_MAYMOVE));
    show("untouched");
    MAP(mremap(map, 4 * PAGE, 6 * PAGE, 0));
    show("larger");
    MAP(mremap(map, 6 * PAGE, 3 * PAGE, 0));
    show("smaller");
    MUST(mmap(at + 3 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
                 MAP_FAILED
             ? -1
             : 0);
    MAP(mremap(map, 3 * PAGE, 6 * PAGE, 0));
    MAP(mremap(map, 3 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 0x100000));
    show("elsewhere");
    say("%c", at[0x100000]);
    MAP(mremap(at + 0x100000, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at));
    show("a part back");
    say("%c %d", at[0], at[0x100000 + 2 * PAGE]);
    map = mmap(at + 0x200000, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
               -1, 0);
    map[0] = 's';
    char *twice = mremap(map, 0, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 0x300000);
    say("the same page twice: %s %c", map_errno(twice), twice == MAP_FAILED ? '-' : *twice);
}

PROBE(memory, advice_and_locks)
{
    char *map = fresh(8), vector[8];
    memset(map, 'x', 8 * PAGE);
    TRY(madvise(map, PAGE, MADV_DONTNEED));
    say("%d %d", map[0], map[PAGE]);
    TRY(madvise(map + 1, PAGE, MADV_DONTNEED));
    TRY(madvise(map, 0, MADV_DONTNEED));
    TRY(madvise(map, PAGE, 9999));
    TRY(madvise(map, 0, 9999));
    TRY(madvise((void *)0x1000, PAGE, MADV_DONTNEED));
    TRY(madvise(map, PAGE, MADV_WILLNEED));
    TRY(madvise(map, PAGE, MADV_FREE));
    TRY(madvise(map, (size_t)-1, MADV_NORMAL));
    MUST(munmap(map + 4 * PAGE, PAGE));
    TRY(madvise(map, 8 * PAGE, MADV_DONTNEED));
    say("%d", map[7 * PAGE]);
    TRY(msync(map, PAGE, MS_SYNC | MS_ASYNC));
    TRY(msync(map + 1, PAGE, MS_SYNC));
    TRY(msync(map, PAGE, 0x100));
    TRY(msync(map, 8 * PAGE, MS_SYNC));
    TRY(msync(map, 2 * PAGE, MS_ASYNC));
    TRY(mincore(map + 1, PAGE, (void *)vector));
    TRY(mincore(map, 8 * PAGE, (void *)vector));
    TRY(mincore(map, PAGE, BAD_POINTER));
    TRY(mlock(map, PAGE));
    TRY(mlock(map + 4 * PAGE, PAGE));
    TRY(munlock(map, PAGE));
    TRY(syscall(SYS_mlock2, map, PAGE, 8));
    TRY(mlockall(0));
    TRY(mlockall(0x100));
    TRY(munlockall());
    struct rlimit none = { 0, 0 };
    MUST(setrlimit(RLIMIT_MEMLOCK, &none));
    TRY(mlock(map, PAGE));
    TRY(mlockall(MCL_FUTURE));
}

static char *shared, *own;

static int writes(void)
{
    shared[0] = 'c';
    own[0] = 'c';
    return 0;
}

PROBE(memory, sharing)
{
    write_text("file", "0123456789");
    int fd = (int)MUST(open("file", O_RDWR));
    shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    in_child("child", writes);
    say("%c %c %s", shared[0], own[0], text_of("file"));
    MUST(pwrite(fd, "W", 1, 1));
    say("%c %c", shared[1], own[1]);
    own[2] = 'p';
    MUST(pwrite(fd, "V", 1, 2));
    say("%c %c", shared[2], own[2]);
    shared[20] = 'x';
    say("beyond the end: size %zu", strlen(text_of("file")));
    MUST(ftruncate(fd, 30));
    say("grown: %d %d", shared[20], shared[5]);
    TRY(read(fd, shared, 4));
    TRY(unlink("file"));
    shared[0] = 'z';
    char byte = 0;
    TRY(pread(fd, &byte, 1, 0));
    say("%c", byte);
    void *start = sbrk(0);
    TRY(brk((char *)start + 3 * PAGE));
    VALUE((char *)sbrk(0) - (char *)start);
    TRY(brk((char *)start + PAGE));
    VALUE((char *)sbrk(0) - (char *)start);
    TRY(syscall(SYS_brk, 0x1000) == (long)sbrk(0));
}
