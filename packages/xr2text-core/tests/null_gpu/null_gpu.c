// A GPU that computes nothing. These functions take the place of libcudart, cuBLAS and the driver below a CUDA build of
// PyTorch: its dispatch, its allocator, its copies and its out-of-memory are real, but a kernel that it launches does
// nothing. So sizes, types, memory and counts are true, and values are those that the host has copied, or zero.
//
// NULL_GPU_MIB: memory of the card (8188). NULL_GPU_PINNED_MIB: host memory that may be pinned (no limit).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <driver_types.h>
#include <vector_types.h>

enum { SUCCESS = 0, OUT_OF_MEMORY = 2, NO_DEVICE = 101, NO_SYMBOL = 500 };
#define NOTHING(name) int name() { return SUCCESS; }

// What the tests read.
long null_gpu_launches, null_gpu_synchronisations, null_gpu_pinned_bytes, null_gpu_unpinned_copies;

// -- the card: an RTX 4060 Laptop

static const int CAPABILITY[2] = {8, 9};
static size_t total_bytes, used_bytes, most_pinned_bytes;

__attribute__((constructor)) static void read_environment(void) {
    const char *total = getenv("NULL_GPU_MIB"), *pinned = getenv("NULL_GPU_PINNED_MIB");
    total_bytes = (total ? strtoull(total, 0, 10) : 8188) << 20;
    most_pinned_bytes = (pinned ? strtoull(pinned, 0, 10) : 1 << 20) << 20;
}

int cudaGetDeviceCount(int *count) { *count = 1; return SUCCESS; }
int cudaGetDevice(int *device) { *device = 0; return SUCCESS; }
int cudaSetDevice(int device) { return device ? NO_DEVICE : SUCCESS; }
int cudaDriverGetVersion(int *version) { *version = 13000; return SUCCESS; }
int cudaRuntimeGetVersion(int *version) { *version = 13000; return SUCCESS; }
int cudaDeviceCanAccessPeer(int *can, int from, int to) { *can = 0; return SUCCESS; }
int cudaDeviceGetPCIBusId(char *id, int size, int device) { snprintf(id, size, "0000:01:00.0"); return SUCCESS; }
int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return SUCCESS; }

int cudaGetDeviceProperties(struct cudaDeviceProp *card, int device) {
    *card = (struct cudaDeviceProp){
        .name = "null GPU", .totalGlobalMem = total_bytes, .major = CAPABILITY[0], .minor = CAPABILITY[1],
        .multiProcessorCount = 24, .warpSize = 32, .sharedMemPerBlock = 48 << 10, .sharedMemPerBlockOptin = 99 << 10,
        .sharedMemPerMultiprocessor = 100 << 10, .maxThreadsPerBlock = 1024, .maxThreadsPerMultiProcessor = 1536,
        .maxThreadsDim = {1024, 1024, 64}, .maxGridSize = {2147483647, 65535, 65535}, .regsPerBlock = 65536,
        .regsPerMultiprocessor = 65536, .l2CacheSize = 32 << 20, .memoryBusWidth = 128, .textureAlignment = 512,
        .unifiedAddressing = 1, .canMapHostMemory = 1, .concurrentKernels = 1, .maxBlocksPerMultiProcessor = 24};
    return SUCCESS;
}

int cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device) {
    struct cudaDeviceProp card;
    cudaGetDeviceProperties(&card, device);
    switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock: *value = card.maxThreadsPerBlock; break;
        case cudaDevAttrMaxBlockDimX: case cudaDevAttrMaxBlockDimY: *value = card.maxThreadsDim[0]; break;
        case cudaDevAttrMaxBlockDimZ: *value = card.maxThreadsDim[2]; break;
        case cudaDevAttrMaxGridDimX: *value = card.maxGridSize[0]; break;
        case cudaDevAttrMaxGridDimY: case cudaDevAttrMaxGridDimZ: *value = card.maxGridSize[1]; break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = card.sharedMemPerBlock; break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = card.sharedMemPerBlockOptin; break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = card.sharedMemPerMultiprocessor; break;
        case cudaDevAttrWarpSize: *value = card.warpSize; break;
        case cudaDevAttrMultiProcessorCount: *value = card.multiProcessorCount; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *value = card.maxThreadsPerMultiProcessor; break;
        case cudaDevAttrComputeCapabilityMajor: *value = card.major; break;
        case cudaDevAttrComputeCapabilityMinor: *value = card.minor; break;
        default: *value = 0;
    }
    return SUCCESS;
}

