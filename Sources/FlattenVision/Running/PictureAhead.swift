import FlattenImage
import FlattenTensor
import Foundation

/// A picture that is decoded on a thread of its own while a model is loaded.
package final class PictureAhead: Sendable {
  private let source: PictureSource
  private let decoded = Locked<Result<Decoded<Image>, any Error>?>(nil)
  private let isDone = DispatchSemaphore(value: 0)

  /// Larger pictures wait until it is known what else memory is wanted for.
  private static let mostPixels = 1 << 24

  /// Begins to decode. Standard input is left for whoever asks for it, so is a very large picture, and so is any
  /// where the system starts no thread.
  package init?(
    _ source: PictureSource, limits: DecodingLimits, exif: ExifOrientation = .apply,
    threads: ThreadStarter = .system
  ) {
    if source.isStandardInput { return nil }
    self.source = source
    let isBegun = threads.start { [decoded, isDone] in
      let result: Result<Decoded<Image>, any Error>? =
        switch Result(catching: { try source.encoded(limits: limits, exif: exif) }) {
        case .success(let encoded) where encoded.size.area > Self.mostPixels: nil
        case .success(let encoded): Result { try encoded.decode() }
        case .failure(let error): .failure(error)
        }
      decoded.withLock { $0 = result }
      isDone.signal()
    }
    if !isBegun { return nil }
  }

  /// The picture, once: it is not kept any longer. `nil` where this is not the one that was begun, or it is
  /// very large.
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
