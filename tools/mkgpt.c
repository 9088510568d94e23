/* mkgpt: wrap a file system image into a raw disk with one partition, the EFI system partition.
 *
 *     mkgpt FILESYSTEM DISK
 *
 * Layout after the UEFI specification 2.10, section 5: protective MBR, GPT header, entries, the
 * partition at 1 MiB, then the backup entries and header. Every GUID is a constant, so the same
 * file system gives the same disk, byte for byte.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTOR_BYTES = 512,
    ENTRY_COUNT = 128,
    ENTRY_BYTES = 128,
    ENTRIES_SECTORS = ENTRY_COUNT * ENTRY_BYTES / SECTOR_BYTES,
    HEADER_BYTES = 92,
    PARTITION_LBA = 2048,
};

/* As on the disk: the first three fields are little-endian. */
static const uint8_t esp_type[16] = { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                      0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b };
static const uint8_t disk_guid[16] = { 0x54, 0x68, 0x65, 0x6d, 0x65, 0x6c, 0x49, 0x4f,
                                       0x93, 0x64, 0x69, 0x73, 0x6b, 0x00, 0x00, 0x01 };
static const uint8_t esp_guid[16] = { 0x54, 0x68, 0x65, 0x6d, 0x65, 0x6c, 0x49, 0x4f,
                                      0x93, 0x65, 0x73, 0x70, 0x20, 0x00, 0x00, 0x01 };
static const char esp_name[] = "ThemeliOS";

struct gpt {
    uint64_t disk_sectors;
    uint8_t entries[ENTRY_COUNT * ENTRY_BYTES];
};

static void put(uint8_t *at, uint64_t value, unsigned size_bytes)
{
    for (unsigned i = 0; i < size_bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* The CRC of IEEE 802.3, bit by bit: a disk has 33 KiB to sum. */
static uint32_t crc32(const uint8_t *bytes, size_t size_bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void fail(const char *what, const char *path)
{
    (void)fprintf(stderr, "mkgpt: %s: %s\n", path, what);
    exit(1);
}

static void write_at(FILE *disk, uint64_t lba, const void *bytes, size_t size_bytes)
{
    if (fseek(disk, (long)(lba * SECTOR_BYTES), SEEK_SET) != 0 ||
        fwrite(bytes, 1, size_bytes, disk) != size_bytes)
        fail("cannot write", "disk");
}

/* 5.2.3: one partition of type 0xee that covers the disk, for tools that know no GPT. */
static void write_protective_mbr(FILE *disk, const struct gpt *gpt)
{
    uint8_t mbr[SECTOR_BYTES] = { 0 };
    uint8_t *record = mbr + 446;
    uint64_t rest = gpt->disk_sectors - 1;

    put(record + 1, 0x000200, 3); /* head, sector, track of LBA 1 */
    record[4] = 0xee;
    put(record + 5, 0xffffff, 3);
    put(record + 8, 1, 4);
    put(record + 12, rest < UINT32_MAX ? rest : UINT32_MAX, 4);
    put(mbr + 510, 0xaa55, 2);
    write_at(disk, 0, mbr, sizeof(mbr));
}

/* 5.3.2 */
static void write_header(FILE *disk, const struct gpt *gpt, bool backup)
{
    uint8_t header[SECTOR_BYTES] = { 0 };
    uint64_t last = gpt->disk_sectors - 1;
    uint64_t entries_lba = backup ? last - ENTRIES_SECTORS : 2;

    put(header, 0x5452415020494645, 8); /* "EFI PART" */
    put(header + 8, 0x00010000, 4);
    put(header + 12, HEADER_BYTES, 4);
    put(header + 24, backup ? last : 1, 8);
    put(header + 32, backup ? 1 : last, 8);
    put(header + 40, 2 + ENTRIES_SECTORS, 8);
    put(header + 48, last - ENTRIES_SECTORS - 1, 8);
    memcpy(header + 56, disk_guid, sizeof(disk_guid));
    put(header + 72, entries_lba, 8);
    put(header + 80, ENTRY_COUNT, 4);
    put(header + 84, ENTRY_BYTES, 4);
    put(header + 88, crc32(gpt->entries, sizeof(gpt->entries)), 4);
    put(header + 16, crc32(header, HEADER_BYTES), 4); /* over itself as zero: last */

    write_at(disk, backup ? last : 1, header, sizeof(header));
    write_at(disk, entries_lba, gpt->entries, sizeof(gpt->entries));
}

/* 5.3.3 */
static void gpt_init(struct gpt *gpt, uint64_t partition_sectors)
{
    *gpt = (struct gpt){ 0 };
    memcpy(gpt->entries, esp_type, sizeof(esp_type));
    memcpy(gpt->entries + 16, esp_guid, sizeof(esp_guid));
    put(gpt->entries + 32, PARTITION_LBA, 8);
    put(gpt->entries + 40, PARTITION_LBA + partition_sectors - 1, 8);
    for (size_t i = 0; i < sizeof(esp_name) - 1; i++)
        put(gpt->entries + 56 + 2 * i, (uint8_t)esp_name[i], 2);

    /* Room for the backup, rounded up to 1 MiB, which is what some hypervisors insist on. */
    uint64_t end = PARTITION_LBA + partition_sectors + ENTRIES_SECTORS + 1;
    gpt->disk_sectors = (end + PARTITION_LBA - 1) / PARTITION_LBA * PARTITION_LBA;
}

/* Returns the number of sectors copied; the last one is filled up with zeros. */
static uint64_t copy_partition(FILE *disk, FILE *filesystem)
{
    uint8_t sector[SECTOR_BYTES];
    uint64_t count = 0;
    size_t got;

    while ((got = fread(sector, 1, sizeof(sector), filesystem)) > 0) {
        memset(sector + got, 0, sizeof(sector) - got);
        write_at(disk, PARTITION_LBA + count++, sector, sizeof(sector));
    }
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: mkgpt FILESYSTEM DISK\n");
        return 2;
    }
    FILE *filesystem = fopen(argv[1], "rb");
    if (filesystem == NULL)
        fail("cannot open", argv[1]);
    FILE *disk = fopen(argv[2], "wb");
    if (disk == NULL)
        fail("cannot create", argv[2]);

    uint64_t sectors = copy_partition(disk, filesystem);
    if (ferror(filesystem) || sectors == 0)
        fail("cannot read, or empty", argv[1]);
    static struct gpt gpt;
    gpt_init(&gpt, sectors);
    write_protective_mbr(disk, &gpt);
    write_header(disk, &gpt, false);
    write_header(disk, &gpt, true);
    (void)fclose(filesystem); /* only read */
    if (fclose(disk) != 0)
        fail("cannot write", argv[2]);
    return 0;
}
