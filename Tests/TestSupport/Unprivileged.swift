#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// File permissions in tests that may run as root, whom they do not concern.
package enum Unprivileged {
  /// User and group ids that own nothing.
  private static let nobody: UInt32 = 65_534

  struct Impossible: Error, CustomStringConvertible {
    let description: String
  }

  /// Runs `body` with file permissions in force: for root, this thread opens files as a user who owns
  /// nothing. `body` must stay on the thread.
  package static func run<Result>(_ body: () throws -> Result) throws -> Result {
    guard geteuid() == 0 else { return try body() }
    // Linux's setfsuid(2) concerns one thread only; the C library's header is not in Swift's module.
    guard let symbol = dlsym(nil, "setfsuid") else {
      throw Impossible(description: "root cannot give up its rights over files on this system")
    }
    let setFileUser = unsafeBitCast(symbol, to: (@convention(c) (UInt32) -> Int32).self)
    _ = setFileUser(nobody)
    defer { _ = setFileUser(0) }
    // An id that does not exist changes nothing; the call gives the id in force.
    guard setFileUser(.max) == Int32(nobody) else {
      throw Impossible(description: "root could not give up its rights over files")
    }
    return try body()
  }
}
