/* A libnvidia-ml.so.1 that plays GPUs from a script, so that tests pass through the real pynvml and ctypes.

   The script is the file named by NVML_STUB_SCRIPT, read anew at every question. A line is "DEVICE KEY VALUE"; a value
   "!15" makes that question fail with NVML error 15, "@60" keeps it waiting for 60 seconds. "all init !9" is for the library itself, "all devices 2" the
   count, "all name_4242 python" the name of process 4242. "pid" and "drawing" are a process that computes and one that
   draws: its number and, where known, its MiB. What the script does not name is not supported (error 3). Built with
   -DOLD_DRIVER, newer symbols are missing. The tests of both packages build it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { unsigned int gpu, memory; } Utilization;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } MemoryV2;
typedef struct { unsigned int version, sensor; int temperature; } TemperatureV;
typedef struct { unsigned int pid; unsigned long long memory; unsigned int gpu_instance, compute_instance; } Process;

typedef struct { unsigned int version; int margin; } Margin;
typedef union { double real; int integer; unsigned long long wide; } Value;
typedef struct { unsigned int id, scope; long long at, latency; int type, result; Value value; } Field;

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7 };
enum { SLOWDOWN = 1, SLOWDOWN_TLIMIT = 194 };

/* The text of a value, or an error: the one in the script, or "not supported" when it is not named. */
static int ask(const char *device, const char *key, char *text, size_t size) {
    const char *path = getenv("NVML_STUB_SCRIPT");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[512], who[64], what[64];
    int result = NOT_SUPPORTED, start;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "%63s %63s %n", who, what, &start) != 2 || strcmp(who, device) || strcmp(what, key)) continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(text, size, "%s", line + start);
        result = text[0] == '!' ? atoi(text + 1) : SUCCESS;
        if (text[0] == '@') sleep((unsigned int)atoi(text + 1));
        break;
    }
    if (file) fclose(file);
    return result;
}

static int number(const char *device, const char *key, long long *value) {
    char text[128];
    int result = ask(device, key, text, sizeof text);
    if (result == SUCCESS) *value = atoll(text);
    return result;
}

static int number_of(void *handle, const char *key, unsigned int *value) {
    char device[16];
    long long found = 0;
    snprintf(device, sizeof device, "%d", (int)(size_t)handle - 1);
    int result = number(device, key, &found);
    if (result == SUCCESS) *value = (unsigned int)found;
    return result;
}

static int text_of(void *handle, const char *key, char *text, unsigned int size) {
    char device[16];
    snprintf(device, sizeof device, "%d", (int)(size_t)handle - 1);
    return ask(device, key, text, size);
}

static int init(void) {
    long long ignored;
    int result = number("all", "init", &ignored);
    return result == NOT_SUPPORTED ? SUCCESS : result;
}

int nvmlInit_v2(void) { return init(); }
int nvmlInitWithFlags(unsigned int flags) { (void)flags; return init(); }
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { (void)code; return "an error from the stub"; }

/* Known without a script, for other monitors, which want to know the driver (benchmarks/measure.py --peer). */
int nvmlSystemGetDriverVersion(char *text, unsigned int size) {
    int result = ask("all", "driver", text, size);
    if (result == NOT_SUPPORTED) snprintf(text, size, "570.0");
    return result == NOT_SUPPORTED ? SUCCESS : result;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) {
    long long found = 12080;
    int result = number("all", "cuda", &found);
    *version = (int)found;
    return result == NOT_SUPPORTED ? SUCCESS : result;
}

int nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }

int nvmlSystemGetProcessName(unsigned int pid, char *text, unsigned int size) {
    char key[32];
    snprintf(key, sizeof key, "name_%u", pid);
    return ask("all", key, text, size);
}

int nvmlDeviceGetCount_v2(unsigned int *count) {
    long long found = 0;
    int result = number("all", "devices", &found);
    *count = (unsigned int)found;
    return result;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) {
    unsigned int ignored;
    *handle = (void *)(size_t)(index + 1);
    int result = number_of(*handle, "handle", &ignored);
    return result == NOT_SUPPORTED ? SUCCESS : result;
}

int nvmlDeviceGetIndex(void *handle, unsigned int *index) {
    *index = (unsigned int)(size_t)handle - 1;
    return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    unsigned int count = 0, index;
    char device[16], text[128];
    nvmlDeviceGetCount_v2(&count);
    for (index = 0; index < count; index++) {
        snprintf(device, sizeof device, "%u", index);
        if (ask(device, "uuid", text, sizeof text) == SUCCESS && !strcmp(text, uuid))
            return nvmlDeviceGetHandleByIndex_v2(index, handle);
    }
    return NOT_FOUND;
}

