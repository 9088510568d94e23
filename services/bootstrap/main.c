/* The first program. It finds the system image mapped read-only at a fixed address, says what the
 * image is, and ends.
 */
#include <base/fmt.h>
#include <base/string.h>
#include <first_program.h>
#include <fs/erofs.h>
#include <rt/syscall.h>

enum { LINE_MAX = 160 };

void main(uint64_t image_bytes);

static void say(const char *text)
{
    char line[LINE_MAX];
    (void)format_text(line, sizeof(line), "bootstrap: %s", text);
    (void)log_write(HANDLE_SYSTEM, line, strlen(line));
}

/* A small text file of the image, its lines joined by spaces. */
static enum status text_of_file(const struct erofs *fs, const char *path, char *line,
                                size_t size_bytes)
{
    struct erofs_inode inode;
    size_t length = 0;
    enum status status = erofs_find(fs, path, &inode);
    if (status == OK && inode.kind != EROFS_FILE)
        status = ERR_FORMAT;
    if (status == OK)
        status = erofs_read(fs, &inode, 0, line, size_bytes - 1, &length);
    if (status != OK)
        return status;
    if (length > 0 && line[length - 1] == '\n')
        length--;
    line[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        if (line[i] == '\n')
            line[i] = ' ';
    }
    return OK;
}

static enum status describe(uint64_t image_bytes)
{
    struct erofs fs;
    char release[64];
    char line[LINE_MAX - 16];
    enum status status = erofs_open(&fs, (const void *)(uintptr_t)SYSTEM_IMAGE_AT, image_bytes);
    if (status == OK)
        status = text_of_file(&fs, "system/release", release, sizeof(release));
    if (status != OK)
        return status;
    (void)format_text(line, sizeof(line), "system image: %s, %llu KiB, %llu inodes", release,
                      (unsigned long long)(image_bytes >> 10), (unsigned long long)fs.inode_count);
    say(line);
    return OK;
}

void main(uint64_t image_bytes)
{
    if (image_bytes == 0) {
        say("no system image");
        return;
    }
    enum status status = describe(image_bytes);
    if (status != OK) {
        char line[LINE_MAX - 16];
        (void)format_text(line, sizeof(line), "system image cannot be read: %s",
                          status_text(status));
        say(line);
    }
}
