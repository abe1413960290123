#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What starts threads (`pthread_create`), and says whether it could.
///
/// The system may refuse: for a limit on processes or on addresses. Whoever asks for a thread then does its
/// work alone. Not Foundation's `Thread`, which keeps the refusal to itself, so that one waits for ever for
/// what a thread that never was should do.
package struct ThreadStarter: Sendable {
  private let attempt: @Sendable (@escaping @Sendable () -> Void) -> Bool

  /// A starter that asks `attempt`, which runs its argument on a new thread or returns false.
  package init(_ attempt: @escaping @Sendable (@escaping @Sendable () -> Void) -> Bool) {
    self.attempt = attempt
  }

  /// Runs `body` on a new thread.
  ///
  /// - Returns: whether there is one; if not, `body` is not called.
  package func start(_ body: @escaping @Sendable () -> Void) -> Bool { attempt(body) }

  /// The operating system's threads.
  package static let system = ThreadStarter { startThread($0) }
}

/// What a new thread is handed.
private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void

  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private let stackBytes = 4 << 20

/// A thread that nobody waits for.
private func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
  var attributes = pthread_attr_t()
  guard pthread_attr_init(&attributes) == 0 else { return false }
  defer { pthread_attr_destroy(&attributes) }
  pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
  pthread_attr_setstacksize(&attributes, stackBytes)
  let handed = Unmanaged.passRetained(ThreadBody(body))
  #if canImport(Darwin)
    var thread: pthread_t?
  #else
    var thread = pthread_t()
  #endif
  let code = pthread_create(
    &thread, &attributes,
    { argument in
      // Optional on some systems only.
      let handed: UnsafeMutableRawPointer? = argument
      if let handed { Unmanaged<ThreadBody>.fromOpaque(handed).takeRetainedValue().run() }
      return nil
    }, handed.toOpaque())
  if code != 0 { handed.release() }
  return code == 0
}
