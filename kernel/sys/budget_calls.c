/* Limits of budgets. */
#include <kernel/budget.h>
#include <kernel/syscall.h>

enum status sys_budget_limit(const struct sys_budget_limit_args *args)
{
    struct budget *budget = object_as_budget(args->budget);

    switch (args->kind) {
    case LIMIT_KIND_CPU_QUOTA:
        return share_set_quota(budget, args->hard, args->soft);
    case LIMIT_KIND_CPU_WEIGHT:
        return args->soft == 0 ? share_set_weight(budget, args->hard) : ERR_RANGE;
    default:
        budget_limit(budget, (enum budget_kind)args->kind, args->hard);
        budget_limit_soft(budget, (enum budget_kind)args->kind, args->soft);
        return OK;
    }
}

static_assert((int)LIMIT_KIND_MEMORY == (int)BUDGET_MEMORY, "one numbering");
static_assert((int)LIMIT_KIND_CAPABILITIES == (int)BUDGET_CAPABILITIES, "one numbering");
static_assert((int)LIMIT_KIND_THREADS == (int)BUDGET_THREADS, "one numbering");
