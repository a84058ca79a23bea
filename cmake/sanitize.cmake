# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the presets switch on: sanitizers, libFuzzer, coverage, hardening, LTO.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  # What clang compiles in this way is judged, not debugged.
  set(CMAKE_C_FLAGS_DEBUG "-O0 -g1")
elseif(FW_SANITIZE)
  # Lines are all that a sanitizer's report needs, and compile faster.
  set(CMAKE_C_FLAGS_DEBUG "-Og -g1")
else()
  set(CMAKE_C_FLAGS_DEBUG "-Og -g")
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")

if(FW_SANITIZE)
  add_compile_options(-fsanitize=${FW_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${FW_SANITIZE})
endif()

if(FW_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "libFuzzer needs clang: use the preset 'fuzz'")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(FW_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()

if(FW_HARDEN)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
    -fstack-protector-strong -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|i.86")
    add_compile_options(-fcf-protection)
  endif()
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
endif()
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

if(FW_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT fw_lto_works LANGUAGES C)
  if(fw_lto_works)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    if(CMAKE_C_COMPILER_ID STREQUAL GNU)
      # On all cores; gcc warns when it is not told.
      set(CMAKE_C_COMPILE_OPTIONS_IPO -flto=auto -fno-fat-lto-objects)
    endif()
  endif()
endif()
