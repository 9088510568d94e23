/* arch_prctl(2): the bases of FS and GS. */
#include <linux/abi/errno.h>
#include <linux/calls.h>
#include <linux/machine.h>
#include <linux/task.h>

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002, ARCH_GET_FS = 0x1003, ARCH_GET_GS = 0x1004 };

int64_t linux_arch_prctl(int what, uint64_t address)
{
    struct guest_registers *registers = &vcpu_state(task_self()->vcpu)->registers;
    bool sets = what == ARCH_SET_FS || what == ARCH_SET_GS;
    if (sets && address >= GUEST_END)
        return -EPERM;
    switch (what) {
    case ARCH_SET_FS:
        registers->fs_base = address;
        return 0;
    case ARCH_SET_GS:
        registers->gs_base = address;
        return 0;
    case ARCH_GET_FS:
        return copy_out(address, &registers->fs_base, sizeof(registers->fs_base));
    case ARCH_GET_GS:
        return copy_out(address, &registers->gs_base, sizeof(registers->gs_base));
    default:
        return -EINVAL;
    }
}
