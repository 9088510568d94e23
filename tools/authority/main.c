/* authority: who may do what, as the manifest says it.
 *
 *     authority text MANIFEST     a table for each service
 *     authority lines MANIFEST    a line for each capability, as init prints them (debug flavour)
 *     authority dot MANIFEST      a graph for Graphviz
 *     authority check MANIFEST    nothing: only says what is wrong, as "FILE:LINE: what"
 */
#include <base/status.h>
#include <manifest/manifest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct manifest manifest;
static char text[MANIFEST_BYTES_MAX + 1];

static void put_text(void)
{
    static const char *const restart[] = { "always", "after a failure", "never" };
    for (unsigned i = 0; i < manifest.service_count; i++) {
        const struct manifest_service *service = &manifest.service[manifest.order[i]];
        printf("%s%s: %s\n", i > 0 ? "\n" : "", service->name, service->program);
        printf("    %llu KiB, %u capabilities, %u threads, ",
               (unsigned long long)(service->memory_bytes >> 10), service->capability_max,
               service->thread_max);
        if (service->cpu_percent != 0)
            printf("%u %% of a CPU, ", service->cpu_percent);
        printf("priority %u, restart %s\n", service->priority, restart[service->restart]);
        for (unsigned j = 0; j < manifest_grant_count(&manifest, manifest.order[i]); j++) {
            struct manifest_grant grant;
            char rights[96];
            manifest_grant(&manifest, manifest.order[i], j, &grant);
            manifest_rights_text(grant.type, grant.rights, rights, sizeof(rights));
            printf("    %-16s %-12s %-22s %s%s%s\n", grant.name, object_type_name(grant.type),
                   rights, grant.serves ? "serves" : "from ", grant.serves ? "" : grant.peer,
                   strcmp(grant.name, grant.origin) != 0 ? ", another name" : "");
        }
    }
}

static void put_lines(void)
{
    for (unsigned i = 0; i < manifest.service_count; i++) {
        for (unsigned j = 0; j < manifest_grant_count(&manifest, manifest.order[i]); j++) {
            struct manifest_grant grant;
            char line[MANIFEST_GRANT_LINE_BYTES];
            manifest_grant(&manifest, manifest.order[i], j, &grant);
            manifest_grant_line(&grant, manifest.service[manifest.order[i]].name, line,
                                sizeof(line));
            puts(line);
        }
    }
}

/* An arrow leads from whoever may use something to who answers for it. */
static void put_dot(void)
{
    printf("digraph authority {\n    rankdir=LR;\n    node [shape=box];\n"
           "    \"kernel\" [shape=doubleoctagon];\n    \"init\" [shape=octagon];\n");
    for (unsigned i = 0; i < manifest.service_count; i++)
        printf("    \"%s\";\n", manifest.service[i].name);
    for (unsigned i = 0; i < manifest.service_count; i++) {
        for (unsigned j = 0; j < manifest_grant_count(&manifest, i); j++) {
            struct manifest_grant grant;
            char rights[96];
            manifest_grant(&manifest, i, j, &grant);
            manifest_rights_text(grant.type, grant.rights, rights, sizeof(rights));
            if (j >= MANIFEST_STANDARD_COUNT && !grant.serves)
                printf("    \"%s\" -> \"%s\" [label=\"%s\\n%s\"];\n", manifest.service[i].name,
                       grant.peer, grant.origin, rights);
        }
    }
    printf("}\n");
}

static size_t read_file(const char *path)
{
    FILE *from = fopen(path, "rb");
    if (from == NULL) {
        (void)fprintf(stderr, "authority: %s: cannot be read\n", path);
        exit(2);
    }
    size_t size = fread(text, 1, sizeof(text), from);
    (void)fclose(from);
    return size;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*put)(void);
    } modes[] = {
        { "text", put_text }, { "lines", put_lines }, { "dot", put_dot }, { "check", NULL }
    };
    for (size_t i = 0; argc == 3 && i < ARRAY_LEN(modes); i++) {
        if (strcmp(argv[1], modes[i].name) != 0)
            continue;
        if (manifest_read(&manifest, text, read_file(argv[2])) != OK) {
            (void)fprintf(stderr, "%s:%u: %s\n", argv[2], manifest.error_line, manifest.error);
            return 1;
        }
        if (modes[i].put != NULL)
            modes[i].put();
        return fflush(stdout) == 0 ? 0 : 2;
    }
    (void)fputs("usage: authority text|lines|dot|check MANIFEST\n", stderr);
    return 2;
}
