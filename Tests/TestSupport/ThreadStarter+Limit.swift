import FlattenTensor

extension ThreadStarter {
  /// A system that starts so many threads and then refuses, as one with a limit on processes does.
  package static func limited(to count: Int) -> ThreadStarter {
    let left = Locked(count)
    return ThreadStarter { body in
      let isGranted = left.withLock { left in
        left -= 1
        return left >= 0
      }
      return isGranted && ThreadStarter.system.start(body)
    }
  }
}
