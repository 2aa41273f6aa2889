# Included by OpenThread's own CMakeLists.txt behind its project() (CMAKE_PROJECT_openthread_INCLUDE).
#
# Nearly every file of the core includes nearly all of its headers. Compiled once they take a third of the time.
function(precompile_headers)
    foreach(target IN ITEMS openthread-ftd openthread-radio)
        if(TARGET ${target})
            target_precompile_headers(${target} PRIVATE
                "$<$<COMPILE_LANGUAGE:CXX>:openthread-core-config.h>"
                "$<$<COMPILE_LANGUAGE:CXX>:${CMAKE_SOURCE_DIR}/src/core/instance/instance.hpp>")
        endif()
    endforeach()
    if(TARGET openthread-cli-ftd)
        target_precompile_headers(openthread-cli-ftd PRIVATE
            "$<$<COMPILE_LANGUAGE:CXX>:${CMAKE_SOURCE_DIR}/src/cli/cli.hpp>")
    endif()
endfunction()
cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL precompile_headers)