// -- memory: reserved, and taken from the computer only where something is copied to

enum Kind { ORDINARY, DEVICE, PINNED };
static struct Block { char *start; size_t size; enum Kind kind; } blocks[1 << 16];
static int num_blocks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int allocate(void **start, size_t size, enum Kind kind, size_t *used, size_t most) {
    *start = 0;
    if (*used + size > most) return OUT_OF_MEMORY;
    *start = mmap(0, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pthread_mutex_lock(&lock);
    int place = 0;
    while (place < num_blocks && blocks[place].start) place++;
    num_blocks += place == num_blocks;
    blocks[place] = (struct Block){*start, size, kind};
    *used += size;
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

static struct Block *block_of(const char *address) {
    for (int place = 0; place < num_blocks; place++)
        if (blocks[place].start && address >= blocks[place].start && address < blocks[place].start + blocks[place].size)
            return &blocks[place];
    return 0;
}

static enum Kind kind_of(const void *address) {
    pthread_mutex_lock(&lock);
    struct Block *block = block_of(address);
    enum Kind kind = block ? block->kind : ORDINARY;
    pthread_mutex_unlock(&lock);
    return kind;
}

static int release(void *start, size_t *used) {
    pthread_mutex_lock(&lock);
    struct Block *block = block_of(start);
    if (block) {
        munmap(start, block->size ? block->size : 1);
        *used -= block->size;
        block->start = 0;
    }
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

int cudaMalloc(void **start, size_t size) { return allocate(start, size, DEVICE, &used_bytes, total_bytes); }
int cudaFree(void *start) { return release(start, &used_bytes); }
int cudaHostAlloc(void **start, size_t size, unsigned flags) {
    return allocate(start, size, PINNED, (size_t *)&null_gpu_pinned_bytes, most_pinned_bytes);
}
int cudaFreeHost(void *start) { return release(start, (size_t *)&null_gpu_pinned_bytes); }
int cudaMemGetInfo(size_t *free, size_t *total) {
    *free = total_bytes - used_bytes, *total = total_bytes;
    return SUCCESS;
}

int cudaPointerGetAttributes(struct cudaPointerAttributes *found, const void *address) {
    enum Kind kind = kind_of(address);
    *found = (struct cudaPointerAttributes){.type = kind == DEVICE ? cudaMemoryTypeDevice
                                                  : kind == PINNED ? cudaMemoryTypeHost
                                                                   : cudaMemoryTypeUnregistered};
    if (kind) found->devicePointer = (void *)address;
    if (kind == PINNED) found->hostPointer = (void *)address;
    return SUCCESS;
}

// -- copies: real up to a MiB, so that large ones take no time

int cudaMemcpyAsync(void *to, const void *from, size_t size, enum cudaMemcpyKind direction, cudaStream_t stream) {
    null_gpu_unpinned_copies += kind_of(to) == ORDINARY || kind_of(from) == ORDINARY;
    if (size <= 1 << 20) memmove(to, from, size);
    return SUCCESS;
}

int cudaMemcpy(void *to, const void *from, size_t size, enum cudaMemcpyKind direction) {
    null_gpu_synchronisations++;
    return cudaMemcpyAsync(to, from, size, direction, 0);
}

int cudaMemsetAsync(void *start, int value, size_t size, cudaStream_t stream) {
    if (size <= 1 << 16) memset(start, value, size);
    return SUCCESS;
}
int cudaMemset(void *start, int value, size_t size) { return cudaMemsetAsync(start, value, size, 0); }

// -- streams and events: all work is done at once

int cudaStreamSynchronize(cudaStream_t stream) { null_gpu_synchronisations++; return SUCCESS; }
int cudaEventSynchronize(cudaEvent_t event) { null_gpu_synchronisations++; return SUCCESS; }
int cudaDeviceSynchronize(void) { null_gpu_synchronisations++; return SUCCESS; }

static int new_handle(void **handle) {
    static long last = 0x1000;
    *handle = (void *)(last += 16);
    return SUCCESS;
}
int cudaStreamCreate(void **stream) { return new_handle(stream); }
int cudaStreamCreateWithFlags(void **stream) { return new_handle(stream); }
int cudaStreamCreateWithPriority(void **stream) { return new_handle(stream); }
int cudaEventCreate(void **event) { return new_handle(event); }
int cudaEventCreateWithFlags(void **event) { return new_handle(event); }
int cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to) { *ms = 1; return SUCCESS; }
int cudaStreamGetPriority(cudaStream_t stream, int *priority) { *priority = 0; return SUCCESS; }
int cudaStreamIsCapturing(cudaStream_t stream, int *status) { *status = cudaStreamCaptureStatusNone; return SUCCESS; }
int cudaStreamGetCaptureInfo(cudaStream_t stream, int *status) { *status = cudaStreamCaptureStatusNone; return SUCCESS; }
NOTHING(cudaStreamQuery) NOTHING(cudaEventQuery) NOTHING(cudaStreamDestroy) NOTHING(cudaEventDestroy)
NOTHING(cudaEventRecord) NOTHING(cudaEventRecordWithFlags) NOTHING(cudaStreamWaitEvent)
NOTHING(cudaThreadExchangeStreamCaptureMode)

// -- kernels: counted, not run

int cudaLaunchKernel(void) { null_gpu_launches++; return SUCCESS; }
int __cudaLaunchKernel(void) { null_gpu_launches++; return SUCCESS; }
int cudaLaunchKernelExC(void) { null_gpu_launches++; return SUCCESS; }
int __cudaGetKernel(void **kernel, const void *function) { *kernel = (void *)function; return SUCCESS; }
int cudaGetSymbolAddress(void **address, const void *symbol) { *address = (void *)symbol; return SUCCESS; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks) { *blocks = 2; return SUCCESS; }
int cudaFuncGetAttributes(struct cudaFuncAttributes *found, const void *function) {
    *found = (struct cudaFuncAttributes){.binaryVersion = 86, .ptxVersion = 86, .maxThreadsPerBlock = 1024,
                                         .numRegs = 32, .maxDynamicSharedSizeBytes = 99 << 10};
    return SUCCESS;
}
int __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void **stream) {
    *grid = *block = (dim3){1, 1, 1}, *shared = 0, *stream = 0;
    return SUCCESS;
}
void **__cudaRegisterFatBinary(void) { static void *handle; return &handle; }
NOTHING(__cudaPushCallConfiguration) NOTHING(__cudaRegisterFatBinaryEnd) NOTHING(__cudaUnregisterFatBinary)
NOTHING(__cudaRegisterFunction) NOTHING(__cudaRegisterVar) NOTHING(cudaFuncSetAttribute)

// -- errors

NOTHING(cudaGetLastError) NOTHING(cudaPeekAtLastError)
const char *cudaGetErrorString(int error) { return error == OUT_OF_MEMORY ? "out of memory" : "no error"; }
const char *cudaGetErrorName(int error) { return error == OUT_OF_MEMORY ? "cudaErrorMemoryAllocation" : "cudaError"; }

// -- the driver: PyTorch looks its functions up by name, in this library under the name of the driver

int cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version, unsigned long long flags,
                                     enum cudaDriverEntryPointQueryResult *result) {
    *function = dlsym(RTLD_DEFAULT, name);
    if (result) *result = *function ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
    return *function ? SUCCESS : NO_SYMBOL;
}
int cuDriverGetVersion(int *version) { return cudaDriverGetVersion(version); }
int cuDeviceGetCount(int *count) { return cudaGetDeviceCount(count); }
int cuDeviceGet(int *device, int index) { *device = index; return SUCCESS; }
int cuCtxGetCurrent(void **context) { *context = (void *)0x40; return SUCCESS; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *flags = 0, *active = 1; return SUCCESS; }
NOTHING(cuInit) NOTHING(cuCtxSetCurrent) NOTHING(cuDeviceGetAttribute) NOTHING(cuDevicePrimaryCtxRetain)
NOTHING(cuFuncGetAttribute) NOTHING(cuFuncSetAttribute) NOTHING(cuFuncSetCacheConfig) NOTHING(cuGetErrorName)
NOTHING(cuGetErrorString) NOTHING(cuLaunchCooperativeKernel) NOTHING(cuLaunchKernel) NOTHING(cuLinkAddData_v2)
NOTHING(cuLinkComplete) NOTHING(cuLinkCreate_v2) NOTHING(cuModuleGetFunction) NOTHING(cuModuleLoad)
NOTHING(cuModuleLoadData) NOTHING(cuModuleLoadDataEx) NOTHING(cuModuleUnload) NOTHING(cuPointerGetAttribute)
NOTHING(cuOccupancyMaxActiveBlocksPerMultiprocessor) NOTHING(cuTensorMapEncodeTiled) NOTHING(cuMemGetAddressRange_v2)
NOTHING(cuStreamWriteValue32_v2) NOTHING(cuMemAddressReserve) NOTHING(cuMemAddressFree) NOTHING(cuMemRelease)
NOTHING(cuMemMap) NOTHING(cuMemUnmap) NOTHING(cuMemSetAccess) NOTHING(cuMemCreate) NOTHING(cuMemsetD32Async)
NOTHING(cuMemGetAllocationGranularity) NOTHING(cuMemExportToShareableHandle) NOTHING(cuMemImportFromShareableHandle)
NOTHING(cuMulticastAddDevice) NOTHING(cuMulticastBindMem) NOTHING(cuMulticastUnbind) NOTHING(cuMulticastCreate)
NOTHING(cuMulticastGetGranularity)

