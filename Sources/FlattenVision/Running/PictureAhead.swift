import FlattenImage
import FlattenTensor
import Foundation

/// A picture that is decoded on a thread of its own while a model is loaded.
package final class PictureAhead: Sendable {
  private let source: PictureSource
  private let decoded = Locked<Result<Decoded<Image>, any Error>?>(nil)
  private let isDone = DispatchSemaphore(value: 0)

  /// Begins to decode. Standard input is left for whoever asks for it.
  package init?(_ source: PictureSource, limits: DecodingLimits) {
    if source.isStandardInput { return nil }
    self.source = source
    let thread = Thread { [decoded, isDone] in
      let result = Result { try source.decode(limits: limits) }
      decoded.withLock { $0 = result }
      isDone.signal()
    }
    thread.stackSize = 4 << 20
    thread.start()
  }

  /// The picture, once: it is not kept any longer. `nil` where this is not the one that was begun.
  func take(_ source: PictureSource) throws -> Decoded<Image>? {
    guard source == self.source else { return nil }
    isDone.wait()
    defer { isDone.signal() }
    return try decoded.withLock { result in
      defer { result = nil }
      return try result?.get()
    }
  }
}
