/* A QEMU plugin: how many instructions a machine runs from power-on to its first one in user mode.
 *
 *     cc -O2 -shared -fPIC -o insncount.so insncount.c
 *     qemu-system-... -plugin insncount.so,out=FILE[,identity=START-END]
 *
 * Firmware and loader run in the lower half of the address space, the kernel in the upper half, and
 * after that only user programs run in the lower half again: so the first instruction there after
 * one in the upper half is the first user instruction. That holds for this kernel and for Linux,
 * started with one CPU and without EFI, and needs no help from the guest. Code that was translated
 * before the kernel ran is never user code.
 *
 * The plugin interface (version 1) is declared here: Debian packages no header for it.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*callback)(qemu_plugin_id_t id,
                                                            struct qemu_plugin_tb *tb));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
                                                enum qemu_plugin_op op, void *where,
                                                uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            void (*callback)(unsigned cpu, void *context),
                                            enum qemu_plugin_cb_flags flags, void *context);

EXPORT int qemu_plugin_version = 1;

static uint64_t instructions;
static bool kernel_seen;
static bool user_seen;
static uint64_t identity_start;
static uint64_t identity_end;
static FILE *out;

static void first_user_instruction(unsigned cpu, void *context)
{
    (void)cpu;
    (void)context;
    if (user_seen)
        return;
    user_seen = true;
    fprintf(out, "%" PRIu64 "\n", instructions);
    fflush(out);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    uint64_t at = qemu_plugin_tb_vaddr(tb);
    bool upper = at >> 63 != 0;
    bool identity = at >= identity_start && at < identity_end;
    kernel_seen = kernel_seen || upper;
    if (kernel_seen && !upper && !identity && !user_seen)
        qemu_plugin_register_vcpu_insn_exec_cb(
            qemu_plugin_tb_get_insn(tb, 0), first_user_instruction, QEMU_PLUGIN_CB_NO_REGS, NULL);
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
        qemu_plugin_register_vcpu_insn_exec_inline(qemu_plugin_tb_get_insn(tb, i),
                                                   QEMU_PLUGIN_INLINE_ADD_U64, &instructions, 1);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
                               char **argv);

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
                               char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
        else if (sscanf(argv[i], "identity=%" SCNx64 "-%" SCNx64, &identity_start, &identity_end) !=
                 2)
            return -1;
    }
    if (out == NULL)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
