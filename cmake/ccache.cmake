# SPDX-License-Identifier: GPL-3.0-or-later
#
# Uses ccache where it is installed and nobody chose a launcher already.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_C_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
