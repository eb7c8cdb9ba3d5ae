// The peak of what libtorch's allocator has reserved on a CUDA device: a number that tch has no call for.
//
// Built by build.rs into gridboard-worker alone, called by machine.rs. No header of CUDA's is needed.

#include <c10/core/CachingDeviceAllocator.h>

#include <cstdint>

/// Bytes, of the first device that this process sees. -1 where nothing was ever allocated there.
extern "C" std::int64_t gridboard_peak_device_memory() noexcept {
  try {
    auto *allocator = dynamic_cast<c10::DeviceAllocator *>(c10::GetAllocator(c10::DeviceType::CUDA));
    if (allocator == nullptr || !allocator->initialized()) return -1;
    // Place 0 is the sum of the small and the large pool.
    return allocator->getDeviceStats(0).reserved_bytes[0].peak;
  } catch (...) {
    // Without CUDA there is no such allocator, which c10 says by throwing.
    return -1;
  }
}
