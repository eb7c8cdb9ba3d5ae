// The question for the allocator's peak, asked without an allocator, of one that was never used, and of one that was.

#include <c10/core/CachingDeviceAllocator.h>

#include <cstdint>
#include <cstdio>

extern "C" std::int64_t gridboard_peak_device_memory() noexcept;

struct Fake final : c10::DeviceAllocator {
  bool used = false;
  bool initialized() override { return used; }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    stats.reserved_bytes[0].increase(5000);
    stats.reserved_bytes[0].decrease(1000);
    stats.allocated_bytes[0].increase(3000);
    return stats;
  }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr &, c10::Stream) override {}
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {}
  c10::DataPtr allocate(std::size_t) override { return {}; }
  void copy_data(void *, const void *, std::size_t) const override {}
};

static void tell() { std::printf("%lld\n", static_cast<long long>(gridboard_peak_device_memory())); }

int main() {
  tell();
  static Fake fake;
  c10::SetAllocator(c10::DeviceType::CUDA, &fake, 255);
  tell();
  fake.used = true;
  tell();
}
