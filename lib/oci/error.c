#include <base/fmt.h>
#include <oci/error.h>

enum status oci_fail_at(struct oci_error *error, enum status status, const char *entry,
                        const char *reason)
{
    if (error->reason[0] != '\0')
        return status;
    (void)format_text(error->entry, sizeof(error->entry), "%s", entry);
    (void)format_text(error->reason, sizeof(error->reason), "%s", reason);
    return status;
}

enum status oci_fail(struct oci_error *error, enum status status, const char *reason)
{
    return oci_fail_at(error, status, "", reason);
}

void oci_error_line(const struct oci_error *error, char *line, size_t size_bytes)
{
    (void)format_text(line, size_bytes, "%s%s%s%s%s", error->where,
                      error->where[0] != '\0' ? ": " : "", error->entry,
                      error->entry[0] != '\0' ? ": " : "", error->reason);
}
