/* A stand-in for NVIDIA's management library: as many devices as a test asks for, and the calls that discovery makes.
 *
 * Compiled by the tests into libnvidia-ml.so.1. The number of devices is GRIDBOARD_FAKE_GPUS of the environment, else
 * the macro FAKE_GPUS, up to 10. NVML's numbers run against the bus on purpose: device 0 of NVML is the last on the bus.
 * GRIDBOARD_FAKE_PARTITIONED, else the macro FAKE_PARTITIONED, is the place of a device that is partitioned into FAKE_PARTS
 * parts, with an empty place between two of them. The driver is of version 580 with CUDA 13.0, unless
 * GRIDBOARD_FAKE_DRIVER=535 makes it one of CUDA 12.2.
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

#ifndef FAKE_PARTITIONED /* the device that is partitioned, by its place on the bus */
#define FAKE_PARTITIONED -1
#endif
#ifndef FAKE_PARTS
#define FAKE_PARTS 2
#endif

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15, VERSION_MISMATCH = 25 };

typedef int nvmlReturn_t;
typedef struct device { int place; int part; } *nvmlDevice_t;
typedef struct { char busIdLegacy[16]; unsigned domain, bus, device, pciDeviceId, pciSubSystemId; char busId[32]; } nvmlPciInfo_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } nvmlMemory_v2_t;
typedef struct { unsigned pid; unsigned long long used; unsigned gpuInstance, computeInstance; } nvmlProcessInfo_t;

/* One for each place on the bus, and the parts of the partitioned one, whose `part` is over 0. */
static struct device devices[10], parts[2 * FAKE_PARTS + 1];

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

static int count(void) {
    int number = setting("GRIDBOARD_FAKE_GPUS", FAKE_GPUS);
    return number < 0 ? 0 : number > 10 ? 10 : number;
}

static int partitioned(void) { return setting("GRIDBOARD_FAKE_PARTITIONED", FAKE_PARTITIONED); }

static int is_old(void) { return setting("GRIDBOARD_FAKE_DRIVER", 580) < 580; }

nvmlReturn_t nvmlInit_v2(void) { return FAKE_INIT; }

nvmlReturn_t nvmlInitWithFlags(unsigned flags) { (void)flags; return FAKE_INIT; }

nvmlReturn_t nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(nvmlReturn_t error) { return error == SUCCESS ? "Success" : "Fake error"; }

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned length) {
    snprintf(version, length, is_old() ? "535.0-fake" : "580.0-fake");
    return SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = is_old() ? 12020 : 13000; return SUCCESS; }

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *number) { *number = (unsigned)count(); return SUCCESS; }

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    if (index >= (unsigned)count()) return INVALID_ARGUMENT;
    int place = count() - 1 - (int)index;
    devices[place].place = place;
    *device = &devices[place];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *current, unsigned *pending) {
    if (device->part) return INVALID_ARGUMENT;
    if (device->place == 0 && partitioned() < 0) return NOT_SUPPORTED; /* as an older device answers */
    *current = *pending = device->place == partitioned();
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *number) {
    *number = device->place == partitioned() ? 7 : 0;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index, nvmlDevice_t *part) {
    if (device->place != partitioned() || index >= 7) return INVALID_ARGUMENT;
    if (index % 2 || index >= 2 * FAKE_PARTS) return NOT_FOUND;
    parts[index] = (struct device){device->place, (int)index + 1};
    *part = &parts[index];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t part, nvmlDevice_t *device) {
    if (!part->part) return INVALID_ARGUMENT;
    devices[part->place].place = part->place;
    *device = &devices[part->place];
    return SUCCESS;
}

/* The name that older drivers have for the first part. */
nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    char name[80];
    snprintf(name, sizeof name, "MIG-GPU-fa4e0000-0000-0000-0000-%012d/1/0", partitioned());
    if (partitioned() < 0 || strcmp(uuid, name) != 0) return NOT_FOUND;
    parts[0] = (struct device){partitioned(), 1};
    *device = &parts[0];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length) {
    if (device->part) snprintf(uuid, length, "MIG-fa4e0000-0000-0000-0000-%012d", 10 * device->place + device->part - 1);
    else snprintf(uuid, length, "GPU-fa4e0000-0000-0000-0000-%012d", device->place);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length) {
    snprintf(name, length, device->part ? "Fake GPU %d MIG 1g.2gb" : "Fake GPU %d", device->place);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor) {
    if (device->part) return NOT_SUPPORTED;
    *major = setting("GRIDBOARD_FAKE_CAPABILITY", 9);
    *minor = 0;
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
    memory->total = (device->part ? 2ull : 16ull) << 30;
    memory->used = device->part ? 0 : (unsigned long long)device->place << 30;
    memory->free = memory->total - memory->used;
    memory->reserved = 0;
    return SUCCESS;
}

/* Busy 50 % and a bit more by place, 100 W and 50 degrees likewise; energy grows by 25 J at each question. */
typedef struct { unsigned gpu, memory; } nvmlUtilization_t;

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates) {
    if (device->part) return NOT_SUPPORTED;
    rates->gpu = 50 + (unsigned)device->place;
    rates->memory = 10;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *milliwatts) {
    if (device->part) return NOT_SUPPORTED;
    *milliwatts = 1000 * (100 + (unsigned)device->place);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned *celsius) {
    if (device->part || sensor != 0) return NOT_SUPPORTED;
    *celsius = 50 + (unsigned)device->place;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *millijoules) {
    static unsigned long long energy[10];
    if (device->part) return NOT_SUPPORTED;
    *millijoules = energy[device->place] += 25000;
    return SUCCESS;
}

/* As many processes as the device's place; of a part it is not told. */
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *number, nvmlProcessInfo_t *infos) {
    unsigned room = *number, processes = (unsigned)device->place;
    if (device->part) return NOT_SUPPORTED;
    *number = processes;
    if (room < processes) return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < processes; i++) infos[i] = (nvmlProcessInfo_t){1000 + i, 1ull << 30, ~0u, ~0u};
    return SUCCESS;
}
