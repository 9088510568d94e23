#include "probe.h"

#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char bytes[256];

static int file_of(const char *text)
{
    write_text("file", text);
    return (int)MUST(open("file", O_RDWR));
}

PROBE(rw, reads_and_writes_that_fail)
{
    int fd = file_of("0123456789"), only = (int)MUST(open("file", O_WRONLY)),
        in = (int)MUST(open("file", O_RDONLY));
    int dir = (int)MUST(open(".", O_RDONLY));
    TRY(read(only, bytes, 1));
    TRY(write(in, bytes, 1));
    TRY(read(99, bytes, 1));
    TRY(read(-1, bytes, 0));
    TRY(read(dir, bytes, 1));
    TRY(write(dir, bytes, 1));
    TRY(pread(dir, bytes, 1, 0));
    TRY(read(fd, BAD_POINTER, 1));
    TRY(read(fd, BAD_POINTER, 0));
    TRY(write(fd, BAD_POINTER, 1));
    TRY(lseek(fd, 0, SEEK_CUR));
    TRY(pread(fd, bytes, 4, -1));
    TRY(pwrite(fd, bytes, 4, -1));
    TRY(pread(fd, bytes, 4, 100));
    TRY(read(fd, bytes, sizeof bytes));
    TRY(read(fd, bytes, sizeof bytes));
    TRY(read(fd, BAD_POINTER, 1));
    TRY(read(fd, bytes, (size_t)-1));
    TRY(pwrite(fd, "x", 1, INT64_MAX));
    TRY(pwrite(fd, "x", 1, INT64_MAX - 1));
    TRY(pread(fd, bytes, 1, INT64_MAX));
    TRY(write(fd, bytes, (size_t)1 << 63));
}

PROBE(rw, vectors)
{
    int fd = file_of("0123456789");
    struct iovec two[2] = { { bytes, 3 }, { bytes + 8, 4 } };
    TRY(readv(fd, two, 2));
    say("%.3s %.4s", bytes, bytes + 8);
    TRY(readv(fd, two, 0));
    TRY(readv(fd, two, -1));
    TRY(readv(fd, two, 1025));
    TRY(readv(fd, BAD_POINTER, 1));
    struct iovec odd[3] = { { bytes, 1 }, { BAD_POINTER, 2 }, { bytes, 1 } };
    TRY(preadv(fd, odd, 3, 0));
    TRY(pwritev(fd, odd, 3, 0));
    struct iovec large[2] = { { bytes, 8 }, { bytes, (size_t)-1 } };
    TRY(preadv(fd, large, 2, 0));
    TRY(preadv(fd, two, 2, -1));
    TRY(preadv2(fd, two, 2, -1, 0));
    TRY(preadv2(fd, two, 2, 0, RWF_NOWAIT));
    TRY(preadv2(fd, two, 2, 0, 0x4000));
    TRY(pwritev2(fd, two, 1, 0, RWF_APPEND));
    say("size %ld", (long)lseek(fd, 0, SEEK_END));
    TRY(pwritev2(fd, two, 1, 0, RWF_DSYNC));
    TRY(pwritev2(fd, two, 1, 0, RWF_HIPRI));
    int ends[2];
    MUST(pipe(ends));
    TRY(preadv(ends[0], two, 2, 0));
    TRY(preadv2(ends[0], two, 2, 0, 0));
    TRY(pwritev2(ends[1], two, 2, -1, 0));
}

PROBE(rw, positions)
{
    int fd = file_of("0123456789");
    TRY(lseek(fd, -1, SEEK_SET));
    TRY(lseek(fd, -11, SEEK_END));
    TRY(lseek(fd, 5, SEEK_END));
    TRY(lseek(fd, 0, 9));
    TRY(lseek(fd, INT64_MAX, SEEK_SET));
    TRY(lseek(fd, 1, SEEK_CUR));
    TRY(lseek(fd, 0, SEEK_DATA));
    TRY(lseek(fd, 10, SEEK_DATA));
    TRY(lseek(fd, 3, SEEK_HOLE));
    TRY(lseek(fd, 11, SEEK_HOLE));
    TRY(lseek(fd, -1, SEEK_HOLE));
    TRY(ftruncate(fd, 3 * 65536));
    TRY(pwrite(fd, "x", 1, 2 * 65536));
    TRY(lseek(fd, 0, SEEK_HOLE) <= 65536);
    TRY(lseek(fd, 65536, SEEK_DATA));
    TRY(lseek(fd, 2 * 65536 + 65535, SEEK_DATA));
    int ends[2];
    MUST(pipe(ends));
    TRY(lseek(ends[0], 0, SEEK_SET));
    int null = (int)MUST(open("/dev/null", O_RDWR));
    TRY(lseek(null, 5, SEEK_SET));
    int app = (int)MUST(open("file", O_RDWR | O_APPEND));
    TRY(write(app, "end", 3));
    TRY(lseek(app, 0, SEEK_CUR));
    TRY(pwrite(app, "more", 4, 0));
    TRY(lseek(app, 0, SEEK_END));
    int twice = dup(fd);
    TRY(lseek(twice, 7, SEEK_SET));
    TRY(lseek(fd, 0, SEEK_CUR));
}

