#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Whether the system would give so many bytes more.
///
/// Asked with mmap: an optimiser may drop an allocation that is freed unused, and does.
package func isMemoryAvailable(_ bytes: Int) -> Bool {
  guard bytes > 0 else { return true }
  let probe = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  guard let probe, probe != MAP_FAILED else { return false }
  munmap(probe, bytes)
  return true
}
