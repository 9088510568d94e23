#pragma once

enum { RT_PAGE_BYTES = 4096, RT_R_RELATIVE = 1027 /* R_AARCH64_RELATIVE */ };
enum { RT_ELF_MACHINE = 183 };
