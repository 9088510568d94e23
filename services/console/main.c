/* console: takes everybody's lines in pieces (abi/protocols/log.abi) and writes them to the
 * kernel's log, each with the name of the service that it came from. The badge says which, and init
 * what its name is, so nobody writes in another's name.
 */
#include <base/fmt.h>
#include <base/string.h>
#include <protocol_log.h>
#include <protocol_supervisor.h>
#include <rt/clock.h>
#include <rt/log.h>
#include <rt/serve.h>
#include <rt/startup.h>
#include <rt/syscall.h>

enum { CLIENT_MAX = 64, NAME_WAIT_MS = 5000 };

struct client {
    char name[STARTUP_NAME_BYTES];
    char line[LOG_LINE_MAX + 1];
    size_t length;
};

struct console {
    uint64_t log;
    struct client client[CLIENT_MAX];
};

static void learn_name(struct client *client, uint64_t badge)
{
    struct supervisor_name_out out = { 0 };
    const struct supervisor_name_in in = { .badge = (uint32_t)badge };
    enum status status = supervisor_call_name(
        rt_handle(STARTUP_SUPERVISOR), clock_deadline((uint64_t)NAME_WAIT_MS * 1000000), &in, &out);
    if (status == OK && out.name_size < sizeof(client->name))
        memcpy(client->name, out.name, out.name_size);
    else
        (void)format_text(client->name, sizeof(client->name), "client %llu",
                          (unsigned long long)badge);
}

static void put_line(const struct console *console, const struct client *client,
                     enum log_level level)
{
    static const char *const mark[] = {
        [LOG_LEVEL_DEBUG] = "",
        [LOG_LEVEL_INFO] = "",
        [LOG_LEVEL_WARNING] = "warning: ",
        [LOG_LEVEL_ERROR] = "error: ",
    };
    char line[LOG_LINE_MAX + 1];
    size_t length =
        format_text(line, sizeof(line), "%s: %s%s", client->name, mark[level], client->line);
    (void)log_write(console->log, line, MIN(length, sizeof(line) - 1));
}

static enum status write_piece(void *context, uint64_t badge, const struct log_write_in *in)
{
    struct console *console = context;
    if (badge >= CLIENT_MAX)
        return ERR_ACCESS;
    struct client *client = &console->client[badge];
    size_t room = sizeof(client->line) - 1 - client->length;
    size_t part = MIN(in->text_size, room);
    memcpy(&client->line[client->length], in->text, part);
    client->length += part;
    client->line[client->length] = '\0';
    if (!in->more) {
        if (client->name[0] == '\0')
            learn_name(client, badge);
        put_line(console, client, in->level);
        client->length = 0;
    }
    return part < in->text_size ? ERR_LIMIT : OK;
}

static const struct log_handlers handlers = { .write = write_piece };

static void serve(void *context, struct ipc_message *message)
{
    log_serve(&handlers, context, message);
}

int main(void)
{
    static struct console console;
    console.log = rt_handle("kernel-log");
    struct rt_server server = {
        .endpoint = rt_handle("log"),
        .accept = LOG_ACCEPT,
        .context = &console,
        .serve = serve,
    };
    if (supervisor_call_ready(rt_handle(STARTUP_SUPERVISOR), DEADLINE_NEVER) != OK)
        return 1;
    (void)rt_serve(&server);
    return 1;
}