PROBE(rw, sizes)
{
    int fd = file_of("0123456789"), in = (int)MUST(open("file", O_RDONLY)), ends[2];
    MUST(pipe(ends));
    TRY(ftruncate(fd, -1));
    TRY(ftruncate(in, 0));
    TRY(ftruncate(ends[1], 0));
    TRY(truncate("file", -1));
    TRY(truncate(".", 0));
    TRY(truncate("none", 0));
    TRY(truncate("file", 4));
    say("%s", text_of("file"));
    TRY(truncate("file", 6));
    TRY(lseek(fd, 0, SEEK_END));
    TRY(truncate("/dev/null", 0));
    TRY(fallocate(fd, 0, 0, 100));
    TRY(lseek(fd, 0, SEEK_END));
    TRY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 10000));
    TRY(lseek(fd, 0, SEEK_END));
    TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
    TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2));
    say("first byte %d, third %d", pread(fd, bytes, 4, 0) == 4 ? bytes[0] : -1, bytes[2]);
    TRY(fallocate(fd, 0, -1, 10));
    TRY(fallocate(fd, 0, 0, 0));
    TRY(fallocate(fd, 0, INT64_MAX, 10));
    TRY(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
    TRY(fallocate(fd, 0x4000, 0, 4096));
    TRY(fallocate(in, 0, 0, 10));
    TRY(fallocate(ends[1], 0, 0, 10));
    TRY(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    VALUE(posix_fadvise(ends[0], 0, 0, POSIX_FADV_NORMAL));
    VALUE(posix_fadvise(fd, 0, 0, 77));
    TRY(readahead(fd, 0, 10));
    TRY(readahead(ends[0], 0, 10));
    TRY(fsync(fd));
    TRY(fsync(ends[0]));
    TRY(fdatasync(99));
    TRY(syncfs(fd));
    TRY(sync_file_range(fd, 0, 0, 0));
    TRY(sync_file_range(fd, -1, 0, 0));
    TRY(sync_file_range(fd, 0, 0, 77));
    TRY(sync_file_range(ends[0], 0, 0, 0));
}

PROBE(rw, limit_of_size)
{
    int fd = file_of("0123456789");
    struct rlimit limit = { 12, RLIM_INFINITY };
    signal(SIGXFSZ, told);
    MUST(setrlimit(RLIMIT_FSIZE, &limit));
    int ends[2];
    MUST(pipe(ends));
    TRY(pwrite(fd, "abcdef", 6, 8));
    TRY(pwrite(fd, "abcdef", 6, 12));
    TRY(ftruncate(fd, 13));
    TRY(ftruncate(fd, 12));
    TRY(fallocate(fd, 0, 0, 20));
    TRY(write(ends[1], "0123456789abcdefgh", 18));
}

PROBE(rw, copies_between_files)
{
    int from = file_of("0123456789"), to = (int)MUST(open("to", O_RDWR | O_CREAT, 0644)), ends[2];
    int app = (int)MUST(open("to", O_WRONLY | O_APPEND)), dir = (int)MUST(open(".", O_RDONLY));
    MUST(pipe(ends));
    off_t at = 2, where = 1;
    TRY(copy_file_range(from, &at, to, &where, 4, 0));
    say("positions %ld %ld", (long)at, (long)where);
    TRY(copy_file_range(from, NULL, to, NULL, 100, 0));
    TRY(copy_file_range(from, NULL, to, NULL, 100, 0));
    TRY(copy_file_range(from, NULL, to, NULL, 1, 1));
    TRY(copy_file_range(from, NULL, app, NULL, 1, 0));
    TRY(copy_file_range(dir, NULL, to, NULL, 1, 0));
    TRY(copy_file_range(from, NULL, ends[1], NULL, 1, 0));
    TRY(copy_file_range(from, NULL, 99, NULL, 1, 0));
    at = 0;
    where = 5;
    TRY(copy_file_range(from, &at, from, &where, 10, 0));
    TRY(copy_file_range(from, &at, from, &where, 2, 0));
    say("%s", text_of("file"));
    at = 3;
    TRY(sendfile(ends[1], from, &at, 4));
    TRY(sendfile(to, from, NULL, 2));
    TRY(sendfile(to, ends[0], NULL, 2));
    TRY(sendfile(app, from, &at, 2));
    TRY(sendfile(to, dir, NULL, 2));
    at = -1;
    TRY(sendfile(to, from, &at, 2));
    TRY(sendfile(to, from, BAD_POINTER, 2));
    TRY(read(ends[0], bytes, sizeof bytes));
    say("%.4s", bytes);
}

PROBE(rw, splices)
{
    int from = file_of("0123456789"), to = (int)MUST(open("to", O_RDWR | O_CREAT, 0644)), a[2],
        b[2];
    MUST(pipe2(a, O_NONBLOCK));
    MUST(pipe2(b, O_NONBLOCK));
    off_t at = 4;
    TRY(splice(from, &at, a[1], NULL, 3, 0));
    TRY(splice(from, NULL, a[1], NULL, 3, 0));
    TRY(splice(from, NULL, to, NULL, 3, 0));
    TRY(splice(from, NULL, a[1], &at, 3, 0));
    TRY(tee(a[0], b[1], 100, 0));
    TRY(tee(a[0], to, 100, 0));
    TRY(tee(a[0], a[1], 100, 0));
    TRY(splice(a[0], NULL, to, NULL, 100, 0));
    TRY(splice(a[0], NULL, to, NULL, 100, 0));
    TRY(splice(a[0], NULL, to, NULL, 100, 0x100));
    say("%s", text_of("to"));
    TRY(splice(b[0], NULL, a[1], NULL, 2, 0));
    TRY(read(a[0], bytes, sizeof bytes));
    struct iovec one = { "gift", 4 };
    TRY(vmsplice(a[1], &one, 1, 0));
    TRY(vmsplice(from, &one, 1, 0));
    TRY(vmsplice(a[1], &one, 1, 0x100));
    TRY(read(a[0], bytes, sizeof bytes));
    TRY(splice(b[0], NULL, b[1], NULL, 2, 0));
    close(a[0]);
    signal(SIGPIPE, told);
    TRY(splice(from, NULL, a[1], NULL, 1, 0));
}
