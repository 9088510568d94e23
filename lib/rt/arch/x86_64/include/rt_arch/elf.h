#pragma once

enum { RT_PAGE_BYTES = 4096, RT_R_RELATIVE = 8 /* R_X86_64_RELATIVE */ };
enum { RT_ELF_MACHINE = 62 };
