/* What the personality says that it is: uname(2), /proc/version. */
#pragma once

#define LINUX_SYSNAME "Linux"
#define LINUX_RELEASE "6.1.0-themelios"
#define LINUX_VERSION "#1 SMP ThemeliOS"
