/* Make the kernel's symbol table from its ELF file, as a C file that the second link takes in.
 *
 *     ksyms KERNEL_ELF >table.c    functions of the kernel
 *     ksyms --empty >table.c       no functions: for the first link
 *
 * Functions are STT_FUNC symbols, and symbols without a type in executable sections (assembly
 * labels).
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
    uint64_t address;
    const char *name;
    bool is_function;
};

struct image {
    unsigned char *bytes;
    size_t size_bytes;
};

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("ksyms: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static struct image image_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail("%s: %s", path, strerror(errno));
    struct image image = { NULL, 0 };
    size_t room = 0;
    for (;;) {
        if (image.size_bytes == room) {
            room = room == 0 ? 1 << 20 : room * 2;
            unsigned char *bytes = realloc(image.bytes, room);
            if (bytes == NULL)
                fail("out of memory");
            image.bytes = bytes;
        }
        size_t count = fread(image.bytes + image.size_bytes, 1, room - image.size_bytes, file);
        if (count == 0)
            break;
        image.size_bytes += count;
    }
    if (ferror(file))
        fail("%s: read error", path);
    fclose(file);
    return image;
}

/* `count` records of `record_bytes` at `offset`, or the end. */
static const void *image_at(const struct image *image, uint64_t offset, uint64_t count,
                            uint64_t record_bytes)
{
    if (offset > image->size_bytes || count > (image->size_bytes - offset) / record_bytes)
        fail("the ELF file ends too early");
    return image->bytes + offset;
}

static Elf64_Ehdr image_header(const struct image *image)
{
    Elf64_Ehdr header;
    memcpy(&header, image_at(image, 0, 1, sizeof(header)), sizeof(header));
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_shentsize != sizeof(Elf64_Shdr))
        fail("not a 64-bit little-endian ELF file with sections");
    return header;
}

static bool symbol_wanted(const Elf64_Sym *symbol, const Elf64_Shdr *section, size_t section_count,
                          const char *name)
{
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= section_count)
        return false;
    if ((section[symbol->st_shndx].sh_flags & SHF_EXECINSTR) == 0)
        return false;
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    /* $x and $d mark code and data for disassemblers; a dot begins a compiler's label. */
    return (type == STT_FUNC || type == STT_NOTYPE) && name[0] != '\0' && name[0] != '$' &&
           name[0] != '.';
}

static int symbol_compare(const void *left, const void *right)
{
    const struct symbol *a = left;
    const struct symbol *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (a->is_function != b->is_function)
        return a->is_function ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* One name for each address. */
static size_t symbols_unique(struct symbol *symbol, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || symbol[kept - 1].address != symbol[i].address)
            symbol[kept++] = symbol[i];
    }
    return kept;
}

static size_t symbols_collect(const struct image *image, struct symbol **symbol_out,
                              uint64_t *end_out)
{
    Elf64_Ehdr header = image_header(image);
    const Elf64_Shdr *section = image_at(image, header.e_shoff, header.e_shnum, sizeof(*section));
    const Elf64_Shdr *table = NULL;
    *end_out = 0;
    for (size_t i = 0; i < header.e_shnum; i++) {
        if (section[i].sh_type == SHT_SYMTAB)
            table = &section[i];
        uint64_t end = section[i].sh_addr + section[i].sh_size;
        if ((section[i].sh_flags & SHF_EXECINSTR) != 0 && end > *end_out)
            *end_out = end;
    }
    if (table == NULL || table->sh_link >= header.e_shnum)
        fail("no symbol table");

    const Elf64_Shdr *strings = &section[table->sh_link];
    const char *text = image_at(image, strings->sh_offset, strings->sh_size, 1);
    if (strings->sh_size == 0 || text[strings->sh_size - 1] != '\0')
        fail("the string table has no end");
    size_t count = table->sh_size / sizeof(Elf64_Sym);
    const Elf64_Sym *raw = image_at(image, table->sh_offset, count, sizeof(*raw));
    struct symbol *symbol = calloc(count + 1, sizeof(*symbol));
    if (symbol == NULL)
        fail("out of memory");

    size_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        if (raw[i].st_name >= strings->sh_size)
            fail("a symbol's name lies outside the string table");
        const char *name = text + raw[i].st_name;
        /* The linker script's marks count as part of a section even where they stand behind it. */
        if (raw[i].st_value < *end_out && symbol_wanted(&raw[i], section, header.e_shnum, name))
            symbol[wanted++] =
                (struct symbol){ raw[i].st_value, name, ELF64_ST_TYPE(raw[i].st_info) == STT_FUNC };
    }
    qsort(symbol, wanted, sizeof(*symbol), symbol_compare);
    *symbol_out = symbol;
    return symbols_unique(symbol, wanted);
}

/* An array always has an element: an empty one is not C. */
static void print_table(const struct symbol *symbol, size_t count, uint64_t end)
{
    uint64_t base = count > 0 ? symbol[0].address : 0;
    if (end - base > UINT32_MAX)
        fail("the code spans more than 4 GiB");
    printf("/* Made by tools/ksyms. */\n#include <stdint.h>\n\n");
    printf("extern const uint64_t symbol_base;\nextern const uint32_t symbol_count, symbol_end;\n");
    printf("extern const uint32_t symbol_start[], symbol_name_at[];\n");
    printf("extern const char symbol_names[];\n\n");
    printf("const uint64_t symbol_base = 0x%" PRIx64 ";\n", base);
    printf("const uint32_t symbol_count = %zu;\n", count);
    printf("const uint32_t symbol_end = %" PRIu64 ";\n", end - base);
    printf("const uint32_t symbol_start[] = {\n");
    for (size_t i = 0; i < count; i++)
        printf("%" PRIu64 ",\n", symbol[i].address - base);
    printf("0 };\nconst uint32_t symbol_name_at[] = {\n");
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        printf("%zu,\n", at);
        at += strlen(symbol[i].name) + 1;
    }
    printf("0 };\nconst char symbol_names[] =\n");
    for (size_t i = 0; i < count; i++)
        printf("\"%s\\0\"\n", symbol[i].name);
    printf("\"\";\n");
}

int main(int argc, char **argv)
{
    if (argc != 2)
        fail("usage: ksyms KERNEL_ELF | --empty");
    if (strcmp(argv[1], "--empty") == 0) {
        print_table(NULL, 0, 0);
    } else {
        struct image image = image_read(argv[1]);
        struct symbol *symbol;
        uint64_t end;
        size_t count = symbols_collect(&image, &symbol, &end);
        if (count == 0)
            fail("%s: no functions", argv[1]);
        print_table(symbol, count, end);
        free(symbol);
        free(image.bytes);
    }
    if (fflush(stdout) != 0)
        fail("write error");
    return 0;
}
