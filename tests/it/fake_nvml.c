/* A stand-in for NVIDIA's management library: as many devices as a test asks for, and the calls that discovery makes.
 *
 * Compiled by the tests into libnvidia-ml.so.1. The number of devices is GRIDBOARD_FAKE_GPUS of the environment, else
 * the macro FAKE_GPUS, up to 10. NVML's numbers run against the bus on purpose: device 0 of NVML is the last on the bus.
 * Signatures and error numbers are those of nvml.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FAKE_GPUS
#define FAKE_GPUS 2
#endif
#ifndef FAKE_INIT /* what nvmlInit answers */
#define FAKE_INIT 0
#endif
#ifndef FAKE_LOST /* the device that has fallen off the bus, by its place there */
#define FAKE_LOST -1
#endif

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15, VERSION_MISMATCH = 25 };

typedef int nvmlReturn_t;
typedef struct device { int place; int part; } *nvmlDevice_t;
typedef struct { char busIdLegacy[16]; unsigned domain, bus, device, pciDeviceId, pciSubSystemId; char busId[32]; } nvmlPciInfo_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } nvmlMemory_v2_t;
typedef struct { unsigned pid; unsigned long long used; unsigned gpuInstance, computeInstance; } nvmlProcessInfo_t;

/* One for each place on the bus, and a part of a partitioned device last. */
static struct device devices[11];

static int count(void) {
    const char *text = getenv("GRIDBOARD_FAKE_GPUS");
    int number = text ? atoi(text) : FAKE_GPUS;
    return number < 0 ? 0 : number > 10 ? 10 : number;
}

nvmlReturn_t nvmlInit_v2(void) { return FAKE_INIT; }

nvmlReturn_t nvmlInitWithFlags(unsigned flags) { (void)flags; return FAKE_INIT; }

nvmlReturn_t nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(nvmlReturn_t error) { return error == SUCCESS ? "Success" : "Fake error"; }

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned length) {
    snprintf(version, length, "580.0-fake");
    return SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13000; return SUCCESS; }

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *number) { *number = (unsigned)count(); return SUCCESS; }

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    if (index >= (unsigned)count()) return INVALID_ARGUMENT;
    int place = count() - 1 - (int)index;
    devices[place].place = place;
    *device = &devices[place];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    if (strcmp(uuid, "MIG-fa4e0000-part") != 0) return NOT_FOUND;
    devices[10].place = 0;
    devices[10].part = 1;
    *device = &devices[10];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length) {
    if (device->part) snprintf(uuid, length, "MIG-fa4e0000-part");
    else snprintf(uuid, length, "GPU-fa4e0000-0000-0000-0000-%012d", device->place);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length) {
    snprintf(name, length, "Fake GPU %d", device->place);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci) {
    if (device->part) return INVALID_ARGUMENT;
    if (device->place == FAKE_LOST) return GPU_IS_LOST;
    memset(pci, 0, sizeof *pci);
    pci->bus = 0x0A + 0x10 * (unsigned)device->place;
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "0000:%02X:00.0", pci->bus);
    snprintf(pci->busId, sizeof pci->busId, "00000000:%02X:00.0", pci->bus);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory) {
    if (memory->version != (sizeof *memory | 2u << 24)) return VERSION_MISMATCH;
    memory->total = 16ull << 30;
    memory->used = (unsigned long long)device->place << 30;
    memory->free = memory->total - memory->used;
    memory->reserved = 0;
    return SUCCESS;
}

/* As many processes as the device's place. */
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *number, nvmlProcessInfo_t *infos) {
    unsigned room = *number, processes = (unsigned)device->place;
    *number = processes;
    if (room < processes) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < processes; i++) infos[i] = (nvmlProcessInfo_t){1000 + i, 1ull << 30, ~0u, ~0u};
    return SUCCESS;
}
