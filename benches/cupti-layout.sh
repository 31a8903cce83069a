#!/bin/sh
# Compares where src/device/layout.rs says that fields of CUPTI's records lie with what a C compiler makes of NVIDIA's own
# headers, for several releases of CUDA. Needs cc, Python 3 with pip, and a network; about 60 MB are downloaded into a
# temporary folder. Run it when a release of CUDA comes out, with its packages in the list at the end.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# release CUPTI-package runtime-package kernel memcpy memset: headers -> "interface structure field offset" lines that are wrong
check() {
    folder="$work/$1"
    mkdir -p "$folder"
    shift
    for package in "$1" "$2" ${6:+"$6"}; do
        python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$folder" "$package"
    done
    for wheel in "$folder"/*.whl; do
        python3 -m zipfile -e "$wheel" "$folder"
    done
    includes=$(find "$folder" -type d -name include | sed 's/^/-I/')
    cat >"$folder/offsets.c" <<C
#include <stddef.h>
#include <stdio.h>
#include <cupti.h>
static int wrong;
#define AT(structure, field, expected) \\
    if (offsetof(structure, field) != (expected)) { \\
        wrong = 1; \\
        printf("%s.%s lies at %zu, not %d\\n", #structure, #field, offsetof(structure, field), (expected)); \\
    }
#define IS(name, expected) \\
    if ((name) != (expected)) { wrong = 1; printf("%s is %d, not %d\\n", #name, (int)(name), (expected)); }
int main(void) {
    IS(CUPTI_ACTIVITY_KIND_MEMCPY, 1) IS(CUPTI_ACTIVITY_KIND_MEMSET, 2) IS(CUPTI_ACTIVITY_KIND_KERNEL, 3)
    IS(CUPTI_ACTIVITY_KIND_DRIVER, 4) IS(CUPTI_ACTIVITY_KIND_RUNTIME, 5) IS(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, 10)
    IS(CUPTI_ERROR_MAX_LIMIT_REACHED, 12) IS(CUPTI_ERROR_NOT_INITIALIZED, 15)
    IS(CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, 35) IS(CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED, 39)
    IS(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED, 1) IS(CUPTI_ACTIVITY_THREAD_ID_TYPE_SYSTEM, 1)
    IS(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, 1) IS(CUPTI_ACTIVITY_MEMCPY_KIND_DTOH, 2)
    AT(CUpti_ActivityAPI, kind, 0) AT(CUpti_ActivityAPI, cbid, 4) AT(CUpti_ActivityAPI, start, 8)
    AT(CUpti_ActivityAPI, end, 16) AT(CUpti_ActivityAPI, threadId, 28) AT(CUpti_ActivityAPI, correlationId, 32)
    AT($3, kind, 0) AT($3, start, 16) AT($3, end, 24) AT($3, deviceId, 40) AT($3, streamId, 48)
    AT($3, correlationId, 92) AT($3, name, 104)
    AT($4, kind, 0) AT($4, copyKind, 4) AT($4, bytes, 8) AT($4, start, 16) AT($4, end, 24) AT($4, deviceId, 32)
    AT($4, streamId, 40) AT($4, correlationId, 44)
    AT($5, kind, 0) AT($5, bytes, 8) AT($5, start, 16) AT($5, end, 24) AT($5, deviceId, 32) AT($5, streamId, 40)
    AT($5, correlationId, 44)
    printf("interface %d: $3 (%zu bytes), $4 (%zu), $5 (%zu): %s\\n", CUPTI_API_VERSION, sizeof($3), sizeof($4),
           sizeof($5), wrong ? "WRONG" : "as expected");
    return wrong;
}
C
    # shellcheck disable=SC2086
    cc -w $includes -o "$folder/offsets" "$folder/offsets.c"
    "$folder/offsets"
}

check 12.0 nvidia-cuda-cupti-cu12==12.0.146 nvidia-cuda-runtime-cu12==12.0.146 \
    CUpti_ActivityKernel9 CUpti_ActivityMemcpy5 CUpti_ActivityMemset4 nvidia-cuda-nvcc-cu12==12.0.140
check 12.9 nvidia-cuda-cupti-cu12==12.9.79 nvidia-cuda-runtime-cu12==12.9.79 \
    CUpti_ActivityKernel9 CUpti_ActivityMemcpy6 CUpti_ActivityMemset4 nvidia-cuda-nvcc-cu12==12.9.86
check 13.0 nvidia-cuda-cupti==13.0.85 nvidia-cuda-runtime==13.0.96 \
    CUpti_ActivityKernel10 CUpti_ActivityMemcpy6 CUpti_ActivityMemset4 nvidia-cuda-crt==13.0.88
check 13.5 nvidia-cuda-cupti==13.5.25 nvidia-cuda-runtime==13.5.37 \
    CUpti_ActivityKernel13 CUpti_ActivityMemcpy7 CUpti_ActivityMemset5 nvidia-cuda-crt==13.5.37
