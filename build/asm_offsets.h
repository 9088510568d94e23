/* Included before each kernel/arch/ARCH/asm_offsets.c, which is compiled to assembly only; the
 * build picks these lines out of it and writes gen/asm_offsets.h.
 */
#pragma once

#define DEFINE(name, value) __asm__ volatile("\n.ascii \"->" #name " %c0\"" : : "i"(value))
