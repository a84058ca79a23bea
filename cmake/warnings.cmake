# SPDX-License-Identifier: GPL-3.0-or-later
#
# The warnings every file of ours is compiled with, by gcc and by clang.
# _GNU_SOURCE is defined here once; sources do not define it again.
add_compile_definitions(_GNU_SOURCE FW_VERSION="${PROJECT_VERSION}")
add_compile_options(
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wwrite-strings -Wundef -fno-common)
if(FW_WERROR)
  add_compile_options(-Werror)
endif()
