# SPDX-License-Identifier: GPL-3.0-or-later
#
# Debian's libraries, each behind one imported target, so that a room names
# what it uses and nothing else: by pkg-config where there is a .pc file, by
# find_library where there is none.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# fw_pkg(NAME PC DEBIAN): target dep::NAME from pkg-config module PC.
function(fw_pkg name pc debian)
  pkg_check_modules(DEP_${name} IMPORTED_TARGET GLOBAL ${pc})
  if(NOT DEP_${name}_FOUND)
    message(FATAL_ERROR "${pc} is missing: './dev setup' installs it "
      "(Debian: ${debian})")
  endif()
  add_library(dep::${name} ALIAS PkgConfig::DEP_${name})
endfunction()

# fw_lib(NAME LIB HEADER DEBIAN): target dep::NAME from a plain library.
function(fw_lib name lib header debian)
  find_library(DEP_${name}_LIBRARY ${lib})
  find_path(DEP_${name}_INCLUDE ${header})
  if(NOT DEP_${name}_LIBRARY OR NOT DEP_${name}_INCLUDE)
    message(FATAL_ERROR "lib${lib} is missing: './dev setup' installs it "
      "(Debian: ${debian})")
  endif()
  add_library(dep_${name} INTERFACE)
  target_link_libraries(dep_${name} INTERFACE ${DEP_${name}_LIBRARY})
  add_library(dep::${name} ALIAS dep_${name})
endfunction()

fw_pkg(glib glib-2.0 libglib2.0-dev)
fw_pkg(crypto libcrypto libssl-dev)
fw_pkg(xxhash libxxhash libxxhash-dev)
fw_pkg(lmdb lmdb liblmdb-dev)
fw_pkg(zlib zlib zlib1g-dev)
fw_pkg(pcre2 libpcre2-8 libpcre2-dev)
fw_pkg(gsl gsl libgsl-dev)
fw_pkg(curl libcurl libcurl4-openssl-dev)
fw_pkg(yaml yaml-0.1 libyaml-dev)
fw_lib(http_parser http_parser http_parser.h libhttp-parser-dev)
fw_lib(snappy snappy snappy-c.h libsnappy-dev)
