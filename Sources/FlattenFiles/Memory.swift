#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Whether the system would give `bytes` more memory.
///
/// Tried with mmap: the optimiser drops a `malloc` that is freed unused.
package func isMemoryAvailable(_ bytes: Int) -> Bool {
  guard bytes > 0 else { return true }
  let probe = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  guard let probe, probe != MAP_FAILED else { return false }
  munmap(probe, bytes)
  return true
}

/// Peak resident memory of this process in bytes; 0 where the system does not report it.
package func mostResidentMemory() -> Int {
  #if canImport(Darwin)
    var usage = rusage()
    getrusage(RUSAGE_SELF, &usage)
    return usage.ru_maxrss  // bytes
  #else
    // Not getrusage: its figure begins with that of the process that started this one.
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      let text = String(decoding: bytes, as: UTF8.self)  // such as "VmHWM:    1234 kB"
      guard text.hasPrefix("VmHWM:") else { continue }
      return (Int(text.filter(\.isWholeNumber)) ?? 0) << 10
    }
    return 0
  #endif
}