// -- cuBLAS

#define PRODUCT(name) int name() { null_gpu_launches++; return SUCCESS; }
PRODUCT(cublasGemmEx) PRODUCT(cublasGemmStridedBatchedEx) PRODUCT(cublasSgemm_v2) PRODUCT(cublasSgemmEx)
PRODUCT(cublasSgemmStridedBatched) PRODUCT(cublasSgemv_v2) PRODUCT(cublasDotEx) PRODUCT(cublasSdot_v2)
PRODUCT(cublasDgemm_v2) PRODUCT(cublasLtMatmul)
int cublasCreate_v2(void **handle) { return new_handle(handle); }
int cublasGetMathMode(void *handle, int *mode) { *mode = 0; return SUCCESS; }
int cublasGetPointerMode_v2(void *handle, int *mode) { *mode = 0; return SUCCESS; }
NOTHING(cublasDestroy_v2) NOTHING(cublasSetStream_v2) NOTHING(cublasSetWorkspace_v2) NOTHING(cublasSetMathMode)
NOTHING(cublasSetPointerMode_v2) NOTHING(cublasSetSmCountTarget)
size_t cublasLtGetVersion(void) { return 130000; }
int cublasLtMatmulDescCreate(void **handle) { return new_handle(handle); }
int cublasLtMatmulPreferenceCreate(void **handle) { return new_handle(handle); }
int cublasLtMatrixLayoutCreate(void **handle) { return new_handle(handle); }
NOTHING(cublasLtMatmulDescDestroy) NOTHING(cublasLtMatmulDescSetAttribute) NOTHING(cublasLtMatmulPreferenceDestroy)
NOTHING(cublasLtMatmulPreferenceSetAttribute) NOTHING(cublasLtMatrixLayoutDestroy)
NOTHING(cublasLtMatrixLayoutSetAttribute)
int cublasLtMatmulAlgoGetHeuristic(void *handle, void *description, void *a, void *b, void *c, void *d,
                                   void *preference, int asked, void *results, int *found) {
    memset(results, 0, 96), *found = 1;  // one cublasLtMatmulHeuristicResult_t
    return SUCCESS;
}