int nvmlDeviceGetName(void *handle, char *text, unsigned int size) { return text_of(handle, "name", text, size); }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned int size) { return text_of(handle, "uuid", text, size); }
int nvmlDeviceGetPowerUsage(void *handle, unsigned int *value) { return number_of(handle, "power_mw", value); }
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned int *value) { return number_of(handle, "limit_mw", value); }
int nvmlDeviceGetPowerManagementLimit(void *handle, unsigned int *value) { return number_of(handle, "cap_mw", value); }
int nvmlDeviceGetFanSpeed(void *handle, unsigned int *value) { return number_of(handle, "fan", value); }

int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned int *value) {
    return number_of(handle, kind == 2 ? "memory_mhz" : "mhz", value);
}

int nvmlDeviceGetMigMode(void *handle, unsigned int *now, unsigned int *pending) {
    int result = number_of(handle, "mig", now);
    *pending = *now;
    return result;
}

int nvmlDeviceGetUtilizationRates(void *handle, Utilization *rates) {
    rates->memory = 0;
    return number_of(handle, "busy", &rates->gpu);
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned int *value) {
    (void)sensor;
    return number_of(handle, "celsius", value);
}

int nvmlDeviceGetTemperatureThreshold(void *handle, int kind, unsigned int *value) {
    return kind == SLOWDOWN ? number_of(handle, "slowdown_c", value) : NOT_SUPPORTED;
}

/* Version 1 counts the driver's own reserve as used. */
int nvmlDeviceGetMemoryInfo(void *handle, Memory *info) {
    unsigned int used = 0, total = 0, reserved = 0;
    int result = number_of(handle, "used_mib", &used);
    if (result == SUCCESS) result = number_of(handle, "total_mib", &total);
    number_of(handle, "reserved_mib", &reserved);
    info->used = (unsigned long long)(used + reserved) << 20;
    info->total = (unsigned long long)total << 20;
    info->free = info->total - info->used;
    return result;
}

#ifndef OLD_DRIVER
int nvmlDeviceGetTemperatureV(void *handle, TemperatureV *reading) {
    unsigned int value = 0;
    int result = number_of(handle, "celsius", &value);
    reading->temperature = (int)value;
    return result;
}

int nvmlDeviceGetMarginTemperature(void *handle, Margin *reading) {
    unsigned int value = 0;
    int result = number_of(handle, "margin_c", &value);
    reading->margin = (int)value;
    return result;
}

int nvmlDeviceGetFieldValues(void *handle, int count, Field *fields) {
    int i;
    for (i = 0; i < count; i++) {
        unsigned int value = 0;
        fields[i].result = NOT_SUPPORTED;
        if (fields[i].id == SLOWDOWN_TLIMIT) fields[i].result = number_of(handle, "slowdown_tlimit_c", &value);
        fields[i].value.integer = (int)value;
    }
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(void *handle, MemoryV2 *info) {
    unsigned int used = 0, total = 0;
    int result = number_of(handle, "used_mib", &used);
    if (result == SUCCESS) result = number_of(handle, "total_mib", &total);
    info->used = (unsigned long long)used << 20;
    info->total = (unsigned long long)total << 20;
    return result;
}

int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *reasons) {
    unsigned int bits = 0;
    int result = number_of(handle, "slowed_bits", &bits);
    *reasons = bits;
    return result;
}
#endif

int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, unsigned long long *reasons) {
    unsigned int bits = 0;
    int result = number_of(handle, "slowed_bits", &bits);
    *reasons = bits;
    return result;
}

static int process_of(void *handle, const char *key, unsigned int *count, Process *processes) {
    char text[128];
    unsigned int pid = 0, room = *count;
    unsigned long long mib = 0;
    int values, result = text_of(handle, key, text, sizeof text);
    *count = result == SUCCESS ? 1 : 0;
    if (result != SUCCESS) return result;
    if (room < 1) return INSUFFICIENT_SIZE;
    values = sscanf(text, "%u %llu", &pid, &mib);
    processes[0] = (Process){pid, values == 2 ? mib << 20 : ~0ULL, ~0U, ~0U};
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count, Process *processes) {
    return process_of(handle, "pid", count, processes);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned int *count, Process *processes) {
    return process_of(handle, "drawing", count, processes);
}
